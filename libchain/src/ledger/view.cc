#include "cairn/chain/view.h"

#include "cairn/base/status.h"

namespace cairn::chain {

namespace {

const RecordPtr& RecordOf(const RecordPtr& change) { return change; }
template <class Known>
const RecordPtr& RecordOf(const Known* change) {
  return change->record;
}

// First entry at or after `key` of what `changes` make of `below`.
template <class Changes>
std::optional<ReadView::Entry> SeekOver(const Changes& changes, const ReadView& below, const std::string& key) {
  auto changed = changes.lower_bound(key);
  std::optional<ReadView::Entry> lower = below.Seek(key);
  while (changed != changes.end()) {
    if (lower && lower->first < changed->first) return lower;
    const bool same = lower && lower->first == changed->first;
    std::string at(changed->first);
    if (const RecordPtr& record = RecordOf(changed->second)) return ReadView::Entry(std::move(at), record);
    // Deleted here: what stands below under the same key does not show.
    if (same) lower = below.Seek(at + '\0');
    ++changed;
  }
  return lower;
}

}  // namespace

RecordPtr WriteView::Get(const std::string& key) const {
  const auto changed = changes_.find(key);
  return changed == changes_.end() ? below_.Get(key) : changed->second;
}

std::optional<ReadView::Entry> WriteView::Seek(const std::string& key) const {
  return SeekOver(changes_, below_, key);
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
  if (fresh) found->second.record = below_.Get(key);
  return found->second.record;
}

std::optional<ReadView::Entry> BlockView::Seek(const std::string& key) const {
  return SeekOver(changed_, below_, key);
}

void BlockView::Merge(ChangeSet changes) {
  for (auto& [key, record] : changes) {
    auto& [name, known] = *known_.try_emplace(key).first;
    known.record = std::move(record);
    if (!std::exchange(known.changed, true)) changed_.emplace(name, &known);
  }
}

ChangeSet BlockView::TakeChanges() {
  ChangeSet changes;
  for (const auto& [key, known] : changed_) {
    if (known->record) known->record->bytes();
    changes.emplace_hint(changes.end(), std::string(key), known->record);
  }
  changed_.clear();
  known_.clear();
  return changes;
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
