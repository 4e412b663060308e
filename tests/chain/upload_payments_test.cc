// Who is paid for taking an upload in: each holder that accepts, out of what the create set aside, and nobody else.
#include "chain/money_rig.h"

namespace cairn::chain {
namespace {

constexpr uint64_t kIngress = 7;                  // units for each MiB taken in
constexpr uint64_t kSize = (3 << 20) - 5;         // three of them, begun ones whole
constexpr uint64_t kShare = 3 * kIngress;         // of each holder
const std::vector<std::string> kPeople = {"alice", "p0", "p1", "p2", "p5", "mallory"};

void Uploads(pb::Params& params) {
  params.set_min_charge_bytes(1);
  params.set_reserve_seconds(1000);
  params.set_min_term_seconds(0);
  *params.mutable_seal_fine() = ToProto(Units(500'000));
  *params.mutable_effort_fee() = ToProto(Units(11));
}

// Nothing costs anything but the upload itself. What everybody has is counted before and after.
class UploadRig : public MoneyRig {
 public:
  // At a price of storage there is a reserve, which is what an effort fee is paid from.
  explicit UploadRig(uint64_t primary_e18 = 0) : MoneyRig(Prices(primary_e18, 0, 0, kIngress), Uploads) {
    bucket = Bucket("replicate:3");
    Fund("mallory", 10);
    for (const std::string& who : kPeople) had_[who] = Free(who);
  }
  // In units; what is locked does not count.
  int64_t Gained(const std::string& who) {
    const base::Amount now = Free(who), before = had_.at(who);
    return now < before ? -static_cast<int64_t>(Minus(before, now).low())
                        : static_cast<int64_t>(Minus(now, before).low());
  }
  // Gains and losses cancel out, with what is set aside and the treasury's part of fines.
  void ExpectGains(const std::map<std::string, int64_t>& expected, uint64_t escrow) {
    int64_t sum = static_cast<int64_t>(escrow);
    for (const std::string& who : kPeople) {
      INFO(who);
      const auto found = expected.find(who);
      CHECK(Gained(who) == (found == expected.end() ? 0 : found->second));
      sum += Gained(who);
    }
    CHECK(Locked("alice") == Units(escrow));
    CHECK(sum == 0);
  }
  void PassDeadline() { Advance(absl::Milliseconds(Params().seal_window_ms())); }

  uint64_t bucket = 0;

 private:
  std::map<std::string, base::Amount> had_;
};

constexpr int64_t kLost = static_cast<int64_t>(kShare);

}  // namespace

TEST_CASE("each holder that accepts an upload takes its share out of escrow with its first receipt, once [JS-09]") {
  UploadRig rig;
  const std::string id = rig.CreateOne(rig.bucket, {.name = "a", .size = kSize});
  rig.ExpectGains({{"alice", -3 * kLost}}, 3 * kShare);
  rig.Do("p1", rig.Post({id}, {1}));
  rig.ExpectGains({{"alice", -3 * kLost}, {"p1", kLost}}, 2 * kShare);
  rig.Do("p1", rig.Post({id}, {1}));  // once
  rig.ExpectGains({{"alice", -3 * kLost}, {"p1", kLost}}, 2 * kShare);
  rig.Do("p0", rig.Seal({id}, {0, 1}));  // a quorum: the third share waits for the third holder
  rig.ExpectGains({{"alice", -3 * kLost}, {"p0", kLost}, {"p1", kLost}}, kShare);
  rig.PassDeadline();
  rig.ExpectGains({{"alice", -3 * kLost}, {"p0", kLost}, {"p1", kLost}}, kShare);
  rig.Do("p2", rig.Post({id}, {2}));
  rig.ExpectGains({{"alice", -3 * kLost}, {"p0", kLost}, {"p1", kLost}, {"p2", kLost}}, 0);
}

TEST_CASE("the shares that nobody accepted go back at the deadline, in its second, and those accepted stay paid "
          "[JS-09]") {
  for (const std::vector<uint32_t>& accepted : std::vector<std::vector<uint32_t>>{{}, {1}, {1, 2}}) {
    INFO(accepted.size() << " accept");
    UploadRig rig;
    const std::string id = rig.CreateOne(rig.bucket, {.name = "a", .size = kSize});
    std::map<std::string, int64_t> gains;
    for (const uint32_t position : accepted) {
      const std::string holder = absl::StrCat("p", position);
      rig.Do(holder, rig.Post({id}, {position}));
      gains[holder] = kLost;
    }
    const uint64_t escrow = (3 - accepted.size()) * kShare;
    gains["alice"] = -3 * kLost;
    rig.Advance(absl::Milliseconds(rig.Params().seal_window_ms() - 1));
    rig.ExpectGains(gains, escrow);
    rig.Advance(absl::Milliseconds(1));
    CHECK_FALSE(rig.ObjectExists(id));
    gains["alice"] = -kLost * static_cast<int64_t>(accepted.size());
    rig.ExpectGains(gains, 0);
  }
}

TEST_CASE("a refused upload gives back what nobody took; a cancelled one all but that and the effort fee [JS-09]") {
  UploadRig rejected;
  std::string id = rejected.CreateOne(rejected.bucket, {.name = "a", .size = kSize});
  rejected.Do("p1", rejected.Post({id}, {1}));
  rejected.Do("p0", rejected.Reject({id}));
  rejected.ExpectGains({{"alice", -kLost}, {"p1", kLost}}, 0);

  UploadRig cancelled(1'000'000'000'000'000'000);
  id = cancelled.CreateOne(cancelled.bucket, {.name = "a", .size = kSize});
  cancelled.Do("p2", cancelled.Post({id}, {2}));
  cancelled.Do("alice", cancelled.Cancel({id}));
  cancelled.ExpectGains({{"alice", -kLost - 11}, {"p2", kLost}, {"p0", 11}}, 0);
}

TEST_CASE("nobody takes a share that is not its own, nor after the deadline, nor with a receipt of another upload "
          "[JS-09]") {
  UploadRig rig;
  const std::string id = rig.CreateOne(rig.bucket, {.name = "a", .size = kSize});
  const std::map<std::string, int64_t> nobody = {{"alice", -3 * kLost}};
  rig.Expect(Verdict::kNotHolder, "mallory", rig.Post({id}, {1}));
  rig.Expect(Verdict::kNotHolder, "p5", rig.Post({id}, {1}));
  auto forged = rig.Post({id}, {1});
  (*forged.mutable_post_receipts()->mutable_receipts(0)->mutable_signature())[3] ^= 1;
  rig.Expect(Verdict::kBadReceipt, "p1", forged);
  rig.ExpectGains(nobody, 3 * kShare);

  const auto late = rig.Post({id}, {1});
  rig.PassDeadline();
  rig.ExpectGains({}, 0);
  rig.Expect(Verdict::kUnknownObject, "p1", late);
  rig.ExpectGains({}, 0);

  // The same name again is another upload: the receipt of the first one is worth nothing for it.
  const std::string again = rig.CreateOne(rig.bucket, {.name = "a", .size = kSize, .seed = "other"});
  auto replayed = late;
  replayed.mutable_post_receipts()->set_objects(0, again);
  rig.Expect(Verdict::kBadReceipt, "p1", replayed);
  rig.ExpectGains(nobody, 3 * kShare);
}

TEST_CASE("a share that waited for a holder that is lost goes to the successor that accepts [JS-09]") {
  UploadRig rig;
  const std::string id = rig.CreateOne(rig.bucket, {.name = "a", .size = kSize});
  rig.Do("p0", rig.Seal({id}, {0, 1}));
  rig.Do("alice", rig.Successor(1, 2, "p5"));
  rig.Do("p5", rig.Post({id}, {2}));
  rig.ExpectGains({{"alice", -3 * kLost}, {"p0", kLost}, {"p1", kLost}, {"p5", kLost}}, 0);
}

}  // namespace cairn::chain
