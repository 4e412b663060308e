// Fees under random lives: every fee of a transaction and of an upload is, at any time, with who earned it, in escrow
// or in the treasury. A book kept by hand says how much of each, for every account.
#include <cstdio>
#include <set>

#include "cairn/chain/transaction.h"
#include "chain/money_world.h"

namespace cairn::chain {
namespace {

constexpr uint64_t kFee = 3;  // for each weight
constexpr uint64_t kIngress = 10'000;  // for each MiB that a holder takes in
constexpr uint64_t kBond = 13;
constexpr uint64_t kRequest = 101;
constexpr uint64_t kFine = 700;
constexpr uint64_t kWindow = 60'000;

// Storage costs nothing: all money that moves is fees, bonds, fines and transfers.
void Fees(pb::Params& params) {
  *params.mutable_fee_per_weight() = ToProto(Units(kFee));
  *params.mutable_object_bond() = ToProto(Units(kBond));
  *params.mutable_upload_request_fee() = ToProto(Units(kRequest));
  *params.mutable_seal_fine() = ToProto(Units(kFine));
  params.set_seal_window_ms(kWindow);
}

struct Life {
  int owner = 0;
  uint64_t share = 0;  // of each holder
  uint64_t deadline = 0;
  bool sealed = false, requested = false, answered = false;
  std::set<uint32_t> took;  // positions that accepted
};

class FeeWorld : public MoneyWorld {
 public:
  explicit FeeWorld(uint32_t seed) : MoneyWorld(seed, Prices(0, 0, 0, kIngress), Fees) {
    treasury = FromProto(SupplyRecord().treasury()).low();
    fees_in = treasury;  // of what made the world ready
    for (const std::string& who : People()) free_[who] = Free(who);
  }

