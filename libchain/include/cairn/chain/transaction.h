// Making, signing, decoding and hashing transactions, and the signed statements inside operations.
//
// The body travels as bytes: what was signed is what is hashed, nobody re-encodes it. Decoding is canonical: a body is
// accepted only when it equals the deterministic serialisation of what it parses to, without unknown fields.
//
//   pb::TransactionBody body;  ... fill in chain_id, signer, lane, number, valid_until_ms, operations ...
//   pb::SignedTransaction tx = SignTransaction(body, key);
#pragma once

#include "absl/status/statusor.h"
#include "cairn/base/amount.h"
#include "cairn/base/claim.h"
#include "cairn/base/key.h"
#include "cairn/chain/pb.h"
#include "cairn/chain/verdict.h"

namespace cairn::chain {

inline constexpr size_t kMaxTransactionBytes = 1 << 20;
inline constexpr int kMaxOperations = 256;
inline constexpr int kMaxObjectsPerOperation = 256;
inline constexpr size_t kMaxNameBytes = 4096;
inline constexpr size_t kMaxInlineManifestBytes = 512;

// The one serialisation of a message.
std::string Canonical(const google::protobuf::MessageLite& message);

// Sets `signer` from the key, serialises and signs.
pb::SignedTransaction SignTransaction(const pb::TransactionBody& body, const base::SigningKey& key);
// Of body and signature: what receipts and queries name a transaction by.
base::Digest TransactionHash(const pb::SignedTransaction& transaction);

// InvalidArgument with reason VERDICT_<1xx name> when the bytes are wrong. Checks nothing that needs state, and no
// signature.
absl::StatusOr<pb::TransactionBody> DecodeBody(const pb::SignedTransaction& transaction);
// The same, saying the verdict; `body` is filled when kOk.
Verdict CheckBytes(const pb::SignedTransaction& transaction, pb::TransactionBody* body);
bool SignatureValid(const pb::SignedTransaction& transaction, const pb::TransactionBody& body);

// What the fee is paid for: fee = Weight(body) * params.fee_per_weight.
uint64_t Weight(const pb::TransactionBody& body);

// What an approval's claim names: the hash of the operation's bytes with the approval's signature empty, and of the
// account that will sign the transaction. Nobody else can use what a provider agreed to with it.
base::Digest ApprovalRequest(const pb::Operation& operation, const base::AccountId& signer);
// Fills in the approval's signature. The operation must carry approval.{provider, nonce, expires_ms} already.
void SignApproval(const base::ChainId& chain, const base::SigningKey& node_key, const base::AccountId& signer,
                  pb::Operation* operation);
// The operation's approval, or null when its kind has none.
const pb::Approval* ApprovalOf(const pb::Operation& operation);

// One entry per object, sorted by id.
base::ReceiptEntry EntryOf(const pb::Object& object);
// What the holder at `position` signs for those of `objects` that it keeps; no entries when it keeps none.
base::HolderReceipt BuildReceipt(const base::ChainId& chain, const pb::Group& group, uint32_t position,
                                 const std::vector<pb::Object>& objects);
// What the primary signs when it has all it needs to seal.
base::UploadReceipt BuildUploadReceipt(const base::ChainId& chain, const base::AccountId& primary,
                                       const std::vector<pb::Object>& objects);
// Is every position of the object receipted under the group's current generations?
bool IsDurable(const pb::Object& object, const pb::Group& group);
// What the object costs a second when all its positions are receipted.
base::Amount FullRate(const pb::Object& object);
// Positions of the object that no current receipt covers.
std::vector<uint32_t> MissingPositions(const pb::Object& object, const pb::Group& group);

// What a node key signs to join: chain, account and operator.
base::Digest RegistrationDigest(const base::ChainId& chain, const base::AccountId& account,
                                const base::AccountId& operator_account);
// What a sponsor signs: its allowance, on one chain.
base::Digest AllowanceDigest(const base::ChainId& chain, const pb::FeeAllowance& allowance);

}  // namespace cairn::chain
