// What the rules of an operation are given besides the operation: the block, the signer, the records, the way to say why.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "cairn/base/id.h"
#include "cairn/chain/event_log.h"
#include "cairn/chain/pb.h"
#include "cairn/chain/verdict.h"
#include "cairn/chain/view.h"

namespace cairn::chain {

// What an operation leaves behind besides changed records.
struct Outcome {
  EventLog events;
  std::vector<std::string> created;
  std::string detail;
};

// What many operations of one block may ask for and only the first of them works out: its cost is that of the whole state.
struct BlockMemo {
  bool asks_known = false;
  std::optional<pb::ProviderPrices> asked;  // the median of what providers ask; nullopt: nobody asks
};

using Attributes = std::vector<std::pair<const char*, std::string>>;

struct Context {
  const base::ChainId& chain;
  const pb::Params& params;
  uint64_t height = 0;
  uint64_t time_ms = 0;
  uint64_t stream_s = 0;            // the second that streams are charged up to; due work: of its own due time
  uint64_t stopped_ms = 0;          // the streams' clock is so much behind the ledger's
  base::AccountId signer;           // zeros in due work
  std::string transaction;          // hash; empty in due work
  const pb::Operation* operation = nullptr;
  Outcome* outcome = nullptr;
  BlockMemo* memo = nullptr;        // of the block

  // The verdict, with what was expected and found.
  Verdict Refuse(Verdict verdict, std::string detail) const {
    outcome->detail = std::move(detail);
    return verdict;
  }
  // Values that are bytes appear as lower-case hex.
  void Emit(const char* type, std::initializer_list<std::pair<const char*, absl::string_view>> attributes) const;
  void Emit(const char* type, const Attributes& attributes) const;
  void Created(std::string id) const { outcome->created.push_back(std::move(id)); }
};

// The records one operation changes: each is parsed once, changed in place and written once, by Flush.
class Edits {
 public:
  explicit Edits(WriteView& view) : view_(view) {}
  Edits(const Edits&) = delete;
  Edits& operator=(const Edits&) = delete;

  // The record to read or change; a default one when absent. Valid until Drop or Flush.
  template <class R>
  R& At(const Key<R>& key) {
    Slot& slot = records_[key.bytes];
    if (slot.record == nullptr) {
      auto record = std::make_unique<R>();
      if (!slot.dropped) {
        if (const auto found = view_.Find(key)) *record = *found;
      }
      slot.record = std::move(record);
    }
    slot.dropped = false;
    return static_cast<R&>(*slot.record);
  }
  // A copy of the record, which does not become one that is changed.
  template <class R>
  std::optional<R> Peek(const Key<R>& key) const {
    const auto slot = records_.find(key.bytes);
    if (slot != records_.end()) {
      if (slot->second.record == nullptr) return std::nullopt;
      return static_cast<const R&>(*slot->second.record);
    }
    const auto found = view_.Find(key);
    return found ? std::optional<R>(*found) : std::nullopt;
  }
  template <class R>
  bool Has(const Key<R>& key) const {
    const auto slot = records_.find(key.bytes);
    if (slot == records_.end()) return view_.Has(key);
    return !slot->second.dropped;
  }
  template <class R>
  void Drop(const Key<R>& key) {
    Slot& slot = records_[key.bytes];
    slot.record = nullptr;
    slot.dropped = true;
  }
  // Keys of a table that begin with `prefix`, as they will be once everything here is flushed.
  std::vector<std::string> KeysOf(const std::string& prefix) const;
  // Index entries are written at once; nothing reads them back within an operation.
  void PutRaw(const Key<Raw>& key, std::string bytes) { view_.Put(key, Raw{std::move(bytes)}); }
  void DropRaw(const Key<Raw>& key) { view_.Delete(key); }
  const ReadView& view() const { return view_; }
  void Flush();

 private:
  struct Slot {
    std::unique_ptr<google::protobuf::MessageLite> record;
    bool dropped = false;
  };
  WriteView& view_;
  absl::btree_map<std::string, Slot> records_;
};

inline void AddDue(Edits& edits, uint64_t time_ms, DueKind kind, const std::string& id) {
  edits.PutRaw(keys::Due(time_ms, kind, id), "d");
}
inline void DropDue(Edits& edits, uint64_t time_ms, DueKind kind, const std::string& id) {
  edits.DropRaw(keys::Due(time_ms, kind, id));
}

}  // namespace cairn::chain
