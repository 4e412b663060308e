// Money under random lives: a million operations on streams, accounts, packages, sponsors and objects (a hundred
// million under CAIRN_SOAK=1), each checked by the ledger's invariants and all recounted; and one bucket of a hundred
// thousand puts and deletes whose accounts are worked out by hand.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "chain/money_world.h"

namespace cairn::chain {
namespace {

constexpr int kAccounts = 6;

class World : public MoneyWorld {
 public:
  explicit World(uint32_t seed)
      : MoneyWorld(seed, Prices(1'000'000'000'000'000'000 / 3, 2'000'000'000'000'000'000 / 7, 1'000'000'000'000'000, 3)) {
    for (int i = 0; i < kAccounts; ++i) {
      Must(Owner(i % kOwners), [] {
        pb::Operation op;
        op.mutable_create_payment_account();
        return op;
      }());
      accounts_.push_back(PaymentAccountId(Id(Owner(i % kOwners)), i / kOwners));
    }
    for (int i = 0; i < 2; ++i) {
      pb::Operation op;
      op.mutable_disable_refund()->set_account(ToField(accounts_[i]));
      Must(Owner(i), op);
    }
  }

  // One block of random operations at a later time.
  void Block(int count) {
    const uint64_t elapsed = Below(8) == 0 ? Below(600'000) : Below(4'000);
    time_ms_ += elapsed;
    std::vector<PreparedTransaction> transactions;
    numbers_.clear();
    for (int i = 0; i < count; ++i) transactions.push_back(Prepared(Random()));
    const BlockResult result = Execute(transactions, Below(200) == 0 ? Below(elapsed + 1) : 0);
    for (size_t i = 0; i < result.receipts.size(); ++i) Learn(result.receipts[i], transactions[i].body.operations(0));
    for (const pb::Event& event : result.events.Decode()) ++events_[event.type()];
  }

  uint64_t accepted = 0, refused = 0;
  const std::map<std::string, uint64_t>& events() const { return events_; }

 private:
  // Receipts of one or both holders over created or sealed objects of a bucket.
  std::optional<Signed> SealOp(int i) {
    auto& created = created_[i];
    if (created.empty()) return std::nullopt;
    std::vector<std::string> ids = created.back();
    created.pop_back();
    std::sort(ids.begin(), ids.end());
    std::vector<pb::Object> objects;
    pb::Operation operation;
    pb::SealObjects& op = *operation.mutable_seal_objects();
    op.set_group(i + 1);
    for (const std::string& id : ids) {
      auto object = state_.Find(keys::Object(id));
      if (!object) continue;
      op.add_objects(id);
      objects.push_back(*std::move(object));
    }
    if (objects.empty()) return std::nullopt;
    const auto group = *state_.Find(keys::Group(i + 1));
    for (uint32_t position = 0; position < 2; ++position) {
      const base::HolderReceipt claim = BuildReceipt(ledger_.chain_id(), group, position, objects);
      pb::Receipt& receipt = *op.add_receipts();
      receipt.set_position(position);
      receipt.set_store_id(group.positions(position).store_id());
      const auto& node = Key(Provider((i + position) % kProviders) + " node");
      receipt.set_signature(ToField(node.Sign(base::SigningDigest(claim))));
    }
    for (const std::string& id : ids) sealed_[i].push_back(id);
    return Signed{Provider(i), operation};
  }

  std::string AnySealed(int i) {
    auto& ids = sealed_[i];
    if (ids.empty()) return std::string(16, 'x');
    std::swap(ids[Below(ids.size())], ids.back());
    return ids.back();
  }

  Signed Random() {
    const int i = static_cast<int>(Below(kOwners));
    const std::string account = ToField(accounts_[Below(kAccounts)]);
    const std::string anyone = Below(2) ? Owner(i) : Sponsor(Below(kSponsors));
    pb::Operation op;
    switch (Below(60)) {
      case 0:
        return {Owner(i), CreateOp(i)};
      case 1:
        if (auto seal = SealOp(i)) return *seal;
        break;
      case 2:
      case 3: {
        op.mutable_delete_objects()->set_bucket(i + 1);
        op.mutable_delete_objects()->add_versions(AnySealed(i));
        if (!sealed_[i].empty()) sealed_[i].pop_back();
        return {Owner(i), op};
      }
      case 4:
      case 5:
        op.mutable_clear_unpaid()->add_objects(AnySealed(i));
        return {Provider(i), op};
      case 6:
      case 7: {
        auto& set = *op.mutable_set_payer();
        set.set_bucket(i + 1);
        if (Below(3) != 0) set.set_payer(account);
        if (Below(2) == 0) set.add_objects(AnySealed(i));
        return {Owner(i), op};
      }
      case 8:
      case 9:
        op.mutable_set_payment_consent()->set_account(account);
        op.mutable_set_payment_consent()->set_bucket(1 + Below(kOwners));
        *op.mutable_set_payment_consent()->mutable_max_rate() = ToProto(Units(Below(4) * 20'000));
        return {Owner(i), op};
      case 10:
      case 11:
      case 12:
      case 13:
        op.mutable_set_sponsorship()->set_account(ToField(accounts_[Below(2)]));
        *op.mutable_set_sponsorship()->mutable_rate() = ToProto(Units(Below(5) * 1'000));
        op.mutable_set_sponsorship()->set_paused(Below(4) == 0);
        return {anyone, op};
      case 14:
      case 15:
      case 16:
        op.mutable_set_package()->set_bucket(i + 1);
        op.mutable_set_package()->set_bytes_per_month(Below(6) * 1'000'000);
        *op.mutable_set_package()->mutable_max_rate() = ToProto(base::Amount::Max());
        return {Owner(i), op};
      case 17:
      case 18:
      case 19:
      case 20:
        op.mutable_withdraw_payment()->set_account(account);
        *op.mutable_withdraw_payment()->mutable_amount() = ToProto(Units(1 + Below(2'000)));
        return {Owner(i), op};
      case 21:
        op.mutable_cancel_withdrawal()->set_account(account);
        return {Owner(i), op};
      case 22:
      case 23:
      case 24:
      case 25:
      case 26:
      case 27:
        op.mutable_settle_stream()->set_account(Below(2) ? account : ToField(Id(Provider(Below(kProviders)))));
        return {"rich", op};
      case 28:
        op.mutable_settle_stream()->set_account(ToField(TreasuryId()));
        return {"rich", op};
      case 29:
        // Those who have nothing left are given something, now and then.
        if (Below(8) == 0) return {"rich", TransferOp(ToField(Id(anyone)), Below(20'000'000))};
        break;
      case 30:
      case 31:
      case 32:
        op.mutable_deposit_payment()->set_account(account);
        *op.mutable_deposit_payment()->mutable_amount() = ToProto(Units(1 + Below(200'000)));
        return {Below(40) == 0 ? "rich" : anyone, op};
      default:
        break;
    }
    // Poor people give away what they should keep; providers spend what they earn.
    if (Below(2) == 0) return {Provider(Below(kProviders)), TransferOp(ToField(Id("rich")), Below(2'000'000))};
    const std::string other = Below(2) ? Owner(Below(kOwners)) : Sponsor(Below(kSponsors));
    return {anyone, TransferOp(Below(3) == 0 ? account : ToField(Id(other)), Below(2'000'000))};
  }

  pb::Operation TransferOp(const std::string& to, uint64_t units) {
    pb::Operation op;
    op.mutable_transfer()->set_to(to);
    op.mutable_transfer()->set_asset(Below(50) == 0 ? pb::ASSET_USDC : pb::ASSET_CRN);
    *op.mutable_transfer()->mutable_amount() = ToProto(Units(units + 1));
    return op;
  }

  void Learn(const pb::TransactionReceipt& receipt, const pb::Operation& operation) {
    const Verdict verdict = VerdictOf(receipt);
    if (verdict == Verdict::kInvariant || (verdict != Verdict::kOk && !Included(verdict))) {
      INFO(std::string(chain::Name(verdict)) << " " << receipt.detail() << "\n" << operation.DebugString());
      REQUIRE(verdict == Verdict::kOk);
    }
    (verdict == Verdict::kOk ? accepted : refused)++;
    if (verdict != Verdict::kOk || !operation.has_create_objects()) return;
    created_[operation.create_objects().bucket() - 1].push_back({receipt.created().begin(), receipt.created().end()});
  }

  std::vector<base::AccountId> accounts_;
  std::map<int, std::vector<std::vector<std::string>>> created_;
  std::map<int, std::vector<std::string>> sealed_;
  std::map<std::string, uint64_t> events_;
};

}  // namespace

TEST_CASE("a million random operations make, lose and misplace no unit of money", "[GF-112][GF-64][GF-65][JS-34]") {
  const bool soak = std::getenv("CAIRN_SOAK") != nullptr;
  const uint64_t operations = soak ? 100'000'000 : 1'000'000;
  const uint32_t seed = 20'261;
  World world(seed);
  INFO("seed " << seed);
  constexpr int kPerBlock = 50;
  const auto begun = std::chrono::steady_clock::now();
  for (uint64_t done = 0; done < operations; done += kPerBlock) {
    INFO("operation " << done);
    world.Block(kPerBlock);
    if (done % 50'000 == 0) world.Recounted();
  }
  world.Recounted();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  std::printf("random money, seed %u: %.0f operations in %.0f s, %.0f a second\n", seed, static_cast<double>(operations),
              took.count(), static_cast<double>(operations) / took.count());
  CHECK(world.events().count("ledger.invariant_broken") == 0);
  // Every step out of funds and back was taken many times.
  for (const char* type : {"payer.warned", "payer.throttled", "payer.restored", "payer.read_only", "payer.resumed",
                           "payer.notice", "payer.clearable", "object.sealed", "object.refunded", "object.cleared",
                           "sponsorship.set", "payment_account.withdrawn", "bucket.package_set", "bucket.payer_set"}) {
    INFO(type);
    CHECK(world.events().count(type) == 1);
  }
  CHECK(world.accepted > operations / 4);
  CHECK(world.refused > operations / 20);
}

TEST_CASE("a hundred thousand puts and deletes leave rate 0 and every account where arithmetic by hand puts it",
          "[GF-65][GF-110][GF-112]") {
  // Prices of 1 for the primary and 2 for a holder of a byte-second; tax 10 %; minimum term 100 s; reserve 1000 s.
  MoneyRig rig(Prices(1'000'000'000'000'000'000, 2'000'000'000'000'000'000), [](pb::Params& params) {
    params.set_min_charge_bytes(1);
    params.set_tax_ppm(100'000);
    params.set_reserve_seconds(1000);
    params.set_throttle_seconds(300);
    params.set_forced_settle_seconds(100);
    params.set_warning_seconds(20);
    params.set_min_term_seconds(100);
    params.set_rebate_ppm(1000);
    params.set_price_notice_ms(0);
  });
  const uint64_t bucket = rig.Bucket("replicate:2");
  const base::Amount alice = rig.Free("alice"), p0 = rig.Free("p0"), p1 = rig.Free("p1"), tax = rig.Treasury();
  constexpr int kRounds = 400, kBatch = 250;
  uint64_t byte_seconds = 0, taxes = 0, rebates = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Upload> uploads;
    std::vector<std::string> names;
    const uint64_t lives = round % 3 == 0 ? 37 : 100 + round;  // some die before their term
    for (int i = 0; i < kBatch; ++i) {
      const uint64_t size = 10 * (1 + (round * 7 + i) % 90);
      names.push_back(absl::StrCat("r", round, "-", i));
      uploads.push_back({.name = names.back(), .size = size});
      const uint64_t paid = std::max<uint64_t>(lives, 100);
      const uint64_t holder_tax = 2 * size / 10, object_tax = 5 * size / 10;
      byte_seconds += size * paid;
      taxes += object_tax * paid;
      const uint64_t rate = 5 * size + object_tax;
      rebates += std::min(rate * 1000 * 1000 / 1'000'000, (object_tax - 2 * holder_tax) * 100);
    }
    const auto receipt = rig.Do("alice", rig.Create(bucket, uploads));
    rig.Do("p0", rig.Seal({receipt.created().begin(), receipt.created().end()}, {0, 1}));
    rig.clock().Advance(absl::Seconds(static_cast<int64_t>(lives)));
    rig.Do("alice", rig.DeleteNames(bucket, names));
  }
  CHECK(rig.GetBucket(bucket).objects() == 0);
  CHECK(rig.Stream("alice").account().empty());
  CHECK(rig.FlowsFrom(rig.Id("alice")).flows_size() == 0);
  for (const char* who : {"p0", "p1"}) CHECK(FromProto(rig.Stream(who).in_rate()) == base::Amount());
  rig.Settle("p0");
  rig.Settle("p1");
  CHECK(Minus(rig.Free("p0"), p0) == Units(3 * byte_seconds));
  CHECK(Minus(rig.Free("p1"), p1) == Units(2 * byte_seconds));
  CHECK(Minus(rig.Treasury(), tax) == Units(taxes - rebates));
  CHECK(Minus(alice, rig.Free("alice")) == Units(5 * byte_seconds + taxes - rebates));
  CHECK(FromProto(rig.Supply().streams()) == base::Amount());
}

}  // namespace cairn::chain
