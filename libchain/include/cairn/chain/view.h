// What rules see of the state: records under typed keys, never a store and never an error.
//
// A ReadView answers from one consistent state. A WriteView lays changes over another view without touching it; the
// changes are handed down at once or dropped, which is how batches and refused transactions work. A store that fails
// marks the view as poisoned: it then answers "absent", and whoever drives the rules must look at `health` before
// using anything they said. One thread at a time.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/node_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "cairn/base/kv.h"
#include "cairn/chain/keys.h"
#include "cairn/chain/record.h"

namespace cairn::chain {

// Sorted changes; null deletes.
using ChangeSet = absl::btree_map<std::string, RecordPtr>;

class ReadView {
 public:
  using Entry = std::pair<std::string, RecordPtr>;
  virtual ~ReadView() = default;

  // Null when there is none.
  virtual RecordPtr Get(const std::string& key) const = 0;
  // First entry at or after `key`.
  virtual std::optional<Entry> Seek(const std::string& key) const = 0;
  virtual absl::Status health() const = 0;

  template <class R>
  Found<R> Find(const Key<R>& key) const {
    return Found<R>(Get(key.bytes));
  }
  template <class R>
  bool Has(const Key<R>& key) const {
    return Get(key.bytes) != nullptr;
  }
  // Entries whose key begins with `prefix`, from `from` on, until `visit` (key, record) returns false.
  template <class F>
  void Scan(const std::string& prefix, const std::string& from, F visit) const {
    std::optional<Entry> entry = Seek(std::max(prefix, from));
    while (entry && absl::string_view(entry->first).substr(0, prefix.size()) == prefix) {
      if (!visit(entry->first, *entry->second)) return;
      entry = Seek(entry->first + '\0');
    }
  }
};

class WriteView final : public ReadView {
 public:
  // Over `below`, which must outlive it. (A pointer: a reference to another WriteView would mean a copy of it.)
  explicit WriteView(const ReadView* below) : below_(*below) {}
  WriteView(const WriteView&) = delete;
  WriteView& operator=(const WriteView&) = delete;

  RecordPtr Get(const std::string& key) const override;
  std::optional<Entry> Seek(const std::string& key) const override;
  absl::Status health() const override { return below_.health(); }

  template <class R>
  void Put(const Key<R>& key, R record) {
    Put(key.bytes, MakeRecord(std::move(record)));
  }
  template <class R>
  void Delete(const Key<R>& key) {
    Put(key.bytes, nullptr);
  }
  void Put(const std::string& key, RecordPtr record) { changes_[key] = std::move(record); }
  // The state below, without these changes: what invariants compare with.
  const ReadView& below() const { return below_; }
  const ChangeSet& changes() const { return changes_; }
  ChangeSet TakeChanges() { return std::exchange(changes_, {}); }

 private:
  const ReadView& below_;
  ChangeSet changes_;
};

// The state as committed in a snapshot of a store. `prefix` is put before every key.
class KvView final : public ReadView {
 public:
  KvView(const base::Kv& kv, std::string prefix);
  explicit KvView(std::shared_ptr<const base::KvSnapshot> snapshot, std::string prefix);
  RecordPtr Get(const std::string& key) const override;
  std::optional<Entry> Seek(const std::string& key) const override;
  absl::Status health() const override { return health_; }

 private:
  std::shared_ptr<const base::KvSnapshot> snapshot_;
  std::string prefix_;
  mutable std::unique_ptr<base::KvCursor> cursor_;
  mutable absl::Status health_;
};

// Another view with many changes over it: every record is looked for below once, and found again at one step however
// many there are. For as long as nothing below changes.
class BlockView final : public ReadView {
 public:
  explicit BlockView(const ReadView* below) : below_(*below) {}
  BlockView(const BlockView&) = delete;
  BlockView& operator=(const BlockView&) = delete;

  RecordPtr Get(const std::string& key) const override;
  std::optional<Entry> Seek(const std::string& key) const override;
  absl::Status health() const override { return below_.health(); }

  // Lays `changes` over this view.
  void Merge(ChangeSet changes);
  // All that was merged, the bytes of every record made.
  ChangeSet TakeChanges();

 private:
  struct Known {
    RecordPtr record;
    bool changed = false;
  };
  const ReadView& below_;
  mutable absl::node_hash_map<std::string, Known> known_;
  absl::btree_map<absl::string_view, const Known*> changed_;  // into `known_`
};

// A state in memory: tests, simulators, the state before genesis.
class MapView final : public ReadView {
 public:
  RecordPtr Get(const std::string& key) const override;
  std::optional<Entry> Seek(const std::string& key) const override;
  absl::Status health() const override { return absl::OkStatus(); }
  void Merge(const ChangeSet& changes);
  const std::map<std::string, RecordPtr>& entries() const { return entries_; }

 private:
  std::map<std::string, RecordPtr> entries_;
};

}  // namespace cairn::chain
