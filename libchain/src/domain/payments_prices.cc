// Prices: what the oracles say, what providers ask when the oracles are silent, and how fast either may move.
#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cairn/base/key.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"
#include "cairn/chain/transaction.h"

namespace cairn::chain {
namespace {

constexpr absl::uint128 kMillion = 1'000'000;
constexpr size_t kComponents = 5;
using Components = std::array<base::Amount, kComponents>;

Components Split(const pb::ProviderPrices& prices) {
  return {FromProto(prices.primary_storage()).per_unit_e18, FromProto(prices.holder_storage()).per_unit_e18,
          FromProto(prices.egress()).per_unit_e18, FromProto(prices.ingress()).per_unit_e18,
          FromProto(prices.package()).per_unit_e18};
}

pb::ProviderPrices Join(const Components& parts) {
  pb::ProviderPrices prices;
  *prices.mutable_primary_storage() = ToProto(base::Price{parts[0]});
  *prices.mutable_holder_storage() = ToProto(base::Price{parts[1]});
  *prices.mutable_egress() = ToProto(base::Price{parts[2]});
  *prices.mutable_ingress() = ToProto(base::Price{parts[3]});
  *prices.mutable_package() = ToProto(base::Price{parts[4]});
  return prices;
}

const pb::PriceRecord& Newest(const pb::PriceState& state) {
  return state.has_next() ? state.next() : state.current();
}

// What this epoch's changes are measured from.
const pb::ProviderPrices& EpochBase(const pb::PriceState& state, const Context& context) {
  const bool fresh = context.time_ms >= state.epoch_ms() + context.params.price_epoch_ms();
  return fresh ? Newest(state).prices() : state.epoch_prices();
}

struct Range {
  base::Amount low;
  base::Amount high;
};

// A price of zero may become anything.
Range RangeOf(base::Amount from, const pb::Params& params) {
  if (from.zero()) return {base::Amount(), base::Amount::Max()};
  const uint32_t change = params.price_change_ppm();
  // Rounded inwards: no change is larger than the bound by a fraction.
  return {from.MulDivCeil(kMillion - std::min<absl::uint128>(change, kMillion), kMillion).value_or(from),
          from.MulDiv(kMillion + change, kMillion).value_or(base::Amount::Max())};
}

bool Pending(const pb::PriceState& state, uint64_t time_ms) {
  return state.has_next() && time_ms < state.next().from_ms();
}

bool FeedSpeaks(const pb::PriceState& state, const Context& context) {
  return state.feed_ms() != 0 && context.time_ms - state.feed_ms() < context.params.price_silence_ms();
}

// The next price, told before it holds. The first of all holds at once.
void Announce(const pb::ProviderPrices& prices, pb::PriceSource source, uint64_t observed_ms, const Context& context,
              Edits& edits) {
  pb::PriceState& state = edits.At(keys::PriceState());
  const pb::PriceRecord newest = Newest(state);
  pb::PriceRecord record;
  record.set_number(newest.number() + 1);
  record.set_from_ms(context.time_ms + (newest.number() == 0 ? 0 : context.params.price_notice_ms()));
  *record.mutable_prices() = prices;
  record.set_source(source);
  // A median observes nothing, and must not make an old observation of the oracles new again.
  record.set_observed_ms(std::max<uint64_t>(observed_ms, newest.observed_ms()));
  if (newest.number() == 0 || context.time_ms >= state.epoch_ms() + context.params.price_epoch_ms()) {
    *state.mutable_epoch_prices() = newest.number() == 0 ? prices : newest.prices();
    state.set_epoch_ms(context.time_ms);
  }
  if (newest.number() == 0) {
    *state.mutable_current() = record;
  } else {
    *state.mutable_current() = newest;
    *state.mutable_next() = record;
  }
  edits.At(keys::Price(record.number())) = record;
  context.Emit("price.announced", {{"number", absl::StrCat(record.number())},
                                   {"from_ms", absl::StrCat(record.from_ms())},
                                   {"source", source == pb::PRICE_SOURCE_FEED ? "feed" : "median"},
                                   {"primary_e18", Split(prices)[0].ToString()},
                                   {"holder_e18", Split(prices)[1].ToString()}});
}

// Half of what is between the two in the middle when the count is even.
base::Amount Median(std::vector<base::Amount> asks) {
  std::sort(asks.begin(), asks.end());
  const base::Amount low = asks[(asks.size() - 1) / 2];
  const base::Amount high = asks[asks.size() / 2];
  return low.Plus(base::Amount(high.MinusOrZero(low).units() / 2)).value_or(low);
}

// What active providers ask; nullopt when there is none.
std::optional<Components> Asked(const std::vector<pb::Provider>& providers) {
  std::array<std::vector<base::Amount>, kComponents> asks;
  for (const pb::Provider& provider : providers) {
    if (provider.state() == pb::PROVIDER_STATE_EXITED) continue;
    const Components one = Split(provider.prices());
    for (size_t i = 0; i < kComponents; ++i) asks[i].push_back(one[i]);
  }
  if (asks[0].empty()) return std::nullopt;
  Components median;
  for (size_t i = 0; i < kComponents; ++i) median[i] = Median(std::move(asks[i]));
  return median;
}

// The median, as near as the bound lets it; nullopt when that is the price there is.
std::optional<pb::ProviderPrices> MedianPrice(const pb::PriceState& state,
                                              const std::optional<pb::ProviderPrices>& asked, const Context& context) {
  if (!asked) return std::nullopt;
  Components wanted = Split(*asked);
  if (Newest(state).number() != 0) {
    const Components base = Split(EpochBase(state, context));
    for (size_t i = 0; i < kComponents; ++i) {
      const Range range = RangeOf(base[i], context.params);
      wanted[i] = std::clamp(wanted[i], range.low, range.high);
    }
    if (wanted == Split(Newest(state).prices())) return std::nullopt;
  }
  return Join(wanted);
}

// Once a block, by whoever asks first: it reads every provider there ever was, and the operations that ask weigh next to
// nothing. What providers ask later in the block counts from the next look on.
template <class Read>
const std::optional<pb::ProviderPrices>& AskedOnce(const Context& context, Read providers) {
  BlockMemo& memo = *context.memo;
  if (std::exchange(memo.asks_known, true)) return memo.asked;
  if (const auto median = Asked(providers())) memo.asked = Join(*median);
  return memo.asked;
}

std::vector<pb::Provider> ProvidersOf(const ReadView& view) {
  std::vector<pb::Provider> providers;
  view.Scan(keys::ProviderPrefix(), "", [&](const std::string&, const Record& record) {
    if (const auto* provider = record.As<pb::Provider>()) providers.push_back(*provider);
    return true;
  });
  return providers;
}

Verdict CheckSignatures(const pb::PostPrice& op, const Context& context, const ReadView& view) {
  const auto genesis = view.Find(keys::Genesis());
  const int oracles = genesis ? genesis->oracles_size() : 0;
  const base::Digest digest = PriceDigest(context.chain, op);
  int valid = 0;
  for (const pb::OracleSignature& signature : op.signatures()) {
    if (signature.oracle() >= static_cast<uint32_t>(oracles)) continue;
    const auto key = base::PublicKey::Decode(base::AsBytes(genesis->oracles(signature.oracle())));
    if (key.ok() && key->Verify(digest, Trusted<base::Signature>(signature.signature()))) ++valid;
  }
  if (oracles != 0 && valid >= OracleQuorum(oracles)) return Verdict::kOk;
  return context.Refuse(Verdict::kPriceQuorumMissing,
                        absl::StrCat(valid, " valid signatures of ", OracleQuorum(oracles), " needed"));
}

}  // namespace

int OracleQuorum(int oracles) { return oracles * 2 / 3 + 1; }

base::Digest PriceDigest(const base::ChainId& chain, const pb::PostPrice& op) {
  pb::PostPrice said = op;
  said.clear_signatures();
  return base::Hasher::DeriveKey("cairn v1 price").Field(chain.view()).Field(Canonical(said)).Finish();
}

const pb::PriceRecord& PriceAt(const pb::PriceState& state, uint64_t time_ms) {
  return state.has_next() && time_ms >= state.next().from_ms() ? state.next() : state.current();
}

Verdict Validate(const pb::PostPrice& op) {
  if (!op.has_prices()) return Verdict::kBadPrices;
  std::set<uint32_t> named;
  for (const pb::OracleSignature& signature : op.signatures()) {
    if (!named.insert(signature.oracle()).second) return Verdict::kBadPrices;
    if (signature.signature().size() != base::Signature::kSize) return Verdict::kBadSignatureField;
  }
  return Verdict::kOk;
}

Verdict Check(const pb::PostPrice& op, const Context& context, const ReadView& view) {
  const auto state = view.Find(keys::PriceState()).value_or(pb::PriceState());
  const pb::PriceRecord& newest = Newest(state);
  if (op.number() != newest.number() + 1) {
    return context.Refuse(Verdict::kBadPriceNumber, absl::StrCat("expected ", newest.number() + 1));
  }
  if (Pending(state, context.time_ms)) return Verdict::kPriceTooSoon;
  const bool fresh = op.observed_ms() <= context.time_ms && op.observed_ms() > newest.observed_ms() &&
                     context.time_ms - op.observed_ms() <= context.params.price_max_age_ms();
  if (!fresh) return context.Refuse(Verdict::kStalePrice, absl::StrCat("observed at ", op.observed_ms()));
  const Components base = Split(EpochBase(state, context));
  const Components wanted = Split(op.prices());
  for (size_t i = 0; i < kComponents && newest.number() != 0; ++i) {
    const Range range = RangeOf(base[i], context.params);
    if (range.low <= wanted[i] && wanted[i] <= range.high) continue;
    return context.Refuse(Verdict::kPriceOutOfBounds,
                          absl::StrCat("component ", i, " must be from ", range.low.ToString(), " to ",
                                       range.high.ToString()));
  }
  return CheckSignatures(op, context, view);
}

void Apply(const pb::PostPrice& op, const Context& context, Edits& edits) {
  Announce(Join(Split(op.prices())), pb::PRICE_SOURCE_FEED, op.observed_ms(), context, edits);
  edits.At(keys::PriceState()).set_feed_ms(context.time_ms);
}

Verdict Validate(const pb::RefreshPrice&) { return Verdict::kOk; }

Verdict Check(const pb::RefreshPrice&, const Context& context, const ReadView& view) {
  const auto state = view.Find(keys::PriceState()).value_or(pb::PriceState());
  if (FeedSpeaks(state, context)) return Verdict::kFeedSpeaks;
  if (Pending(state, context.time_ms)) return Verdict::kPriceTooSoon;
  const auto& asked = AskedOnce(context, [&] { return ProvidersOf(view); });
  return MedianPrice(state, asked, context) ? Verdict::kOk : Verdict::kNoNewPrice;
}

void Apply(const pb::RefreshPrice&, const Context& context, Edits& edits) { AskedPricesChanged(context, edits); }

void AskedPricesChanged(const Context& context, Edits& edits) {
  const auto state = edits.Peek(keys::PriceState()).value_or(pb::PriceState());
  if (FeedSpeaks(state, context) || Pending(state, context.time_ms)) return;
  const auto& asked = AskedOnce(context, [&] {
    std::vector<pb::Provider> providers;
    for (const std::string& key : edits.KeysOf(keys::ProviderPrefix())) {
      if (auto provider = edits.Peek(Key<pb::Provider>{key})) providers.push_back(*std::move(provider));
    }
    return providers;
  });
  const auto price = MedianPrice(state, asked, context);
  if (price) Announce(*price, pb::PRICE_SOURCE_MEDIAN, 0, context, edits);
}

}  // namespace cairn::chain
