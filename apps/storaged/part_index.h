// Which parts this provider keeps, and for which objects: the reference counts of its blobs.
//
// A part is one blob kept for one object: its shard or copy, or its manifest. A large one is
// recorded when it begins to arrive, so a record does not say that the blob is whole. The same blob
// may be a part of several objects; it is deleted when the last of them goes. Records are durable
// before a receipt is signed. A blob that a session is working with is *held* meanwhile and never
// deleted; what a crash leaves without any record is found by `Sweep`. Layout of the records:
// apps/storaged/FORMATS.md. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "apps/storaged/write_queue.h"
#include "cairn/base/claim.h"
#include "cairn/storage/blob_store.h"

namespace cairn::storaged {

// Position of the whole copy that a primary keeps beside the parts of its group (+primary).
inline constexpr uint32_t kWholeAtPrimary = 0xffffffff;

struct Part {
  base::ObjectId object{};
  base::ContentId id{};  // of the blob
  uint64_t size = 0;
  base::GroupId group{};
  uint32_t position = 0;
  bool manifest = false;  // the object's manifest blob; leaf, leaves and path are empty then
  uint32_t leaf = 0;      // where the part stands in the object's layout tree
  uint32_t leaves = 0;
  std::vector<base::Digest> path{};
  friend bool operator==(const Part&, const Part&) = default;
};

class PartIndex {
 public:
  // Both must outlive it.
  PartIndex(WriteQueue& writes, storage::BlobStore& blobs) : writes_(writes), blobs_(blobs) {}

  // Keeps a blob from being deleted while it lives.
  class Hold {
   public:
    Hold() = default;
    Hold(PartIndex* index, const base::ContentId& id) : index_(index), id_(id) {}
    Hold(Hold&& other) noexcept : index_(std::exchange(other.index_, nullptr)), id_(other.id_) {}
    Hold& operator=(Hold&& other) noexcept;
    ~Hold() { Release(); }
    const base::ContentId& id() const { return id_; }

   private:
    void Release();
    PartIndex* index_ = nullptr;
    base::ContentId id_;
  };
  Hold HoldBlob(const base::ContentId& id);

  // Durable when it returns. The blobs must be held until then.
  absl::Status Add(absl::Span<const Part> parts);
  absl::StatusOr<std::optional<Part>> Find(const base::ObjectId& object,
                                           const base::ContentId& id) const;
  absl::StatusOr<std::vector<Part>> PartsOf(const base::ObjectId& object) const;
  // Is the blob here, whole? A damaged one is.
  bool Has(const base::ContentId& id) const;
  // Objects that a blob is kept for, at most `limit`.
  absl::StatusOr<std::vector<Part>> UsersOf(const base::ContentId& id, size_t limit = 64) const;
  // Objects with a part, in id order after `after`, at most `limit`.
  absl::StatusOr<std::vector<base::ObjectId>> Objects(const base::ObjectId& after,
                                                      size_t limit) const;

  // Forgets the objects and deletes every blob, whole or partial, that only they used. Returns how
  // many blobs went. Idempotent.
  absl::StatusOr<size_t> Drop(absl::Span<const base::ObjectId> objects);

  // Looks at up to `limit` blobs after `cursor` (zero: from the start) and deletes those that had
  // no record at an earlier sweep either; at the end also at blobs that are here in part. Moves
  // `cursor` on, back to zero at the end. Returns how many went.
  absl::StatusOr<size_t> Sweep(base::ContentId& cursor, size_t limit);

 private:
  void Unhold(const base::ContentId& id);
  bool Used(const base::KvSnapshot& view, const base::ContentId& id) const;
  bool Stray(const base::KvSnapshot& view, const base::ContentId& id);  // mutex held

  WriteQueue& writes_;
  storage::BlobStore& blobs_;
  std::mutex mutex_;  // orders holding against deleting
  absl::flat_hash_map<base::ContentId, uint32_t> held_;
  std::set<base::ContentId> suspects_;  // blobs without a record at the last sweep
};

}  // namespace cairn::storaged
