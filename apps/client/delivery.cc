#include "apps/client/delivery.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "apps/client/owed.h"
#include "apps/client/primary.h"
#include "cairn/base/claim.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

// A stream to one holder: patience for its disk, and a link of at least 1 Mbit/s.
constexpr absl::Duration kCarryPatience = absl::Seconds(15);
constexpr uint64_t kSlowestBytesPerSecond = 128 * 1024;
constexpr absl::Duration kSealTimeout = absl::Seconds(5);
constexpr int kCarryAttempts = 4;
constexpr int kSealAttempts = 6;

bool WorthAnotherTry(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsNotFound(status) || absl::IsAborted(status) ||
         absl::IsCancelled(status);
}

void Pause(Client& client, int attempt) {
  client.clock().Sleep(absl::Milliseconds(100 << std::min(attempt, 4)));
}

bool StaleReceipts(const absl::Status& status) {
  const std::string reason = base::ReasonOf(status);
  return reason == "STALE_RECEIPT" || reason == "BAD_RECEIPT" || reason == "NOT_PRIMARY" ||
         reason == "WRONG_STORE" || reason == "VERDICT_BAD_RECEIPT" ||
         reason == "VERDICT_WRONG_STORE" || reason == "VERDICT_NOT_PRIMARY";
}

}  // namespace

bool Keeps(const Parcel& parcel, uint32_t position) {
  const auto& kept = parcel.record.positions();
  return std::find(kept.begin(), kept.end(), position) != kept.end();
}

uint64_t PartSize(const Parcel& parcel) {
  return parcel.layout.layout == base::LayoutKind::kShards
             ? base::ShardSize(parcel.layout.stored_size, parcel.layout.policy.data)
             : parcel.layout.stored_size;
}

const base::ContentId& PartId(const Parcel& parcel, uint32_t position) {
  return parcel.layout.blob(parcel.layout.layout == base::LayoutKind::kShards ? position : 0);
}

uint32_t QuorumOf(const Parcel& parcel) {
  const uint32_t kept = static_cast<uint32_t>(parcel.record.positions_size());
  return kept == 0 ? 0 : base::SealQuorum(parcel.layout.policy, parcel.layout.layout, kept);
}

rpc::v1::PutOpen OpenOf(const Parcel& parcel, uint32_t position, uint64_t from_offset) {
  const bool shards = parcel.layout.layout == base::LayoutKind::kShards;
  const std::vector<base::ContentId> leaves =
      shards ? parcel.layout.shard_ids : std::vector<base::ContentId>{parcel.layout.content_id};
  const uint32_t leaf = shards ? position : 0;
  rpc::v1::PutOpen open;
  open.set_object(parcel.record.id());
  open.set_position(position);
  open.set_part(chain::ToField(leaves[leaf].digest));
  open.set_size(PartSize(parcel));
  open.set_leaf(leaf);
  open.set_leaves(static_cast<uint32_t>(leaves.size()));
  for (const base::Digest& sibling : base::LayoutPath(leaves, leaf))
    open.add_path(chain::ToField(sibling));
  open.set_from_offset(from_offset);
  return open;
}

rpc::v1::PutOpen ManifestOpenOf(const Parcel& parcel, uint32_t position) {
  rpc::v1::PutOpen open;
  open.set_object(parcel.record.id());
  open.set_position(position);
  open.set_part(parcel.record.manifest_id());
  open.set_size(parcel.manifest.size());
  open.set_manifest(true);
  return open;
}

absl::Status CheckReceipt(Client& client, const pb::Group& group, uint32_t position,
                          const std::vector<pb::Object>& records, const pb::Receipt& receipt) {
  const pb::GroupPosition& place = group.positions(static_cast<int>(position));
  ASSIGN_OR_RETURN(ProviderAddress holder, client.Address(chain::AccountOf(place.provider())));
  base::HolderReceipt claim = chain::BuildReceipt(client.chain_id(), group, position, records);
  claim.store = chain::Trusted<base::StoreId>(receipt.store_id());
  const auto signature = chain::FromField<base::Signature>(receipt.signature());
  if (signature && receipt.position() == position && receipt.store_id() == place.store_id() &&
      holder.node_key.Verify(base::SigningDigest(claim), *signature)) {
    return absl::OkStatus();
  }
  return base::Error(
      absl::StatusCode::kUnavailable, "BAD_RECEIPT",
      absl::StrCat("provider ", base::ToText(holder.account), " signed something else than asked"),
      "", {{"position", absl::StrCat(position)}});
}

Shipment::Shipment(Client& client, pb::Group group, std::vector<Parcel> parcels)
    : client_(client), parcels_(std::move(parcels)), group_(std::move(group)) {
  for (const Parcel& parcel : parcels_) records_.push_back(parcel.record);
  std::sort(records_.begin(), records_.end(),
            [](const auto& a, const auto& b) { return a.id() < b.id(); });
}

