#include "apps/storaged/read_meter.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::storaged {
namespace {

bool InGroup(const std::string& account, const pb::Group& group) {
  return account == group.primary() ||
         std::any_of(group.positions().begin(), group.positions().end(), [&](const pb::GroupPosition& position) {
           return position.provider() == account || position.previous_provider() == account;
         });
}

bool OutOfFunds(const pb::StreamAccount& stream) { return stream.state() >= pb::PAYER_STATE_THROTTLED; }
bool Unpaid(const pb::StreamAccount& stream) { return stream.state() >= pb::PAYER_STATE_READ_ONLY; }

std::optional<payment::SignedRead> CallOf(const rpc::Caller& caller, const rpc::v1::GetRequest& request) {
  if (!caller.has_value()) return std::nullopt;
  return payment::SignedRead{caller->key, caller->expires_ms, caller->signature, request.SerializeAsString()};
}

}  // namespace

uint32_t WeightOf(const Part& part, const pb::Group& group) {
  return part.leaves > 1 ? std::max<uint32_t>(group.policy().data(), 1) : 1;
}

payment::QuotaTerms TermsOf(const pb::Bucket& bucket, const pb::Params& params) {
  return {.free_bytes = params.free_quota_bytes(),
          .free_object_bytes = bucket.free_cap_bytes(),
          .package_bytes = bucket.package_bytes()};
}

base::AccountId FundsOf(const pb::Bucket& bucket, const std::string& pin) {
  if (!pin.empty()) return chain::Trusted<base::AccountId>(pin);
  return chain::Trusted<base::AccountId>(bucket.payer().empty() ? bucket.owner() : bucket.payer());
}

ReadMeter::Read::Read(ReadMeter& meter, ReadFacts facts, payment::ReadRecord record, base::AccountId payer)
    : meter_(meter), facts_(std::move(facts)), record_(std::move(record)), funds_(payer) {}

ReadMeter::Read::~Read() {
  if (!ended_) (void)End(false);  // the journal keeps what it could not write
  if (slow_) --meter_.throttled_;
}

// What is known counts, however old, until the follower sees the payer take a step; a ledger that does not answer
// changes nobody's speed.
bool ReadMeter::Read::Throttled() const {
  Record<pb::StreamAccount> known = meter_.env_.ledger.KnownStream(funds_);
  if (known != nullptr) return OutOfFunds(*known);
  auto stream = meter_.env_.ledger.Stream(funds_);
  return stream.ok() ? OutOfFunds(**stream) : slow_;
}

absl::Status ReadMeter::Read::Admit(uint64_t bytes, const std::function<bool()>& gone) {
  if (bytes == 0) return absl::OkStatus();
  if (record_.payer != payment::ReadPayer::kRepair && Throttled()) {
    ASSIGN_OR_RETURN(Record<pb::Params> params, meter_.env_.ledger.Params());
    const bool left = meter_.env_.throttle.Wait(
        facts_.bucket, bytes, params->throttled_bytes_per_second(), [this] { return !Throttled(); }, gone);
    if (!left) return absl::CancelledError("the reader went away");
  }
  return paid_ == nullptr ? absl::OkStatus() : paid_->Admit(bytes, gone);
}

void ReadMeter::Read::Sent(uint64_t bytes) {
  record_.sent = std::min(record_.length, record_.sent + bytes);
  if (paid_ != nullptr) paid_->Sent(bytes);
}

absl::Status ReadMeter::Read::End(bool whole) {
  if (std::exchange(ended_, true) || record_.length == 0) return absl::OkStatus();
  paid_ = nullptr;
  if (whole) record_.sent = record_.length;
  if (record_.payer == payment::ReadPayer::kQuota) {
    const uint64_t unsent = (record_.length - record_.sent) * record_.weight;
    const uint64_t package = std::min(unsent, share_.package_bytes);
    record_.package_bytes = share_.package_bytes - package;
    record_.free_bytes = share_.free_bytes - (unsent - package);
    meter_.env_.journal.GiveBack(facts_.bucket, share_, facts_.object, unsent,
                                 absl::FromUnixMillis(static_cast<int64_t>(record_.time_ms)));
  }
  if (meter_.env_.faults != nullptr && meter_.env_.faults->Is(Fault::kForgedReads)) Forge();
  return meter_.env_.journal.Append(std::move(record_));
}

void ReadMeter::Read::Forge() {
  const uint64_t more = meter_.env_.faults->parameter();
  if (more == 0) {
    (void)meter_.env_.journal.Append(record_);
  } else {
    record_.sent += more;
    record_.length += more;
    if (record_.payer == payment::ReadPayer::kQuota) record_.free_bytes += more * record_.weight;
  }
}

