#include "cairn/chain/view.h"

#include "cairn/base/status.h"

namespace cairn::chain {

std::optional<ReadView::Entry> SeekOver(const ChangeSet& changes, const ReadView& below, const std::string& key) {
  auto changed = changes.lower_bound(key);
  std::optional<ReadView::Entry> lower = below.Seek(key);
  while (changed != changes.end()) {
    if (lower && lower->first < changed->first) return lower;
    const bool same = lower && lower->first == changed->first;
    if (changed->second) return ReadView::Entry(changed->first, changed->second);
    // Deleted here: what stands below under the same key does not show.
    if (same) lower = below.Seek(changed->first + '\0');
    ++changed;
  }
  return lower;
}

RecordPtr WriteView::Get(const std::string& key) const {
  const auto changed = changes_.find(key);
  return changed == changes_.end() ? below_.Get(key) : changed->second;
}

KvView::KvView(const base::Kv& kv, std::string prefix)
    : KvView(std::shared_ptr<const base::KvSnapshot>(kv.Snapshot()), std::move(prefix)) {}

KvView::KvView(std::shared_ptr<const base::KvSnapshot> snapshot, std::string prefix)
    : snapshot_(std::move(snapshot)), prefix_(std::move(prefix)) {}

RecordPtr KvView::Get(const std::string& key) const {
  const auto value = snapshot_->Get(prefix_ + key);
  if (!value.ok()) {
    if (health_.ok()) health_ = value.status();
    return nullptr;
  }
  return *value ? MakeRecord(std::string(**value)) : nullptr;
}

std::optional<ReadView::Entry> KvView::Seek(const std::string& key) const {
  if (!cursor_) cursor_ = snapshot_->NewCursor();
  cursor_->Seek(prefix_ + key);
  if (!cursor_->Valid()) {
    // A store that cannot be read ends like one that has no more: whoever drives the rules must be able to tell.
    if (health_.ok()) health_ = cursor_->status();
    return std::nullopt;
  }
  if (cursor_->key().substr(0, prefix_.size()) != prefix_) return std::nullopt;
  return Entry(std::string(cursor_->key().substr(prefix_.size())), MakeRecord(std::string(cursor_->value())));
}

RecordPtr BlockView::Get(const std::string& key) const {
  const auto [found, fresh] = known_.try_emplace(key);
  // Absence is remembered as well: what a check looks for in vain, the change after it looks for again.
  if (fresh) found->second = below_.Get(key);
  return found->second;
}

void BlockView::Merge(ChangeSet changes) {
  for (auto& [key, record] : changes) {
    known_[key] = record;
    changes_[key] = std::move(record);
  }
}

ChangeSet BlockView::TakeChanges() {
  for (const auto& [key, record] : changes_) {
    if (record) record->bytes();
  }
  known_.clear();
  return std::exchange(changes_, {});
}

RecordPtr MapView::Get(const std::string& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : found->second;
}

std::optional<ReadView::Entry> MapView::Seek(const std::string& key) const {
  const auto found = entries_.lower_bound(key);
  if (found == entries_.end()) return std::nullopt;
  return Entry(found->first, found->second);
}

void MapView::Merge(const ChangeSet& changes) {
  for (const auto& [key, record] : changes) {
    if (record) {
      entries_[key] = record;
    } else {
      entries_.erase(key);
    }
  }
}

}  // namespace cairn::chain
