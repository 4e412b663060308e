// Money worked hard: owners with a bucket each, providers, sponsors and somebody rich, on a ledger whose blocks are
// executed directly and whose signatures are taken for granted, so that a million operations take a minute.
#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "cairn/chain/genesis.h"
#include "cairn/chain/invariants.h"
#include "cairn/chain/ledger.h"
#include "chain/money_rig.h"

namespace cairn::chain {

class MoneyWorld {
 public:
  static constexpr int kOwners = 4;
  static constexpr int kProviders = 6;
  static constexpr int kSponsors = 3;
  static constexpr uint64_t kPoorUnits = 40'000'000;  // of each of them
  static constexpr uint64_t kDeposit = 1'000'000'000'000'000;

  // The invariants, and what there is of each asset, counted anew.
  void Recounted() {
    const absl::Status sound = Recount(state_);
    INFO(sound.ToString());
    REQUIRE(sound.ok());
    for (const pb::Asset asset : {pb::ASSET_CRN, pb::ASSET_USDC}) {
      const auto supply = *state_.Find(keys::Supply(asset));
      base::Amount sum = FromProto(supply.free());
      for (const pb::Amount& part : {supply.locked(), supply.treasury(), supply.streams(), supply.burnt()}) {
        sum = Plus(sum, FromProto(part));
      }
      REQUIRE(sum == FromProto(supply.minted()));
    }
  }

 protected:
  struct Signed {
    std::string who;
    pb::Operation operation;
  };

  MoneyWorld(uint32_t seed, const pb::ProviderPrices& prices, const std::function<void(pb::Params&)>& more = {})
      : random_(seed), entropy_(seed), prices_(prices), ledger_(*Ledger::Create(MakeGenesisOf(more))) {
    state_.Merge(ledger_.GenesisState());
    for (int i = 0; i < kProviders; ++i) Must(Provider(i), RegisterOp(i));
    for (int i = 0; i < kOwners; ++i) Must(Owner(i), BucketOp(i));
  }

  static std::string Owner(int i) { return absl::StrCat("owner", i); }
  static std::string Provider(int i) { return absl::StrCat("p", i); }
  static std::string Sponsor(int i) { return absl::StrCat("sponsor", i); }
  uint32_t Below(uint32_t n) { return random_() % n; }
  const base::SigningKey& Key(const std::string& who) {
    auto found = keys_.find(who);
    if (found == keys_.end()) found = keys_.emplace(who, base::SigningKey::Generate(entropy_)).first;
    return found->second;
  }
  base::AccountId Id(const std::string& who) { return Key(who).account(); }

  // Of one to four small objects with new names, by the i-th owner.
  pb::Operation CreateOp(int i) {
    pb::Operation operation;
    pb::CreateObjects& op = *operation.mutable_create_objects();
    op.set_bucket(i + 1);
    for (uint32_t k = 0, n = 1 + Below(4); k < n; ++k) {
      pb::NewObject& object = *op.add_objects();
      object.set_name(absl::StrCat("n", next_name_++));
      object.set_stored_size(1 + Below(3000));
      object.set_content_id(ToField(base::Blake3(base::AsBytes(object.name()))));
      object.set_layout_root(object.content_id());
      object.set_layout(pb::LAYOUT_KIND_COPIES);
    }
    *op.mutable_max_lock() = ToProto(base::Amount::Max());
    Approve(i, op.mutable_approval(), &operation);
    return operation;
  }

  PreparedTransaction Prepared(const Signed& signed_operation) {
    PreparedTransaction prepared;
    prepared.body.set_chain_id(ToField(ledger_.chain_id()));
    prepared.body.set_signer(base::ToString(Key(signed_operation.who).public_key().Encode()));
    auto [number, fresh] = numbers_.try_emplace(signed_operation.who, 0);
    if (fresh) {
      const auto lane = state_.Find(keys::Lane(Id(signed_operation.who), 0));
      number->second = lane ? lane->last_number() : 0;
    }
    prepared.body.set_number(++number->second);
    prepared.body.set_valid_until_ms(time_ms_ + 1000);
    *prepared.body.add_operations() = signed_operation.operation;
    prepared.hash.value.fill(static_cast<uint8_t>(++hash_));
    prepared.signature_valid = true;
    return prepared;
  }

  BlockResult Execute(const std::vector<PreparedTransaction>& transactions, uint64_t gap_ms) {
    BlockResult result = ledger_.ExecuteBlock({++height_, time_ms_, gap_ms}, transactions, state_);
    state_.Merge(result.changes);
    return result;
  }

  void Must(const std::string& who, const pb::Operation& operation) {
    numbers_.clear();
    const BlockResult result = Execute({Prepared({who, operation})}, 0);
    INFO(std::string(chain::Name(VerdictOf(result.receipts[0]))) << " " << result.receipts[0].detail());
    REQUIRE(VerdictOf(result.receipts[0]) == Verdict::kOk);
  }

