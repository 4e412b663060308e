// A ledger with a payer ("alice"), a payee ("node"), a watchtower ("tower") and channels between them; money is in
// units of usdc. The channels' signer is a key of its own, "wallet".
#pragma once

#include "cairn/base/voucher.h"
#include "support/ledger_harness.h"

namespace cairn::chain {

class ChannelRig {
 public:
  explicit ChannelRig(std::function<void(pb::Params&)> params = {}, bool recount = true)
      : h({.params = std::move(params), .hooks = {}, .kv = nullptr, .recount = recount}) {
    for (const char* who : {"alice", "node", "tower", "mallory"}) {
      h.Fund(who, 1000);
      FundUsdc(who, 100'000'000);
    }
  }

  void FundUsdc(const std::string& who, uint64_t units) {
    h.Do("faucet", h.TransferUnits(who, base::Amount(units), pb::ASSET_USDC));
  }
  base::Amount Usdc(const std::string& who) { return FromProto(h.Account(who).usdc()); }

  pb::Operation OpenOp(uint64_t deposit, const std::string& payee = "node", pb::Asset asset = pb::ASSET_UNSPECIFIED) {
    pb::Operation operation;
    pb::OpenChannel& op = *operation.mutable_open_channel();
    op.set_payee(h.Field(payee));
    op.set_asset(asset);
    *op.mutable_deposit() = ToProto(base::Amount(deposit));
    op.set_signer(base::ToString(h.Key("wallet").public_key().Encode()));
    op.set_expires_ms(h.NowMs() + 3'600'000);
    return operation;
  }
  std::string Open(uint64_t deposit, const std::string& payee = "node") {
    return h.Do("alice", OpenOp(deposit, payee)).created(0);
  }

  // A voucher worth exactly `amount`, by the channel's signer.
  base::Claim Worth(const std::string& channel, uint64_t amount) {
    base::Voucher voucher;
    voucher.chain = h.engine().chain_id();
    voucher.channel = Trusted<base::ChannelId>(channel);
    voucher.epoch = h.entropy().Draw<base::Nonce16>();
    voucher.base_amount = base::Amount(amount);
    return base::ClaimOf(Signed(voucher, "wallet"));
  }
  base::Voucher Signed(base::Voucher voucher, const std::string& who) {
    voucher.signature = h.Key(who).Sign(base::SigningDigest(voucher));
    return voucher;
  }

