#include "cairn/chain/proof.h"

#include <map>
#include <set>

#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "ledger/bad_proof.h"
#include "ledger/tree_pages.h"

namespace cairn::chain {
namespace {

constexpr int kMaxSiblings = 256;

// Proofs of several keys of one state; the pages they share are read once.
class Prover {
 public:
  Prover(const ReadView& pages, const ReadView& state) : pages_(pages), state_(state) {}

  absl::StatusOr<pb::StateProof> Prove(const std::string& key) {
    const base::Digest hash = base::Blake3(base::AsBytes(key));
    std::vector<base::Digest> siblings;  // from root to leaf
    Slot end;
    for (int depth = 0; depth < kMaxDepth; ++depth) {
      ASSIGN_OR_RETURN(const PageTree* tree, Load(depth, hash));
      const int nibble = Nibble(hash, depth);
      int node = 1;
      for (int bit = 3; bit >= 0 && (*tree)[node].kind == Slot::kInner; --bit) {
        node = 2 * node + (nibble >> bit & 1);
        siblings.push_back(DigestOf((*tree)[node ^ 1]));
      }
      end = (*tree)[node];
      if (end.kind != Slot::kInner) break;
    }
    return Build(key, hash, end, siblings);
  }

 private:
  absl::StatusOr<const PageTree*> Load(int depth, const base::Digest& path) {
    const std::string key = PageKey(depth, path);
    const auto known = trees_.find(key);
    if (known != trees_.end()) return &known->second;
    ASSIGN_OR_RETURN(const Page page, LoadPage(pages_, depth, path));
    return &trees_.emplace(key, TreeOf(page)).first->second;
  }
  absl::StatusOr<pb::StateProof> Build(const std::string& key, const base::Digest& hash, const Slot& end,
                                       const std::vector<base::Digest>& siblings) const {
    pb::StateProof proof;
    proof.set_key(key);
    proof.set_present(end.kind == Slot::kLeaf && end.hash == hash);
    if (proof.present()) {
      if (const RecordPtr record = state_.Get(key)) proof.set_value(record->bytes());
    } else if (end.kind == Slot::kLeaf) {
      proof.set_other_leaf(ToField(end.hash) + ToField(end.value));
    }
    proof.set_depth_bits(siblings.size());
    for (auto it = siblings.rbegin(); it != siblings.rend(); ++it) proof.add_siblings(ToField(*it));
    RETURN_IF_ERROR(state_.health());
    return proof;
  }

  const ReadView& pages_;
  const ReadView& state_;
  std::map<std::string, PageTree> trees_;
};

}  // namespace

absl::StatusOr<pb::StateProof> Prove(const ReadView& pages, const ReadView& state, const std::string& key) {
  return Prover(pages, state).Prove(key);
}

absl::StatusOr<StateProofs> ProveAll(const ReadView& pages, const ReadView& state,
                                     const std::vector<std::string>& keys) {
  Prover prover(pages, state);
  StateProofs proofs;
  std::set<std::string> proven;
  for (const std::string& key : keys) {
    if (!proven.insert(key).second) continue;
    ASSIGN_OR_RETURN(*proofs.Add(), prover.Prove(key));
  }
  return proofs;
}

absl::Status VerifyProof(const base::Digest& root, const pb::StateProof& proof) {
  const base::Digest key = base::Blake3(base::AsBytes(proof.key()));
  base::Digest digest;
  if (proof.present()) {
    if (!proof.other_leaf().empty()) return BadProof("a proof of presence names another leaf");
    digest = LeafHash(key, base::Blake3(base::AsBytes(proof.value())));
  } else {
    if (!proof.value().empty()) return BadProof("a proof of absence carries a value");
    if (!proof.other_leaf().empty()) {
      if (proof.other_leaf().size() != 2 * base::Digest::kSize) return BadProof("the leaf in the way is malformed");
      const auto other = Trusted<base::Digest>(proof.other_leaf().substr(0, base::Digest::kSize));
      // Its presence, shown as another's, would pass for its absence.
      if (other == key) return BadProof("the leaf in the way is the key's own");
      digest = LeafHash(other, Trusted<base::Digest>(proof.other_leaf().substr(base::Digest::kSize)));
    }
  }
  const int depth = proof.siblings_size();
  if (depth > kMaxSiblings || proof.depth_bits() != static_cast<uint64_t>(depth)) return BadProof("wrong depth");
  for (int i = 0; i < depth; ++i) {
    const auto sibling = FromField<base::Digest>(proof.siblings(i));
    if (!sibling) return BadProof("a sibling is malformed");
    const int bit = depth - 1 - i;
    const bool right = (key.value[bit / 8] >> (7 - bit % 8) & 1) != 0;
    digest = right ? NodeHash(*sibling, digest) : NodeHash(digest, *sibling);
  }
  return digest == root ? absl::OkStatus() : BadProof("the proof does not lead to the state root");
}

base::Digest HeaderDigest(absl::string_view header) {
  return base::Hasher::DeriveKey("cairn v1 block header").Field(header).Finish();
}

absl::StatusOr<pb::BlockHeader> VerifyHeader(const base::ChainId& chain, const base::PublicKey& engine_key,
                                             const std::string& header, const std::string& signature) {
  const auto sig = FromField<base::Signature>(signature);
  if (!sig || !engine_key.Verify(HeaderDigest(header), *sig)) return BadProof("the header is not the engine's");
  pb::BlockHeader parsed;
  if (!parsed.ParseFromString(header)) return BadProof("the header is malformed");
  if (parsed.chain_id() != ToField(chain)) return BadProof("the header is of another ledger");
  return parsed;
}

absl::Status VerifyAnswer(const base::ChainId& chain, const base::PublicKey& engine_key,
                          const pb::QueryResponse& response) {
  ASSIGN_OR_RETURN(const pb::BlockHeader header,
                   VerifyHeader(chain, engine_key, response.header(), response.header_signature()));
  const auto root = FromField<base::Digest>(header.state_root());
  if (!root) return BadProof("the header has no state root");
  for (const pb::StateProof& proof : response.proofs()) RETURN_IF_ERROR(VerifyProof(*root, proof));
  return absl::OkStatus();
}

}  // namespace cairn::chain
