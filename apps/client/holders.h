// Who has which part of an object, in the order a reader should ask. Internal to the client
// library.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/client/session.h"

namespace cairn::client {

struct Holder {
  uint32_t position = 0;
  uint32_t shard = 0;  // index of the blob: the position under shards, 0 for whole copies
  ProviderAddress address;
  base::AccountId operator_id;
  bool receipted = false;
};

// Holders with a receipt first, then those that may have the part all the same (a position being
// rebuilt names two).
absl::StatusOr<std::vector<Holder>> HoldersOf(Client& client, const chain::v1::Object& record,
                                              const chain::v1::Group& group);

// The primary, when the group's policy has it keep the whole blob; nullopt otherwise, or when it is not to be found.
std::optional<Holder> WholeAtPrimary(Client& client, const chain::v1::Group& group);

// Does that primary say it has the object's stored bytes whole? False when it does not answer.
bool SaysWhole(Client& client, const chain::v1::Object& record, const Holder& primary);

// A manifest kept as a blob, from the first holder that gives it sound.
absl::StatusOr<base::Bytes> FetchManifest(Client& client, const chain::v1::Object& record,
                                          const chain::v1::Group& group);

// The operator of each position, as base::CopyPositions wants them.
absl::StatusOr<std::vector<base::AccountId>> OperatorsOf(Client& client,
                                                         const chain::v1::Group& group);

}  // namespace cairn::client
