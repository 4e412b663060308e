// A wallet that pays a provider for reads: the purse and its channels against the provider's own parts.
#include <unistd.h>

#include <thread>

#include "apps/channels/channel_world.h"
#include "apps/client/channels.h"
#include "apps/client/pools.h"
#include "apps/client/purse.h"
#include "cairn/base/executor.h"
#include "catch.h"
#include "support/temp_dir.h"

using namespace cairn;
using namespace cairn::storaged;
using namespace cairn::storaged::testing;

namespace {

constexpr uint64_t kChunk = base::kTickBytes;
constexpr uint64_t kGroup = 16 * 1024;

// Says to the provider's parts what would travel; can be cut.
class LocalTransport final : public client::Transport {
 public:
  explicit LocalTransport(ChannelWorld& world, const base::PublicKey& caller)
      : world_(world), caller_(caller) {}
  bool cut = false;
  std::atomic<int> cuts{0};            // of the next exchanges
  std::optional<base::Price> asks{};  // instead of the terms

  absl::StatusOr<rpc::v1::GetInfoResponse> GetInfo(const client::ProviderAddress&, absl::Duration) override {
    rpc::v1::GetInfoResponse info;
    *info.mutable_reads() = world_.reads->terms();
    return info;
  }
  absl::StatusOr<std::unique_ptr<client::PayStream>> Pay(const client::ProviderAddress&, absl::Duration) override {
    if (cut) return absl::UnavailableError("cut");
    return std::make_unique<Stream>(*this);
  }
  absl::StatusOr<rpc::v1::AgreeToCloseResponse> AgreeToClose(const client::ProviderAddress&,
                                                            const rpc::v1::AgreeToCloseRequest& request,
                                                            absl::Duration) override {
    rpc::v1::AgreeToCloseResponse response;
    RETURN_IF_ERROR(world_.reads->AgreeToClose(caller_, request, response));
    return response;
  }
  absl::StatusOr<rpc::v1::ChannelStatementResponse> ChannelStatement(const client::ProviderAddress&,
                                                                    const rpc::v1::ChannelStatementRequest& request,
                                                                    absl::Duration) override {
    rpc::v1::ChannelStatementResponse response;
    RETURN_IF_ERROR(world_.reads->Statement(caller_, request, response));
    return response;
  }
  absl::StatusOr<rpc::v1::ListReadsResponse> ListReads(const client::ProviderAddress&, const rpc::v1::ListReadsRequest&,
                                                       absl::Duration) override {
    return absl::UnimplementedError("not here");
  }
  absl::StatusOr<chain::v1::Approval> Approve(const client::ProviderAddress&, const rpc::v1::ApproveRequest&,
                                              absl::Duration) override {
    return absl::UnimplementedError("not here");
  }
  absl::StatusOr<rpc::v1::QueryUploadResponse> QueryUpload(const client::ProviderAddress&, const base::ObjectId&,
                                                           uint32_t, const base::ContentId&,
                                                           absl::Duration) override {
    return absl::UnimplementedError("not here");
  }
  absl::StatusOr<std::unique_ptr<client::PutStream>> Put(const client::ProviderAddress&, absl::Duration) override {
    return absl::UnimplementedError("not here");
  }
  absl::StatusOr<std::unique_ptr<client::GetStream>> Get(const client::ProviderAddress&, const client::GetPart&,
                                                         absl::Duration) override {
    return absl::UnimplementedError("not here");
  }
  absl::StatusOr<rpc::v1::SubmitReceiptsResponse> SubmitReceipts(const client::ProviderAddress&,
                                                                 const rpc::v1::SubmitReceiptsRequest&,
                                                                 absl::Duration) override {
    return absl::UnimplementedError("not here");
  }

 private:
  class Stream final : public client::PayStream {
   public:
    explicit Stream(LocalTransport& transport) : transport_(transport) {}
    absl::StatusOr<rpc::v1::PayResponse> Exchange(const rpc::v1::PayRequest& request) override {
      if (transport_.cut || transport_.cuts-- > 0) return absl::UnavailableError("cut");
      FakePayer peer;
      if (request.has_hello()) {
        hello_ = request;
      } else {
        peer.requests.push_back(hello_);
      }
      peer.requests.push_back(request);
      RETURN_IF_ERROR(transport_.world_.reads->Serve(transport_.caller_, peer));
      rpc::v1::PayResponse answer = peer.answers.back();
      if (transport_.asks) *answer.mutable_terms()->mutable_rate() = chain::ToProto(*transport_.asks);
      return answer;
    }

   private:
    LocalTransport& transport_;
    rpc::v1::PayRequest hello_;
  };

