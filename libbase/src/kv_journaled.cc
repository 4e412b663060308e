#include <mutex>

#include "kv_journal.h"
#include "kv_limits.h"
#include "kv_overlay.h"

namespace cairn::base {
namespace {

// Its value: the number of the pass that the journal is in, U64. All passes before are in the store itself.
constexpr absl::string_view kPassKey = "\xff" "journal";

absl::Status CheckBatch(const KvBatch& batch) {
  RETURN_IF_ERROR(CheckKvBatch(batch));
  for (const auto& [key, value] : batch.changes()) {
    // Whoever could write it could make the next open take old records for new ones.
    if (key != kPassKey) continue;
    return Error(absl::StatusCode::kInvalidArgument, "RESERVED_KEY", "the key belongs to the store's journal");
  }
  return absl::OkStatus();
}

void PutPass(KvBatch& batch, uint64_t pass) {
  std::string value(8, 0);
  for (size_t i = 0; i < 8; ++i) value[i] = static_cast<char>(pass >> (8 * i));
  batch.Put(kPassKey, value);
}

void Add(KvBatch& to, const KvBatch& changes) {
  for (const auto& [key, value] : changes.changes()) value ? to.Put(key, *value) : to.Delete(key);
}

// Shared by the store and its snapshots.
struct State {
  State(std::shared_ptr<Kv> kv, KvJournal file, uint64_t number)
      : below(std::move(kv)), journal(std::move(file)), pass(number) {}

  const std::shared_ptr<Kv> below;
  std::mutex writing;  // one commit at a time; guards what follows
  KvJournal journal;
  uint64_t pass;
  bool failed = false;
  // The overlay and what is below it, as one: held while either changes and while a snapshot takes both.
  mutable std::mutex seeing;
  std::shared_ptr<KvOverlay> overlay = std::make_shared<KvOverlay>();
};

class JournaledSnapshot final : public KvSnapshot {
 public:
  explicit JournaledSnapshot(std::shared_ptr<const State> state) : state_(std::move(state)) {
    const std::lock_guard lock(state_->seeing);
    overlay_ = state_->overlay;
    below_ = state_->below->Snapshot();
  }
  ~JournaledSnapshot() override {
    // Under the lock: whoever finds the overlay unshared changes it in place.
    const std::lock_guard lock(state_->seeing);
    overlay_.reset();
  }
  absl::StatusOr<std::optional<absl::string_view>> Get(absl::string_view key) const override {
    if (key == kPassKey) return std::optional<absl::string_view>();
    const auto found = overlay_->find(key);
    if (found == overlay_->end()) return below_->Get(key);
    if (!found->second) return std::optional<absl::string_view>();
    return std::optional<absl::string_view>(*found->second);
  }
  std::unique_ptr<KvCursor> NewCursor() const override {
    return NewOverlayCursor(*overlay_, below_->NewCursor(), kPassKey);
  }

 private:
  const std::shared_ptr<const State> state_;
  std::shared_ptr<const KvOverlay> overlay_;
  std::unique_ptr<KvSnapshot> below_;
};

class JournaledKv final : public Kv {
 public:
  explicit JournaledKv(std::shared_ptr<State> state) : state_(std::move(state)) {}

  std::unique_ptr<KvSnapshot> Snapshot() const override { return std::make_unique<JournaledSnapshot>(state_); }

  absl::Status Commit(const KvBatch& batch, bool durable) override {
    RETURN_IF_ERROR(CheckBatch(batch));
    const std::lock_guard lock(state_->writing);
    RETURN_IF_ERROR(CheckNotFailed());
    if (batch.empty()) return durable ? SyncLocked() : absl::OkStatus();
    Bytes record = state_->journal.Encode(batch);
    if (!state_->journal.HasRoomFor(record)) {
      RETURN_IF_ERROR(TurnOver(KvBatch()));
      record = state_->journal.Encode(batch);
      // Larger than the whole journal.
      if (!state_->journal.HasRoomFor(record)) return TurnOver(batch);
    }
    RETURN_IF_ERROR(Written(state_->journal.Append(record)));
    if (durable) RETURN_IF_ERROR(SyncLocked());
    // Not before: a reader must not see what a crash would take back without the writer having allowed it.
    Show(batch);
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    const std::lock_guard lock(state_->writing);
    RETURN_IF_ERROR(CheckNotFailed());
    return SyncLocked();
  }

