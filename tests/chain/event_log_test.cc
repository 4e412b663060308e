#include "cairn/chain/event_log.h"

#include "catch.h"

namespace cairn::chain {

TEST_CASE("a log of events is what a block of the same events encodes, and reads back as them") {
  const std::string large(70'000, 'v'), zero("\0z", 2);
  pb::Block block;
  EventLog log;
  const auto both = [&](const std::string& type, const std::vector<EventLog::Attribute>& attributes) {
    EventLog one;
    one.Add(type, attributes);
    log.Append(one);
    pb::Event& event = *block.add_events();
    event.set_type(type);
    for (const auto& [key, value] : attributes) {
      pb::Attribute& attribute = *event.add_attributes();
      attribute.set_key(std::string(key));
      attribute.set_value(std::string(value));
    }
  };
  CHECK(log.bytes().empty());
  both("object.sealed", {{"object", "0123"}, {"bucket", "1"}});
  both("nothing.more", {});
  both("with.gaps", {{"empty", ""}, {"", "nameless"}, {"", ""}});
  both("long", {{"a", large}, {"b", zero}, {absl::string_view(large).substr(0, 127), absl::string_view(large).substr(0, 128)}});
  CHECK(log.size() == 4);
  CHECK(log.bytes() == block.SerializeAsString());
  const std::vector<pb::Event> read = log.Decode();
  REQUIRE(read.size() == 4);
  for (size_t i = 0; i < read.size(); ++i) {
    CHECK(read[i].SerializeAsString() == block.events(static_cast<int>(i)).SerializeAsString());
  }
}

}  // namespace cairn::chain
