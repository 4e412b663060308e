#include "apps/storaged/unpaid.h"

#include <algorithm>

#include "apps/storaged/read_meter.h"
#include "cairn/chain/convert.h"

namespace cairn::storaged {
namespace {

constexpr size_t kBatch = 256;

}  // namespace

absl::StatusOr<bool> UnpaidClearer::Clearable(const pb::Object& object) {
  if (object.state() != pb::OBJECT_STATE_SEALED) return false;
  ASSIGN_OR_RETURN(Record<pb::Bucket> bucket, ledger_.Bucket({object.bucket()}));
  ASSIGN_OR_RETURN(Record<pb::StreamAccount> stream, ledger_.Stream(FundsOf(*bucket, object.pin())));
  return stream->state() == pb::PAYER_STATE_CLEARABLE;
}

absl::Status UnpaidClearer::Clear(const std::vector<std::string>& objects) {
  for (size_t at = 0; at < objects.size(); at += kBatch) {
    pb::Operation operation;
    for (size_t i = at; i < std::min(objects.size(), at + kBatch); ++i)
      operation.mutable_clear_unpaid()->add_objects(objects[i]);
    RETURN_IF_ERROR(lane_.Run(std::move(operation)).status());
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> UnpaidClearer::RunOnce(const std::function<bool()>& stopping) {
  ASSIGN_OR_RETURN(std::vector<pb::Group> groups, ledger_.GroupsOf(identity_.id()));
  uint64_t cleared = 0;
  for (const pb::Group& group : groups) {
    if (group.primary() != chain::ToField(identity_.id())) continue;
    std::string cursor;
    do {
      if (stopping()) return cleared;
      ASSIGN_OR_RETURN(std::vector<pb::Object> objects, ledger_.GroupObjects({group.id()}, -1, cursor));
      std::vector<std::string> unpaid;
      for (const pb::Object& object : objects) {
        ASSIGN_OR_RETURN(const bool clearable, Clearable(object));
        if (clearable) unpaid.push_back(object.id());
      }
      RETURN_IF_ERROR(Clear(unpaid));
      cleared += unpaid.size();
    } while (!cursor.empty());
  }
  return cleared;
}

}  // namespace cairn::storaged
