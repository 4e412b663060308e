// The state tree: one root for one state, proofs of presence and absence, none for a lie.
#include "cairn/chain/proof.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "base/vectors.h"
#include "catch.h"
#include "support/ledger_harness.h"

namespace cairn::chain {
namespace {

struct Tree {
  MapView pages, state;
  base::Digest root;
  void Apply(const ChangeSet& changes) {
    auto update = UpdateTree(pages, changes);
    REQUIRE(update.ok());
    pages.Merge(update->pages);
    state.Merge(changes);
    root = update->root;
  }
};

ChangeSet AllOf(const MapView& state) {
  ChangeSet all;
  for (const auto& [key, value] : state.entries()) all[key] = value;
  return all;
}

std::map<std::string, std::string> BytesOf(const MapView& view) {
  std::map<std::string, std::string> bytes;
  for (const auto& [key, record] : view.entries()) bytes[key] = record->bytes();
  return bytes;
}

}  // namespace

TEST_CASE("the root depends on the state alone, not on the way to it", "[GF-95]") {
  std::mt19937 random(1);
  Tree grown;
  CHECK(grown.root == base::Digest{});
  for (int round = 0; round < 60; ++round) {
    ChangeSet changes;
    for (int i = 0; i < 40; ++i) {
      const std::string key = absl::StrCat("k", random() % 500);
      if (random() % 3 == 0) {
        changes[key] = nullptr;
      } else {
        changes[key] = MakeRecord(absl::StrCat("v", random()));
      }
    }
    grown.Apply(changes);
    Tree fresh;
    fresh.Apply(AllOf(grown.state));
    REQUIRE(fresh.root == grown.root);
    REQUIRE(BytesOf(fresh.pages) == BytesOf(grown.pages));
    REQUIRE(*TreeRoot(grown.pages) == grown.root);
  }
  ChangeSet none;
  for (const auto& [key, value] : grown.state.entries()) none[key] = nullptr;
  grown.Apply(none);
  CHECK(grown.root == base::Digest{});
  CHECK(grown.pages.entries().empty());
}

TEST_CASE("pages, roots and proofs keep their bytes") {
  Tree tree;
  ChangeSet changes;
  for (int i = 0; i < 20; ++i) changes[absl::StrCat("key", i)] = MakeRecord(absl::StrCat("value", i));
  tree.Apply(changes);
  base::Bytes bytes = base::ToBytes(tree.root.view());
  for (const auto& [key, page] : tree.pages.entries()) {
    for (const std::string& part : {key, page->bytes()}) bytes.insert(bytes.end(), part.begin(), part.end());
  }
  base::CheckVector("chain/state_tree.hex", bytes);
  base::CheckVector("chain/state_proof.hex",
                    base::AsBytes(Prove(tree.pages, tree.state, "key7")->SerializeAsString()));
}

TEST_CASE("every record has a proof and so has every absence; any change of one is noticed", "[GF-95]") {
  Tree tree;
  for (const int size : {0, 1, 2, 3, 50, 1000}) {
    ChangeSet changes;
    for (int i = 0; i < size; ++i) changes[absl::StrCat("key", i)] = MakeRecord(absl::StrCat("value", i));
    tree.Apply(changes);
    for (int i = 0; i < size + 20; i += size / 40 + 1) {
      auto proof = Prove(tree.pages, tree.state, absl::StrCat("key", i));
      REQUIRE(proof.ok());
      CHECK(proof->present() == (i < size));
      CHECK(VerifyProof(tree.root, *proof).ok());
      auto lie = *proof;
      lie.set_value("other");
      CHECK_FALSE(VerifyProof(tree.root, lie).ok());
      lie = *proof;
      lie.set_present(!proof->present());
      CHECK_FALSE(VerifyProof(tree.root, lie).ok());
      lie = *proof;
      lie.set_key("something else");
      CHECK_FALSE((proof->present() && VerifyProof(tree.root, lie).ok()));
      if (proof->siblings_size() > 0) {
        lie = *proof;
        (*lie.mutable_siblings(0))[5] ^= 1;
        CHECK_FALSE(VerifyProof(tree.root, lie).ok());
        lie = *proof;
        lie.mutable_siblings()->RemoveLast();
        lie.set_depth_bits(lie.siblings_size());
        CHECK_FALSE(VerifyProof(tree.root, lie).ok());
      }
    }
  }
}

TEST_CASE("an object's content id and layout root can be proven with nothing but the engine's key", "[GF-95]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("rs:4+2");
  const std::string id = h.Store(bucket, {.name = "a"});
  pb::QueryRequest request;
  request.mutable_object_by_name()->set_bucket(bucket);
  request.mutable_object_by_name()->set_name("a");
  request.set_prove(true);
  auto answer = h.Ask(request);
  const auto key = h.Key("engine").public_key();
  REQUIRE(VerifyAnswer(h.engine().chain_id(), key, answer).ok());
  REQUIRE(answer.proofs_size() == 2);  // the name, then the object
  CHECK(answer.proofs(1).key() == keys::Object(id).bytes);
  pb::Object proven;
  REQUIRE(proven.ParseFromString(answer.proofs(1).value()));
  CHECK(proven.content_id() == ToField(base::Blake3(base::AsBytes("a"))));
  CHECK(proven.layout_root() == h.Object(id).layout_root());
  CHECK(proven.SerializeAsString() == answer.objects(0).SerializeAsString());

  request.mutable_object_by_name()->set_name("b");
  answer = h.Ask(request);
  REQUIRE(VerifyAnswer(h.engine().chain_id(), key, answer).ok());
  CHECK_FALSE(answer.proofs(0).present());
  CHECK_FALSE(VerifyAnswer(h.engine().chain_id(), h.Key("alice").public_key(), answer).ok());
  request.set_prove(false);
  CHECK(absl::IsNotFound(h.engine().Query(request).status()));

  pb::QueryRequest raw;
  raw.set_state_key(keys::Bucket(bucket).bytes);
  CHECK(h.Ask(raw).proofs(0).present());
}

}  // namespace cairn::chain