pb::Group Shipment::group() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return group_;
}
uint64_t Shipment::sent_bytes() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return sent_;
}
uint32_t Shipment::transactions() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return transactions_;
}
bool Shipment::QuorumReached() const {
  return std::all_of(parcels_.begin(), parcels_.end(), [&](const Parcel& parcel) {
    return Count(parcel) >= QuorumOf(parcel);
  });
}
bool Shipment::NeedsSuccessors(WaitFor wait) const {
  return wait == WaitFor::kDurable ||
         std::any_of(parcels_.begin(), parcels_.end(), [](const Parcel& parcel) {
           const int kept = parcel.record.positions_size();
           return kept > 0 && QuorumOf(parcel) == static_cast<uint32_t>(kept);
         });
}
bool Shipment::HasReceipt(uint32_t position) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return receipts_.contains(position);
}

absl::Status Shipment::RefreshGroup() {
  ASSIGN_OR_RETURN(pb::Group fresh, client_.Group(group().id()));
  std::lock_guard<std::mutex> lock(mutex_);
  group_ = std::move(fresh);
  return absl::OkStatus();
}

base::AccountId Shipment::HolderAt(uint32_t position) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return chain::AccountOf(group_.positions(static_cast<int>(position)).provider());
}

std::vector<uint32_t> Shipment::Positions() const {
  std::set<uint32_t> used;
  for (const Parcel& parcel : parcels_)
    used.insert(parcel.record.positions().begin(), parcel.record.positions().end());
  return {used.begin(), used.end()};
}

uint32_t Shipment::Count(const Parcel& parcel) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<uint32_t>(
      std::count_if(parcel.record.positions().begin(), parcel.record.positions().end(),
                    [&](uint32_t position) { return receipts_.contains(position); }));
}

absl::StatusOr<pb::Receipt> Shipment::Carry(const ProviderAddress& to, uint32_t position) {
  uint64_t bytes = 0;
  for (const Parcel& parcel : parcels_)
    bytes += Keeps(parcel, position) ? parcel.stored.size() + parcel.manifest.size() : 0;
  const absl::Duration timeout = kCarryPatience + absl::Seconds(bytes / kSlowestBytesPerSecond);
  ASSIGN_OR_RETURN(std::unique_ptr<PutStream> stream, client_.transport().Put(to, timeout));
  std::vector<base::ObjectId> objects;
  uint64_t sent = 0;
  for (const Parcel& parcel : parcels_) {
    if (!Keeps(parcel, position)) continue;
    objects.push_back(chain::Trusted<base::ObjectId>(parcel.record.id()));
    const bool here = parcel.stored.size() == PartSize(parcel);
    RETURN_IF_ERROR(stream->Open(OpenOf(parcel, position, here ? 0 : PartSize(parcel))));
    if (here && !parcel.stored.empty()) RETURN_IF_ERROR(stream->Send(parcel.stored));
    if (here) sent += parcel.stored.size();
    if (parcel.manifest_is_blob()) {
      RETURN_IF_ERROR(stream->Open(ManifestOpenOf(parcel, position)));
      RETURN_IF_ERROR(stream->Send(parcel.manifest));
    }
  }
  std::sort(objects.begin(), objects.end());
  ASSIGN_OR_RETURN(pb::Receipt receipt, stream->Commit(objects));
  std::lock_guard<std::mutex> lock(mutex_);
  sent_ += sent;
  return receipt;
}

absl::Status Shipment::Add(uint32_t position, const pb::Receipt& receipt) {
  const pb::Group now = group();
  RETURN_IF_ERROR(CheckReceipt(client_, now, position, records_, receipt));
  std::lock_guard<std::mutex> lock(mutex_);
  receipts_[position] = {receipt, now.epoch()};
  return absl::OkStatus();
}

absl::Status Shipment::Deliver(uint32_t position) {
  absl::Status last;
  for (int attempt = 0; attempt < kCarryAttempts; ++attempt) {
    RETURN_IF_ERROR(client_.CheckStop());
    if (attempt > 0) Pause(client_, attempt);
    ASSIGN_OR_RETURN(ProviderAddress holder, client_.Address(HolderAt(position)));
    auto receipt = Carry(holder, position);
    last = receipt.ok() ? Add(position, *receipt) : receipt.status();
    if (last.ok()) return last;
    const bool receipt_wrong = base::ReasonOf(last) == "BAD_RECEIPT";
    // An epoch that the holder sees before us, or we before it, looks like a wrong receipt for a
    // moment.
    if (receipt_wrong) RETURN_IF_ERROR(RefreshGroup());
    if (!WorthAnotherTry(last)) break;
  }
  return last;
}

