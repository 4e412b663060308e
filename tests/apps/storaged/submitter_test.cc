#include "apps/storaged/submitter.h"

#include "apps/storaged/world.h"
#include "cairn/chain/convert.h"
#include "catch.h"

using namespace cairn;
using namespace cairn::storaged;
using namespace cairn::storaged::testing;

namespace {

// Loses the first answers: what was sent took effect, nobody hears of it.
class DeafClient final : public chain::Client {
 public:
  DeafClient(chain::Client& under, int deaf) : under_(under), deaf_(deaf) {}
  absl::StatusOr<pb::TransactionReceipt> Submit(const pb::SignedTransaction& transaction,
                                                chain::WaitFor wait) override {
    auto receipt = under_.Submit(transaction, wait);
    sent.push_back(transaction.body());
    if (deaf_-- > 0) return absl::UnavailableError("the answer is lost");
    return receipt;
  }
  absl::StatusOr<pb::TransactionReceipt> Simulate(
      const pb::SignedTransaction& transaction) override {
    return under_.Simulate(transaction);
  }
  absl::StatusOr<pb::QueryResponse> Query(const pb::QueryRequest& request) override {
    return under_.Query(request);
  }
  absl::Status Follow(uint64_t from_height,
                      const std::function<bool(const pb::Block&)>& sink) override {
    return under_.Follow(from_height, sink);
  }

  std::vector<std::string> sent;

 private:
  chain::Client& under_;
  int deaf_;
};

}  // namespace

TEST_CASE("a transaction whose answer was lost is sent again byte for byte, and done once") {
  World world(3);
  TestProvider& provider = world.provider(0);
  DeafClient client(*world.client, 2);
  Submitter lane(client, provider.identity, world.clock, 7);
  pb::Operation operation;
  operation.mutable_add_deposit()->set_provider(chain::ToField(provider.id()));
  *operation.mutable_add_deposit()->mutable_amount() = chain::ToProto(base::Amount(1000));
  std::vector<absl::Status> answers;
  lane.Post(operation, [&](const absl::Status& status, uint64_t) { answers.push_back(status); });
  CHECK_FALSE(lane.RunOnce());
  CHECK_FALSE(lane.RunOnce());
  CHECK(answers.empty());
  CHECK(lane.RunOnce());
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].ok());
  REQUIRE(client.sent.size() == 3);
  CHECK(client.sent[0] == client.sent[1]);
  CHECK(client.sent[0] == client.sent[2]);
}

TEST_CASE("a provider whose clock is behind the ledger's waits before it tries again, and goes on when the clock is right") {
  World world(3);
  TestProvider& provider = world.provider(0);
  DeafClient client(*world.client, 0);
  base::SimClock clock(world.clock.Now() - absl::Minutes(29));
  Submitter lane(client, provider.identity, clock, 7);
  pb::Operation operation;
  operation.mutable_add_deposit()->set_provider(chain::ToField(provider.id()));
  *operation.mutable_add_deposit()->mutable_amount() = chain::ToProto(base::Amount(1000));
  std::vector<absl::Status> answers;
  lane.Post(operation, [&](const absl::Status& status, uint64_t) { answers.push_back(status); });
  CHECK_FALSE(lane.RunOnce());
  CHECK_FALSE(lane.RunOnce());
  CHECK(answers.empty());
  CHECK(client.sent.size() == 2);
  clock.Set(world.clock.Now());
  CHECK(lane.RunOnce());
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].ok());
}

TEST_CASE("a damaged part that nobody can give yet is asked for again", "[GF-24]") {
  World world(3);
  TestBucket bucket = world.MakeBucket("replicate:3", true);
  TestObject object = world.Create(bucket, "a", Pattern(5000));
  world.Store(bucket, object);
  TestProvider& holder = *bucket.holders[0];
  REQUIRE(holder.blobs->Delete(object.layout.content_id).ok());
  holder->puller.AddDamaged(object.layout.content_id);
  for (size_t i = 1; i < 3; ++i) bucket.holders[i]->off = true;
  (void)holder->puller.RunOnce([] { return false; });
  CHECK_FALSE(holder.blobs->Read(object.layout.content_id, 1 << 20).ok());
  for (size_t i = 1; i < 3; ++i) bucket.holders[i]->off = false;
  REQUIRE(holder->puller.RunOnce([] { return false; }).ok());
  CHECK(holder.blobs->Read(object.layout.content_id, 1 << 20).ok());
}
