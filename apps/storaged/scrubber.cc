#include "apps/storaged/scrubber.h"

#include "absl/strings/str_cat.h"
#include "apps/common/log.h"
#include "cairn/base/claim.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"

namespace cairn::storaged {
namespace {

constexpr char kStatementKey[] = "mscrub";  // rpc.v1.ScrubStatement
constexpr uint64_t kStep = 32 << 20;

}  // namespace

absl::Status Scrubber::Load() {
  auto view = env_.writes.kv().Snapshot();
  ASSIGN_OR_RETURN(auto value, view->Get(kStatementKey));
  if (!value.has_value()) return absl::OkStatus();
  std::lock_guard lock(mutex_);
  // A digest that cannot be read or speaks of another store is replaced by the next round.
  if (!statement_.ParseFromArray(value->data(), static_cast<int>(value->size())))
    statement_.Clear();
  return absl::OkStatus();
}

absl::StatusOr<bool> Scrubber::Slice(uint64_t budget_bytes) { return Slice(budget_bytes, nullptr); }

absl::StatusOr<bool> Scrubber::Slice(uint64_t budget_bytes,
                                     std::map<base::ContentId, std::string>* found) {
  std::lock_guard round(round_);
  ASSIGN_OR_RETURN(storage::ScrubReport report, env_.blobs.Scrub(cursor_, budget_bytes));
  cursor_ = report.next_cursor;
  blobs_ += report.checked_blobs;
  bytes_ += report.checked_bytes;
  scrubbed_bytes_ += report.checked_bytes;
  for (const storage::DamagedBlob& blob : report.damaged) {
    const std::string where = absl::StrCat(blob.what, " in ", blob.where);
    damaged_in_round_.emplace(blob.id, where);
    if (found != nullptr) found->emplace(blob.id, where);
    Report(blob.id, where);
  }
  if (!report.finished) return false;
  Finish();
  return true;
}

absl::StatusOr<std::vector<std::string>> Scrubber::RunAll(const std::function<bool()>& stopping) {
  {
    std::lock_guard round(round_);
    Restart();
  }
  // Repair may be quicker than the round: what it found is told all the same.
  std::map<base::ContentId, std::string> found;
  while (!stopping()) {
    ASSIGN_OR_RETURN(bool finished, Slice(kStep, &found));
    if (!finished) continue;
    std::set<std::string> told;
    for (const auto& [id, where] : found) told.insert(absl::StrCat(id.ToText(), ": ", where));
    for (std::string& damaged : Damaged()) told.insert(std::move(damaged));
    return std::vector<std::string>(told.begin(), told.end());
  }
  return absl::CancelledError("the provider stops");
}

void Scrubber::Restart() {
  cursor_.clear();
  blobs_ = bytes_ = 0;
  damaged_in_round_.clear();
}

void Scrubber::Finish() {
  base::ScrubClaim claim;
  claim.chain = env_.identity.chain;
  claim.provider = env_.identity.id();
  claim.store = env_.blobs.store_id();
  claim.finished_ms = absl::ToUnixMillis(env_.clock.Now());
  claim.blobs = blobs_;
  claim.bytes = bytes_;
  claim.damaged = damaged_in_round_.size();
  rpc::v1::ScrubStatement statement;
  statement.set_finished_ms(claim.finished_ms);
  statement.set_blobs(claim.blobs);
  statement.set_bytes(claim.bytes);
  statement.set_damaged(claim.damaged);
  statement.set_signature(chain::ToField(env_.identity.node.Sign(base::SigningDigest(claim))));
  Restart();
  base::KvBatch batch;
  batch.Put(kStatementKey, statement.SerializeAsString());
  absl::Status kept = env_.writes.kv().Commit(batch, /*durable=*/false);
  if (!kept.ok()) app::LogError("scrub.keep", kept);
  std::lock_guard lock(mutex_);
  statement_ = std::move(statement);
}

void Scrubber::Report(const base::ContentId& id, absl::string_view where) {
  bool news = false;
  {
    std::lock_guard lock(mutex_);
    news = damaged_.emplace(id, std::string(where)).second;
  }
  if (news) {
    app::LogWarning("blob.damaged", "a part is damaged; it is not served and will be fetched again",
                    {{"part", id.ToText()}, {"where", std::string(where)}});
  }
  env_.repair(id);
}

rpc::v1::ScrubStatement Scrubber::statement() const {
  std::lock_guard lock(mutex_);
  return statement_;
}

std::vector<std::string> Scrubber::Damaged() {
  std::map<base::ContentId, std::string> known;
  {
    std::lock_guard lock(mutex_);
    known = damaged_;
  }
  std::vector<std::string> still;
  for (const auto& [id, where] : known) {
    absl::Status state = env_.blobs.Stat(id).status();
    if (absl::IsDataLoss(state)) {
      still.push_back(absl::StrCat(id.ToText(), ": ", where));
    } else {
      std::lock_guard lock(mutex_);
      damaged_.erase(id);
    }
  }
  return still;
}

}  // namespace cairn::storaged