  void Block(int count) {
    time_ms_ += Below(3'000);
    Expire();
    std::vector<PreparedTransaction> transactions;
    std::vector<std::string> signers;
    numbers_.clear();
    for (int i = 0; i < count; ++i) {
      const Signed next = Random();
      signers.push_back(next.who);
      transactions.push_back(Prepared(next));
    }
    const BlockResult result = Execute(transactions, 0);
    REQUIRE_FALSE(result.due_left);
    for (int i = 0; i < count; ++i) Learn(signers[i], transactions[i].body, result.receipts[i]);
  }

  void Check() {
    for (const std::string& who : People()) {
      INFO(who);
      REQUIRE(Free(who) == free_[who]);
    }
    REQUIRE(FromProto(SupplyRecord().treasury()) == Units(treasury));
    uint64_t locked = 0, bonds = 0;
    for (const auto& [id, life] : lives_) {
      bonds += kBond;
      locked += life.share * (2 - life.took.size());
    }
    uint64_t owners_locked = 0;
    for (int i = 0; i < kOwners; ++i) owners_locked += LockedOf(Owner(i));
    REQUIRE(locked == escrow);
    REQUIRE(owners_locked == escrow + bonds);
    REQUIRE(fees_in == fees_out + escrow + treasury);
  }

  uint64_t fees_in = 0, fees_out = 0, escrow = 0, treasury = 0;
  uint64_t accepted = 0, refused = 0, expired = 0, refunded = 0;

 private:
  std::vector<std::string> People() const {
    std::vector<std::string> all;
    for (int i = 0; i < kOwners; ++i) all.push_back(Owner(i));
    for (int i = 0; i < kProviders; ++i) all.push_back(Provider(i));
    return all;
  }
  pb::Account Record(const std::string& who) { return *state_.Find(keys::Account(Id(who))); }
  uint64_t Free(const std::string& who) { return FromProto(Record(who).crn()).low(); }
  uint64_t LockedOf(const std::string& who) { return FromProto(Record(who).locked_crn()).low(); }
  pb::Supply SupplyRecord() { return *state_.Find(keys::Supply(pb::ASSET_CRN)); }

  Signed Random() {
    const int i = static_cast<int>(Below(kOwners));
    pb::Operation op;
    const uint32_t kind = Below(12);
    if (kind < 2) return {Owner(i), CreateOp(i)};
    if (kind == 2) {
      op.mutable_transfer()->set_to(ToField(Id(Owner(Below(kOwners)))));
      op.mutable_transfer()->set_asset(pb::ASSET_CRN);
      *op.mutable_transfer()->mutable_amount() = ToProto(Units(1 + Below(9'000'000)));
      return {Owner(i), op};
    }
    const std::string id = Any();
    const int owner = lives_.contains(id) ? lives_[id].owner : i;
    const std::string primary = Below(9) ? Provider(owner) : Provider(Below(kProviders));
    switch (kind) {
      case 3:
      case 4:
        return Taken(id, owner, {Below(2)}, /*seal=*/false);
      case 5:
      case 6:
        return Taken(id, owner, {0, 1}, /*seal=*/true);
      case 7:
        op.mutable_cancel_objects()->add_objects(id);
        return {Owner(owner), op};
      case 8:
        op.mutable_reject_objects()->add_objects(id);
        return {primary, op};
      case 9:
        op.mutable_request_upload()->set_object(id);
        return {Owner(owner), op};
      case 10:
        op.mutable_answer_upload()->set_object(id);
        return {primary, op};
      default:
        op.mutable_delete_objects()->set_bucket(owner + 1);
        op.mutable_delete_objects()->add_versions(id);
        return {Owner(owner), op};
    }
  }
  std::string Any() {
    if (lives_.empty() || Below(50) == 0) return std::string(16, 'x');
    auto at = lives_.lower_bound(std::string(1, static_cast<char>(Below(256))));
    return at == lives_.end() ? lives_.begin()->first : at->first;
  }
  // Receipts of the positions over one object, shown by its primary or a holder.
  Signed Taken(const std::string& id, int owner, const std::vector<uint32_t>& positions, bool seal) {
    pb::Operation op;
    const auto fill = [&](auto& into) {
      into.add_objects(id);
      into.set_group(owner + 1);
      const auto object = state_.Find(keys::Object(id));
      const auto group = *state_.Find(keys::Group(owner + 1));
      for (const uint32_t position : positions) {
        pb::Receipt& receipt = *into.add_receipts();
        receipt.set_position(position);
        receipt.set_store_id(group.positions(position).store_id());
        receipt.set_signature(std::string(64, 'n'));
        if (!object) continue;
        const auto claim = BuildReceipt(ledger_.chain_id(), group, position, {*object});
        const auto& node = Key(Provider((owner + position) % kProviders) + " node");
        receipt.set_signature(ToField(node.Sign(base::SigningDigest(claim))));
      }
    };
    if (seal) {
      fill(*op.mutable_seal_objects());
      return {Provider(owner), op};
    }
    fill(*op.mutable_post_receipts());
    return {Provider((owner + positions[0]) % kProviders), op};
  }

  // ---- the book ----
  void Take(Life& life, uint32_t position) {
    if (!life.took.insert(position).second) return;
    escrow -= life.share;
    fees_out += life.share;
    free_[Provider((life.owner + position) % kProviders)] += life.share;
  }
  // What nobody took goes back, and is no fee any more.
  void End(const std::string& id) {
    const Life& life = lives_.at(id);
    const uint64_t back = life.share * (2 - life.took.size());
    escrow -= back;
    fees_in -= back;
    refunded += back;
    free_[Owner(life.owner)] += back + kBond;
    lives_.erase(id);
  }
  void Expire() {
    std::vector<std::string> late;
    for (const auto& [id, life] : lives_) {
      if (!life.sealed && life.deadline <= time_ms_) late.push_back(id);
    }
    expired += late.size();
    for (const std::string& id : late) {
      const Life& life = lives_.at(id);
      if (life.requested && !life.answered) free_[Owner(life.owner)] += kFine;  // out of the primary's deposit
      End(id);
    }
  }
  void Learn(const std::string& who, const pb::TransactionBody& body, const pb::TransactionReceipt& receipt) {
    const Verdict verdict = VerdictOf(receipt);
    INFO(std::string(chain::Name(verdict)) << " " << receipt.detail() << "\n" << body.DebugString());
    REQUIRE(verdict != Verdict::kInvariant);
    REQUIRE(Included(verdict));
    const uint64_t fee = Weight(body) * kFee;
    REQUIRE(FromProto(receipt.fee()) == Units(fee));
    fees_in += fee;
    treasury += fee;
    free_[who] -= fee;
    (verdict == Verdict::kOk ? accepted : refused)++;
    if (verdict == Verdict::kOk) Apply(who, body.operations(0), receipt);
  }
  void Apply(const std::string& who, const pb::Operation& op, const pb::TransactionReceipt& receipt) {
    for (int i = 0; i < receipt.created_size(); ++i) {
      Life& life = lives_[receipt.created(i)];
      life.owner = static_cast<int>(op.create_objects().bucket()) - 1;
      life.deadline = time_ms_ + kWindow;
      const uint64_t size = op.create_objects().objects(i).stored_size();
      life.share = (size * kIngress + (1 << 20) - 1) >> 20;
      free_[who] -= 2 * life.share + kBond;
      fees_in += 2 * life.share;
      escrow += 2 * life.share;
    }
    if (op.has_transfer()) {
      const uint64_t amount = FromProto(op.transfer().amount()).low();
      free_[who] -= amount;
      for (int i = 0; i < kOwners; ++i) {
        if (op.transfer().to() == ToField(Id(Owner(i)))) free_[Owner(i)] += amount;
      }
    }
    for (const pb::Receipt& given : op.post_receipts().receipts()) {
      Take(lives_.at(op.post_receipts().objects(0)), given.position());
    }
    for (const pb::Receipt& given : op.seal_objects().receipts()) {
      Life& life = lives_.at(op.seal_objects().objects(0));
      Take(life, given.position());
      life.sealed = true;
    }
    if (op.has_cancel_objects()) End(op.cancel_objects().objects(0));
    if (op.has_reject_objects()) End(op.reject_objects().objects(0));
    if (op.has_delete_objects()) End(op.delete_objects().versions(0));
    if (op.has_answer_upload()) lives_.at(op.answer_upload().object()).answered = true;
    if (!op.has_request_upload()) return;
    Life& life = lives_.at(op.request_upload().object());
    life.requested = true;
    life.deadline = time_ms_ + kWindow;
    free_[who] -= kRequest;
    fees_in += kRequest;
    treasury += kRequest;
  }

  std::map<std::string, Life> lives_;
  std::map<std::string, uint64_t> free_;
};

}  // namespace

TEST_CASE("over a hundred thousand random operations the fees that go in are the fees that come out, those in escrow "
          "and the treasury, to the unit [JS-34] [JS-09]") {
  const uint32_t seed = 20'262;
  INFO("seed " << seed);
  FeeWorld world(seed);
  constexpr int kOperations = 100'000, kPerBlock = 50;
  for (int done = 0; done < kOperations; done += kPerBlock) {
    INFO("operation " << done);
    world.Block(kPerBlock);
    world.Check();
    if (done % 10'000 == 0) world.Recounted();
  }
  world.Recounted();
  std::printf("random fees, seed %u: %d operations, %llu accepted; %llu in = %llu out + %llu in escrow + %llu treasury; "
              "%llu refunded before\n",
              seed, kOperations, static_cast<unsigned long long>(world.accepted),
              static_cast<unsigned long long>(world.fees_in), static_cast<unsigned long long>(world.fees_out),
              static_cast<unsigned long long>(world.escrow), static_cast<unsigned long long>(world.treasury),
              static_cast<unsigned long long>(world.refunded));
  CHECK(world.accepted > 30'000);
  CHECK(world.refused > 10'000);
  CHECK(world.expired > 500);
  CHECK(world.fees_out > 10'000);
  CHECK(world.refunded > 10'000);
}

}  // namespace cairn::chain
