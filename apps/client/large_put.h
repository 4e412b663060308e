// A large object on its way, journalled at each step. Internal.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "apps/client/journal.h"
#include "apps/client/prepare.h"
#include "apps/client/put.h"
#include "cairn/chain/pb.h"

namespace cairn::client {

// First pass, create, second pass, seal; or whatever of it an earlier process left undone. All
// arguments outlive Run.
class LargePut {
 public:
  LargePut(Client& client, const Bucket& bucket, Input& input, const Reference& to,
           std::string stored_name, const PutOptions& options, std::unique_ptr<Journal> journal)
      : client_(client),
        bucket_(bucket),
        input_(input),
        to_(to),
        stored_name_(std::move(stored_name)),
        options_(options),
        journal_(std::move(journal)) {}

  absl::StatusOr<PutResult> Run();

 private:
  absl::StatusOr<bool> TakeUp();
  absl::StatusOr<bool> FindCreated(const JournalEntry& entry);
  bool Gone(const absl::Status& status);
  absl::Status Begin();
  absl::Status Create();
  absl::StatusOr<PutResult> Send();
  absl::Status Discard();

  Client& client_;
  const Bucket& bucket_;
  Input& input_;
  const Reference& to_;
  const std::string stored_name_;
  const PutOptions& options_;
  std::unique_ptr<Journal> journal_;
  JournalEntry entry_;
  Prepared prepared_;
  chain::pb::Group group_;
  std::optional<chain::pb::Object> record_;
  bool resumed_ = false;
  PutResult result_;
};

}  // namespace cairn::client
