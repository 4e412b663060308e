#include "cairn/chain/view.h"

#include "cairn/base/status.h"

namespace cairn::chain {

std::optional<std::string> WriteView::Get(const std::string& key) const {
  const auto changed = changes_.find(key);
  return changed == changes_.end() ? below_.Get(key) : changed->second;
}

std::optional<ReadView::Entry> WriteView::Seek(const std::string& key) const {
  auto changed = changes_.lower_bound(key);
  std::optional<Entry> lower = below_.Seek(key);
  while (true) {
    if (changed == changes_.end()) return lower;
    if (lower && lower->first < changed->first) return lower;
    const bool same = lower && lower->first == changed->first;
    if (changed->second) return Entry(changed->first, *changed->second);
    if (same) lower = below_.Seek(changed->first + '\0');
    ++changed;
  }
}

void WriteView::Merge(ChangeSet changes) {
  for (auto& [key, value] : changes) changes_[key] = std::move(value);
}

KvView::KvView(const base::Kv& kv, std::string prefix)
    : KvView(std::shared_ptr<const base::KvSnapshot>(kv.Snapshot()), std::move(prefix)) {}

KvView::KvView(std::shared_ptr<const base::KvSnapshot> snapshot, std::string prefix)
    : snapshot_(std::move(snapshot)), prefix_(std::move(prefix)) {}

std::optional<std::string> KvView::Get(const std::string& key) const {
  auto value = snapshot_->Get(prefix_ + key);
  if (!value.ok()) {
    if (health_.ok()) health_ = value.status();
    return std::nullopt;
  }
  if (!*value) return std::nullopt;
  return std::string(**value);
}

std::optional<ReadView::Entry> KvView::Seek(const std::string& key) const {
  if (!cursor_) cursor_ = snapshot_->NewCursor();
  cursor_->Seek(prefix_ + key);
  if (!cursor_->Valid() || cursor_->key().substr(0, prefix_.size()) != prefix_) return std::nullopt;
  return Entry(std::string(cursor_->key().substr(prefix_.size())), std::string(cursor_->value()));
}

std::optional<std::string> MemoView::Get(const std::string& key) const {
  const auto [found, fresh] = known_.try_emplace(key);
  if (fresh) found->second = below_.Get(key);
  return found->second;
}

std::optional<std::string> MapView::Get(const std::string& key) const {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return std::nullopt;
  return found->second;
}

std::optional<ReadView::Entry> MapView::Seek(const std::string& key) const {
  const auto found = entries_.lower_bound(key);
  if (found == entries_.end()) return std::nullopt;
  return Entry(found->first, found->second);
}

void MapView::Merge(const ChangeSet& changes) {
  for (const auto& [key, value] : changes) {
    if (value) {
      entries_[key] = *value;
    } else {
      entries_.erase(key);
    }
  }
}

}  // namespace cairn::chain
