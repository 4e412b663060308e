#include "cairn/storage/placement.h"

#include <map>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "catch.h"
#include "storage/sample.h"

namespace cairn::storage {
namespace {

using base::AccountId;

AccountId Account(uint32_t n) {
  AccountId id;
  id.value[0] = static_cast<uint8_t>(n >> 8);
  id.value[1] = static_cast<uint8_t>(n);
  return id;
}

Candidate Make(uint32_t n, uint32_t operator_id, uint32_t network, uint32_t region,
               uint64_t price) {
  return {.account = Account(n),
          .operator_id = Account(1000 + operator_id),
          .network = absl::StrCat("net", network),
          .region = absl::StrCat("region", region),
          .free_bytes = 1 << 30,
          .holder_price = {base::Amount(price)},
          .primary_price = {base::Amount(1000 - price)},
          .live = true};
}

const Candidate& Of(const std::vector<Candidate>& all, const AccountId& account) {
  for (const Candidate& c : all) {
    if (c.account == account) return c;
  }
  FAIL("chose a stranger");
  return all[0];
}

// The largest number of holders that share a label.
template <class F>
uint32_t Most(const std::vector<Candidate>& all, const Placement& p, F label) {
  std::map<std::string, uint32_t> held;
  uint32_t most = 0;
  for (const AccountId& a : p.holders) most = std::max(most, ++held[label(Of(all, a))]);
  return most;
}
std::string OperatorOf(const Candidate& c) { return c.operator_id.ToHexString(); }
std::string NetworkOf(const Candidate& c) { return c.network; }
std::string RegionOf(const Candidate& c) { return c.region; }

uint64_t PriceOf(const std::vector<Candidate>& all, const std::vector<AccountId>& holders) {
  uint64_t sum = 0;
  for (const AccountId& a : holders) sum += Of(all, a).holder_price.per_unit_e18.low();
  return sum;
}

TEST_CASE("a dev network of 8 providers, 4 operators and 3 regions takes 4+2 with full spread",
          "[GF-01]") {
  std::vector<Candidate> all;
  for (uint32_t i = 0; i < 8; ++i) all.push_back(Make(i, i % 4, i, i % 3, 10));
  const Placement p = PlaceGroup({.policy = Policy("rs:4+2"), .seed = 7}, all).value();
  CHECK(std::set<AccountId>(p.holders.begin(), p.holders.end()).size() == 6);
  CHECK(Most(all, p, OperatorOf) <= 2);
  CHECK(Most(all, p, RegionOf) <= 2);
  CHECK_FALSE(p.reduced_spread);
  CHECK(p.loss_probability < 1e-3);
  CHECK(PlaceGroup({.policy = Policy("rs:4+2"), .seed = 7}, all).value().holders == p.holders);
}

TEST_CASE("the cheapest valid choice is taken", "[GF-01]") {
  // Small enough to try everything.
  std::mt19937 random(3);
  for (int round = 0; round < 40; ++round) {
    std::vector<Candidate> all;
    for (uint32_t i = 0; i < 10; ++i) {
      all.push_back(Make(i, random() % 5, random() % 6, random() % 4, random() % 50));
    }
    auto placed = PlaceGroup({.policy = Policy("rs:3+2"), .seed = random()}, all);
    if (!placed.ok() || placed->reduced_spread) continue;
    uint64_t best = ~uint64_t{0};
    for (uint32_t mask = 0; mask < 1024; ++mask) {
      if (__builtin_popcount(mask) != 5) continue;
      Placement p;
      for (uint32_t i = 0; i < 10; ++i) {
        if (mask >> i & 1) p.holders.push_back(all[i].account);
      }
      if (Most(all, p, OperatorOf) > 2 || Most(all, p, NetworkOf) > 2 || Most(all, p, RegionOf) > 2)
        continue;
      best = std::min(best, PriceOf(all, p.holders));
    }
    CHECK(PriceOf(all, placed->holders) == best);
  }
}

TEST_CASE("no operator holds enough to break an object, at any price", "[GF-01]") {
  std::vector<Candidate> all;
  for (uint32_t i = 0; i < 6; ++i) all.push_back(Make(i, 0, i, i, 1));  // cheap, all one operator's
  for (uint32_t i = 6; i < 10; ++i) all.push_back(Make(i, i, i, i, 1000));
  const Placement p = PlaceGroup({.policy = Policy("rs:4+2")}, all).value();
  CHECK(Most(all, p, OperatorOf) == 2);
  const Placement copies = PlaceGroup({.policy = Policy("replicate:3")}, all).value();
  CHECK(Most(all, copies, OperatorOf) == 1);
  CHECK(DomainCap(Policy("replicate:5")) == 3);
  CHECK(DomainCap(Policy("replicate:2")) == 1);
}

TEST_CASE("regions and networks give way where there are too few, visibly", "[GF-01]") {
  std::vector<Candidate> all;
  for (uint32_t i = 0; i < 8; ++i) all.push_back(Make(i, i % 4, i, i % 2, 10));
  const Placement p = PlaceGroup({.policy = Policy("rs:4+2")}, all).value();
  CHECK(p.reduced_spread);
  CHECK(Most(all, p, RegionOf) == 3);  // as even as two regions allow
  CHECK(p.spread_note.find("region region0 holds 3 of 6") != std::string::npos);
  std::vector<Candidate> spread = all;
  for (uint32_t i = 0; i < 8; ++i) spread[i].region = absl::StrCat("r", i);
  CHECK(p.loss_probability >
        PlaceGroup({.policy = Policy("rs:4+2")}, spread).value().loss_probability * 2);
}

TEST_CASE("who is dead, full or excluded is not chosen; the error says how many are missing",
          "[GF-01]") {
  std::vector<Candidate> all;
  for (uint32_t i = 0; i < 6; ++i) all.push_back(Make(i, i, i, i, 10));
  PlacementRequest request{.policy = Policy("rs:4+2"), .bytes_per_holder = 1000};
  for (Candidate& candidate : all) candidate.free_bytes = 1000;  // just enough
  REQUIRE(PlaceGroup(request, all).ok());
  all[0].live = false;
  all[1].free_bytes = 999;
  request.exclude = {Account(2)};
  absl::Status failed = PlaceGroup(request, all).status();
  CHECK(failed.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(base::ReasonOf(failed) == "NOT_ENOUGH_PROVIDERS");
  CHECK(base::DetailOf(failed).evidence[0] == std::pair<std::string, std::string>("missing", "3"));
  // The same provider listed twice is one provider.
  std::vector<Candidate> twice = {all[3], all[3], all[4], all[4], all[5], all[5]};
  CHECK(base::ReasonOf(PlaceGroup(request, twice).status()) == "NOT_ENOUGH_PROVIDERS");
}

TEST_CASE("too few operators are told apart from too few providers", "[GF-01]") {
  std::vector<Candidate> all;
  for (uint32_t i = 0; i < 12; ++i) all.push_back(Make(i, i % 2, i, i, 10));
  absl::Status failed = PlaceGroup({.policy = Policy("rs:4+2")}, all).status();
  CHECK(base::ReasonOf(failed) == "NOT_ENOUGH_OPERATORS");
  CHECK(base::DetailOf(failed).evidence[0] == std::pair<std::string, std::string>("missing", "1"));
}

TEST_CASE("the seed breaks ties, the primary is the cheapest primary") {
  std::vector<Candidate> all;
  for (uint32_t i = 0; i < 30; ++i) all.push_back(Make(i, i, i, i, 10));
  std::set<std::vector<AccountId>> seen;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    seen.insert(PlaceGroup({.policy = Policy("rs:4+2"), .seed = seed}, all).value().holders);
  }
  CHECK(seen.size() == 10);
  all[4].primary_price = {base::Amount(1)};
  all[4].holder_price = {base::Amount(1)};
  CHECK(PlaceGroup({.policy = Policy("rs:4+2")}, all).value().primary == all[4].account);
}

TEST_CASE("wide groups of many candidates are placed within a moment") {
  std::vector<Candidate> all;
  std::mt19937 random(9);
  for (uint32_t i = 0; i < 500; ++i) {
    all.push_back(Make(i, random() % 60, random() % 40, random() % 8, random() % 100));
  }
  const Placement p = PlaceGroup({.policy = Policy("rs:30+10")}, all).value();
  CHECK(p.holders.size() == 40);
  CHECK(Most(all, p, OperatorOf) <= 10);
  CHECK(Most(all, p, RegionOf) <= 10);
}

TEST_CASE("a successor keeps the rules beside those who stay", "[GF-01]") {
  std::vector<Candidate> all;
  for (uint32_t i = 0; i < 6; ++i) all.push_back(Make(i, i / 2, i, i / 2, 10));
  std::vector<AccountId> holders;
  for (uint32_t i = 0; i < 6; ++i) holders.push_back(Account(i));
  all.push_back(Make(6, 1, 6, 1, 1));    // cheap, but operator 1 has two already
  all.push_back(Make(7, 9, 7, 1, 2));    // region 1 has two already
  all.push_back(Make(8, 9, 8, 9, 500));  // dear and clean
  all.push_back(Make(9, 8, 9, 8, 600));
  PlacementRequest request{.policy = Policy("rs:4+2")};
  SuccessorChoice choice = PlaceSuccessor(request, holders, 0, all).value();
  CHECK(choice.provider == Account(8));
  CHECK_FALSE(choice.reduced_spread);
  request.exclude = {Account(8), Account(9)};
  choice = PlaceSuccessor(request, holders, 0, all).value();
  CHECK(choice.provider == Account(7));
  CHECK(choice.reduced_spread);
  request.exclude.push_back(Account(7));
  CHECK(base::ReasonOf(PlaceSuccessor(request, holders, 0, all).status()) ==
        "NOT_ENOUGH_OPERATORS");
  request.exclude.push_back(Account(6));
  CHECK(base::ReasonOf(PlaceSuccessor(request, holders, 0, all).status()) ==
        "NOT_ENOUGH_PROVIDERS");
}

}  // namespace
}  // namespace cairn::storage
