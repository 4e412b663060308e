// A provider that is paid out of pools, with the real ledger: whose word counts, how far it serves, what it redeems.
#include "apps/storaged/pool_lanes.h"

#include "apps/channels/channel_world.h"
#include "cairn/base/status.h"
#include "catch.h"

using namespace cairn;
using namespace cairn::storaged;
using namespace cairn::storaged::testing;

namespace {

constexpr uint64_t kChunk = base::kTickBytes;
constexpr uint64_t kTick = 64;              // units of a chunk
constexpr uint64_t kThreeWindows = 3 * 8192;
bool Never() { return false; }

class PoolWorld : public ChannelWorld {
 public:
  PoolWorld() : edge(base::SigningKey::Generate(world.entropy)) {}

  // What the provider says to a hello of the signer.
  absl::Status Meet(const base::ChannelId& id, const rpc::v1::PoolGrant& grant, const base::SigningKey& signer) {
    FakePayer peer;
    peer.requests.push_back(Hello(id));
    *peer.requests.back().mutable_hello()->mutable_grant() = grant;
    return reads->Serve(signer.public_key(), peer);
  }
  std::string RefusalOf(const base::ChannelId& id, const rpc::v1::PoolGrant& grant) {
    return base::ReasonOf(Meet(id, grant, edge));
  }
  payment::Payer LanePayer(const base::ChannelId& id) {
    const payment::PayerLimits limits{
        .max_rate = {base::Amount::Max()}, .max_total = base::Amount::Max(), .ticks = 256};
    auto payer = *payment::Payer::Open(lanes->Look(id)->channel(), limits, edge, world.entropy);
    (void)payer.Agree({*base::Amount(kUnitsPerMib).Times(base::kPriceScale)});
    return payer;
  }
  // Reads so many chunks over the lane and pays for each; how many were served.
  uint64_t ReadChunks(payment::Payer& payer, uint64_t chunks) {
    auto read = reads->Begin({.caller = edge.public_key(), .channel = chain::ToField(payer.facts().id)});
    INFO(read.status().ToString());
    REQUIRE(read.ok());
    payer.Want(chunks * kChunk);
    for (uint64_t i = 0; i < chunks; ++i) {
      FakePayer peer;
      peer.requests.push_back(Hello(payer.facts().id));
      const auto due = payer.Due(world.clock.Now());
      if (!due.ok()) return i;
      if (!due->empty()) peer.requests.push_back(RequestFor(*due));
      served = reads->Serve(edge.public_key(), peer);
      if (!served.ok() || (!peer.answers.empty() && peer.answers.back().reject() != 0)) return i;
      refused = (*read)->Admit(kChunk, Never);
      if (!refused.ok()) return i;
      (*read)->Sent(kChunk);
      payer.OnVerified(kChunk);
    }
    return chunks;
  }
  pb::Pool PoolRecord(const base::ChannelId& pool) {
    return provider()->ledger.Pool(pool, base::ToString(edge.public_key().Encode()), provider().id())->pool;
  }
  uint64_t Paid(const base::ChannelId& pool) { return chain::FromProto(PoolRecord(pool).paid()).low(); }
  uint64_t Redeemed(const base::ChannelId& id) { return lanes->Look(id)->facts.redeemed.low(); }
  base::SigningKey edge;
  absl::Status refused;
};

}  // namespace

