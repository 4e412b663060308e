#include "blob/begun_chunks.h"

#include <algorithm>

namespace cairn::storage {

void BegunChunks::Keep(const base::ContentId& id, Begun begun) {
  std::lock_guard lock(mutex_);
  (void)Remove(id);
  if (begun.bytes.empty() || begun.bytes.size() > kMaxBytes) return;
  while (weight_ + Weight(begun) > kMaxBytes) (void)Remove(order_.front());
  begun.bytes.shrink_to_fit();
  weight_ += Weight(begun);
  begun_[id] = std::move(begun);
  order_.push_back(id);
}

base::Bytes BegunChunks::Take(const base::ContentId& id, uint64_t size, uint64_t offset) {
  std::lock_guard lock(mutex_);
  std::optional<Begun> begun = Remove(id);
  if (!begun || begun->size != size || begun->offset != offset) return {};
  return std::move(begun->bytes);
}

void BegunChunks::Forget(const base::ContentId& id) {
  std::lock_guard lock(mutex_);
  (void)Remove(id);
}

std::vector<BegunChunks::Place> BegunChunks::List() const {
  std::lock_guard lock(mutex_);
  std::vector<Place> out;
  for (const auto& [id, begun] : begun_) {
    out.push_back({id, begun.size, begun.offset, begun.bytes.size()});
  }
  return out;
}

std::optional<BegunChunks::Begun> BegunChunks::Remove(const base::ContentId& id) {
  const auto found = begun_.find(id);
  if (found == begun_.end()) return std::nullopt;
  Begun begun = std::move(found->second);
  begun_.erase(found);
  order_.erase(std::find(order_.begin(), order_.end(), id));
  weight_ -= Weight(begun);
  return begun;
}

uint64_t BegunChunks::Weight(const Begun& begun) {
  return std::max<uint64_t>(begun.bytes.size(), kLeastBytes);
}

}  // namespace cairn::storage