absl::StatusOr<std::unique_ptr<ReadMeter::Read>> ReadMeter::Begin(const rpc::Caller& caller,
                                                                  const rpc::v1::GetRequest& request,
                                                                  const Part& part) {
  if (request.ByteSizeLong() > payment::kMaxReadRequestBytes || request.channel().size() > 32)
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_REQUEST", "the request is too long for a read");
  ASSIGN_OR_RETURN(Record<pb::Object> object, env_.ledger.Object(part.object));
  ASSIGN_OR_RETURN(Record<pb::Bucket> bucket, env_.ledger.Bucket({object->bucket()}));
  ASSIGN_OR_RETURN(Record<pb::Group> group, env_.ledger.Group({object->group()}));
  payment::ReadRecord record;
  record.bucket = {object->bucket()};
  record.time_ms = static_cast<uint64_t>(absl::ToUnixMillis(env_.clock.Now()));
  record.object = part.object;
  record.part = part.id;
  record.offset = request.offset();
  record.length = request.offset() >= part.size ? 0 : std::min(request.length(), part.size - request.offset());
  record.weight = WeightOf(part, *group);
  record.call = CallOf(caller, request);
  RETURN_IF_ERROR(env_.journal.Admit(record.call));

  ReadFacts facts{record.bucket, part.object,   part.id, record.offset, record.length,
                  record.weight, caller, request.channel()};
  auto read = std::make_unique<Read>(*this, std::move(facts), std::move(record),
                                     FundsOf(*bucket, object->pin()));
  const std::string reader = caller.has_value() ? chain::ToField(caller->Account()) : "";
  if (reader != bucket->owner() && InGroup(reader, *group)) {
    read->record_.payer = payment::ReadPayer::kRepair;
    return read;
  }
  read->ended_ = true;  // until somebody pays for it
  RETURN_IF_ERROR(Slow(*read));
  RETURN_IF_ERROR(Charge(*read, *object));
  read->ended_ = false;
  return read;
}

// A reader of a bucket without funds takes one of its few connections.
absl::Status ReadMeter::Slow(Read& read) {
  read.place_.emplace(env_.throttle.Enter(read.facts_.bucket));
  auto stream = env_.ledger.Stream(read.funds_);  // as fresh as any record, for the whole read
  if (!stream.ok() || !OutOfFunds(**stream)) return stream.status();
  read.slow_ = true;
  const bool all = ++throttled_ > env_.max_throttled;
  ASSIGN_OR_RETURN(Record<pb::Params> params, env_.ledger.Params());
  if (!all && env_.throttle.Active(read.facts_.bucket) <= params->throttled_connections()) return absl::OkStatus();
  return base::Error(absl::StatusCode::kUnavailable, "THROTTLED",
                     absl::StrCat("the payer of this bucket is out of funds: ", params->throttled_connections(),
                                  " reads at a time, ", params->throttled_bytes_per_second(), " bytes a second"),
                     "deposit to the bucket's payer: full service is back in that block; or wait for the other reads",
                     {{"payer", base::ToText(read.funds_)}});
}

absl::Status ReadMeter::Charge(Read& read, const pb::Object& object) {
  if (!read.facts_.channel.empty()) {
    if (paid_ == nullptr) {
      return base::Error(absl::StatusCode::kUnimplemented, "NO_CHANNELS", "this provider sells no reads",
                         "ask without a channel, or another provider");
    }
    ASSIGN_OR_RETURN(read.paid_, paid_->Begin(read.facts_));
    read.record_.payer = payment::ReadPayer::kChannel;
    read.record_.channel = read.facts_.channel;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(bool covered, TakeQuota(read, object, Freshness::kCached));
  if (covered) return absl::OkStatus();
  ASSIGN_OR_RETURN(Record<pb::Provider> self, env_.ledger.Provider(env_.identity.id()));
  if (chain::FromProto(self->prices().egress()).per_unit_e18.zero()) {
    read.record_.payer = payment::ReadPayer::kGift;
    return absl::OkStatus();
  }
  // A package that was just bought may be newer than what we know.
  ASSIGN_OR_RETURN(covered, TakeQuota(read, object, Freshness::kFresh));
  return covered ? absl::OkStatus() : QuotaSpent(read);
}

absl::StatusOr<bool> ReadMeter::TakeQuota(Read& read, const pb::Object& object, Freshness freshness) {
  ASSIGN_OR_RETURN(Record<pb::Bucket> bucket, env_.ledger.Bucket({object.bucket()}, freshness));
  ASSIGN_OR_RETURN(Record<pb::Params> params, env_.ledger.Params());
  payment::QuotaTerms terms = TermsOf(*bucket, *params);
  if (terms.package_bytes != 0) {  // a package whose fee does not flow covers nothing
    ASSIGN_OR_RETURN(Record<pb::StreamAccount> stream, env_.ledger.Stream(FundsOf(*bucket, ""), freshness));
    if (Unpaid(*stream)) terms.package_bytes = 0;
  }
  // No quota is that large.
  if (read.facts_.bytes > UINT64_MAX / read.facts_.weight) return false;
  ASSIGN_OR_RETURN(read.share_,
                   env_.journal.Take(read.facts_.bucket, terms, read.facts_.object,
                                     read.facts_.bytes * read.facts_.weight,
                                     absl::FromUnixMillis(static_cast<int64_t>(read.record_.time_ms))));
  read.record_.payer = payment::ReadPayer::kQuota;
  return read.share_.uncovered == 0;
}

absl::Status ReadMeter::QuotaSpent(const Read& read) {
  const payment::QuotaShare& share = read.share_;
  const int64_t month = payment::MonthOf(absl::FromUnixMillis(static_cast<int64_t>(read.record_.time_ms)));
  return base::Error(
      absl::StatusCode::kResourceExhausted, "READ_QUOTA_SPENT",
      absl::StrCat("this month's read quota of the bucket does not cover the read: ", share.free_bytes,
                   " free bytes and ", share.package_bytes, " of the package are left of it, ", share.uncovered,
                   " bytes are nobody's"),
      absl::StrCat("buy a larger package (`storectl quota buy`, `upgrade`), pay through a channel, or wait until ",
                   absl::FormatTime("%Y-%m-%d", payment::EndOfMonth(month), absl::UTCTimeZone())),
      {{"bucket", absl::StrCat(read.facts_.bucket.value)},
       {"uncovered_bytes", absl::StrCat(share.uncovered)},
       {"renews", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", payment::EndOfMonth(month), absl::UTCTimeZone())}});
}

}  // namespace cairn::storaged