  ChannelWorld& world_;
  const base::PublicKey caller_;
};

// A wallet with usdc, in a folder of its own; Restart is another process on the same files.
struct Wallet {
  explicit Wallet(ChannelWorld& channels) : w(channels) {
    seed = w.world.entropy.DrawSecret<32>();
    for (const pb::Asset asset : {pb::ASSET_CRN, pb::ASSET_USDC}) {
      pb::Operation give;
      give.mutable_transfer()->set_to(chain::ToField(base::AccountKeys::FromSeed(seed).signing.account()));
      give.mutable_transfer()->set_asset(asset);
      const base::Amount amount = asset == pb::ASSET_CRN ? base::Amount(absl::uint128(1'000'000'000'000'000'000u))
                                                         : base::Amount(uint64_t{50'000'000});
      *give.mutable_transfer()->mutable_amount() = chain::ToProto(amount);
      w.world.Do(give);
    }
    Restart({.when = client::PayWhen::kAlways});
  }
  void Restart(const client::PayOptions& pay) {
    client.reset();
    base::AccountKeys keys = base::AccountKeys::FromSeed(seed);
    transport = std::make_shared<LocalTransport>(w, keys.signing.public_key());
    client = *client::Client::Open({.chain = std::shared_ptr<chain::Client>(w.world.client.get(), [](auto*) {}),
                                    .transport = transport,
                                    .keys = std::move(keys),
                                    .chain_id = w.provider().identity.chain,
                                    .clock = &w.world.clock,
                                    .entropy = &w.world.entropy,
                                    .executor = &executor,
                                    .transfer_folder = "",
                                    .lane_folder = "",
                                    .channel_folder = folder.path(),
                                    .pay = pay});
  }
  client::ProviderAddress Holder() const { return {.account = w.provider().id(), .node_key = {}, .tls_pin = {}, .endpoint = ""}; }
  rpc::Caller caller() const { return client->keys().signing.public_key(); }

  // Reads so much over the channel, as a download would: the provider sends, we verify and pay.
  void Read(client::PayingChannel& channel, uint64_t bytes) {
    REQUIRE(channel.Begin(bytes).ok());
    auto read = w.reads->Begin({.caller = caller(), .channel = chain::ToField(channel.id())});
    REQUIRE(read.ok());
    for (uint64_t left = bytes; left > 0;) {
      const uint64_t piece = std::min(left, kGroup);
      INFO(channel.status().ToString());
      REQUIRE((*read)->Admit(piece, [&] { return !channel.status().ok(); }).ok());
      (*read)->Sent(piece);
      channel.Verified(piece);
      left -= piece;
    }
    REQUIRE(channel.Settle().ok());
  }

  ChannelWorld& w;
  base::Secret<32> seed;
  TempDir folder;
  base::ThreadExecutor executor{4};
  std::shared_ptr<LocalTransport> transport;
  std::unique_ptr<client::Client> client;
};

base::Amount Units(uint64_t units) { return base::Amount(units); }

}  // namespace

TEST_CASE("a wallet pays for exactly what it verified, and takes its channel up again in its next process "
          "[CD-09][CD-10]") {
  ChannelWorld w;
  Wallet wallet(w);
  auto channel = wallet.client->purse().For(wallet.Holder(), 30 * kChunk, 1);
  INFO(channel.status().ToString());
  REQUIRE(channel.ok());
  const base::ChannelId id = (*channel)->id();
  wallet.Read(**channel, 30 * kChunk + 1000);
  wallet.Read(**channel, 1);
  const uint64_t bytes = 30 * kChunk + 1001;
  const uint64_t price = (bytes * ChannelWorld::kUnitsPerMib + (1 << 20) - 1) >> 20;
  CHECK((*channel)->paid_bytes() == bytes);
  CHECK((*channel)->paid() == Units(price));
  CHECK(base::WorthOf(**w.store->Find(id)) == Units(price));
  const auto spent = wallet.client->purse().spent();
  REQUIRE(spent.size() == 1);
  CHECK(spent[0].open_fee == Units(100));

  (*channel).reset();
  wallet.Restart({.when = client::PayWhen::kAlways});
  auto again = wallet.client->purse().For(wallet.Holder(), kChunk, 1);
  INFO(again.status().ToString());
  REQUIRE(again.ok());
  CHECK((*again)->id() == id);
  wallet.Read(**again, 5 * kChunk);
  CHECK((*again)->paid_bytes() == 5 * kChunk);
  CHECK(wallet.client->purse().spent()[0].open_fee.zero());
  const auto theirs = client::PayeeStatement(*wallet.client, w.Facts(id));
  // The wallet's own is locked while a channel of this process pays over it.
  (*again).reset();
  wallet.Restart({});
  const auto ours = client::OwnStatement(*wallet.client, id);
  INFO(theirs.status().ToString() << " " << ours.status().ToString());
  REQUIRE((theirs.ok() && ours.ok()));
  CHECK_FALSE(client::FirstDifference(*ours, *theirs).has_value());
  CHECK(client::FirstDifference({ours->begin(), ours->end() - 1}, *theirs) == ours->size() - 1);
}

