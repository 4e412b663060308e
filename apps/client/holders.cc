#include "apps/client/holders.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "apps/client/part_reader.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "cairn/rpc/v1/provider.pb.h"
#include "cairn/storage/manifest.h"

namespace cairn::client {

namespace pb = chain::pb;

absl::StatusOr<std::vector<Holder>> HoldersOf(Client& client, const pb::Object& record,
                                              const pb::Group& group) {
  const std::vector<uint32_t> missing = chain::MissingPositions(record, group);
  const bool shards = record.layout() == pb::LAYOUT_KIND_SHARDS;
  std::vector<Holder> sure, perhaps;
  for (uint32_t position : record.positions()) {
    if (position >= static_cast<uint32_t>(group.positions_size())) continue;
    const pb::GroupPosition& place = group.positions(static_cast<int>(position));
    const bool receipted = std::find(missing.begin(), missing.end(), position) == missing.end();
    for (const std::string* account : {&place.provider(), &place.previous_provider()}) {
      if (account->empty()) continue;
      auto provider = client.Provider(chain::AccountOf(*account));
      auto address = client.Address(chain::AccountOf(*account));
      if (!provider.ok() || !address.ok()) continue;
      Holder holder{.position = position,
                    .shard = shards ? position : 0,
                    .address = *std::move(address),
                    .operator_id = chain::AccountOf(provider->operator_()),
                    .receipted = receipted && account == &place.provider()};
      (holder.receipted ? sure : perhaps).push_back(std::move(holder));
    }
  }
  sure.insert(sure.end(), std::make_move_iterator(perhaps.begin()),
              std::make_move_iterator(perhaps.end()));
  return sure;
}

std::optional<Holder> WholeAtPrimary(Client& client, const pb::Group& group) {
  if (!group.policy().whole_at_primary()) return std::nullopt;
  auto provider = client.Provider(chain::AccountOf(group.primary()));
  auto address = client.Address(chain::AccountOf(group.primary()));
  if (!provider.ok() || !address.ok()) return std::nullopt;
  return Holder{.position = static_cast<uint32_t>(group.positions_size()),
                .shard = 0,
                .address = *std::move(address),
                .operator_id = chain::AccountOf(provider->operator_()),
                .receipted = false};
}

bool SaysWhole(Client& client, const pb::Object& record, const Holder& primary) {
  auto answer = client.transport().QueryUpload(
      primary.address, chain::Trusted<base::ObjectId>(record.id()), primary.position,
      {chain::Trusted<base::Digest>(record.content_id())}, absl::Seconds(2));
  return answer.ok() && answer->complete();
}

absl::StatusOr<base::Bytes> FetchManifest(Client& client, const pb::Object& record,
                                          const pb::Group& group) {
  ASSIGN_OR_RETURN(std::vector<Holder> holders, HoldersOf(client, record, group));
  if (auto primary = WholeAtPrimary(client, group)) holders.push_back(*std::move(primary));
  const base::Digest root = chain::Trusted<base::Digest>(record.manifest_id());
  PartReader reader(client, 1);
  const PartReader::Part manifest{.what = {chain::Trusted<base::ObjectId>(record.id()),
                                           base::ContentId{root},
                                           {0, storage::kMaxManifestBytes}},
                                  .bytes = 0,
                                  .max_bytes = storage::kMaxManifestBytes,
                                  .timeout = absl::Seconds(5)};
  base::Evidence tried;
  for (const Holder& holder : holders) {
    base::Bytes out;
    const absl::Status status = reader.Read(holder.address, manifest, [&](base::ByteView bytes) {
      out.insert(out.end(), bytes.begin(), bytes.end());
      return absl::OkStatus();
    });
    if (status.ok()) return out;
    tried.emplace_back(base::ToText(holder.address.account), std::string(status.message()));
    if (IsAboutMoney(status)) return status;
  }
  RETURN_IF_ERROR(reader.unpaid());
  return base::Error(absl::StatusCode::kUnavailable, "NOT_ENOUGH_SHARDS",
                     "no holder gives the object's manifest", "try again when holders are back",
                     std::move(tried));
}

absl::StatusOr<std::vector<base::AccountId>> OperatorsOf(Client& client, const pb::Group& group) {
  std::vector<base::AccountId> out;
  for (const pb::GroupPosition& position : group.positions()) {
    ASSIGN_OR_RETURN(pb::Provider provider, client.Provider(chain::AccountOf(position.provider())));
    out.push_back(chain::AccountOf(provider.operator_()));
  }
  return out;
}

}  // namespace cairn::client
