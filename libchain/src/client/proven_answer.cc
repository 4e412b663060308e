#include "client/proven_answer.h"

#include "cairn/base/status.h"
#include "cairn/chain/ledger.h"
#include "ledger/bad_proof.h"

namespace cairn::chain {
namespace {

// What an answer says of the state, without what surrounds it.
std::string Said(pb::QueryResponse answer) {
  answer.clear_status();
  answer.clear_header();
  answer.clear_header_signature();
  answer.clear_proofs();
  answer.clear_next_cursor();
  answer.clear_transaction();
  answer.clear_block();
  return answer.SerializeAsString();
}

}  // namespace

ProvenView::ProvenView(const google::protobuf::RepeatedPtrField<pb::StateProof>& proofs) {
  for (const pb::StateProof& proof : proofs) {
    records_[proof.key()] = proof.present() ? MakeRecord(proof.value()) : nullptr;
  }
}

RecordPtr ProvenView::Get(const std::string& key) const {
  const auto it = records_.find(key);
  if (it != records_.end()) return it->second;
  if (health_.ok()) health_ = BadProof("a record that the answer rests on has no proof");
  return nullptr;
}

std::optional<ReadView::Entry> ProvenView::Seek(const std::string& key) const {
  for (auto it = records_.lower_bound(key); it != records_.end(); ++it) {
    if (it->second) return Entry(it->first, it->second);
  }
  return std::nullopt;
}

absl::Status CheckAgainstProofs(const pb::QueryRequest& request, const pb::QueryResponse& answer) {
  const ProvenView proven(answer.proofs());
  if (request.question_case() == pb::QueryRequest::kStateKey) proven.Get(request.state_key());
  // The rules' own answer, over nothing but what is proven: more than that the ledger cannot say.
  const auto shown = AnswerQuery(proven, request);
  RETURN_IF_ERROR(proven.health());
  if (!shown.ok()) return BadProof("the question has no such answer");
  if (Said(*shown) != Said(answer)) return BadProof("the answer says something else than its proofs");
  const std::string& next = answer.next_cursor();
  if (!next.empty() && next <= request.page().cursor()) return BadProof("a page does not move on");
  return absl::OkStatus();
}

}  // namespace cairn::chain
