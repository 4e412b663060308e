#include "cairn/chain/verifying_client.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/genesis.h"
#include "cairn/chain/ledger.h"
#include "cairn/chain/proof.h"
#include "cairn/chain/transaction.h"
#include "client/proven_answer.h"
#include "ledger/bad_proof.h"

namespace cairn::chain {
namespace {

constexpr int kIdsAtOnce = 250;  // so that records of any size fit into one message with their proofs

absl::Status Unproven(const absl::Status& cause, base::Evidence evidence = {}) {
  evidence.insert(evidence.begin(), {"cause", std::string(cause.message())});
  return base::Error(absl::StatusCode::kDataLoss, "LEDGER_ANSWER_UNPROVEN",
                     "the ledger's answer is not shown by the proofs that came with it",
                     "do not trust this node: compare the profile's chain id and engine key with who runs the network, "
                     "and ask another endpoint",
                     std::move(evidence));
}

absl::Status Older(const SeenHead& seen, const pb::BlockHeader& header) {
  return Unproven(BadProof("it speaks of an older state than one already shown"),
                  {{"seen_height", absl::StrCat(seen.height)}, {"answered_height", absl::StrCat(header.height())}});
}

// The status beside a header must not say something else.
absl::Status CheckStatus(const pb::QueryRequest& request, const pb::ChainStatus& status,
                         const pb::BlockHeader& header, const base::PublicKey& key) {
  const bool now = request.question_case() == pb::QueryRequest::kStatus;
  const bool agrees = status.chain_id() == header.chain_id() && status.height() == header.height() &&
                      status.state_root() == header.state_root() &&
                      status.engine_key() == base::ToString(key.Encode()) &&
                      (now ? status.time_ms() >= header.time_ms() : status.time_ms() == header.time_ms());
  return agrees ? absl::OkStatus() : Unproven(BadProof("the status does not agree with the header"));
}

}  // namespace

struct VerifyingClient::Header {
  std::string bytes;
  std::string signature;
  pb::BlockHeader parsed;
};

VerifyingClient::VerifyingClient(std::shared_ptr<Client> ledger, Trust trust, const SeenHead& seen)
    : ledger_(std::move(ledger)), chain_(trust.chain), engine_key_(std::move(trust.engine_key)), seen_(seen) {}
VerifyingClient::~VerifyingClient() = default;

SeenHead VerifyingClient::seen() const {
  std::lock_guard lock(mutex_);
  return seen_;
}

absl::StatusOr<base::PublicKey> VerifyingClient::EngineKey() {
  {
    std::lock_guard lock(mutex_);
    if (engine_key_) return *engine_key_;
  }
  pb::QueryRequest request;
  request.set_genesis(true);
  ASSIGN_OR_RETURN(const pb::QueryResponse answer, ledger_->Query(request));
  if (!(ChainIdOf(answer.genesis()) == chain_)) return Unproven(BadProof("the genesis record is of another ledger"));
  const auto key = base::PublicKey::Decode(base::AsBytes(answer.genesis().engine_key()));
  if (!key.ok()) return Unproven(BadProof("the genesis record names no key"));
  std::lock_guard lock(mutex_);
  engine_key_ = *key;
  return *key;
}

absl::Status VerifyingClient::Believe(const pb::BlockHeader& header, const base::Digest& digest) {
  std::lock_guard lock(mutex_);
  // Older than what arrived since is no lie: CheckHead compares with what was seen when the question went out.
  if (header.height() < seen_.height) return absl::OkStatus();
  const bool known = seen_.header != base::Digest{};
  if (known && header.height() == seen_.height && digest != seen_.header) {
    return Unproven(BadProof("two different headers of one height are signed"),
                    {{"height", absl::StrCat(header.height())}});
  }
  if (header.time_ms() < seen_.time_ms) return Older(seen_, header);
  seen_ = {header.height(), header.time_ms(), digest};
  return absl::OkStatus();
}

void VerifyingClient::SawHeight(uint64_t height) {
  std::lock_guard lock(mutex_);
  if (height > seen_.height) seen_ = {height, seen_.time_ms, {}};
}

absl::Status VerifyingClient::CheckHead(const base::PublicKey& key, const SeenHead& floor,
                                        const pb::QueryResponse& answer) {
  std::shared_ptr<const Header> header;
  {
    std::lock_guard lock(mutex_);
    header = last_;
  }
  if (!header || header->bytes != answer.header() || header->signature != answer.header_signature()) {
    auto parsed = VerifyHeader(chain_, key, answer.header(), answer.header_signature());
    if (!parsed.ok()) return Unproven(parsed.status());
    header = std::make_shared<const Header>(Header{answer.header(), answer.header_signature(), *std::move(parsed)});
  }
  if (header->parsed.height() < floor.height || header->parsed.time_ms() < floor.time_ms) {
    return Older(floor, header->parsed);
  }
  RETURN_IF_ERROR(Believe(header->parsed, HeaderDigest(header->bytes)));
  const auto root = FromField<base::Digest>(header->parsed.state_root());
  if (!root) return Unproven(BadProof("the header has no state root"));
  for (const pb::StateProof& proof : answer.proofs()) {
    if (const absl::Status status = VerifyProof(*root, proof); !status.ok()) return Unproven(status);
  }
  std::lock_guard lock(mutex_);
  if (!last_ || last_->parsed.height() <= header->parsed.height()) last_ = header;
  return absl::OkStatus();
}

absl::StatusOr<pb::QueryResponse> VerifyingClient::AskOnce(const pb::QueryRequest& request) {
  ASSIGN_OR_RETURN(const base::PublicKey key, EngineKey());
  pb::QueryRequest asked = request;
  asked.set_prove(true);
  // What was seen before the question went out: answers to several at once may overtake each other.
  const SeenHead floor = seen();
  auto answer = ledger_->Query(asked);
  if (absl::IsNotFound(answer.status())) {
    // Right only where the rules say so without looking, and of history, which has no proofs.
    const ProvenView nothing;
    const bool of_history = request.question_case() == pb::QueryRequest::kTransaction ||
                            request.question_case() == pb::QueryRequest::kBlock;
    if (of_history || (absl::IsNotFound(AnswerQuery(nothing, asked).status()) && nothing.health().ok())) return answer;
    return Unproven(BadProof("a record is said to be missing without a proof"));
  }
  RETURN_IF_ERROR(answer.status());
  RETURN_IF_ERROR(CheckHead(key, floor, *answer));
  pb::BlockHeader header;
  header.ParseFromString(answer->header());
  RETURN_IF_ERROR(CheckStatus(request, answer->status(), header, key));
  if (const absl::Status status = CheckAgainstProofs(asked, *answer); !status.ok()) return Unproven(status);
  if (request.question_case() == pb::QueryRequest::kBlock) {
    const auto block = VerifyBlock(chain_, key, answer->block());
    if (!block.ok()) return Unproven(block.status());
    if (block->height() != request.block()) return Unproven(BadProof("it is another block"));
  }
  if (request.question_case() == pb::QueryRequest::kTransaction &&
      answer->transaction().transaction() != request.transaction()) {
    return Unproven(BadProof("it is another transaction's receipt"));
  }
  if (request.prove()) return answer;
  // The same question without proofs: a record shown absent is one not found.
  RETURN_IF_ERROR(AnswerQuery(ProvenView(answer->proofs()), request).status());
  if (request.question_case() != pb::QueryRequest::kStateKey) answer->clear_proofs();
  return answer;
}

absl::StatusOr<pb::QueryResponse> VerifyingClient::Query(const pb::QueryRequest& request) {
  const auto& ids = request.objects_by_id().ids();
  if (ids.size() <= kIdsAtOnce || request.prove()) return AskOnce(request);
  pb::QueryResponse all;
  for (int from = 0; from < ids.size(); from += kIdsAtOnce) {
    pb::QueryRequest part = request;
    part.mutable_objects_by_id()->clear_ids();
    for (int i = from; i < std::min(from + kIdsAtOnce, ids.size()); ++i) part.mutable_objects_by_id()->add_ids(ids[i]);
    ASSIGN_OR_RETURN(pb::QueryResponse answer, AskOnce(part));
    answer.mutable_objects()->Swap(all.mutable_objects());
    for (pb::Object& object : *all.mutable_objects()) *answer.add_objects() = std::move(object);
    all = std::move(answer);
  }
  return all;
}

absl::StatusOr<pb::TransactionReceipt> VerifyingClient::Submit(const pb::SignedTransaction& transaction,
                                                               WaitFor wait) {
  ASSIGN_OR_RETURN(pb::TransactionReceipt receipt, ledger_->Submit(transaction, wait));
  if (receipt.transaction() != ToField(TransactionHash(transaction))) {
    return Unproven(BadProof("it is another transaction's receipt"));
  }
  // Whatever is asked next must know of it.
  SawHeight(receipt.height());
  return receipt;
}

absl::StatusOr<pb::TransactionReceipt> VerifyingClient::Simulate(const pb::SignedTransaction& transaction) {
  return ledger_->Simulate(transaction);
}

absl::Status VerifyingClient::Follow(uint64_t from_height, const std::function<bool(const pb::Block&)>& sink) {
  ASSIGN_OR_RETURN(const base::PublicKey key, EngineKey());
  std::optional<uint64_t> next;
  if (from_height != 0) next = from_height;
  std::string parent;
  absl::Status wrong;
  const auto check = [&](const pb::Block& block) -> absl::Status {
    auto header = VerifyBlock(chain_, key, block);
    if (!header.ok()) return Unproven(header.status());
    if ((next && header->height() != *next) || (!parent.empty() && header->parent() != parent)) {
      return Unproven(BadProof("a block does not follow the one before"), {{"height", absl::StrCat(header->height())}});
    }
    const base::Digest digest = HeaderDigest(block.header());
    next = header->height() + 1;
    parent = ToField(digest);
    return Believe(*header, digest);
  };
  const absl::Status ended = ledger_->Follow(from_height, [&](const pb::Block& block) {
    wrong = check(block);
    return wrong.ok() && sink(block);
  });
  return wrong.ok() ? ended : wrong;
}

}  // namespace cairn::chain