absl::Status Shipment::Replace(uint32_t position, const base::AccountId& given_up,
                               const absl::Status& why) {
  RETURN_IF_ERROR(RefreshGroup());
  if (HolderAt(position) != given_up) return absl::OkStatus();  // others were faster
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (std::exchange(replaced_[position], true)) return why;
  }
  const uint64_t id = group().id();
  auto successor = ReplaceHolder(client_, id, position);
  if (!successor.ok()) return successor.status();
  client_.progress().Note("", absl::StrCat("position ", position, " of group ", id, " goes to ",
                                           base::ToText(*successor), ": ", why.message()));
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ++transactions_;
  }
  return RefreshGroup();
}

absl::Status Shipment::SignAgain() {
  RETURN_IF_ERROR(RefreshGroup());
  std::vector<uint32_t> stale;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [position, receipt] : receipts_) {
      if (receipt.epoch != group_.epoch()) stale.push_back(position);
    }
    for (uint32_t position : stale) receipts_.erase(position);
  }
  std::vector<std::function<void()>> tasks;
  for (uint32_t position : stale) tasks.push_back([this, position] { (void)Deliver(position); });
  client_.RunAll(std::move(tasks));
  return absl::OkStatus();
}

absl::StatusOr<bool> Shipment::SealedOnLedger() {
  for (const pb::Object* record : {&records_.front(), &records_.back()}) {
    pb::QueryRequest request;
    request.set_object(record->id());
    ASSIGN_OR_RETURN(pb::QueryResponse answer, client_.Query(request));
    if (answer.objects().empty() || answer.objects(0).state() != pb::OBJECT_STATE_SEALED)
      return false;
  }
  return true;
}

absl::Status Shipment::SubmitOnce(WaitFor wait) {
  const pb::Group now = group();
  rpc::v1::SubmitReceiptsRequest request;
  request.set_group(now.id());
  for (const pb::Object& record : records_) request.add_objects(record.id());
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [position, receipt] : receipts_) *request.add_receipts() = receipt.receipt;
  }
  request.set_wait_sealed(wait != WaitFor::kCreated);
  ASSIGN_OR_RETURN(ProviderAddress primary, client_.Address(chain::AccountOf(now.primary())));
  auto answer = client_.transport().SubmitReceipts(primary, request, kSealTimeout);
  if (!answer.ok()) return answer.status();
  if (answer->sealed_height() != 0) return absl::OkStatus();
  // From here on the primary owes the seal, whatever becomes of us.
  RETURN_IF_ERROR(KeepOwed(client_, primary.account, records_, answer->upload_signature()));
  if (wait == WaitFor::kCreated) return absl::OkStatus();
  return base::Error(absl::StatusCode::kUnavailable, "REFUSED_TO_SEAL",
                     absl::StrCat("primary ", base::ToText(primary.account),
                                  " took the receipts and did not seal"));
}

absl::Status Shipment::Seal(WaitFor wait) {
  std::lock_guard<std::mutex> one_at_a_time(sealing_);
  std::vector<base::AccountId> refused;
  absl::Status last;
  for (int attempt = 0; attempt < kSealAttempts; ++attempt) {
    RETURN_IF_ERROR(client_.CheckStop());
    bool stale = false;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      for (const auto& [position, receipt] : receipts_)
        stale = stale || receipt.epoch != group_.epoch();
    }
    if (stale) RETURN_IF_ERROR(SignAgain());
    last = SubmitOnce(wait);
    if (last.ok()) break;
    if (wait != WaitFor::kCreated) {
      auto sealed = SealedOnLedger();
      if (sealed.ok() && *sealed) {
        ForgetOwed(client_, records_);
        return absl::OkStatus();
      }
    }
    if (StaleReceipts(last)) {
      Pause(client_, attempt);
      RETURN_IF_ERROR(SignAgain());
      continue;
    }
    if (!BlamesPrimary(last)) return last;
    const base::AccountId primary = chain::AccountOf(group().primary());
    const bool silent = base::ReasonOf(last) != "REFUSED_TO_SEAL" &&
                        (absl::IsUnavailable(last) || absl::IsDeadlineExceeded(last));
    if (silent && attempt == 0) {
      Pause(client_, 1);
      continue;
    }
    refused.push_back(primary);
    RETURN_IF_ERROR(ReplacePrimary(client_, group().id(), refused).status());
    {
      std::lock_guard<std::mutex> lock(mutex_);
      ++transactions_;
    }
    RETURN_IF_ERROR(SignAgain());
  }
  RETURN_IF_ERROR(last);
  // A primary's word is not the ledger's.
  if (wait == WaitFor::kCreated) return absl::OkStatus();
  ASSIGN_OR_RETURN(bool sealed, SealedOnLedger());
  if (sealed) {
    ForgetOwed(client_, records_);
    return absl::OkStatus();
  }
  return base::Error(absl::StatusCode::kUnavailable, "REFUSED_TO_SEAL",
                     "the primary said sealed, the ledger does not", "run the same command again");
}

}  // namespace cairn::client
