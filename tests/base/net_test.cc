#include "cairn/base/net.h"

#include <random>

#include "catch.h"

namespace cairn::base {
namespace {

struct World {
  explicit World(uint64_t seed = 1) : random(seed), executor(clock), net(executor, random) {}
  std::mt19937_64 random;
  SimClock clock;
  SimExecutor executor;
  SimNet net;
};

struct Inbox {
  std::vector<std::string> got;
  Net::Handler Handler() {
    return [this](const PeerName& from, ByteView message) { got.push_back(from + ":" + ToString(message)); };
  }
};

Bytes Text(absl::string_view text) { return ToBytes(AsBytes(text)); }

TEST_CASE("a message arrives once, from its sender, after the network's delay") {
  World w;
  w.net.SetFaults({.min_delay = absl::Milliseconds(10), .max_delay = absl::Milliseconds(20)});
  auto a = w.net.Join("a"), b = w.net.Join("b");
  Inbox inbox;
  b->OnReceive(inbox.Handler());
  a->Send("b", Text("hello"));
  w.executor.RunFor(absl::Milliseconds(9));
  CHECK(inbox.got.empty());
  w.executor.RunFor(absl::Milliseconds(11));
  CHECK(inbox.got == std::vector<std::string>{"a:hello"});
  CHECK(w.net.delivered() == 1);
}

TEST_CASE("loss and duplication come as often as they were asked for") {
  World w;
  w.net.SetFaults({.loss = 0.25, .duplicate = 0.5});
  auto a = w.net.Join("a"), b = w.net.Join("b");
  Inbox inbox;
  b->OnReceive(inbox.Handler());
  for (int i = 0; i < 4000; ++i) a->Send("b", Text("x"));
  w.executor.RunFor(absl::Seconds(1));
  CHECK(inbox.got.size() > 4300);  // 4000 * 0.75 * 1.5 = 4500
  CHECK(inbox.got.size() < 4700);
}

TEST_CASE("equal seeds give equal histories") {
  auto history = [](uint64_t seed) {
    World w(seed);
    w.net.SetFaults({.loss = 0.3, .duplicate = 0.3});
    auto a = w.net.Join("a"), b = w.net.Join("b");
    Inbox inbox;
    b->OnReceive(inbox.Handler());
    for (int i = 0; i < 50; ++i) a->Send("b", Text(std::to_string(i)));
    w.executor.RunFor(absl::Seconds(1));
    return inbox.got;
  };
  CHECK(history(7) == history(7));
  CHECK(history(7) != history(8));
}

TEST_CASE("nothing passes a cut in either direction, what was under way included") {
  World w;
  auto a = w.net.Join("a"), b = w.net.Join("b"), c = w.net.Join("c");
  Inbox at_a, at_b, at_c;
  a->OnReceive(at_a.Handler());
  b->OnReceive(at_b.Handler());
  c->OnReceive(at_c.Handler());
  a->Send("b", Text("under way"));
  w.net.Cut("b", "a", true);
  a->Send("b", Text("lost"));
  b->Send("a", Text("lost"));
  a->Send("c", Text("fine"));
  w.executor.RunFor(absl::Seconds(1));
  CHECK(at_a.got.empty());
  CHECK(at_b.got.empty());
  CHECK(at_c.got.size() == 1);
  w.net.Cut("a", "b", false);
  a->Send("b", Text("again"));
  w.executor.RunFor(absl::Seconds(1));
  CHECK(at_b.got == std::vector<std::string>{"a:again"});
}

TEST_CASE("a peer that left and came back gets nothing that was meant for its former self") {
  World w;
  auto a = w.net.Join("a"), b = w.net.Join("b");
  a->Send("b", Text("old"));
  a->Send("nobody", Text("void"));
  b.reset();
  b = w.net.Join("b");
  Inbox inbox;
  b->OnReceive(inbox.Handler());
  a->Send("b", Text("new"));
  w.executor.RunFor(absl::Seconds(1));
  CHECK(inbox.got == std::vector<std::string>{"a:new"});
}

}  // namespace
}  // namespace cairn::base
