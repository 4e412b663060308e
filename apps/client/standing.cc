#include "apps/client/standing.h"

#include <algorithm>
#include <limits>

#include "cairn/base/status.h"
#include "cairn/base/stream.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

constexpr int kReads = 10;  // of two records that must be of one state
// Steps further away are none: a hundred years.
constexpr uint64_t kFar = uint64_t{100} * 366 * 86'400;

class Teller {
 public:
  Teller(const pb::StreamAccount& stream, const pb::Params& params, Standing* out)
      : stream_(stream), params_(params), out_(*out) {}

  void Tell() {
    if (out_.frozen()) {
      Frozen();
    } else {
      Moving();
    }
  }

 private:
  void Add(pb::PayerState state, uint64_t second) { out_.steps.push_back({state, out_.At(second)}); }
  // The steps that only time brings.
  void AfterReadOnly(uint64_t second) {
    Add(pb::PAYER_STATE_NOTICE, second + params_.read_only_seconds());
    Add(pb::PAYER_STATE_CLEARABLE, second + params_.read_only_seconds() + params_.notice_seconds());
  }

  void Moving() {
    const base::Amount net = out_.out_rate.MinusOrZero(out_.in_rate);
    const base::StreamTerms terms = chain::StreamTermsOf(params_);
    const base::Amount money = out_.free.Plus(out_.reserve).value_or(base::Amount::Max());
    const uint64_t left = base::SecondsLeft(money, net);
    if (left < kFar) {
      if (out_.state == pb::PAYER_STATE_PAYING) Add(pb::PAYER_STATE_THROTTLED, out_.second + Over(left, terms.throttle));
      const uint64_t stops = out_.second + Over(left, terms.forced_settle);
      Add(pb::PAYER_STATE_READ_ONLY, stops);
      AfterReadOnly(stops);
    }
    if (out_.state != pb::PAYER_STATE_THROTTLED) return;
    const auto wanted = net.Times(terms.throttle + 1);
    if (wanted) out_.missing = wanted->MinusOrZero(money);
  }

  void Frozen() {
    if (out_.state == pb::PAYER_STATE_READ_ONLY) AfterReadOnly(stream_.state_since_s());
    if (out_.state == pb::PAYER_STATE_NOTICE) {
      Add(pb::PAYER_STATE_CLEARABLE, stream_.state_since_s() + params_.notice_seconds());
    }
    const base::Amount money = out_.free.Plus(out_.reserve).value_or(base::Amount::Max());
    out_.missing = out_.full_reserve.MinusOrZero(money);
    if (out_.in_rate.zero()) return;
    const auto seconds = out_.missing->MulDivCeil(1, out_.in_rate.units());
    if (seconds && *seconds < base::Amount(kFar)) out_.resumes = out_.At(out_.second + seconds->low());
  }

  static uint64_t Over(uint64_t left, uint64_t mark) { return left - std::min(left, mark); }

  const pb::StreamAccount& stream_;
  const pb::Params& params_;
  Standing& out_;
};

absl::StatusOr<pb::QueryResponse> Ask(chain::Client& chain, const pb::QueryRequest& request) {
  auto answer = chain.Query(request);
  if (absl::IsNotFound(answer.status())) return pb::QueryResponse();
  return answer;
}

}  // namespace

absl::Time Standing::At(uint64_t stream_second) const {
  return absl::FromUnixMillis(static_cast<int64_t>(stream_second * 1000 + stopped_ms));
}

Standing StandingOf(const pb::Account& account, const pb::StreamAccount& stream, uint64_t stopped_ms,
                    const pb::Params& params, absl::Time now) {
  Standing out;
  out.now = now;
  out.stopped_ms = stopped_ms;
  const auto now_ms = static_cast<uint64_t>(std::max<int64_t>(0, absl::ToUnixMillis(now)));
  out.second = (now_ms - std::min(now_ms, stopped_ms)) / 1000;
  out.state = stream.state();
  out.settled_free = chain::FromProto(account.crn());
  out.settled_reserve = chain::FromProto(stream.buffer());
  out.locked = chain::FromProto(account.locked_crn());
  out.in_rate = chain::FromProto(stream.in_rate());
  base::StreamBalance balance{.free = out.settled_free,
                              .buffer = out.settled_reserve,
                              .in_rate = out.in_rate,
                              .out_rate = chain::FromProto(stream.out_rate()),
                              .settled_s = stream.settled_s()};
  out.out_rate = out.frozen() ? chain::FromProto(stream.frozen_rate()) : balance.out_rate;
  const uint64_t reserve_seconds = params.reserve_seconds();
  // The ledger stops flows before their money ends; a record that says otherwise is shown as it stands.
  if (base::RunStream(out.second, &balance) && !out.frozen()) base::FillBuffer(reserve_seconds, &balance);
  out.free = balance.free;
  out.reserve = balance.buffer;
  out.full_reserve =
      out.out_rate.MinusOrZero(out.in_rate).Times(reserve_seconds).value_or(base::Amount::Max());
  out.since = stream.state_since_s() == 0 ? absl::InfinitePast() : out.At(stream.state_since_s());
  Teller(stream, params, &out).Tell();
  return out;
}

absl::StatusOr<Standing> ReadStanding(chain::Client& chain, const base::AccountId& account) {
  pb::QueryRequest ask_params, ask_account, ask_stream, ask_status;
  ask_params.set_params(true);
  ask_account.set_account(chain::ToField(account));
  ask_stream.set_stream(chain::ToField(account));
  ask_status.set_status(true);
  ASSIGN_OR_RETURN(const pb::QueryResponse params, chain.Query(ask_params));
  for (int i = 0; i < kReads; ++i) {
    ASSIGN_OR_RETURN(const pb::QueryResponse stream, chain.Query(ask_stream));
    ASSIGN_OR_RETURN(const pb::QueryResponse record, Ask(chain, ask_account));
    ASSIGN_OR_RETURN(const pb::QueryResponse after, chain.Query(ask_stream));
    if (stream.status().height() != after.status().height()) continue;
    ASSIGN_OR_RETURN(const pb::QueryResponse status, chain.Query(ask_status));
    const absl::Time now = absl::FromUnixMillis(static_cast<int64_t>(status.status().time_ms()));
    Standing out = StandingOf(record.account(), stream.stream(), stream.stopped_ms(), params.params(), now);
    out.account = account;
    out.exists = record.has_account();
    return out;
  }
  return base::Error(absl::StatusCode::kUnavailable, "LEDGER_BUSY", "the account changes faster than it can be read",
                     "ask again", {{"account", base::ToText(account)}});
}

}  // namespace cairn::client
