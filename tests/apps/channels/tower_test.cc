// A daemon's watchtower with the real ledger, through restarts and while the ledger is away.
#include "apps/storaged/tower.h"

#include "apps/channels/channel_world.h"
#include "catch.h"

using namespace cairn;
using namespace cairn::storaged;
using namespace cairn::storaged::testing;

namespace {

constexpr uint64_t kChunk = base::kTickBytes;

class SilentPeers final : public PartSource {
 public:
  absl::Status Fetch(const base::AccountId&, const base::ObjectId&, const base::ContentId&, base::ByteRange,
                     const storage::ByteSink&) override {
    return absl::UnavailableError("nobody there");
  }
  absl::Status Watch(const base::AccountId&, const rpc::v1::WatchRequest&) override {
    ++asked;
    return absl::UnavailableError("nobody there");
  }
  int asked = 0;
};

// Provider 1 watches over a channel to provider 0.
struct TowerRig {
  ChannelWorld w;
  TestProvider& keeper = w.world.provider(1);
  CutClient client{static_cast<chain::Client&>(*w.world.client)};
  std::unique_ptr<base::Kv> kv = base::NewMemoryKv();
  WriteQueue writes{*kv};
  Ledger ledger{client, w.world.clock};
  Submitter lane{client, keeper.identity, w.world.clock, 8};
  SilentPeers peers;
  std::unique_ptr<Tower> tower;
  base::ChannelId id = w.Open();
  base::Claim older, newer;

  TowerRig() {
    Restart();
    payment::Payer payer = w.NewPayer(id);
    payer.Want(2 * kChunk);
    REQUIRE(w.Pay(payer).reject() == 0);
    older = *payer.last();
    payer.OnVerified(kChunk);
    REQUIRE(w.Pay(payer).reject() == 0);
    newer = *payer.last();
    REQUIRE(*base::WorthOf(newer) > *base::WorthOf(older));
  }
  void Restart() {
    tower = std::make_unique<Tower>(
        Tower::Environment{keeper.identity, ledger, writes, lane, peers, w.world.clock}, 0);
  }
  absl::Status Watch(const base::Claim& claim) {
    const payment::ChannelFacts facts = w.Facts(id);
    const base::SigningKey& payee = w.provider().identity.account;
    const base::TowerAppointment terms{
        facts.chain, id, keeper.id(),
        static_cast<uint64_t>(absl::ToUnixMillis(facts.expires + absl::Hours(24 * 7)))};
    rpc::v1::WatchRequest request;
    request.set_claim(Encoded(claim));
    pb::TowerAppointment& field = *request.mutable_appointment();
    field.set_expires_ms(terms.expires_ms);
    field.set_payee_key(base::ToString(payee.public_key().Encode()));
    field.set_signature(chain::ToField(payee.Sign(base::SigningDigest(terms))));
    rpc::v1::WatchResponse response;
    return tower->Watch(request, response);
  }
  // The payer closes as if it had paid nothing.
  void CloseStale() {
    pb::Operation close;
    close.mutable_close_channel()->set_channel(chain::ToField(id));
    w.world.Do(close);
  }
  base::Amount Claimed() {
    while (lane.RunOnce()) {
    }
    return w.Facts(id).claimed;
  }
};

}  // namespace

TEST_CASE("what a tower said it watches is what it shows after a restart, also when an older claim came last [CD-39]") {
  TowerRig rig;
  REQUIRE(rig.Watch(rig.newer).ok());
  REQUIRE(rig.Watch(rig.older).ok());
  rig.Restart();
  REQUIRE(rig.tower->Load().ok());
  rig.CloseStale();
  REQUIRE(rig.tower->OnChannel(rig.id).ok());
  CHECK(rig.Claimed() == *base::WorthOf(rig.newer));
}

TEST_CASE("a tower that cannot reach the ledger says so, and disputes when it is asked again [CD-39]") {
  TowerRig rig;
  REQUIRE(rig.Watch(rig.newer).ok());
  rig.Restart();
  rig.w.world.clock.Advance(absl::Minutes(1));  // nothing is cached any more
  rig.client.cut = true;
  CHECK(absl::IsUnavailable(rig.tower->Load()));
  rig.client.cut = false;
  REQUIRE(rig.tower->Load().ok());
  CHECK(rig.tower->watched() == 1);
  rig.CloseStale();
  rig.client.cut = true;
  CHECK(absl::IsUnavailable(rig.tower->OnChannel(rig.id)));
  rig.client.cut = false;
  REQUIRE(rig.tower->OnChannel(rig.id).ok());
  CHECK(rig.Claimed() == *base::WorthOf(rig.newer));
}

TEST_CASE("the ledger is not asked about channels that a tower has nothing to do with") {
  TowerRig rig;
  rig.client.cut = true;
  CHECK(rig.tower->OnChannel(rig.id).ok());
}

TEST_CASE("a tower that does not answer is not asked again for every channel, but soon") {
  TowerRig rig;
  Tower own({rig.w.provider().identity, rig.ledger, rig.writes, rig.lane, rig.peers, rig.w.world.clock}, 2);
  for (int i = 0; i < 3; ++i) own.Entrust(rig.w.Facts(rig.id), rig.newer);
  CHECK(rig.peers.asked == 2);
  rig.w.world.clock.Advance(absl::Seconds(6));
  own.Entrust(rig.w.Facts(rig.id), rig.newer);
  CHECK(rig.peers.asked == 4);
}