TEST_CASE("what is not wanted any more is not paid for, and a purse never promises more than it may spend") {
  ChannelWorld w;
  Wallet wallet(w);
  wallet.Restart({.when = client::PayWhen::kAlways, .max_cost = Units(100 + 10 * 64)});
  CHECK(base::ReasonOf(wallet.client->purse().For(wallet.Holder(), 11 * kChunk, 1).status()) == "PRICE_GUARD");
  CHECK(base::ReasonOf(wallet.client->purse().For(wallet.Holder(), 6 * kChunk, 2).status()) == "PRICE_GUARD");
  auto channel = wallet.client->purse().For(wallet.Holder(), 10 * kChunk, 1);
  INFO(channel.status().ToString());
  REQUIRE(channel.ok());
  REQUIRE((*channel)->Begin(10 * kChunk).ok());
  CHECK(base::ReasonOf((*channel)->Begin(kChunk)) == "PRICE_GUARD");
  (*channel)->Verified(kChunk);
  (*channel)->End(9 * kChunk);
  REQUIRE((*channel)->Settle().ok());
  CHECK((*channel)->paid() <= Units(2 * 64));  // a chunk ahead at most
  CHECK((*channel)->Begin(9 * kChunk).ok());
}

TEST_CASE("a provider that asks more after a broken connection gets no more than the purse may spend [CD-40]") {
  ChannelWorld w;
  Wallet wallet(w);
  const base::Amount limit = Units(100 + 10 * 64);
  wallet.Restart({.when = client::PayWhen::kAlways, .max_cost = limit, .max_rate = {base::Amount(absl::Uint128Max() / 1000000)}});
  auto channel = wallet.client->purse().For(wallet.Holder(), 10 * kChunk, 1);
  INFO(channel.status().ToString());
  REQUIRE(channel.ok());
  wallet.transport->asks = base::Price{*(*channel)->rate().per_unit_e18.Times(4)};
  wallet.transport->cuts = 1;
  REQUIRE((*channel)->Begin(10 * kChunk).ok());
  (*channel)->Verified(10 * kChunk);
  CHECK(base::ReasonOf((*channel)->Settle()) == "PRICE_GUARD");
  CHECK((*channel)->paid() <= Units(10 * 64));
}

TEST_CASE("a provider that is away for a while is paid when it answers again; nothing is paid twice [CD-40]") {
  ChannelWorld w;
  Wallet wallet(w);
  auto channel = wallet.client->purse().For(wallet.Holder(), 20 * kChunk, 1);
  REQUIRE(channel.ok());
  wallet.Read(**channel, 4 * kChunk);
  const base::ChannelId id = (*channel)->id();
  wallet.transport->cut = true;
  REQUIRE((*channel)->Begin(kChunk).ok());
  CHECK_FALSE((*channel)->Settle().ok());
  (*channel).reset();
  wallet.Restart({.when = client::PayWhen::kAlways});
  w.Restart();
  auto again = wallet.client->purse().For(wallet.Holder(), kChunk, 1);
  INFO(again.status().ToString());
  REQUIRE(again.ok());
  CHECK((*again)->id() == id);
  const auto held = w.store->Find(id);
  REQUIRE((held.ok() && held->has_value()));
  CHECK(base::WorthOf(**held) == Units(5 * 64));  // the chunk that was promised while it was away
}

TEST_CASE("a wallet closes together with its payee, and not alone while it is unsure what it signed [CD-15][CD-17]") {
  ChannelWorld w;
  Wallet wallet(w);
  base::ChannelId id;
  {
    auto channel = wallet.client->purse().For(wallet.Holder(), 8 * kChunk, 1);
    REQUIRE(channel.ok());
    id = (*channel)->id();
    wallet.Read(**channel, 8 * kChunk);
  }
  wallet.Restart({});
  wallet.transport->cut = true;
  CHECK(base::ReasonOf(client::CloseChannel(*wallet.client, id, {}).status()) == "CLOSE_UNCERTAIN");
  wallet.transport->cut = false;
  const auto closed = client::CloseChannel(*wallet.client, id, {});
  INFO(closed.status().ToString());
  REQUIRE(closed.ok());
  CHECK(closed->kind == client::CloseKind::kTogether);
  CHECK(closed->amount == Units(8 * 64));
  CHECK_FALSE(closed->restored);
  CHECK(w.Facts(id).phase == payment::ChannelPhase::kSettled);
  CHECK(base::ReasonOf(client::CloseChannel(*wallet.client, id, {}).status()) == "CHANNEL_ENDED");
}

