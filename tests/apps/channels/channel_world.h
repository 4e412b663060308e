// A payer with open channels to a provider of World, and the provider's parts that deal with them.
#pragma once

#include <deque>

#include "apps/client/channel_facts.h"
#include "apps/storaged/read_channels.h"
#include "apps/storaged/settler.h"
#include "apps/storaged/tower.h"
#include "apps/storaged/world.h"
#include "cairn/base/charge.h"
#include "cairn/chain/convert.h"
#include "cairn/payment/payer.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::storaged::testing {

// A stream of requests that is known before, and what was answered.
class FakePayer final : public rpc::PayPeer {
 public:
  std::deque<rpc::v1::PayRequest> requests;
  std::vector<rpc::v1::PayResponse> answers;
  absl::StatusOr<std::shared_ptr<const rpc::v1::PayRequest>> Next() override {
    if (requests.empty()) return std::shared_ptr<const rpc::v1::PayRequest>();
    auto next = std::make_shared<rpc::v1::PayRequest>(std::move(requests.front()));
    requests.pop_front();
    return std::shared_ptr<const rpc::v1::PayRequest>(std::move(next));
  }
  absl::Status Answer(const rpc::v1::PayResponse& response) override {
    answers.push_back(response);
    return absl::OkStatus();
  }
};

inline std::string Encoded(const base::Claim& claim) {
  const base::Bytes bytes = base::EncodeClaim(claim);
  return base::ToString(bytes);
}

class ChannelWorld {
 public:
  static constexpr uint64_t kUnitsPerMib = 1024;  // a tick costs 64 units

  ChannelWorld() : world(3), claims_(base::NewMemoryKv()) { Restart(); }

  // What a restart of the provider leaves: its stores.
  void Restart() {
    settler.reset();
    reads.reset();
    store = *payment::OpenClaimStore(*claims_);
    lanes = std::make_unique<PoolLanes>(PoolLanes::Environment{
        provider().identity, provider()->ledger, provider()->writes, world.clock});
    (void)lanes->Load();
    lane = std::make_unique<Submitter>(*world.client, provider().identity, world.clock, 8);
    payment::PayeeTerms terms;
    terms.rate = {*base::Amount(kUnitsPerMib).Times(base::kPriceScale)};
    reads = std::make_unique<ReadChannels>(
        ReadChannels::Environment{provider().identity, provider()->ledger, *store, world.clock,
                                  [] { return false; },
                                  [this](const absl::Status& why) { failed = why; }, lanes.get()},
        terms);
    settler = std::make_unique<Settler>(
        Settler::Environment{provider().identity, provider()->ledger, *store, *reads, *lane,
                             world.clock, nullptr, lanes.get(),
                             payment::LanePolicy{.window = base::TransferCost(
                                                     terms.rate, payment::kMaxWindowBytes)}},
        payment::PayeePolicy{.withdraw_from = withdraw_from});
  }
  // The claim store as it is now, to be restored later.
  std::unique_ptr<base::Kv> Backup() const {
    auto copy = base::NewMemoryKv();
    base::KvBatch batch;
    const auto view = claims_->Snapshot();
    const auto cursor = view->NewCursor();
    for (cursor->Seek(std::string(1, '\0')); cursor->Valid(); cursor->Next()) {
      batch.Put(cursor->key(), cursor->value());
    }
    (void)copy->Commit(batch);
    return copy;
  }
  void Restore(std::unique_ptr<base::Kv> backup) {
    settler.reset();
    reads.reset();
    store.reset();
    claims_ = std::move(backup);
    Restart();
  }

  TestProvider& provider() { return world.provider(0); }
  const base::SigningKey& wallet() const { return world.owner(); }
  rpc::Caller caller() const { return wallet().public_key(); }

