// An answer of a node that need not be honest: u8 kind, then its bytes. 0: the answer as it is; 1: the signed header of
// a real answer with these bytes merged over the rest; 2: a header that the engine has signed, whatever it says. Only
// what the engine signed is accepted, and only proofs under its root.
#include "absl/strings/str_cat.h"
#include "cairn/base/entropy.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/proof.h"
#include "quiet_protobuf.h"

namespace cairn {
namespace {

struct Node {
  Node() {
    chain::ChangeSet changes;
    for (int i = 0; i < 20; ++i) changes[absl::StrCat("key", i)] = chain::MakeRecord(absl::StrCat("value", i));
    chain::MapView state;
    state.Merge(changes);
    const chain::TreeUpdate tree = *chain::UpdateTree(chain::MapView(), changes);
    chain::MapView pages;
    pages.Merge(tree.pages);
    chain::pb::BlockHeader header;
    header.set_height(7);
    header.set_chain_id(chain::ToField(chain_id));
    header.set_state_root(chain::ToField(tree.root));
    Sign(header.SerializeAsString(), &real);
    *real.add_proofs() = *chain::Prove(pages, state, "key3");
    *real.add_proofs() = *chain::Prove(pages, state, "key30");
  }
  void Sign(const std::string& header, chain::pb::QueryResponse* answer) const {
    answer->set_header(header);
    answer->set_header_signature(chain::ToField(engine.Sign(chain::HeaderDigest(header))));
  }

  base::SeededEntropy entropy{42};
  base::SigningKey engine = base::SigningKey::Generate(entropy);
  base::ChainId chain_id = entropy.Draw<base::ChainId>();
  chain::pb::QueryResponse real;
};

}  // namespace

void FuzzOne(base::ByteView input) {
  QuietProtobuf();
  static const Node node;
  if (input.empty()) return;
  const std::string bytes = base::ToString(input.subspan(1));
  chain::pb::QueryResponse answer;
  if (input[0] == 2) {
    node.Sign(bytes, &answer);
    auto header = chain::VerifyHeader(node.chain_id, node.engine.public_key(), answer.header(), answer.header_signature());
    if (header.ok()) FUZZ_CHECK(header->chain_id() == chain::ToField(node.chain_id));
    (void)chain::VerifyAnswer(node.chain_id, node.engine.public_key(), answer);
    return;
  }
  if (input[0] == 1) answer = node.real;
  if (!answer.MergeFromString(bytes)) return;
  if (!chain::VerifyAnswer(node.chain_id, node.engine.public_key(), answer).ok()) return;
  FUZZ_CHECK(answer.header() == node.real.header());
  for (const auto& proof : answer.proofs()) {
    FUZZ_CHECK(!proof.present() || absl::StrCat("value", proof.key().substr(3)) == proof.value());
  }
}

}  // namespace cairn
