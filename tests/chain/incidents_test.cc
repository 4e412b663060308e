// What went wrong in other ledgers, as rules for ours: the index is tests/incidents.md.
#include <cstdlib>
#include <iostream>
#include <optional>
#include <random>

#include "absl/strings/str_cat.h"
#include "cairn/chain/proof.h"
#include "catch.h"
#include "support/channel_rig.h"

namespace cairn::chain {
namespace {

uint64_t Seed() {
  const char* given = std::getenv("CAIRN_INCIDENT_SEED");
  const uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device()();
  std::cout << "seed " << seed << " (CAIRN_INCIDENT_SEED)\n";
  return seed;
}

Verdict Try(LedgerHarness& h, const std::string& who, std::vector<pb::Operation> operations) {
  return VerdictOf(h.Submit(h.Sign(who, h.Body(who, std::move(operations)))));
}

}  // namespace

TEST_CASE("what is named twice in one transaction is paid once, or the whole of it is undone") {
  ChannelRig rig;
  LedgerHarness& h = rig.h;
  const std::string channel = rig.Open(10'000'000);
  const base::Claim claim = rig.Worth(channel, 3'000'000);
  base::Amount before = rig.Usdc("node");
  CHECK(Try(h, "node", {rig.Withdraw(channel, claim), rig.Withdraw(channel, claim)}) != Verdict::kOk);
  CHECK(rig.Usdc("node") == before);
  h.Do("node", rig.Withdraw(channel, claim));
  CHECK(rig.Usdc("node") > before);
  const std::string pool = rig.OpenPool(10'000'000);
  const pb::Operation redeem = rig.Redeem(pool, rig.Capability(pool, 5'000'000), "node", 2'000'000);
  before = rig.Usdc("node");
  CHECK(Try(h, "node", {redeem, redeem}) != Verdict::kOk);
  CHECK(rig.Usdc("node") == before);

  const uint64_t bucket = h.Bucket("rs:4+2");
  const std::string open = h.CreateOne(bucket, {.name = "open"});
  const std::string kept = h.Store(bucket, {.name = "kept"});
  for (const pb::Operation& twice :
       {h.Cancel({open, open}), h.Seal({open, open}, {0, 1, 2, 3, 4, 5}), h.Reject({open, open}),
        h.DeleteVersions(bucket, {kept, kept}), h.DeleteNames(bucket, {"kept", "kept"})}) {
    CAPTURE(twice.ShortDebugString());
    const base::Amount locked = h.Locked("alice");
    CHECK(Try(h, twice.has_seal_objects() || twice.has_reject_objects() ? "p0" : "alice", {twice}) !=
          Verdict::kOk);
    CHECK(h.Locked("alice") == locked);
    CHECK(h.ObjectExists(open));
    CHECK(h.ObjectExists(kept));
  }
  CHECK(Try(h, "alice", {h.Cancel({open}), h.Cancel({open})}) != Verdict::kOk);
  CHECK(Try(h, "alice", {h.DeleteVersions(bucket, {kept}), h.DeleteVersions(bucket, {kept})}) != Verdict::kOk);
  CHECK(h.ObjectExists(open));
  CHECK(h.ObjectExists(kept));

  // The very same bytes sent again are not a second transaction.
  const pb::SignedTransaction transfer = h.Sign("alice", h.Body("alice", {h.Transfer("bob", 7)}));
  CHECK(VerdictOf(h.Submit(transfer)) == Verdict::kOk);
  const base::Amount bob = h.Free("bob");
  h.Submit(transfer);
  CHECK(h.Free("bob") == bob);
}

namespace {

struct Tree {
  MapView pages, state;
  base::Digest root;
};

Tree Grow(int keys, std::mt19937_64& random) {
  Tree tree;
  ChangeSet changes;
  for (int i = 0; i < keys; ++i) changes[absl::StrCat("key", i)] = MakeRecord(absl::StrCat("value", random()));
  auto update = UpdateTree(tree.pages, changes);
  REQUIRE(update.ok());
  tree.pages.Merge(update->pages);
  tree.state.Merge(changes);
  tree.root = update->root;
  return tree;
}

std::string AnyHash(const pb::StateProof& proof, std::mt19937_64& random) {
  if (proof.siblings_size() > 0) return proof.siblings(static_cast<int>(random() % proof.siblings_size()));
  return std::string(32, static_cast<char>(random()));
}

// What a forger may try: nodes in each other's place, leaves as nodes, paths longer or shorter, parts of another proof.
void Forge(pb::StateProof& proof, const pb::StateProof& other, std::mt19937_64& random) {
  auto& siblings = *proof.mutable_siblings();
  const int count = siblings.size();
  const auto any = [&](int n) { return static_cast<int>(random() % static_cast<uint64_t>(n)); };
  switch (random() % 12) {
    case 0: if (count > 0) siblings[any(count)][random() % 32] ^= static_cast<char>(1 << random() % 8); break;
    case 1: if (count > 1) siblings.SwapElements(any(count), any(count)); break;
    case 2: if (count > 0) siblings.DeleteSubrange(any(count), 1); break;
    case 3: *siblings.Add() = AnyHash(other, random); break;
    case 4: if (count > 0) siblings[any(count)] = AnyHash(other, random); break;
    case 5: proof.set_depth_bits(random() % 2 == 0 ? proof.depth_bits() ^ (uint64_t{1} << random() % 64) : random()); break;
    case 6: proof.set_present(!proof.present()); break;
    case 7: proof.set_key(other.key()); break;
    case 8: proof.set_value(other.value()); break;
    case 9: proof.set_other_leaf(AnyHash(proof, random) + AnyHash(other, random)); break;
    case 10: proof.set_other_leaf(other.other_leaf()); break;
    default: if (count > 0) siblings[any(count)].append(1, '\0'); break;
  }
}

}  // namespace

TEST_CASE("no forged proof says anything of a key but what the tree holds under it") {
  std::mt19937_64 random(Seed());
  size_t accepted = 0, refused = 0;
  for (const int keys : {1, 2, 3, 40, 700}) {
    const Tree tree = Grow(keys, random);
    for (int i = 0; i < 6'000; ++i) {
      const auto draw = [&] { return absl::StrCat("key", random() % static_cast<uint64_t>(keys + keys / 2 + 2)); };
      pb::StateProof proof = *Prove(tree.pages, tree.state, draw());
      const pb::StateProof other = *Prove(tree.pages, tree.state, draw());
      const std::string honest = proof.SerializeAsString();
      for (uint64_t n = 1 + random() % 3; n > 0; --n) Forge(proof, other, random);
      if (!VerifyProof(tree.root, proof).ok()) {
        ++refused;
        continue;
      }
      ++accepted;
      const RecordPtr truth = tree.state.Get(proof.key());
      INFO(proof.ShortDebugString());
      REQUIRE(proof.present() == (truth != nullptr));
      if (truth) REQUIRE(proof.value() == truth->bytes());
      // And there is one way to say it.
      REQUIRE(proof.SerializeAsString() == Prove(tree.pages, tree.state, proof.key())->SerializeAsString());
    }
  }
  std::cout << refused << " forged proofs refused, " << accepted << " still said the truth\n";
  CHECK(refused > 20'000);
}

TEST_CASE("a channel that is disputed to the end delays no other: each is settled when its own window ends") {
  ChannelRig rig;
  LedgerHarness& h = rig.h;
  std::vector<std::string> channels;
  for (int i = 0; i < 40; ++i) channels.push_back(rig.Open(1'000'000));
  const std::string contested = channels.front();
  // All are closed stale at once, so that their deadlines crowd together.
  for (const std::string& id : channels) h.Do("alice", rig.Close(id, rig.Worth(id, 1'000)));
  const base::Amount before = rig.Usdc("node");
  const absl::Duration step = rig.Window() / 10;
  for (int i = 1; i <= 9; ++i) {
    h.Advance(step);
    h.Do(i % 2 == 0 ? "tower" : "mallory", rig.Dispute(contested, rig.Worth(contested, 1'000 + 1'000u * i)));
    for (const std::string& id : channels) CHECK(rig.Channel(id).state() != pb::CHANNEL_STATE_SETTLED);
  }
  h.Advance(step + absl::Milliseconds(1));
  for (const std::string& id : channels) {
    CHECK((!rig.Exists(id) || rig.Channel(id).state() == pb::CHANNEL_STATE_SETTLED));
  }
  CHECK(rig.Usdc("node") > before);
}

}  // namespace cairn::chain
