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
  base::Kv& store() { return store_; }

 private:
  using Changes = absl::btree_map<std::string, std::optional<std::string>, std::less<>>;

  base::Kv& store_;
  Changes fresh_;
  Changes frozen_;
};

}  // namespace cairn::storage