  pb::Operation TopUp(const std::string& channel, uint64_t amount) {
    pb::Operation operation;
    operation.mutable_top_up_channel()->set_channel(channel);
    *operation.mutable_top_up_channel()->mutable_amount() = ToProto(base::Amount(amount));
    return operation;
  }
  pb::Operation Withdraw(const std::string& channel, const base::Claim& claim) {
    pb::Operation operation;
    operation.mutable_withdraw_channel()->set_channel(channel);
    *operation.mutable_withdraw_channel()->mutable_claim() = ToProto(claim);
    return operation;
  }
  pb::Operation Close(const std::string& channel, const std::optional<base::Claim>& claim = std::nullopt) {
    pb::Operation operation;
    operation.mutable_close_channel()->set_channel(channel);
    if (claim) *operation.mutable_close_channel()->mutable_claim() = ToProto(*claim);
    return operation;
  }
  pb::Operation Dispute(const std::string& channel, const base::Claim& claim) {
    pb::Operation operation;
    operation.mutable_dispute_channel()->set_channel(channel);
    *operation.mutable_dispute_channel()->mutable_claim() = ToProto(claim);
    return operation;
  }
  // With an appointment of `tower`, signed by `payee`.
  pb::Operation TowerDispute(const std::string& channel, const base::Claim& claim, const std::string& tower = "tower",
                             const std::string& payee = "node", uint64_t expires_ms = 0) {
    pb::Operation operation = Dispute(channel, claim);
    pb::TowerAppointment& appointment = *operation.mutable_dispute_channel()->mutable_appointment();
    appointment.set_expires_ms(expires_ms == 0 ? h.NowMs() + 3'600'000 : expires_ms);
    appointment.set_payee_key(base::ToString(h.Key(payee).public_key().Encode()));
    const base::TowerAppointment terms{h.engine().chain_id(), Trusted<base::ChannelId>(channel), h.Id(tower),
                                       appointment.expires_ms()};
    appointment.set_signature(ToField(h.Key(payee).Sign(base::SigningDigest(terms))));
    return operation;
  }
  pb::Operation Together(const std::string& channel, uint64_t amount, const std::string& signer = "wallet",
                         const std::string& payee = "node") {
    pb::Operation operation;
    pb::CloseTogether& op = *operation.mutable_close_together();
    op.set_channel(channel);
    *op.mutable_amount() = ToProto(base::Amount(amount));
    op.set_expires_ms(h.NowMs() + 60'000);
    const base::CooperativeClose terms{h.engine().chain_id(), Trusted<base::ChannelId>(channel), base::Amount(amount),
                                       op.expires_ms()};
    op.set_signer_signature(ToField(h.Key(signer).Sign(base::SigningDigest(terms))));
    op.set_payee_key(base::ToString(h.Key(payee).public_key().Encode()));
    op.set_payee_signature(ToField(h.Key(payee).Sign(base::SigningDigest(terms))));
    return operation;
  }
  pb::Operation Reclaim(const std::string& channel) {
    pb::Operation operation;
    operation.mutable_reclaim_channel()->set_channel(channel);
    return operation;
  }

  // ---- pools, owned by alice, signed for by "edge" ----
  std::string OpenPool(uint64_t deposit) {
    pb::Operation operation;
    *operation.mutable_open_pool()->mutable_deposit() = ToProto(base::Amount(deposit));
    operation.mutable_open_pool()->set_owner_key(base::ToString(h.Key("alice").public_key().Encode()));
    return h.Do("alice", operation).created(0);
  }
  pb::PoolCapability Capability(const std::string& pool, uint64_t cap, const std::string& signer = "edge",
                                uint64_t expires_ms = 0) {
    pb::PoolCapability capability;
    capability.set_signer(base::ToString(h.Key(signer).public_key().Encode()));
    *capability.mutable_spending_cap() = ToProto(base::Amount(cap));
    capability.set_expires_ms(expires_ms == 0 ? h.NowMs() + 3'600'000 : expires_ms);
    const base::PoolCapability terms{h.engine().chain_id(), Trusted<base::ChannelId>(pool),
                                     h.Key(signer).public_key(), base::Amount(cap), capability.expires_ms()};
    capability.set_signature(ToField(h.Key("alice").Sign(base::SigningDigest(terms))));
    return capability;
  }
  // What `payee` shows: a voucher of its lane worth `amount`.
  pb::Operation Redeem(const std::string& pool, const pb::PoolCapability& capability, const std::string& payee,
                       uint64_t amount, const std::string& signer = "edge") {
    base::Voucher voucher;
    voucher.chain = h.engine().chain_id();
    voucher.channel = base::LaneIdFor(voucher.chain, Trusted<base::ChannelId>(pool), h.Key(signer).public_key(),
                                      h.Id(payee));
    voucher.epoch = h.entropy().Draw<base::Nonce16>();
    voucher.base_amount = base::Amount(amount);
    pb::Operation operation;
    operation.mutable_redeem_pool()->set_pool(pool);
    *operation.mutable_redeem_pool()->mutable_capability() = capability;
    *operation.mutable_redeem_pool()->mutable_claim() = ToProto(base::ClaimOf(Signed(voucher, signer)));
    return operation;
  }
  pb::Operation ClosePool(const std::string& pool) {
    pb::Operation operation;
    operation.mutable_close_pool()->set_pool(pool);
    return operation;
  }

  // ---- the state ----
  pb::Channel Channel(const std::string& id) {
    pb::QueryRequest request;
    request.set_channel(id);
    return h.Ask(request).channels(0);
  }
  bool Exists(const std::string& id) {
    pb::QueryRequest request;
    request.set_channel(id);
    return h.engine().Query(request).ok();
  }
  pb::Pool Pool(const std::string& id) {
    pb::QueryRequest request;
    request.set_pool(id);
    return h.Ask(request).pools(0);
  }
  pb::Supply Supply(pb::Asset asset = pb::ASSET_USDC) {
    pb::QueryRequest request;
    request.set_supply(true);
    return h.Ask(request).supply(asset == pb::ASSET_CRN ? 0 : 1);
  }
  absl::Duration Window() { return absl::Milliseconds(h.Params().channel_window_ms()); }

  LedgerHarness h;
};

}  // namespace cairn::chain
