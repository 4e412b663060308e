#include "cairn/chain/domain/context.h"

#include <set>

namespace cairn::chain {

namespace {

template <class List>
pb::Event MakeEvent(const char* type, const List& attributes) {
  pb::Event event;
  event.set_type(type);
  event.mutable_attributes()->Reserve(static_cast<int>(attributes.size()));
  for (const auto& [key, value] : attributes) {
    pb::Attribute* attribute = event.add_attributes();
    attribute->set_key(key);
    attribute->set_value(value.data(), value.size());
  }
  return event;
}

}  // namespace

void Context::Emit(const char* type,
                   std::initializer_list<std::pair<const char*, absl::string_view>> attributes) const {
  outcome->events.push_back(MakeEvent(type, attributes));
}

void Context::Emit(const char* type, const Attributes& attributes) const {
  outcome->events.push_back(MakeEvent(type, attributes));
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
