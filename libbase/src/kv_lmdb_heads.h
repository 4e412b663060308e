// An LMDB file has two heads, and the one with the higher number is the store. Nothing protects these numbers: one
// flipped bit could make the older head the store, and the newest commit would be gone without a trace.
#pragma once

#include <optional>
#include <string>

#include <lmdb.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cairn::base {

// The number of the newest durable commit, in a file of its own beside the store's. It is written after the commit and
// never synced: after a crash it may lag behind, and it is never ahead.
class HeadNote {
 public:
  HeadNote() = default;
  HeadNote(const HeadNote&) = delete;
  HeadNote& operator=(const HeadNote&) = delete;
  ~HeadNote();

  absl::Status Open(const std::string& folder);
  std::optional<uint64_t> Read() const;  // nullopt: there is none, or it is damaged
  void Write(uint64_t number);           // a note that cannot be written stays behind
  static absl::Status Remove(const std::string& folder);  // durable

 private:
  int file_ = -1;
};

uint64_t NewestHead(MDB_env* env);

// DataLoss (reason STORE_DAMAGED) when the heads' numbers cannot be those of two commits that followed each other, the
// newest of them not older than `noted`. For a store that nobody writes to.
absl::Status CheckHeads(MDB_env* env, std::optional<uint64_t> noted);

}  // namespace cairn::base
