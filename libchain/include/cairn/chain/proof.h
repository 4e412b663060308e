// The state root: a binary Merkle tree over BLAKE3(key), and proofs that a record is, or is not, under a root.
//
// A leaf stands at the first depth at which it is alone; a subtree with one leaf is that leaf, an empty one the zero
// digest. Leaf = H("cairn v1 state leaf", BLAKE3(key), BLAKE3(value)); node = H("cairn v1 state node", left, right), without lengths.
// The tree does not depend on the order of changes. Verifying needs no ledger: a header signed by the engine, a proof,
// and these functions. Nodes are kept four levels to a page; an update touches the pages of changed leaves only.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cairn/base/hash.h"
#include "cairn/base/key.h"
#include "cairn/chain/pb.h"
#include "cairn/chain/view.h"

namespace cairn::chain {

struct TreeUpdate {
  base::Digest root;
  ChangeSet pages;  // to be written beside the state
};
// `pages` is the tree as stored (keys as in TreeUpdate::pages); `changes` are the state's.
absl::StatusOr<TreeUpdate> UpdateTree(const ReadView& pages, const ChangeSet& changes);
absl::StatusOr<base::Digest> TreeRoot(const ReadView& pages);
// The root over all records of `state`, made anew from them. DataLoss (reason STATE_TREE_BROKEN) names a page that is
// not the one that they make: a record or a page is not what was written. Reads everything; 72 bytes of memory for each
// record.
absl::StatusOr<base::Digest> CheckTree(const ReadView& pages, const ReadView& state);
absl::StatusOr<pb::StateProof> Prove(const ReadView& pages, const ReadView& state, const std::string& key);
using StateProofs = google::protobuf::RepeatedPtrField<pb::StateProof>;
// Of every key once, in the order first named.
absl::StatusOr<StateProofs> ProveAll(const ReadView& pages, const ReadView& state,
                                     const std::vector<std::string>& keys);

// Is the proof right under `root`? DataLoss (reason BAD_PROOF) otherwise. What it proves: record `key` is
// `proof.value` when `proof.present`, and not there otherwise.
absl::Status VerifyProof(const base::Digest& root, const pb::StateProof& proof);

// Digest that the engine's key signs.
base::Digest HeaderDigest(absl::string_view header);
// Header and signature of an answer, checked against the engine's key and the chain; the header inside.
absl::StatusOr<pb::BlockHeader> VerifyHeader(const base::ChainId& chain, const base::PublicKey& engine_key,
                                             const std::string& header, const std::string& signature);
// Header, then every proof of the answer under its state root.
absl::Status VerifyAnswer(const base::ChainId& chain, const base::PublicKey& engine_key,
                          const pb::QueryResponse& response);

// What a header's two other roots are made of: hashes of the transactions in order, and the receipts in order (their
// transaction, verdict, operation and fee). The zero digest for none.
base::Digest TransactionsRoot(std::vector<base::Digest> hashes);
base::Digest ReceiptsRoot(const pb::Block& block);
// Header, transactions and receipts of a block; the header inside. Events, and what a receipt says beside the fields
// above, are under no root: they stay what the node says.
absl::StatusOr<pb::BlockHeader> VerifyBlock(const base::ChainId& chain, const base::PublicKey& engine_key,
                                            const pb::Block& block);

}  // namespace cairn::chain
