#include "apps/client/owed.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "apps/common/key_file.h"
#include "cairn/base/claim.h"
#include "cairn/base/codec.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/keys.h"
#include "cairn/chain/transaction.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;
namespace fs = std::filesystem;

constexpr absl::string_view kMagic = "cairn owed 1";
constexpr size_t kMaxFile = 16 << 10;

std::string FolderOf(const Client& client) { return client.transfer_folder() + "/owed"; }

std::string PathOf(const Client& client, const std::vector<base::ObjectId>& objects) {
  base::Hasher name = base::Hasher::DeriveKey("cairn v1 owed seal");
  name.Field(client.chain_id().view());
  for (const base::ObjectId& object : objects) name.Field(object.view());
  return absl::StrCat(FolderOf(client), "/", name.Finish().ToHexString().substr(0, 32));
}

std::vector<base::ObjectId> IdsOf(const std::vector<pb::Object>& records) {
  std::vector<base::ObjectId> ids;
  for (const pb::Object& record : records) ids.push_back(chain::Trusted<base::ObjectId>(record.id()));
  return ids;
}

std::vector<OwedSeal> ReadAll(const Client& client) {
  std::vector<OwedSeal> out;
  if (client.transfer_folder().empty()) return out;
  std::error_code ended;
  for (const auto& file : fs::directory_iterator(FolderOf(client), ended)) {
    auto content = app::ReadSmallFile(file.path(), kMaxFile);
    if (!content.ok()) continue;
    auto owed = DecodeOwed(base::AsBytes(*content));
    if (owed.ok() && owed->chain == client.chain_id() && owed->owner == client.account())
      out.push_back(*std::move(owed));
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return a.deadline_ms < b.deadline_ms; });
  return out;
}

// What the ledger keeps of an upload whose deadline passed without a seal.
absl::StatusOr<std::optional<pb::ExpiredUpload>> FindExpired(Client& client, const base::ObjectId& object) {
  pb::QueryRequest request;
  request.set_state_key(chain::keys::ExpiredUpload(chain::ToField(object)).bytes);
  ASSIGN_OR_RETURN(pb::QueryResponse answer, client.Query(request));
  pb::ExpiredUpload record;
  if (answer.proofs_size() != 1 || !answer.proofs(0).present()) return std::optional<pb::ExpiredUpload>();
  if (!chain::keys::Decode(answer.proofs(0).value(), &record)) return absl::DataLossError("a malformed record");
  return std::optional<pb::ExpiredUpload>(std::move(record));
}

absl::StatusOr<OwedReport> Look(Client& client, const OwedSeal& owed) {
  OwedReport report;
  report.owed = owed;
  const auto now = static_cast<uint64_t>(absl::ToUnixMillis(client.LedgerTime()));
  bool created = false, sealed = false;
  for (const base::ObjectId& id : owed.objects) {
    pb::QueryRequest request;
    request.set_object(chain::ToField(id));
    auto answer = client.Query(request);
    if (answer.ok() && !answer->objects().empty()) {
      const bool open = answer->objects(0).state() == pb::OBJECT_STATE_CREATED;
      (open ? created : sealed) = true;
      continue;
    }
    if (!answer.ok() && !absl::IsNotFound(answer.status())) return answer.status();
    ASSIGN_OR_RETURN(const auto expired, FindExpired(client, id));
    const bool ours = expired && expired->owner() == chain::ToField(owed.owner) && now < expired->until_ms();
    if (!ours) continue;
    const auto sum = report.fine.Plus(chain::FromProto(expired->fine()));
    if (sum) report.fine = *sum;
  }
  report.state = created               ? OwedState::kOpen
                 : !report.fine.zero() ? OwedState::kFinable
                 : sealed              ? OwedState::kSealed
                                       : OwedState::kNothing;
  return report;
}

absl::Status Claim(Client& client, OwedReport& report) {
  // A fine takes no more than the deposit.
  client.Forget(report.owed.primary);
  ASSIGN_OR_RETURN(const pb::Provider provider, client.Provider(report.owed.primary));
  report.fine = std::min(report.fine, chain::FromProto(provider.deposit()));
  pb::Operation operation;
  pb::ClaimFine& claim = *operation.mutable_claim_fine();
  for (const base::ObjectId& object : report.owed.objects) claim.add_objects(chain::ToField(object));
  claim.set_signature(chain::ToField(report.owed.signature));
  RETURN_IF_ERROR(client.sender().Send({operation}).status());
  report.paid = true;
  return absl::OkStatus();
}

}  // namespace

base::Bytes EncodeOwed(const OwedSeal& owed) {
  base::Writer w;
  w.Raw(base::AsBytes(kMagic));
  w.Raw(owed.chain.view());
  w.Raw(owed.owner.view());
  w.Raw(owed.primary.view());
  w.U64(owed.bucket.value);
  w.U64(owed.deadline_ms);
  w.U32(static_cast<uint32_t>(owed.objects.size()));
  for (const base::ObjectId& object : owed.objects) w.Raw(object.view());
  w.Raw(owed.signature.view());
  w.Raw(base::Blake3(w.view()).view());
  return std::move(w).Take();
}

