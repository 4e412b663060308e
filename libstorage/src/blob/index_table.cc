#include "blob/index_table.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "cairn/base/status.h"

namespace cairn::storage {

absl::StatusOr<std::optional<std::string>> IndexTable::Get(absl::string_view key) const {
  // In this order: what is not held back any more was committed, and the snapshot is made after
  // that.
  if (const std::optional<std::string>* held = FindHeldBack(key)) return *held;
  return GetStored(key, *store_.Snapshot());
}

absl::StatusOr<std::optional<std::string>> IndexTable::Get(
    absl::string_view key, const base::KvSnapshot& snapshot) const {
  if (const std::optional<std::string>* held = FindHeldBack(key)) return *held;
  return GetStored(key, snapshot);
}

const std::optional<std::string>* IndexTable::FindHeldBack(absl::string_view key) const {
  for (const Changes* changes : {&fresh_, &frozen_}) {
    if (auto it = changes->find(key); it != changes->end()) return &it->second;
  }
  return nullptr;
}

absl::StatusOr<std::optional<std::string>> IndexTable::GetStored(
    absl::string_view key, const base::KvSnapshot& snapshot) const {
  ASSIGN_OR_RETURN(auto value, snapshot.Get(key));
  if (!value.has_value()) return std::optional<std::string>();
  return std::optional<std::string>(std::string(*value));
}

void IndexTable::Put(absl::string_view key, absl::string_view value) {
  fresh_.insert_or_assign(std::string(key), std::string(value));
}

void IndexTable::Delete(absl::string_view key) {
  fresh_.insert_or_assign(std::string(key), std::nullopt);
}

absl::Status IndexTable::Scan(absl::string_view prefix, absl::string_view after,
                              const Visitor& visit) const {
  // Three sorted sources; the first one that has a key decides it.
  const std::string start(std::max(prefix, after));
  auto fresh = fresh_.lower_bound(start);
  auto frozen = frozen_.lower_bound(start);
  const auto snapshot = store_.Snapshot();
  const auto stored = snapshot->NewCursor();
  stored->Seek(start);
  for (;;) {
    std::optional<std::string> key;
    const auto offer = [&key](absl::string_view candidate) {
      if (!key.has_value() || candidate < *key) key = std::string(candidate);
    };
    if (fresh != fresh_.end()) offer(fresh->first);
    if (frozen != frozen_.end()) offer(frozen->first);
    if (stored->Valid()) offer(stored->key());
    if (!key.has_value() || !absl::StartsWith(*key, prefix)) return stored->status();
    std::optional<std::string> value;
    bool decided = false;
    if (fresh != fresh_.end() && fresh->first == *key) {
      value = (fresh++)->second;
      decided = true;
    }
    if (frozen != frozen_.end() && frozen->first == *key) {
      if (!decided) value = frozen->second;
      decided = true;
      ++frozen;
    }
    if (stored->Valid() && stored->key() == *key) {
      if (!decided) value = std::string(stored->value());
      stored->Next();
    }
    if (value.has_value() && *key > after && !visit(*key, *value)) return absl::OkStatus();
  }
}

base::KvBatch IndexTable::Freeze() {
  frozen_.swap(fresh_);
  base::KvBatch batch;
  for (const auto& [key, value] : frozen_) {
    value.has_value() ? batch.Put(key, *value) : batch.Delete(key);
  }
  return batch;
}

void IndexTable::Thaw(bool committed) {
  if (!committed) {
    // What came since the freeze is newer.
    for (auto& [key, value] : fresh_) frozen_[key] = std::move(value);
    fresh_.swap(frozen_);
  }
  frozen_.clear();
  ++steps_;
}

}  // namespace cairn::storage
