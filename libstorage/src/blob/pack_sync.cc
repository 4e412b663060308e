#include <algorithm>

#include "absl/strings/str_cat.h"
#include "blob/pack_log.h"
#include "cairn/base/status.h"

namespace cairn::storage {

absl::Status PackLog::WaitDurable(const GroupPtr& group) {
  Lock lock(mutex_);
  while (!group->settled) {
    if (group == open_ && CanLead() && IsWorthLeading()) {
      Lead(lock);
    } else if (group->written && group->ticket <= written_ticket_ && !syncing_) {
      // What has gathered meanwhile goes with the same sync.
      if (CanLead() && !open_->records.empty()) Lead(lock);
      if (!syncing_ && !group->settled) (void)SyncWritten(lock);  // a failure has poisoned the log
    } else {
      // Looked at before the lock goes, so that a wake in between is not missed.
      const uint32_t seen = group->gate.Look();
      ++group->sleepers;
      lock.unlock();
      group->gate.Sleep(seen);
      if (group->settled) return group->status;
      lock.lock();
      --group->sleepers;
    }
  }
  return group->status;
}

absl::Status PackLog::SyncAll() {
  GroupPtr group;
  {
    Lock lock(mutex_);
    RETURN_IF_ERROR(poison_);
    // While somebody leads, a group that is closed and has no place yet is in neither.
    if (!leading_ && placed_.empty() && open_->records.empty()) return absl::OkStatus();
    group = open_;
  }
  return WaitDurable(group);
}

// Syncs what has been written so far, while more is written already.
absl::Status PackLog::SyncWritten(Lock& lock) {
  sync_free_.wait(lock, [this] { return !syncing_; });
  RETURN_IF_ERROR(poison_);
  syncing_ = true;
  const std::shared_ptr<base::File> file = head_;
  // Taken before the sync begins: what is written while it runs may be left out by it.
  const uint64_t size = written_size_;
  const uint64_t ticket = written_ticket_;
  lock.unlock();
  absl::Status status = file->Sync();
  lock.lock();
  if (status.ok()) {
    head_synced_ = size;
    NoteSynced(ticket);
  } else {
    status = Poison(lock, status);
  }
  syncing_ = false;
  sync_free_.notify_all();
  OfferRoles();
  WakeThem(lock);
  return status;
}

// What is written from the front on, without a hole. A group of which nothing had to be written is as
// durable as the one before it.
void PackLog::NoteWritten() {
  for (const GroupPtr& group : placed_) {
    if (!group->written) break;
    written_ticket_ = group->ticket;
    written_size_ = group->end;
  }
  while (!placed_.empty() && placed_.front()->written && placed_.front()->begin == placed_.front()->end) {
    NoteSynced(placed_.front()->ticket);
  }
}

void PackLog::NoteSynced(uint64_t ticket) {
  while (!placed_.empty() && placed_.front()->ticket <= ticket) {
    Settle(placed_.front());
    placed_.pop_front();
  }
}

void PackLog::Settle(const GroupPtr& group) {
  // After the status: whoever sees this reads that without the lock.
  group->settled = true;
  if (group->sleepers > 0) to_wake_.push_back({group, true});
}

// With the failure that has poisoned the log. Groups that are being written follow when that has ended.
void PackLog::SettleEverybody() {
  std::deque<GroupPtr> under_way;
  placed_.push_back(open_);
  for (const GroupPtr& group : placed_) {
    if (!group->written && group != open_) {
      under_way.push_back(group);
      continue;
    }
    group->status.Update(poison_);
    Settle(group);
  }
  placed_ = std::move(under_way);
}

// Wakes one for a role that nobody has: whoever syncs also leads what has gathered.
void PackLog::OfferRoles() {
  if (!syncing_) {
    for (const GroupPtr& group : placed_) {
      if (group->ticket > written_ticket_) break;
      if (group->sleepers == 0) continue;
      to_wake_.push_back({group, false});
      return;
    }
  }
  if (CanLead() && IsWorthLeading() && open_->sleepers > 0) to_wake_.push_back({open_, false});
}

void PackLog::WakeThem(Lock& lock) {
  if (to_wake_.empty()) return;
  const std::vector<Wake> wakes = std::exchange(to_wake_, {});
  lock.unlock();
  // Without the lock, which everybody who wakes up would run into.
  for (const Wake& wake : wakes) wake.all ? wake.group->gate.WakeAll() : wake.group->gate.WakeOne();
  lock.lock();
}

absl::Status PackLog::Poison(const absl::Status& cause) {
  Lock lock(mutex_);
  return Poison(lock, cause);
}

absl::Status PackLog::Poison(Lock& lock, const absl::Status& cause) {
  if (!poison_.ok()) return poison_;
  poison_ = base::Error(absl::StatusCode::kAborted, "STORE_POISONED",
                        absl::StrCat("writing to the blob store failed: ", cause.message()),
                        "Check the disk, then restart the process.");
  parts_.observer.Report({.severity = base::Severity::kError,
                          .name = "blob.poisoned",
                          .message = std::string(cause.message()),
                          .fields = {{"pack", PackName(head_pack_)}}});
  SettleEverybody();
  moved_.notify_all();
  WakeThem(lock);
  return poison_;
}

}  // namespace cairn::storage
