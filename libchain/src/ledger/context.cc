#include "cairn/chain/domain/context.h"

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
