#include "apps/client/quota_use.h"

#include "cairn/chain/convert.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

void Ask(Client& client, uint64_t bucket, absl::Duration timeout, QuotaUse& use) {
  const auto address = client.Address(use.provider);
  use.answer = address.status();
  if (!address.ok()) return;
  rpc::v1::ListReadsRequest request;
  request.set_bucket(bucket);
  const auto said = client.transport().ListReads(*address, request, timeout);
  use.answer = said.status();
  if (!said.ok()) return;
  use.free_bytes = said->free_bytes();
  use.free_used = said->free_used();
  use.package_bytes = said->package_bytes();
  use.package_used = said->package_used();
  use.throttled = said->throttled();
  use.bytes_per_second = said->bytes_per_second();
}

}  // namespace

std::vector<QuotaUse> ReadQuotaUse(Client& client, uint64_t bucket, const pb::Group& group, absl::Duration timeout) {
  std::vector<QuotaUse> out;
  const auto add = [&](const std::string& field) {
    const base::AccountId id = chain::AccountOf(field);
    const auto known = [&](const QuotaUse& use) { return use.provider == id; };
    if (std::none_of(out.begin(), out.end(), known)) out.emplace_back().provider = id;
  };
  add(group.primary());
  for (const pb::GroupPosition& position : group.positions()) add(position.provider());
  std::vector<std::function<void()>> tasks;
  for (QuotaUse& use : out) tasks.push_back([&client, &use, bucket, timeout] { Ask(client, bucket, timeout, use); });
  client.RunAll(std::move(tasks));
  return out;
}

}  // namespace cairn::client
