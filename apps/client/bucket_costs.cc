#include "apps/client/bucket_costs.h"

#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

void Add(base::Amount more, base::Amount* sum) { *sum = sum->Plus(more).value_or(base::Amount::Max()); }

}  // namespace

absl::StatusOr<BucketCosts> CostsOf(chain::Client& chain, uint64_t bucket) {
  pb::QueryRequest request;
  request.set_bills_of(bucket);
  request.mutable_page()->set_limit(1000);
  BucketCosts out;
  do {
    ASSIGN_OR_RETURN(const pb::QueryResponse answer, chain.Query(request));
    for (const pb::Bill& bill : answer.bills()) {
      base::Amount package;
      Add(chain::FromProto(bill.package_rate()), &package);
      Add(chain::FromProto(bill.package_tax()), &package);
      Add(package, &out.package);
      Add(chain::FromProto(bill.committed_rate()).MinusOrZero(package), &out.objects);
    }
    request.mutable_page()->set_cursor(answer.next_cursor());
  } while (!request.page().cursor().empty());
  return out;
}

BucketCosts CostsAt(const pb::ProviderPrices& prices, const pb::Params& params, const pb::Redundancy& policy,
                    const std::vector<pb::Object>& objects, uint64_t package_bytes) {
  BucketCosts out;
  for (const pb::Object& object : objects) {
    const auto charge = chain::ChargeAt(prices, params, policy,
                                        {.stored_size = object.stored_size(),
                                         .layout = chain::FromProto(object.layout()),
                                         .positions = object.positions_size(),
                                         .copy = false});
    Add(charge ? charge->rate : base::Amount::Max(), &out.objects);
  }
  const auto package = chain::PackageRateAt(prices, params, package_bytes);
  out.package = package ? package->total : base::Amount::Max();
  return out;
}

absl::StatusOr<std::vector<pb::Object>> RecordsOf(chain::Client& chain, uint64_t bucket) {
  std::vector<pb::Object> out;
  pb::QueryRequest request;
  request.mutable_objects()->set_bucket(bucket);
  request.mutable_objects()->set_versions(true);
  request.mutable_page()->set_limit(1000);
  do {
    ASSIGN_OR_RETURN(const pb::QueryResponse answer, chain.Query(request));
    out.insert(out.end(), answer.objects().begin(), answer.objects().end());
    request.mutable_page()->set_cursor(answer.next_cursor());
  } while (!request.page().cursor().empty());
  return out;
}

absl::StatusOr<KnownPrices> ReadPrices(chain::Client& chain) {
  pb::QueryRequest ask_price, ask_status;
  ask_price.set_price(true);
  ask_status.set_status(true);
  ASSIGN_OR_RETURN(const pb::QueryResponse answer, chain.Query(ask_price));
  ASSIGN_OR_RETURN(const pb::QueryResponse status, chain.Query(ask_status));
  KnownPrices out;
  const uint64_t now_ms = status.status().time_ms();
  out.now = absl::FromUnixMillis(static_cast<int64_t>(now_ms));
  out.current = chain::PriceAt(answer.price(), now_ms);
  out.coming = answer.price().has_next() && now_ms < answer.price().next().from_ms();
  if (out.coming) out.next = answer.price().next();
  return out;
}

}  // namespace cairn::client
