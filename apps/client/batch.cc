#include "apps/client/batch.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "apps/client/create.h"
#include "apps/client/delivery.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

// Deliveries to all positions at once. What each failed position said stays in `failed`.
struct Deliveries {
  std::mutex mutex;
  std::condition_variable changed;
  size_t running = 0;
  std::map<uint32_t, absl::Status> failed;
};

absl::Status DeliverTo(Client& client, Shipment& shipment, const PutOptions& options,
                       uint32_t position) {
  const base::AccountId holder = shipment.HolderAt(position);
  const absl::Status status = shipment.Deliver(position);
  const bool replace =
      !status.ok() && !absl::IsNotFound(status) && shipment.NeedsSuccessors(options.wait);
  if (!replace || !client.CheckStop().ok() || !shipment.Replace(position, holder, status).ok())
    return status;
  return shipment.Deliver(position);
}

// To every position, to a successor where a holder fails. A quorum that had to wait for the rest is
// sealed meanwhile.
void DeliverAll(Client& client, Shipment& shipment, const PutOptions& options,
                std::map<uint32_t, absl::Status>* failed) {
  Deliveries all;
  const std::vector<uint32_t> positions = shipment.Positions();
  all.running = positions.size();
  for (uint32_t position : positions) {
    client.executor().Post([&, position] {
      const absl::Status status = DeliverTo(client, shipment, options, position);
      std::lock_guard<std::mutex> lock(all.mutex);
      if (!status.ok()) all.failed[position] = status;
      --all.running;
      all.changed.notify_all();
    });
  }
  std::unique_lock<std::mutex> lock(all.mutex);
  const auto over = [&] { return all.running == 0; };
  if (!all.changed.wait_for(lock, absl::ToChronoMilliseconds(kSealPatience), over)) {
    lock.unlock();
    if (shipment.QuorumReached()) (void)shipment.Seal(WaitFor::kAvailable);
    lock.lock();
    all.changed.wait(lock, over);
  }
  *failed = std::move(all.failed);
}

absl::Status QuorumMissing(uint32_t have, uint32_t need,
                           const std::map<uint32_t, absl::Status>& failed) {
  base::Evidence evidence;
  for (const auto& [position, status] : failed) {
    evidence.emplace_back(absl::StrCat("position ", position), std::string(status.message()));
  }
  return base::Error(absl::StatusCode::kUnavailable, "NOT_ENOUGH_RECEIPTS",
                     absl::StrCat(have, " holders keep the object, ", need, " are needed"),
                     "try again, or replace holders: storectl provider replace-holder",
                     std::move(evidence));
}

}  // namespace

absl::Status DeliverAndSeal(Client& client, Shipment& shipment,
                            const PutOptions& options, std::vector<absl::Status>* outcome,
                            std::vector<std::vector<MissingPart>>* missing) {
  if (shipment.Positions().empty())
    return absl::OkStatus();  // empty objects: sealed when they were created
  std::map<uint32_t, absl::Status> failed;
  DeliverAll(client, shipment, options, &failed);
  RETURN_IF_ERROR(client.CheckStop());
  std::vector<Parcel> sound;
  for (size_t i = 0; i < shipment.parcels().size(); ++i) {
    const Parcel& parcel = shipment.parcels()[i];
    const uint32_t need = QuorumOf(parcel);
    const uint32_t have = shipment.Count(parcel);
    if (have < need) {
      (*outcome)[i] = QuorumMissing(have, need, failed);
    } else {
      sound.push_back(parcel);
      sound.back().stored.clear();  // holders have them
    }
    const pb::Group group = shipment.group();
    for (uint32_t position : parcel.record.positions()) {
      if (shipment.HasReceipt(position)) continue;
      const auto why = failed.find(position);
      (*missing)[i].push_back(
          {position, chain::AccountOf(group.positions(static_cast<int>(position)).provider()),
           why == failed.end() ? "" : std::string(why->second.message())});
    }
  }
  if (sound.empty()) return absl::OkStatus();
  if (sound.size() == shipment.parcels().size()) return shipment.Seal(options.wait);
  // Receipts speak of all objects or none: those that can be sealed are receipted anew, without the
  // others.
  Shipment rest(client, shipment.group(), std::move(sound));
  std::vector<std::function<void()>> tasks;
  for (uint32_t position : rest.Positions()) {
    if (failed.contains(position)) continue;
    tasks.push_back([&rest, position] { (void)rest.Deliver(position); });
  }
  client.RunAll(std::move(tasks));
  return rest.Seal(options.wait);
}

std::vector<absl::StatusOr<PutResult>> ShipBatch(Client& client, const Bucket& bucket,
                                                 std::vector<BatchItem> items,
                                                 const PutOptions& options, bool versions_known) {
  const auto all = [&](const absl::Status& status) {
    return std::vector<absl::StatusOr<PutResult>>(items.size(), status);
  };
  std::vector<pb::NewObject> objects;
  for (const BatchItem& item : items) objects.push_back(item.prepared.object);
  auto created = CreateObjects(client, bucket, objects, options, versions_known, nullptr);
  if (!created.ok()) return all(created.status());

  std::vector<Parcel> parcels;
  for (size_t i = 0; i < items.size(); ++i) {
    parcels.push_back({.record = created->records[i],
                       .layout = items[i].prepared.layout,
                       .manifest = std::move(items[i].prepared.manifest),
                       .stored = std::move(items[i].prepared.stored)});
  }
  Shipment shipment(client, created->group, std::move(parcels));
  std::vector<absl::Status> outcome(items.size());
  std::vector<std::vector<MissingPart>> missing(items.size());
  const absl::Status sealed = DeliverAndSeal(client, shipment, options, &outcome, &missing);
  std::vector<absl::StatusOr<PutResult>> out;
  for (size_t i = 0; i < items.size(); ++i) {
    const pb::Object& record = shipment.parcels()[i].record;
    if (!outcome[i].ok()) {
      (void)CancelObject(client, chain::Trusted<base::ObjectId>(record.id()));
      out.push_back(outcome[i]);
      continue;
    }
    if (!sealed.ok()) {
      out.push_back(sealed);
      continue;
    }
    PutResult result;
    result.ref = items[i].ref;
    result.object = chain::Trusted<base::ObjectId>(record.id());
    result.content_id = shipment.parcels()[i].layout.content_id;
    result.version = record.version();
    result.size = items[i].prepared.plaintext_size;
    result.stored_size = record.stored_size();
    result.parts = static_cast<uint32_t>(record.positions_size());
    result.missing = std::move(missing[i]);
    result.durable = options.wait != WaitFor::kCreated && result.missing.empty();
    if (i == 0) {  // of the whole batch
      result.sent_bytes = shipment.sent_bytes();
      result.transactions = created->transactions + shipment.transactions();
      result.quote = created->quote;
    }
    out.push_back(std::move(result));
  }
  return out;
}

}  // namespace cairn::client
