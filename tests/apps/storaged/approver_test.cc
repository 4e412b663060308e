#include "apps/storaged/approver.h"

#include "apps/storaged/world.h"
#include "cairn/base/claim.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "catch.h"

using namespace cairn;
using namespace cairn::storaged;
using namespace cairn::storaged::testing;

namespace {

pb::Operation NewObjects(const TestBucket& bucket, uint64_t size) {
  pb::Operation operation;
  pb::CreateObjects& create = *operation.mutable_create_objects();
  create.set_bucket(bucket.id);
  create.mutable_approval()->set_provider(chain::ToField(bucket.primary->id()));
  pb::NewObject& object = *create.add_objects();
  object.set_name("a");
  object.set_stored_size(size);
  object.set_layout(pb::LAYOUT_KIND_COPIES);
  return operation;
}

}  // namespace

TEST_CASE("an approval signs exactly the operation, is single use and lives at most ten minutes",
          "[GF-15]") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  pb::Operation operation = NewObjects(bucket, 100);
  operation.mutable_create_objects()->mutable_approval()->set_expires_ms(
      absl::ToUnixMillis(world.clock.Now() + absl::Hours(5)));
  auto first = (*bucket.primary)->approver.Decide(operation, world.owner().account());
  auto second = (*bucket.primary)->approver.Decide(operation, world.owner().account());
  REQUIRE(first.ok());
  REQUIRE(second.ok());
  CHECK(first->nonce() != second->nonce());
  CHECK(first->expires_ms() <=
        static_cast<uint64_t>(absl::ToUnixMillis(world.clock.Now() + absl::Minutes(10))));

  auto verifies = [&](const pb::Operation& approved) {
    const pb::Approval& approval = *chain::ApprovalOf(approved);
    base::ApprovalClaim claim;
    claim.chain = world.engine->chain_id();
    claim.provider = bucket.primary->id();
    claim.nonce = chain::Trusted<base::Nonce16>(approval.nonce());
    claim.expires_ms = approval.expires_ms();
    claim.request = chain::ApprovalRequest(approved);
    return bucket.primary->identity.node.public_key().Verify(
        base::SigningDigest(claim), chain::Trusted<base::Signature>(approval.signature()));
  };
  *operation.mutable_create_objects()->mutable_approval() = *first;
  CHECK(verifies(operation));
  operation.mutable_create_objects()->mutable_objects(0)->set_stored_size(101);
  CHECK_FALSE(verifies(operation));
}

TEST_CASE("a provider refuses with a stable reason", "[GF-15]") {
  World world(4, /*quota=*/1 << 20);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  base::AccountId owner = world.owner().account();
  Approver& approver = (*bucket.primary)->approver;
  auto reason = [&](Approver& asked, const pb::Operation& operation, const base::AccountId& who) {
    return base::ReasonOf(asked.Decide(operation, who).status());
  };
  CHECK(reason(approver, NewObjects(bucket, 2 << 20), owner) == "NO_SPACE");
  CHECK(reason(approver, NewObjects(bucket, uint64_t{1} << 31), owner) == "TOO_LARGE");
  CHECK(reason(approver, NewObjects(bucket, 1), base::AccountId{}) == "NOT_OWNER");

  pb::Operation elsewhere = NewObjects(bucket, 1);
  elsewhere.mutable_create_objects()->mutable_approval()->set_provider(
      chain::ToField(world.provider(3).id()));
  CHECK(reason(world.provider(3)->approver, elsewhere, owner) == "GROUP_NOT_MINE");
  CHECK(reason(approver, elsewhere, owner) == "BAD_REQUEST");

  pb::Operation whole;
  pb::CreateBucket& create = *whole.mutable_create_bucket();
  create.mutable_policy()->set_whole_at_primary(true);
  create.mutable_new_group()->set_primary(chain::ToField(bucket.primary->id()));
  create.mutable_approval()->set_provider(chain::ToField(bucket.primary->id()));
  CHECK(reason(approver, whole, owner) == "OK");

  pb::Operation unasked;
  unasked.mutable_transfer()->set_to("x");
  CHECK(reason(approver, unasked, owner) == "BAD_REQUEST");

  approver.set_accepting(false);
  CHECK(reason(approver, NewObjects(bucket, 1), owner) == "NOT_ACCEPTING");
  approver.set_accepting(true);
  pb::Operation maintenance;
  maintenance.mutable_set_maintenance()->set_on(true);
  maintenance.mutable_set_maintenance()->set_until_ms(
      absl::ToUnixMillis(world.clock.Now() + absl::Minutes(30)));
  REQUIRE(chain::ToStatus(world.Submit(bucket.primary->identity.account, maintenance)).ok());
  world.CatchUp();
  CHECK(reason(approver, NewObjects(bucket, 1), owner) == "NOT_ACCEPTING");
}