  std::mt19937 random_;
  base::SeededEntropy entropy_;
  std::map<std::string, base::SigningKey> keys_;
  const pb::ProviderPrices prices_;
  uint64_t time_ms_ = 0;
  uint64_t height_ = 0;
  uint64_t hash_ = 0;
  uint64_t next_name_ = 0;
  Ledger ledger_;
  MapView state_;
  std::map<std::string, uint64_t> numbers_;  // used in this block

 private:
  pb::Genesis MakeGenesisOf(const std::function<void(pb::Params&)>& more) {
    GenesisOptions options;
    options.time = absl::FromUnixSeconds(1'700'000'000);
    time_ms_ = absl::ToUnixMillis(options.time);
    options.engine_key = Key("engine").public_key();
    for (int i = 0; i < kOwners; ++i) {
      options.accounts.push_back(MakeGenesisAccount(Id(Owner(i)), Units(kPoorUnits), Units(1000)));
    }
    for (int i = 0; i < kSponsors; ++i) {
      options.accounts.push_back(MakeGenesisAccount(Id(Sponsor(i)), Units(kPoorUnits), Units(0)));
    }
    for (int i = 0; i < kProviders; ++i) {
      options.accounts.push_back(MakeGenesisAccount(Id(Provider(i)), Units(kPoorUnits), Units(0)));
    }
    options.accounts.push_back(MakeGenesisAccount(Id("rich"), Units(1'000'000'000'000'000), Units(1'000'000)));
    pb::Genesis genesis = MakeGenesis(options, entropy_);
    pb::Params& params = *genesis.mutable_params();
    ExampleParams(params);
    for (pb::Amount* amount : {params.mutable_seal_fine(), params.mutable_effort_fee(),
                               params.mutable_upload_request_fee(), params.mutable_withdraw_threshold()}) {
      *amount = ToProto(Units(1000));
    }
    *params.mutable_min_deposit() = ToProto(Units(kDeposit));
    params.set_reserve_seconds(3600);
    params.set_throttle_seconds(1200);
    params.set_forced_settle_seconds(600);
    params.set_warning_seconds(300);
    params.set_read_only_seconds(600);
    params.set_notice_seconds(600);
    params.set_min_term_seconds(60);
    params.set_min_charge_bytes(1);
    params.set_package_term_seconds(1000);
    params.set_price_notice_ms(0);
    params.set_seal_window_ms(60'000);
    if (more) more(params);
    for (pb::GenesisAccount& account : *genesis.mutable_accounts()) {
      for (int i = 0; i < kProviders; ++i) {
        if (account.id() != ToField(Id(Provider(i)))) continue;
        *account.mutable_crn() = ToProto(Units(kPoorUnits + kDeposit));
      }
    }
    return genesis;
  }

  pb::Operation RegisterOp(int i) {
    pb::Operation operation;
    pb::RegisterProvider& op = *operation.mutable_register_provider();
    const base::AccountId operated = Id(absl::StrCat("operator", i % 3));
    const auto& node = Key(Provider(i) + " node");
    op.set_operator_(ToField(operated));
    op.set_node_key(base::ToString(node.public_key().Encode()));
    op.set_node_signature(ToField(node.Sign(RegistrationDigest(ledger_.chain_id(), Id(Provider(i)), operated))));
    op.set_tls_pin(std::string(32, 'p'));
    op.set_endpoint("p.example:1");
    op.set_network("n");
    op.set_region("r");
    op.set_capacity_bytes(uint64_t{1} << 50);
    *op.mutable_prices() = prices_;
    *op.mutable_deposit() = ToProto(Units(kDeposit));
    op.set_store_id(ToField(entropy_.Draw<base::StoreId>()));
    return operation;
  }

  // Of the i-th provider, for the i-th owner to use.
  void Approve(int i, pb::Approval* approval, pb::Operation* operation) {
    const std::string provider = Provider(i);
    approval->set_provider(ToField(Id(provider)));
    approval->set_nonce(ToField(entropy_.Draw<base::Nonce16>()));
    approval->set_expires_ms(time_ms_ + 100'000);
    SignApproval(ledger_.chain_id(), Key(provider + " node"), Id(Owner(i)), operation);
  }

  pb::Operation BucketOp(int i) {
    pb::Operation operation;
    pb::CreateBucket& op = *operation.mutable_create_bucket();
    op.set_name(absl::StrCat("bucket", i));
    *op.mutable_policy() = ToProto(*base::Redundancy::Parse("replicate:2"));
    op.set_nonce(ToField(entropy_.Draw<base::Nonce16>()));
    op.set_public_read(true);
    op.mutable_new_group()->set_primary(ToField(Id(Provider(i))));
    for (int k = 0; k < 2; ++k) op.mutable_new_group()->add_holders(ToField(Id(Provider((i + k) % kProviders))));
    Approve(i, op.mutable_approval(), &operation);
    return operation;
  }
};

}  // namespace cairn::chain
