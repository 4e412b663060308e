// Receiving parts of objects: every byte checked against the ledger before a receipt is signed.
//
// A session is one client's Put. An opened part must belong to an object that the ledger has, at a
// position of its group that is ours and whose part we still owe; its id must lead to the object's
// layout root, its size must be the one that follows from the stored size. Small parts are gathered
// and stored together, large ones as they come; both are proven against their id by the blob store.
// `Commit` makes blobs and index durable, then signs.
//
// Reasons: NO_SUCH_OBJECT, NOT_MY_POSITION, ALREADY_HELD (receipted; sent again), BAD_LAYOUT_PATH,
// SIZE_MISMATCH, HASH_MISMATCH, NOT_SEALED (a private object without its envelope), NO_SPACE, GAP
// (begins after what is held), BLOB_BUSY, PART_MISSING (commit of an object whose part or manifest is not
// here), BAD_REQUEST. Ingest is thread-safe; a Session belongs to one thread.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "absl/strings/cord.h"
#include "apps/storaged/faults.h"
#include "apps/storaged/identity.h"
#include "apps/storaged/ledger.h"
#include "apps/storaged/part_index.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::storaged {

inline constexpr uint64_t kSmallPartBytes = 512 * 1024;  // up to here a part is gathered in memory
inline constexpr uint64_t kGatherBytes = 4 << 20;        // of one session, before they are stored
inline constexpr uint64_t kGatherAllBytes = 64 << 20;    // of all sessions
inline constexpr uint64_t kReportBytes = 128 * 1024;     // between two reports of what is held
inline constexpr size_t kMaxOpenedParts = 2048;          // between two commits

class Ingest {
 public:
  struct Environment {
    const Identity& identity;
    Ledger& ledger;
    PartIndex& index;
    storage::BlobStore& blobs;
    const Faults& faults;
  };

  explicit Ingest(const Environment& environment) : env_(environment) {}

  // A part that a session has a writer for: how much of it will stay is not known until that ends.
  class Receiving {
   public:
    Receiving(Ingest& ingest, const base::ContentId& id);
    ~Receiving();
    Receiving(const Receiving&) = delete;
    Receiving& operator=(const Receiving&) = delete;

   private:
    Ingest& ingest_;
    const base::ContentId id_;
  };

  class Session {
   public:
    explicit Session(Ingest& ingest) : ingest_(ingest) {}
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Ends the part before it.
    absl::Status Open(const rpc::v1::PutOpen& open);
    absl::Status Data(const absl::Cord& data);
    // To be called after Data: how much of the part stays when this session goes, if its sender
    // asked to be told and it is time to.
    std::optional<uint64_t> Report();
    // `objects`: all that were opened since the last commit, sorted.
    absl::StatusOr<pb::Receipt> Commit(const rpc::v1::PutCommit& commit);

   private:
    absl::Status Begin(const Part& part, const rpc::v1::PutOpen& open);
    absl::Status BeginWriter(const Part& part, uint64_t from_offset);
    absl::Status Append(base::ByteView bytes);
    absl::Status CheckEnvelope(base::ByteView bytes);
    absl::Status FinishPart();
    absl::Status Flush();
    absl::Status CheckComplete(const std::vector<Record<pb::Object>>& objects) const;
    void Clear();

    Ingest& ingest_;
    // Since the last commit:
    std::vector<Part> parts_;
    std::vector<PartIndex::Hold> holds_;
    std::vector<std::pair<base::ContentId, base::Bytes>> gathered_;
    uint64_t gathered_bytes_ = 0;
    std::set<base::ObjectId> objects_;
    base::GroupId group_;
    uint32_t position_ = 0;
    // The part that is arriving:
    bool open_ = false;
    bool skip_ = false;  // its blob is here already: bytes are only counted
    bool check_envelope_ = false;
    bool report_ = false;
    uint64_t reported_ = 0;
    base::Bytes mark_;       // first bytes, until the envelope was checked
    uint64_t received_ = 0;  // offset within the part
    uint64_t ignore_ = 0;    // bytes sent again that the writer has
    base::Bytes buffer_;
    std::optional<Receiving> receiving_;  // as long as there is a writer; ends after it
    std::unique_ptr<storage::BlobWriter> writer_;
  };

  // How much of a part is held. Unavailable (BLOB_BUSY) while a session still receives it.
  absl::StatusOr<rpc::v1::QueryUploadResponse> Query(const rpc::v1::QueryUploadRequest& request);

  // The receipt of the position for objects whose parts are durable (the caller made sure).
  absl::StatusOr<pb::Receipt> Sign(const pb::Group& group, uint32_t position,
                                   const std::vector<Record<pb::Object>>& objects) const;

  uint64_t received_bytes() const { return received_bytes_; }
  uint64_t received_parts() const { return received_parts_; }

 private:
  // The part as the ledger has it, or why it is not taken.
  absl::StatusOr<Part> Admit(const rpc::v1::PutOpen& open, bool* check_envelope, bool* settled);

  Environment env_;
  std::mutex mutex_;
  std::multiset<base::ContentId> receiving_;
  std::atomic<uint64_t> gathering_{0};
  std::atomic<uint64_t> received_bytes_{0};
  std::atomic<uint64_t> received_parts_{0};
};

// Quota and disk errors of the store as the reason clients know: NO_SPACE.
absl::Status ToSpaceError(const absl::Status& status);

}  // namespace cairn::storaged
