// Upload journals: what a put must remember so that another process can go on with it.
//
// One file for each (bucket, name) below the client's transfer folder, replaced atomically at each
// step. The version key is stored as its wrap under the bucket's key, so the file opens nothing by
// itself. Layout table: FORMATS.md.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cairn/base/id.h"
#include "cairn/storage/manifest.h"

namespace cairn::client {

struct JournalEntry {
  base::ChainId chain = {};
  base::BucketId bucket = {};
  std::string stored_name = {};  // as the ledger has it
  std::string source = {};       // Source::identity
  std::string spool = {};        // file with the stored bytes, when the source was a pipe
  uint64_t plaintext_size = 0;
  base::Bytes manifest = {};     // encoded; holds layout and wrapped key
  base::Bytes frame_tags = {};   // of the first pass
  base::Bytes transaction = {};  // signed create, once it may have left
  base::ObjectId object = {};    // once created
  friend bool operator==(const JournalEntry&, const JournalEntry&) = default;
};

base::Bytes EncodeJournal(const JournalEntry& entry);
// InvalidArgument (reason MALFORMED) for anything EncodeJournal would not write.
absl::StatusOr<JournalEntry> DecodeJournal(base::ByteView bytes);

// One upload's journal, held under a lock against other processes. Aborted (reason TRANSFER_LOCKED)
// when another one is at work on the same name. An empty folder keeps nothing and always succeeds.
class Journal {
 public:
  static absl::StatusOr<std::unique_ptr<Journal>> Open(const std::string& folder,
                                                       const base::ChainId& chain,
                                                       base::BucketId bucket,
                                                       absl::string_view stored_name);
  ~Journal();
  // What an earlier process left; damaged journals are dropped.
  std::optional<JournalEntry> Load() const;
  absl::Status Save(const JournalEntry& entry);
  // The upload is over (or its leftovers are of no use).
  void Remove();
  // A file beside the journal that Remove deletes with it.
  std::string SpoolPath() const;

 private:
  Journal(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
  std::string path_;
  int lock_;
};

}  // namespace cairn::client