absl::StatusOr<OwedSeal> DecodeOwed(base::ByteView bytes) {
  base::Reader r(bytes);
  if (base::AsText(r.Raw(kMagic.size())) != kMagic) r.Fail("no upload receipt");
  OwedSeal out;
  out.chain = r.Fixed<base::ChainId>();
  out.owner = r.Fixed<base::AccountId>();
  out.primary = r.Fixed<base::AccountId>();
  out.bucket.value = r.U64();
  out.deadline_ms = r.U64();
  const uint32_t count = r.U32();
  if (count == 0 || count > chain::kMaxObjectsPerOperation) r.Fail("1 to 256 objects");
  for (uint32_t i = 0; i < count && r.ok(); ++i) {
    out.objects.push_back(r.Fixed<base::ObjectId>());
    if (i > 0 && !(out.objects[i - 1] < out.objects[i])) r.Fail("objects are not sorted");
  }
  out.signature = r.Fixed<base::Signature>();
  const size_t covered = bytes.size() - r.remaining();
  const auto sum = r.Fixed<base::Digest>();
  RETURN_IF_ERROR(r.Finish());
  if (sum != base::Blake3(bytes.subspan(0, covered))) {
    return base::Error(absl::StatusCode::kInvalidArgument, "MALFORMED", "the receipt's checksum differs");
  }
  return out;
}

absl::Status KeepOwed(Client& client, const base::AccountId& primary, const std::vector<pb::Object>& records,
                      const std::string& signature) {
  ASSIGN_OR_RETURN(const ProviderAddress address, client.Address(primary));
  const auto parsed = chain::FromField<base::Signature>(signature);
  const base::UploadReceipt receipt = chain::BuildUploadReceipt(client.chain_id(), primary, records);
  if (!parsed || !address.node_key.Verify(base::SigningDigest(receipt), *parsed)) {
    return base::Error(absl::StatusCode::kUnavailable, "BAD_UPLOAD_RECEIPT",
                       absl::StrCat("primary ", base::ToText(primary), " signed something else than the upload"),
                       "storectl provider replace-primary");
  }
  if (client.transfer_folder().empty()) return absl::OkStatus();
  OwedSeal owed{.chain = client.chain_id(),
                .owner = client.account(),
                .primary = primary,
                .bucket = {records.front().bucket()},
                .deadline_ms = 0,
                .objects = IdsOf(records),
                .signature = *parsed};
  // The deadline is the ledger's; records worked out here do not have it.
  pb::QueryRequest request;
  request.set_object(records.front().id());
  ASSIGN_OR_RETURN(const pb::QueryResponse answer, client.Query(request));
  if (answer.objects().empty()) return absl::OkStatus();
  owed.deadline_ms = answer.objects(0).seal_deadline_ms();
  RETURN_IF_ERROR(app::MakeFolders(FolderOf(client)));
  return app::WriteFileAtomically(PathOf(client, owed.objects), base::AsText(EncodeOwed(owed)));
}

void ForgetOwed(Client& client, const std::vector<pb::Object>& records) {
  std::error_code ignored;
  if (!client.transfer_folder().empty()) fs::remove(PathOf(client, IdsOf(records)), ignored);
}

absl::string_view ToText(OwedState state) {
  switch (state) {
    case OwedState::kOpen:
      return "owed";
    case OwedState::kSealed:
      return "sealed";
    case OwedState::kFinable:
      return "fine due";
    case OwedState::kNothing:
      break;
  }
  return "nothing due";
}

absl::StatusOr<std::vector<OwedReport>> ListOwed(Client& client) {
  const std::vector<OwedSeal> kept = ReadAll(client);
  std::vector<OwedReport> out;
  if (!kept.empty()) RETURN_IF_ERROR(client.ReadClock());
  for (const OwedSeal& owed : kept) {
    ASSIGN_OR_RETURN(OwedReport report, Look(client, owed));
    out.push_back(std::move(report));
  }
  return out;
}

absl::StatusOr<std::vector<OwedReport>> ClaimOwed(Client& client) {
  ASSIGN_OR_RETURN(std::vector<OwedReport> reports, ListOwed(client));
  absl::Status failed;
  for (OwedReport& report : reports) {
    if (report.state == OwedState::kOpen) continue;
    absl::Status claimed;
    if (report.state == OwedState::kFinable) claimed = Claim(client, report);
    if (!claimed.ok()) {
      failed = claimed;
      continue;
    }
    std::error_code ignored;
    fs::remove(PathOf(client, report.owed.objects), ignored);
  }
  if (!failed.ok()) return failed;
  return reports;
}

void ClaimOwedQuietly(Client& client) {
  const std::vector<OwedSeal> kept = ReadAll(client);
  if (kept.empty() || !client.ReadClock().ok()) return;
  const auto now = static_cast<uint64_t>(absl::ToUnixMillis(client.LedgerTime()));
  if (kept.front().deadline_ms > now) return;
  auto reports = ClaimOwed(client);
  if (!reports.ok()) {
    client.progress().Note("", absl::StrCat("a fine could not be claimed: ", reports.status().message()));
    return;
  }
  for (const OwedReport& report : *reports) {
    if (!report.paid) continue;
    client.progress().Note(
        "", absl::StrCat("claimed a fine of ", report.fine.ToDecimal(base::kCrnDecimals), " crn: ",
                         base::ToText(report.owed.primary), " took an upload and did not seal it"));
  }
}

}  // namespace cairn::client