  base::ChannelId Open(uint64_t deposit = 1'000'000) {
    pb::Operation operation;
    pb::OpenChannel& open = *operation.mutable_open_channel();
    open.set_payee(chain::ToField(provider().id()));
    *open.mutable_deposit() = chain::ToProto(base::Amount(deposit));
    open.set_signer(base::ToString(wallet().public_key().Encode()));
    open.set_expires_ms(
        static_cast<uint64_t>(absl::ToUnixMillis(world.clock.Now() + absl::Hours(24 * 20))));
    return chain::Trusted<base::ChannelId>(world.Submit(wallet(), operation).created(0));
  }
  // ---- pools, owned by the wallet's owner ----
  base::ChannelId OpenPool(uint64_t deposit) {
    pb::Operation operation;
    *operation.mutable_open_pool()->mutable_deposit() = chain::ToProto(base::Amount(deposit));
    operation.mutable_open_pool()->set_owner_key(base::ToString(wallet().public_key().Encode()));
    return chain::Trusted<base::ChannelId>(world.Submit(wallet(), operation).created(0));
  }
  void Fund(const base::ChannelId& pool, uint64_t amount) {
    pb::Operation operation;
    operation.mutable_top_up_pool()->set_pool(chain::ToField(pool));
    *operation.mutable_top_up_pool()->mutable_amount() = chain::ToProto(base::Amount(amount));
    world.Submit(wallet(), operation);
  }
  rpc::v1::PoolGrant Grant(const base::ChannelId& pool, const base::SigningKey& signer, uint64_t cap,
                           absl::Duration life = absl::Hours(48)) {
    rpc::v1::PoolGrant grant;
    grant.set_pool(chain::ToField(pool));
    pb::PoolCapability& capability = *grant.mutable_capability();
    capability.set_signer(base::ToString(signer.public_key().Encode()));
    *capability.mutable_spending_cap() = chain::ToProto(base::Amount(cap));
    capability.set_expires_ms(static_cast<uint64_t>(absl::ToUnixMillis(world.clock.Now() + life)));
    const base::PoolCapability terms{provider().identity.chain, pool, signer.public_key(), base::Amount(cap),
                                     capability.expires_ms()};
    capability.set_signature(chain::ToField(wallet().Sign(base::SigningDigest(terms))));
    return grant;
  }
  base::ChannelId LaneTo(const base::ChannelId& pool, const base::SigningKey& signer, int provider_index = 0) {
    return base::LaneIdFor(provider().identity.chain, pool, signer.public_key(), world.provider(provider_index).id());
  }
  // Another provider shows a claim of its own lane.
  void RedeemElsewhere(const base::SigningKey& signer, const rpc::v1::PoolGrant& grant, uint64_t amount) {
    base::Voucher voucher;
    voucher.chain = provider().identity.chain;
    voucher.channel = LaneTo(chain::Trusted<base::ChannelId>(grant.pool()), signer, 1);
    voucher.epoch = world.entropy.Draw<base::Nonce16>();
    voucher.base_amount = base::Amount(amount);
    voucher.signature = signer.Sign(base::SigningDigest(voucher));
    pb::Operation operation;
    operation.mutable_redeem_pool()->set_pool(grant.pool());
    *operation.mutable_redeem_pool()->mutable_capability() = grant.capability();
    *operation.mutable_redeem_pool()->mutable_claim() = chain::ToProto(base::ClaimOf(voucher));
    world.Submit(world.provider(1).identity.account, operation);
  }


  payment::ChannelFacts Facts(const base::ChannelId& id) {
    return *client::FactsOf(provider().identity.chain, *provider()->ledger.Channel(id));
  }
  payment::Payer NewPayer(const base::ChannelId& id) {
    const payment::PayerLimits limits{
        .max_rate = {base::Amount::Max()}, .max_total = base::Amount::Max(), .ticks = 8};
    auto payer = *payment::Payer::Open(Facts(id), limits, wallet(), world.entropy);
    (void)payer.Agree({*base::Amount(kUnitsPerMib).Times(base::kPriceScale)});
    return payer;
  }

  rpc::v1::PayRequest Hello(const base::ChannelId& id, const base::Claim* claim = nullptr,
                            uint64_t generation = 1, uint64_t seen = 0) {
    rpc::v1::PayRequest request;
    request.mutable_hello()->set_channel(chain::ToField(id));
    request.mutable_hello()->set_generation(generation);
    request.mutable_hello()->set_seen(seen);
    if (claim != nullptr) request.mutable_hello()->set_claim(Encoded(*claim));
    return request;
  }
  static rpc::v1::PayRequest RequestFor(const payment::Payment& payment) {
    rpc::v1::PayRequest request;
    rpc::v1::Payment& field = *request.mutable_payment();
    if (payment.voucher) field.set_voucher(Encoded(base::ClaimOf(*payment.voucher)));
    if (payment.tick) {
      field.set_epoch(chain::ToField(payment.tick->epoch));
      field.set_tick(payment.tick->tick);
      field.set_preimage(chain::ToField(payment.tick->x));
    }
    return request;
  }
  // Hello, then what is due; the last answer.
  rpc::v1::PayResponse Pay(payment::Payer& payer) {
    FakePayer peer;
    peer.requests.push_back(Hello(payer.facts().id));
    while (true) {
      const auto due = payer.Due(world.clock.Now());
      if (!due.ok() || due->empty()) break;
      peer.requests.push_back(RequestFor(*due));
    }
    served = reads->Serve(caller(), peer);
    return peer.answers.empty() ? rpc::v1::PayResponse() : peer.answers.back();
  }
  // One settler round, and what it has for the ledger.
  void Settle() {
    (void)settler->RunOnce();
    while (lane->RunOnce()) {
    }
  }

  World world;
  std::unique_ptr<payment::ClaimStore> store;
  base::Amount withdraw_from{uint64_t{1}};  // from the next Restart on
  std::unique_ptr<Submitter> lane;
  std::unique_ptr<PoolLanes> lanes;
  std::unique_ptr<ReadChannels> reads;
  std::unique_ptr<Settler> settler;
  absl::Status failed;
  absl::Status served;

 private:
  std::unique_ptr<base::Kv> claims_;
};

}  // namespace cairn::storaged::testing