TEST_CASE("a pool's lane pays for reads like a channel once its capability was shown, and each claim is redeemed once "
          "[JS-15]") {
  PoolWorld w;
  const base::ChannelId pool = w.OpenPool(1'000'000);
  const base::ChannelId lane = w.LaneTo(pool, w.edge);
  REQUIRE(w.Meet(lane, w.Grant(pool, w.edge, 500'000), w.edge).ok());
  payment::Payer payer = w.LanePayer(lane);
  CHECK(w.ReadChunks(payer, 40) == 40);
  w.Settle();
  CHECK(w.Paid(pool) == 40 * kTick);
  CHECK(w.Redeemed(lane) == 40 * kTick);
  w.Settle();
  CHECK(w.settler->redeemed() == 1);

  // A restart knows the capability: it serves without being shown it, and redeems what it is owed.
  w.Restart();
  w.world.provider(0).CatchUp();
  CHECK(w.ReadChunks(payer, 10) == 10);
  w.Restart();
  w.Settle();
  CHECK(w.Paid(pool) == 50 * kTick);
  CHECK(payer.promised() == base::Amount(50 * kTick));
}

TEST_CASE("a provider serves a lane only under a capability that the pool's owner signed, for this lane, now [JS-15]") {
  PoolWorld w;
  const base::ChannelId pool = w.OpenPool(1'000'000);
  const base::ChannelId lane = w.LaneTo(pool, w.edge);
  const rpc::v1::PoolGrant good = w.Grant(pool, w.edge, 500'000);
  CHECK(base::ReasonOf(w.reads->Begin({.caller = w.edge.public_key(), .channel = chain::ToField(lane)}).status()) ==
        "NO_SUCH_CHANNEL");
  FakePayer silent;
  silent.requests.push_back(w.Hello(lane));
  CHECK(base::ReasonOf(w.reads->Serve(w.edge.public_key(), silent)) == "NO_SUCH_CHANNEL");

  rpc::v1::PoolGrant forged = good;
  *forged.mutable_capability()->mutable_spending_cap() = chain::ToProto(base::Amount(uint64_t{900'000}));
  CHECK(w.RefusalOf(lane, forged) == "BAD_CAPABILITY");
  forged = good;
  forged.set_pool(chain::ToField(w.OpenPool(5)));
  CHECK(w.RefusalOf(lane, forged) == "BAD_CAPABILITY");
  forged.set_pool(std::string(16, 'x'));
  CHECK(w.RefusalOf(lane, forged) == "NO_SUCH_POOL");
  forged.set_pool("x");
  CHECK(w.RefusalOf(lane, forged) == "WRONG_LANE");
  forged = good;
  forged.mutable_capability()->clear_signature();
  CHECK(w.RefusalOf(lane, forged) == "BAD_CAPABILITY");
  CHECK(w.RefusalOf(w.LaneTo(pool, w.edge, 1), good) == "WRONG_LANE");
  CHECK(w.RefusalOf(lane, w.Grant(pool, w.edge, 1, absl::Hours(24 * 40))) == "BAD_CAPABILITY");
  CHECK(w.RefusalOf(lane, w.Grant(pool, w.edge, 1, -absl::Seconds(1))) == "CAPABILITY_EXPIRED");
  CHECK(w.lanes->All().empty());  // nothing of that was kept

  const auto stranger = base::SigningKey::Generate(w.world.entropy);
  CHECK(base::ReasonOf(w.Meet(lane, good, stranger)) == "NOT_YOUR_CHANNEL");
  REQUIRE(w.Meet(lane, good, w.edge).ok());
  rpc::v1::AgreeToCloseRequest close;
  close.set_channel(chain::ToField(lane));
  rpc::v1::AgreeToCloseResponse closed;
  CHECK(base::ReasonOf(w.reads->AgreeToClose(w.edge.public_key(), close, closed)) == "NOT_A_CHANNEL");

  pb::Operation revoke;
  revoke.mutable_revoke_pool_signer()->set_pool(chain::ToField(pool));
  revoke.mutable_revoke_pool_signer()->set_signer(good.capability().signer());
  w.world.Submit(w.wallet(), revoke);
  CHECK(w.RefusalOf(lane, good) == "SIGNER_REVOKED");
  const base::ChannelId closing = w.OpenPool(1'000'000);
  pb::Operation end;
  end.mutable_close_pool()->set_pool(chain::ToField(closing));
  w.world.Submit(w.wallet(), end);
  CHECK(w.RefusalOf(w.LaneTo(closing, w.edge), w.Grant(closing, w.edge, 1000)) == "POOL_CLOSED");
}

TEST_CASE("a payee redeems early when its pool runs short, stops where nothing is covered, and goes on when the owner "
          "adds to it [JS-15]") {
  PoolWorld w;
  w.withdraw_from = base::Amount(uint64_t{1'000'000});  // nothing is worth a transaction by its size alone
  w.Restart();
  const uint64_t deposit = 100'000;
  const base::ChannelId pool = w.OpenPool(deposit);
  const base::ChannelId lane = w.LaneTo(pool, w.edge);
  const rpc::v1::PoolGrant grant = w.Grant(pool, w.edge, 10 * deposit);  // more is promised than there is
  REQUIRE(w.Meet(lane, grant, w.edge).ok());
  payment::Payer payer = w.LanePayer(lane);
  CHECK(w.ReadChunks(payer, 100) == 100);
  w.Settle();
  CHECK(w.Redeemed(lane) == 0);  // there is plenty

  // Another payee takes so much that less than three windows are left.
  w.RedeemElsewhere(w.edge, grant, deposit - kThreeWindows + 1);
  w.Settle();
  CHECK(w.Redeemed(lane) == 100 * kTick);
  const uint64_t left = deposit - w.Paid(pool);
  CHECK(left == kThreeWindows - 1 - 100 * kTick);

  // It goes on while the pool covers it, redeeming as it goes, and no chunk further.
  uint64_t chunks = 0;
  for (uint64_t got = 1; got != 0; chunks += got) {
    got = w.ReadChunks(payer, 50);
    w.Settle();
  }
  CHECK(chunks == left / kTick);
  CHECK(w.Redeemed(lane) == (100 + chunks) * kTick);
  CHECK(deposit - w.Paid(pool) < kTick);

  w.Fund(pool, 50 * kTick);
  w.Settle();
  payer.OnFacts(w.lanes->Look(lane)->channel());
  CHECK(w.ReadChunks(payer, 20) == 20);
}

TEST_CASE("what others take first is lost to a payee only as far as it had not redeemed, at most a window beyond its "
          "threshold [JS-15]") {
  PoolWorld w;
  w.withdraw_from = base::Amount(200 * kTick);
  w.Restart();
  const uint64_t deposit = 1'000'000;
  const base::ChannelId pool = w.OpenPool(deposit);
  const base::ChannelId lane = w.LaneTo(pool, w.edge);
  const rpc::v1::PoolGrant grant = w.Grant(pool, w.edge, 10 * deposit);
  REQUIRE(w.Meet(lane, grant, w.edge).ok());
  payment::Payer payer = w.LanePayer(lane);
  for (int round = 0; round < 6; ++round) {
    CHECK(w.ReadChunks(payer, 90) == 90);
    w.Settle();
  }
  const uint64_t before = w.Redeemed(lane);
  CHECK(before == 540 * kTick);  // twice three rounds
  CHECK(w.ReadChunks(payer, 90) == 90);
  w.RedeemElsewhere(w.edge, grant, deposit - before);  // all of it
  w.Settle();
  CHECK(w.Redeemed(lane) == before);
  const uint64_t lost = payer.promised().low() - before;
  CHECK(lost == 90 * kTick);
  CHECK(lost < 200 * kTick + 8192);
  CHECK(w.ReadChunks(payer, 1) == 0);  // nothing is served on a promise of nothing
}

TEST_CASE("a lane ends with its capability: what it is owed is taken before, a new one carries it on, and nothing is "
          "left of it when the pool is gone [JS-15]") {
  PoolWorld w;
  w.withdraw_from = base::Amount(uint64_t{1'000'000});
  w.Restart();
  const base::ChannelId pool = w.OpenPool(1'000'000);
  const base::ChannelId lane = w.LaneTo(pool, w.edge);
  REQUIRE(w.Meet(lane, w.Grant(pool, w.edge, 500'000, absl::Hours(24)), w.edge).ok());
  payment::Payer payer = w.LanePayer(lane);
  CHECK(w.ReadChunks(payer, 8) == 8);
  w.Settle();
  CHECK(w.Redeemed(lane) == 0);
  w.world.Advance(absl::Hours(19));  // less than six hours are left
  w.Settle();
  CHECK(w.Redeemed(lane) == 8 * kTick);
  // Of two capabilities that hold the better one is kept.
  REQUIRE(w.Meet(lane, w.Grant(pool, w.edge, 600'000, absl::Hours(72)), w.edge).ok());
  REQUIRE(w.Meet(lane, w.Grant(pool, w.edge, 100, absl::Hours(72)), w.edge).ok());
  CHECK(w.lanes->Look(lane)->facts.signer_cap == base::Amount(uint64_t{600'000}));
  payer.OnFacts(w.lanes->Look(lane)->channel());
  CHECK(w.ReadChunks(payer, 8) == 8);

  pb::Operation close;
  close.mutable_close_pool()->set_pool(chain::ToField(pool));
  w.world.Submit(w.wallet(), close);
  w.Settle();  // the window is for this
  CHECK(w.Redeemed(lane) == 16 * kTick);
  CHECK(w.ReadChunks(payer, 1) == 0);
  w.world.Advance(absl::Hours(24 * 7));
  w.Settle();
  CHECK(w.lanes->All().empty());
  CHECK_FALSE(w.store->Find(lane)->has_value());
}

TEST_CASE("a pool's owner cannot fill a provider's memory with lanes: the sixty-fifth of one pool is refused") {
  PoolWorld w;
  const base::ChannelId pool = w.OpenPool(1'000'000);
  std::vector<base::SigningKey> keys;
  for (int i = 0; i < 65; ++i) keys.push_back(base::SigningKey::Generate(w.world.entropy));
  for (int i = 0; i < 64; ++i) REQUIRE(w.Meet(w.LaneTo(pool, keys[i]), w.Grant(pool, keys[i], 1'000'000), keys[i]).ok());
  CHECK(base::ReasonOf(w.Meet(w.LaneTo(pool, keys[64]), w.Grant(pool, keys[64], 1'000'000), keys[64])) == "TOO_MANY_LANES");
  CHECK(w.Meet(w.LaneTo(pool, keys[3]), w.Grant(pool, keys[3], 2'000'000), keys[3]).ok());
}

TEST_CASE("lanes that owe nothing cost a round no question to the ledger, and go when their capability ends") {
  PoolWorld w;
  const base::ChannelId pool = w.OpenPool(1'000'000);
  for (int i = 0; i < 20; ++i) {
    const base::SigningKey key = base::SigningKey::Generate(w.world.entropy);
    REQUIRE(w.Meet(w.LaneTo(pool, key), w.Grant(pool, key, 1'000'000, absl::Hours(24)), key).ok());
  }
  int asked = 0;
  w.world.client->on_the_way = [&] { ++asked; };
  REQUIRE(w.settler->RunOnce().ok());
  CHECK(asked < 5);
  CHECK(w.lanes->All().size() == 20);
  w.world.client->on_the_way = nullptr;
  w.world.Advance(absl::Hours(25));
  REQUIRE(w.settler->RunOnce().ok());
  CHECK(w.lanes->All().empty());
}
