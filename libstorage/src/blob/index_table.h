// The index's key-value store with the newest changes held back in memory.
//
// Changes gather in a bounded table and go to the store in durable steps of thousands, because a
// durable commit for each blob would cost more than the blob. The packs can replay what was held
// back. A step runs beside readers and writers:
//
//   Freeze()  ->  store.Commit(batch)  (no lock)  ->  Thaw(status)
//
// Not thread-safe: the owner's lock covers it, shared for the const calls. Keys and values are
// opaque here.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "cairn/base/kv.h"

namespace cairn::storage {

class IndexTable {
 public:
  explicit IndexTable(base::Kv& store) : store_(store) {}

  absl::StatusOr<std::optional<std::string>> Get(absl::string_view key) const;
  // The same for many keys, with one snapshot of the store that was made under the owner's lock.
  absl::StatusOr<std::optional<std::string>> Get(absl::string_view key,
                                                 const base::KvSnapshot& snapshot) const;
  // Whether one of the changes held back is of this key.
  bool HoldsBack(absl::string_view key) const { return FindHeldBack(key) != nullptr; }
  // Grows whenever changes that were held back may be found in the store alone.
  uint64_t steps() const { return steps_; }
  void Put(absl::string_view key, absl::string_view value);
  void Delete(absl::string_view key);

  // Visits the keys that start with `prefix` and are above `after`, in order, until `visit` returns
  // false.
  using Visitor = std::function<bool(absl::string_view key, absl::string_view value)>;
  absl::Status Scan(absl::string_view prefix, absl::string_view after, const Visitor& visit) const;

  size_t held_back() const { return fresh_.size() + frozen_.size(); }
  bool frozen() const { return !frozen_.empty(); }
  // The changes so far, to be committed by the caller; until Thaw they stay visible.
  base::KvBatch Freeze();
  // Forgets the frozen changes, or takes them back when the commit failed.
  void Thaw(bool committed);
  base::Kv& store() const { return store_; }

 private:
  using Changes = absl::btree_map<std::string, std::optional<std::string>, std::less<>>;

  const std::optional<std::string>* FindHeldBack(absl::string_view key) const;
  absl::StatusOr<std::optional<std::string>> GetStored(absl::string_view key,
                                                       const base::KvSnapshot& snapshot) const;

  base::Kv& store_;
  Changes fresh_;
  Changes frozen_;
  uint64_t steps_ = 0;
};

}  // namespace cairn::storage