  absl::StatusOr<uint64_t> EntryCount() const override {
    const std::lock_guard lock(state_->seeing);
    ASSIGN_OR_RETURN(uint64_t count, state_->below->EntryCount());
    const auto below = state_->below->Snapshot();
    --count;  // the journal's own
    for (const auto& [key, value] : *state_->overlay) {
      ASSIGN_OR_RETURN(const auto there, below->Get(key));
      count += value.has_value();
      count -= there.has_value();
    }
    return count;
  }

 private:
  absl::Status CheckNotFailed() const {
    if (!state_->failed) return absl::OkStatus();
    return Error(absl::StatusCode::kAborted, "STORE_FAILED", "the store takes no more commits since an I/O error",
                 "check the disk and restart the process");
  }

  // A disk that is full has taken nothing: the same place is written again. After any other error nobody knows.
  absl::Status Written(absl::Status status) {
    if (!status.ok() && status.code() != absl::StatusCode::kResourceExhausted) state_->failed = true;
    return status;
  }

  absl::Status SyncLocked() {
    const absl::Status synced = state_->journal.Sync();
    if (synced.ok()) return synced;
    state_->failed = true;
    return Error(absl::StatusCode::kInternal, "IO_ERROR", absl::StrCat("sync the journal: ", synced.message()),
                 "check the disk and restart the process");
  }

  // All that the journal holds, and `more`, into the store below; then the journal begins again.
  absl::Status TurnOver(const KvBatch& more) {
    KvBatch whole;
    for (const auto& [key, value] : *state_->overlay) value ? whole.Put(key, *value) : whole.Delete(key);
    Add(whole, more);
    PutPass(whole, state_->pass + 1);
    const std::lock_guard lock(state_->seeing);
    RETURN_IF_ERROR(state_->below->Commit(whole));
    state_->overlay = std::make_shared<KvOverlay>();
    state_->journal.Begin(++state_->pass);
    return absl::OkStatus();
  }

  void Show(const KvBatch& batch) {
    const std::lock_guard lock(state_->seeing);
    if (state_->overlay.use_count() > 1) state_->overlay = std::make_shared<KvOverlay>(*state_->overlay);
    for (const auto& [key, value] : batch.changes()) state_->overlay->insert_or_assign(key, value);
  }

  const std::shared_ptr<State> state_;
};

}  // namespace

absl::StatusOr<uint64_t> JournalPass(const Kv& kv) {
  const auto snapshot = kv.Snapshot();
  ASSIGN_OR_RETURN(const auto value, snapshot->Get(kPassKey));
  if (!value) return uint64_t{0};
  if (value->size() == 8) {
    uint64_t pass = 0;
    for (size_t i = 0; i < 8; ++i) pass |= uint64_t{static_cast<uint8_t>((*value)[i])} << (8 * i);
    if (pass != 0) return pass;
  }
  return Error(absl::StatusCode::kDataLoss, "STORE_DAMAGED", "the store does not know its journal's pass",
               "restore the folder of the store as a whole from a backup");
}

absl::StatusOr<std::unique_ptr<Kv>> OpenJournaledKv(std::shared_ptr<Kv> below, std::shared_ptr<Disk> disk,
                                                    absl::string_view path, uint64_t bytes) {
  ASSIGN_OR_RETURN(const uint64_t pass, JournalPass(*below));
  ASSIGN_OR_RETURN(const bool there, disk->Exists(path));
  if (pass != 0 && !there) {
    return Error(absl::StatusCode::kDataLoss, "STORE_DAMAGED", absl::StrCat("the store's journal is gone: ", path),
                 "restore the folder of the store as a whole from a backup");
  }
  ASSIGN_OR_RETURN(KvJournal journal, KvJournal::Open(std::move(disk), path, bytes, pass == 0));
  ASSIGN_OR_RETURN(const std::vector<KvBatch> commits, journal.Read(pass));
  // A new pass even when there is nothing: records of this one that were never synced must not be found again.
  KvBatch whole;
  for (const KvBatch& commit : commits) Add(whole, commit);
  PutPass(whole, pass + 1);
  RETURN_IF_ERROR(below->Commit(whole));
  journal.Begin(pass + 1);
  auto state = std::make_shared<State>(std::move(below), std::move(journal), pass + 1);
  return std::make_unique<JournaledKv>(std::move(state));
}

}  // namespace cairn::base
