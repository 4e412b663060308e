// Read packages and the free quota's cap. Who read how much is kept by the provider, not here.
#include "absl/strings/str_cat.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"
#include "domain/billing.h"
#include "domain/object_records.h"

namespace cairn::chain {
namespace {

// What the package costs a second at the price of now; nullopt when it does not fit.
std::optional<PackageRate> RateOf(uint64_t bytes, const Context& context, const ReadView& view) {
  const pb::PriceState prices = view.Find(keys::PriceState()).value_or(pb::PriceState());
  return PackageRateAt(PriceAt(prices, context.time_ms).prices(), context.params, bytes);
}

Verdict FindBucket(uint64_t id, const Context& context, const ReadView& view, pb::Bucket* bucket) {
  auto found = view.Find(keys::Bucket(id));
  if (!found) return Verdict::kUnknownBucket;
  if (found->owner() != ToField(context.signer)) return Verdict::kNotOwner;
  *bucket = *std::move(found);
  return Verdict::kOk;
}

// The package's flow only grows with money behind it.
Verdict CheckGrowth(const pb::Bucket& bucket, base::Amount total, const Context& context, const ReadView& view) {
  const auto bill = view.Find(keys::Bill(bucket.group(), bucket.id(), "")).value_or(pb::Bill());
  const auto before = FromProto(bill.package_rate()).Plus(FromProto(bill.package_tax()));
  const base::Amount more = total.MinusOrZero(before.value_or(base::Amount()));
  if (more.zero()) return Verdict::kOk;
  const base::AccountId payer = PayerOf(bucket);
  const Verdict takes = CheckPayer(payer, bucket, {.rate = more, .once = {}}, context, view);
  if (takes != Verdict::kOk) return takes;
  const auto reserve = more.Times(context.params.reserve_seconds());
  const base::Amount money = Spendable(view, payer, context);
  if (reserve && *reserve <= money) return Verdict::kOk;
  return context.Refuse(Verdict::kNoFunds, absl::StrCat("the payer has ", money.ToString(), ", the reserve for ",
                                                        more.ToString(), " a second is more"));
}

}  // namespace

Verdict Validate(const pb::SetPackage& op) {
  return op.bytes_per_month() >> 60 == 0 ? Verdict::kOk : Verdict::kBadSize;
}

Verdict Check(const pb::SetPackage& op, const Context& context, const ReadView& view) {
  pb::Bucket bucket;
  const Verdict found = FindBucket(op.bucket(), context, view, &bucket);
  if (found != Verdict::kOk) return found;
  if (op.bytes_per_month() == bucket.package_bytes()) return Verdict::kSamePackage;
  const uint64_t allowed_s = bucket.package_since_s() + context.params.package_term_seconds();
  if (op.bytes_per_month() < bucket.package_bytes() && context.stream_s < allowed_s) {
    return context.Refuse(Verdict::kPackageTooSoon, absl::StrCat("smaller from second ", allowed_s, " on"));
  }
  const auto rate = RateOf(op.bytes_per_month(), context, view);
  if (!rate) return Verdict::kChargeOverflow;
  if (rate->total > FromProto(op.max_rate())) {
    return context.Refuse(Verdict::kPriceChanged, absl::StrCat("costs ", rate->total.ToString(), " a second"));
  }
  return CheckGrowth(bucket, rate->total, context, view);
}

void Apply(const pb::SetPackage& op, const Context& context, Edits& edits) {
  const auto rate = RateOf(op.bytes_per_month(), context, edits.view());
  if (!rate) return;
  pb::Bucket& bucket = edits.At(keys::Bucket(op.bucket()));
  bucket.set_package_bytes(op.bytes_per_month());
  bucket.set_package_since_s(context.stream_s);
  BillPackage(bucket, rate->rate, rate->tax, context, edits);
  context.Emit("bucket.package_set", {{"bucket", absl::StrCat(op.bucket())},
                                      {"owner", Hex(bucket.owner())},
                                      {"payer", PayerOf(bucket).ToHexString()},
                                      {"bytes_per_month", absl::StrCat(op.bytes_per_month())},
                                      {"rate", rate->total.ToString()},
                                      {"second", absl::StrCat(context.stream_s)}});
}

Verdict Validate(const pb::SetFreeCap&) { return Verdict::kOk; }

Verdict Check(const pb::SetFreeCap& op, const Context& context, const ReadView& view) {
  pb::Bucket bucket;
  return FindBucket(op.bucket(), context, view, &bucket);
}

void Apply(const pb::SetFreeCap& op, const Context& context, Edits& edits) {
  edits.At(keys::Bucket(op.bucket())).set_free_cap_bytes(op.bytes_per_object());
  context.Emit("bucket.free_cap_set",
               {{"bucket", absl::StrCat(op.bucket())},
                {"owner", context.signer.ToHexString()},
                {"bytes_per_object", absl::StrCat(op.bytes_per_object())}});
}

}  // namespace cairn::chain
