#include "blob/place_cache.h"

#include <algorithm>
#include <cstring>

namespace cairn::storage {
namespace {

constexpr size_t kFirstSlots = 1024;

// An id is a hash: any of its bytes spread evenly over the sets.
uint64_t TagOf(const base::ContentId& id) {
  uint64_t tag;
  std::memcpy(&tag, id.digest.value.data(), sizeof tag);
  return tag;
}

}  // namespace

std::optional<PlaceCache::Hint> PlaceCache::Find(const base::ContentId& id) const {
  const uint64_t tag = TagOf(id);
  std::lock_guard lock(mutex_);
  if (slots_.empty()) return std::nullopt;
  const Slot* set = &slots_[tag * kWays % slots_.size()];
  for (size_t way = 0; way < kWays; ++way) {
    if (set[way].tag == tag && set[way].hint.size > 0) return set[way].hint;
  }
  return std::nullopt;
}

void PlaceCache::Remember(const base::ContentId& id, const Hint& hint) {
  if (hint.size == 0) return;
  std::lock_guard lock(mutex_);
  if (used_ * 2 >= slots_.size() && slots_.size() < kMaxSlots) Grow();
  Place({TagOf(id), hint});
}

void PlaceCache::Forget(const base::ContentId& id) {
  const uint64_t tag = TagOf(id);
  std::lock_guard lock(mutex_);
  if (slots_.empty()) return;
  Slot* set = &slots_[tag * kWays % slots_.size()];
  for (size_t way = 0; way < kWays; ++way) {
    if (set[way].tag != tag || set[way].hint.size == 0) continue;
    set[way] = {};
    --used_;
  }
}

// The oldest of a full set goes.
void PlaceCache::Place(const Slot& slot) {
  Slot* set = &slots_[slot.tag * kWays % slots_.size()];
  Slot* end = set + kWays;
  Slot* to = std::find_if(set, end, [&](const Slot& s) { return s.tag == slot.tag || s.hint.size == 0; });
  if (to == end) to = end - 1;
  if (to->hint.size == 0) ++used_;
  std::rotate(set, to, to + 1);
  *set = slot;
}

void PlaceCache::Grow() {
  std::vector<Slot> old(std::max(kFirstSlots, slots_.size() * 2));
  old.swap(slots_);
  used_ = 0;
  for (const Slot& slot : old) {
    if (slot.hint.size > 0) Place(slot);
  }
}

}  // namespace cairn::storage