TEST_CASE("both ends of a pool's lane have the same statement, also once others took what the pool had; its owner and the "
          "provider's operator see it, nobody else does [CD-09][JS-15]") {
  ChannelWorld w;
  Wallet wallet(w);
  const base::ChannelId pool = w.OpenPool(100 * 64);
  const base::SigningKey& signer = wallet.client->keys().signing;
  const auto grant = std::make_shared<const rpc::v1::PoolGrant>(w.Grant(pool, signer, 500'000));
  const base::ChannelId id = w.LaneTo(pool, signer);
  const base::PublicKey signs = signer.public_key();
  const rpc::v1::PoolGrant elsewhere = w.Grant(pool, w.wallet(), 500'000);
  wallet.Restart({.when = client::PayWhen::kAlways, .pool = grant});
  {
    auto lane = wallet.client->purse().For(wallet.Holder(), 40 * kChunk, 1);
    INFO(lane.status().ToString());
    REQUIRE(lane.ok());
    REQUIRE((*lane)->id() == id);
    wallet.Read(**lane, 30 * kChunk);
    wallet.Read(**lane, 1000);
  }
  w.RedeemElsewhere(w.wallet(), elsewhere, 80 * 64);
  wallet.Restart({});
  CHECK(base::ReasonOf(client::FindChannelOrLane(*wallet.client, id, nullptr).status()) == "NO_SUCH_CHANNEL");
  const auto facts = client::FindChannelOrLane(*wallet.client, id, grant.get());
  INFO(facts.status().ToString());
  REQUIRE(facts.ok());
  CHECK(facts->payer == w.wallet().account());
  CHECK(facts->payee == w.provider().id());
  CHECK(facts->signer == signs);
  CHECK(facts->deposit == Units(20 * 64));  // less than was promised
  const auto theirs = client::PayeeStatement(*wallet.client, *facts);
  const auto ours = client::OwnStatement(*wallet.client, id);
  INFO(theirs.status().ToString() << " " << ours.status().ToString());
  REQUIRE((theirs.ok() && ours.ok()));
  CHECK(client::CompareStatements(*ours, *theirs).ok());
  CHECK(base::BytesOf(ours->back()) == 30 * kChunk + 1000);
  const auto lanes = client::ListLanes(*wallet.client, *grant);
  REQUIRE(lanes.ok());
  REQUIRE(lanes->size() == 1);
  CHECK((*lanes)[0].channel().id == id);

  rpc::v1::ChannelStatementRequest request;
  request.set_channel(chain::ToField(id));
  rpc::v1::ChannelStatementResponse own, told;
  REQUIRE(w.reads->OwnStatement(request, own).ok());
  REQUIRE(w.reads->Statement(w.caller(), request, told).ok());  // the pool's owner
  CHECK(own.SerializeAsString() == told.SerializeAsString());
  CHECK(own.claims_size() == static_cast<int>(ours->size()));
  const base::SigningKey stranger = base::SigningKey::Generate(w.world.entropy);
  CHECK(base::ReasonOf(w.reads->Statement(stranger.public_key(), request, told)) == "NOT_YOUR_CHANNEL");
  request.clear_channel();
  rpc::v1::ChannelStatementResponse newest;
  REQUIRE(w.reads->OwnStatement(request, newest).ok());
  REQUIRE(newest.claims_size() == 1);
  CHECK((newest.complete() && newest.claims(0) == Encoded(ours->back())));
}

TEST_CASE("what nobody promised anything over has no statement: the wallet's is empty and leaves no folder, the provider knows "
          "no such channel") {
  ChannelWorld w;
  Wallet wallet(w);
  const base::ChannelId id = base::ChannelIdFor(w.provider().identity.chain, 12345);
  const auto ours = client::OwnStatement(*wallet.client, id);
  REQUIRE(ours.ok());
  CHECK(ours->empty());
  CHECK(access(wallet.client->purse().FolderOf(id).c_str(), F_OK) != 0);
  const rpc::v1::PoolGrant grant = w.Grant(w.OpenPool(1000), wallet.client->keys().signing, 1000);
  CHECK(base::ReasonOf(client::FindChannelOrLane(*wallet.client, id, nullptr).status()) == "NO_SUCH_CHANNEL");
  CHECK(base::ReasonOf(client::FindChannelOrLane(*wallet.client, id, &grant).status()) == "NO_SUCH_CHANNEL");
  CHECK(client::ListLanes(*wallet.client, grant).value().empty());
  rpc::v1::ChannelStatementRequest request;
  rpc::v1::ChannelStatementResponse response;
  request.set_channel(chain::ToField(id));
  CHECK(base::ReasonOf(w.reads->OwnStatement(request, response)) == "NO_SUCH_CHANNEL");
  request.set_channel("short");
  CHECK(base::ReasonOf(w.reads->OwnStatement(request, response)) == "BAD_REQUEST");
}
