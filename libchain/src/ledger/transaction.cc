#include "cairn/chain/transaction.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "ledger/operations.h"

namespace cairn::chain {
namespace {

constexpr uint32_t kMaxLane = 65'535;

base::Digest BodyDigest(const std::string& body) {
  return base::Hasher::DeriveKey("cairn v1 transaction").Field(body).Finish();
}

pb::Approval* MutableApproval(pb::Operation* operation) {
  switch (operation->kind_case()) {
    case pb::Operation::kCreateBucket:
      return operation->mutable_create_bucket()->mutable_approval();
    case pb::Operation::kReplacePrimary:
      return operation->mutable_replace_primary()->mutable_approval();
    case pb::Operation::kAssignSuccessor:
      return operation->mutable_assign_successor()->mutable_approval();
    case pb::Operation::kCreateObjects:
      return operation->mutable_create_objects()->mutable_approval();
    default:
      return nullptr;
  }
}

// Lengths of everything in the body that no operation owns.
Verdict CheckEnvelope(const pb::TransactionBody& body) {
  if (body.chain_id().size() != base::ChainId::kSize) return Verdict::kBadDigest;
  if (!base::PublicKey::Decode(base::AsBytes(body.signer())).ok()) return Verdict::kBadKey;
  if (body.lane() > kMaxLane) return Verdict::kBadLane;
  if (body.operations_size() < 1 || body.operations_size() > kMaxOperations) return Verdict::kOperationCount;
  for (const pb::Operation& operation : body.operations()) {
    const OperationRules* rules = RulesFor(operation.kind_case());
    if (rules == nullptr) return Verdict::kUnknownOperation;
    const Verdict verdict = rules->validate(operation);
    if (verdict != Verdict::kOk) return verdict;
  }
  return Verdict::kOk;
}

}  // namespace

std::string Canonical(const google::protobuf::MessageLite& message) {
  std::string out;
  {
    google::protobuf::io::StringOutputStream stream(&out);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return out;
}

pb::SignedTransaction SignTransaction(const pb::TransactionBody& body, const base::SigningKey& key) {
  pb::TransactionBody signed_body = body;
  signed_body.set_signer(base::ToString(key.public_key().Encode()));
  pb::SignedTransaction transaction;
  transaction.set_body(Canonical(signed_body));
  transaction.set_signature(ToField(key.Sign(BodyDigest(transaction.body()))));
  return transaction;
}

base::Digest TransactionHash(const pb::SignedTransaction& transaction) {
  return base::Hasher::DeriveKey("cairn v1 transaction hash")
      .Field(transaction.body())
      .Field(transaction.signature())
      .Finish();
}

Verdict CheckBytes(const pb::SignedTransaction& transaction, pb::TransactionBody* body) {
  if (transaction.body().size() > kMaxTransactionBytes) return Verdict::kTooLarge;
  if (transaction.signature().size() != base::Signature::kSize) return Verdict::kBadSignatureField;
  if (!body->ParseFromString(transaction.body())) return Verdict::kMalformed;
  // Without them, bytes that carry any do not compare equal below.
  body->DiscardUnknownFields();
  if (Canonical(*body) != transaction.body()) return Verdict::kNotCanonical;
  return CheckEnvelope(*body);
}

absl::StatusOr<pb::TransactionBody> DecodeBody(const pb::SignedTransaction& transaction) {
  pb::TransactionBody body;
  const Verdict verdict = CheckBytes(transaction, &body);
  if (verdict == Verdict::kOk) return body;
  return base::Error(absl::StatusCode::kInvalidArgument, absl::StrCat("VERDICT_", Name(verdict)), Explain(verdict),
                     Hint(verdict));
}

bool SignatureValid(const pb::SignedTransaction& transaction, const pb::TransactionBody& body) {
  const auto key = base::PublicKey::Decode(base::AsBytes(body.signer()));
  const auto signature = FromField<base::Signature>(transaction.signature());
  return key.ok() && signature && key->Verify(BodyDigest(transaction.body()), *signature);
}

uint64_t Weight(const pb::TransactionBody& body) {
  uint64_t weight = 0;
  for (const pb::Operation& operation : body.operations()) {
    const OperationRules* rules = RulesFor(operation.kind_case());
    if (rules != nullptr) weight += rules->weight(operation);
  }
  return weight;
}

const pb::Approval* ApprovalOf(const pb::Operation& operation) {
  switch (operation.kind_case()) {
    case pb::Operation::kCreateBucket:
      return &operation.create_bucket().approval();
    case pb::Operation::kReplacePrimary:
      return &operation.replace_primary().approval();
    case pb::Operation::kAssignSuccessor:
      return &operation.assign_successor().approval();
    case pb::Operation::kCreateObjects:
      return &operation.create_objects().approval();
    default:
      return nullptr;
  }
}

base::Digest ApprovalRequest(const pb::Operation& operation, const base::AccountId& signer) {
  pb::Operation unsigned_operation = operation;
  if (pb::Approval* approval = MutableApproval(&unsigned_operation)) approval->clear_signature();
  return base::Hasher::DeriveKey("cairn v1 approval request")
      .Field(Canonical(unsigned_operation))
      .Field(signer.view())
      .Finish();
}

void SignApproval(const base::ChainId& chain, const base::SigningKey& node_key, const base::AccountId& signer,
                  pb::Operation* operation) {
  const base::Digest request = ApprovalRequest(*operation, signer);
  pb::Approval* approval = MutableApproval(operation);
  if (approval == nullptr) return;
  base::ApprovalClaim claim;
  claim.chain = chain;
  claim.provider = AccountOf(approval->provider());
  claim.nonce = Trusted<base::Nonce16>(approval->nonce());
  claim.expires_ms = approval->expires_ms();
  claim.request = request;
  approval->set_signature(ToField(node_key.Sign(base::SigningDigest(claim))));
}

base::ReceiptEntry EntryOf(const pb::Object& object) {
  base::ReceiptEntry entry;
  entry.object = Trusted<base::ObjectId>(object.id());
  entry.version = object.version();
  entry.layout_root = Trusted<base::Digest>(object.layout_root());
  entry.stored_size = object.stored_size();
  return entry;
}

base::HolderReceipt BuildReceipt(const base::ChainId& chain, const pb::Group& group, uint32_t position,
                                 const std::vector<pb::Object>& objects) {
  base::HolderReceipt receipt;
  receipt.chain = chain;
  receipt.group.value = group.id();
  receipt.group_epoch = group.epoch();
  receipt.position = position;
  if (position < static_cast<uint32_t>(group.positions_size())) {
    receipt.store = Trusted<base::StoreId>(group.positions(position).store_id());
  }
  for (const pb::Object& object : objects) {
    const auto& kept = object.positions();
    if (std::find(kept.begin(), kept.end(), position) != kept.end()) receipt.entries.push_back(EntryOf(object));
  }
  std::sort(receipt.entries.begin(), receipt.entries.end(),
            [](const auto& a, const auto& b) { return a.object < b.object; });
  return receipt;
}

base::UploadReceipt BuildUploadReceipt(const base::ChainId& chain, const base::AccountId& primary,
                                       const std::vector<pb::Object>& objects) {
  base::UploadReceipt receipt;
  receipt.chain = chain;
  receipt.primary = primary;
  for (const pb::Object& object : objects) receipt.entries.push_back(EntryOf(object));
  std::sort(receipt.entries.begin(), receipt.entries.end(),
            [](const auto& a, const auto& b) { return a.object < b.object; });
  return receipt;
}

std::vector<uint32_t> MissingPositions(const pb::Object& object, const pb::Group& group) {
  std::vector<uint32_t> missing;
  for (int i = 0; i < object.positions_size(); ++i) {
    const uint32_t position = object.positions(i);
    const bool known = position < static_cast<uint32_t>(group.positions_size()) &&
                       i < object.receipt_generations_size();
    if (!known || object.receipt_generations(i) != group.positions(position).generation()) missing.push_back(position);
  }
  return missing;
}

bool IsDurable(const pb::Object& object, const pb::Group& group) {
  return object.state() == pb::OBJECT_STATE_SEALED && MissingPositions(object, group).empty();
}

base::Digest RegistrationDigest(const base::ChainId& chain, const base::AccountId& account,
                                const base::AccountId& operator_account) {
  return base::Hasher::DeriveKey("cairn v1 provider registration")
      .Field(chain.view())
      .Field(account.view())
      .Field(operator_account.view())
      .Finish();
}

base::Digest AllowanceDigest(const base::ChainId& chain, const pb::FeeAllowance& allowance) {
  const base::Amount limit = FromProto(allowance.limit());
  return base::Hasher::DeriveKey("cairn v1 fee allowance")
      .Field(chain.view())
      .Field(allowance.sponsor_key())
      .Field(allowance.beneficiary())
      .Field(limit.high())
      .Field(limit.low())
      .Field(allowance.expires_ms())
      .Field(allowance.nonce())
      .Finish();
}

}  // namespace cairn::chain
