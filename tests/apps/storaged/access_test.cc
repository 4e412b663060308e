#include "apps/storaged/access.h"

#include "apps/storaged/world.h"
#include "catch.h"

using namespace cairn;
using namespace cairn::storaged;
using namespace cairn::storaged::testing;

TEST_CASE("a private object is read by its owner and its group alone, a public one by anyone",
          "[GF-43]") {
  World world(7);
  TestBucket hidden = world.MakeBucket("rs:4+2", false);
  TestBucket open = world.MakeBucket("rs:4+2", true);
  storage::VersionKey key = world.entropy.DrawSecret<32>();
  TestObject secret = world.Create(hidden, "a", Pattern(100), &key);
  TestObject shown = world.Create(open, "b", Pattern(100));
  Ledger& ledger = world.provider(0)->ledger;
  auto may = [&](const TestObject& object, const rpc::Caller& caller) {
    return base::ReasonOf(CheckReadAccess(ledger, object.id, caller));
  };
  base::SigningKey stranger = base::SigningKey::Generate(world.entropy);
  CHECK(may(secret, std::nullopt) == "ACCESS_DENIED");
  CHECK(may(secret, stranger.public_key()) == "ACCESS_DENIED");
  CHECK(may(secret, world.provider(6).identity.account.public_key()) == "ACCESS_DENIED");
  CHECK(may(secret, world.owner().public_key()) == "OK");
  CHECK(may(secret, world.provider(3).identity.account.public_key()) == "OK");
  CHECK(may(shown, std::nullopt) == "OK");
  TestObject unknown = shown;
  unknown.id = {};
  CHECK(may(unknown, std::nullopt) == "NO_SUCH_OBJECT");
}
