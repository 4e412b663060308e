#include "cairn/chain/domain/context.h"

#include <set>

#include "absl/container/inlined_vector.h"

namespace cairn::chain {

namespace {

template <class List>
void AddEvent(const char* type, const List& attributes, EventLog& events) {
  absl::InlinedVector<EventLog::Attribute, 12> views;
  for (const auto& [key, value] : attributes) views.emplace_back(key, value);
  events.Add(type, views);
}

}  // namespace

void Context::Emit(const char* type,
                   std::initializer_list<std::pair<const char*, absl::string_view>> attributes) const {
  AddEvent(type, attributes, outcome->events);
}

void Context::Emit(const char* type, const Attributes& attributes) const {
  AddEvent(type, attributes, outcome->events);
}

std::vector<std::string> Edits::KeysOf(const std::string& prefix) const {
  std::set<std::string> found;
  view_.Scan(prefix, "", [&](const std::string& key, const Record&) {
    found.insert(key);
    return true;
  });
  // What this operation made or dropped is not in the view before Flush.
  for (auto slot = records_.lower_bound(prefix); slot != records_.end(); ++slot) {
    if (slot->first.compare(0, prefix.size(), prefix) != 0) break;
    if (slot->second.dropped) found.erase(slot->first);
    if (slot->second.record != nullptr) found.insert(slot->first);
  }
  return {found.begin(), found.end()};
}

void Edits::Flush() {
  for (auto& [key, slot] : records_) {
    if (slot.record != nullptr) {
      view_.Put(key, std::make_shared<const Record>(std::move(slot.record)));
    } else if (slot.dropped) {
      view_.Put(key, nullptr);
    }
  }
  records_.clear();
}

}  // namespace cairn::chain
