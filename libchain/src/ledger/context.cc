#include "cairn/chain/domain/context.h"

#include <set>

namespace cairn::chain {

void Context::Emit(const char* type, const Attributes& attributes) const {
  pb::Event event;
  event.set_type(type);
  for (const auto& [key, value] : attributes) {
    pb::Attribute* attribute = event.add_attributes();
    attribute->set_key(key);
    attribute->set_value(value);
  }
  outcome->events.push_back(std::move(event));
}

std::vector<std::string> Edits::KeysOf(const std::string& prefix) const {
  std::set<std::string> found;
  view_.Scan(prefix, "", [&](const std::string& key, const std::string&) {
    found.insert(key);
    return true;
  });
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
      view_.Put(Key<Raw>{key}, Raw{keys::Encode(*slot.record)});
    } else if (slot.dropped) {
      view_.Delete(Key<Raw>{key});
    }
  }
  records_.clear();
}

}  // namespace cairn::chain
