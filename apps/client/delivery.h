// Bringing objects that the ledger knows to their holders, and the holders' receipts to the
// primary. Internal.
#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/client/put.h"
#include "apps/client/session.h"
#include "cairn/chain/pb.h"
#include "cairn/storage/stripe.h"

namespace cairn::client {

// When a quorum has signed and the others take longer than this, the quorum is sealed first:
// deadlines wait for nobody.
inline constexpr absl::Duration kSealPatience = absl::Seconds(4);

// One object on its way. `record` may be made from the create operation; the ledger's own says the
// same.
struct Parcel {
  chain::pb::Object record;
  storage::VersionLayout layout;
  base::Bytes manifest;  // encoded
  base::Bytes stored;  // the stored bytes of a small object; empty when holders have them, or for a
                       // large one
  bool manifest_is_blob() const { return !record.manifest_id().empty(); }
};

struct SignedReceipt {
  chain::pb::Receipt receipt;
  uint64_t epoch = 0;  // of the group when it was signed
};
using Receipts = std::map<uint32_t, SignedReceipt>;  // by position

// What a holder is told of its part.
rpc::v1::PutOpen OpenOf(const Parcel& parcel, uint32_t position, uint64_t from_offset);
// Of an object whose manifest is a blob.
rpc::v1::PutOpen ManifestOpenOf(const Parcel& parcel, uint32_t position);
uint64_t PartSize(const Parcel& parcel);
const base::ContentId& PartId(const Parcel& parcel, uint32_t position);
bool Keeps(const Parcel& parcel, uint32_t position);
// How many of its positions must sign before it can be sealed; 0 for an empty object.
uint32_t QuorumOf(const Parcel& parcel);

// Does the receipt say what it must? Unavailable (reason BAD_RECEIPT): a holder that lies is one
// that is not there.
absl::Status CheckReceipt(Client& client, const chain::pb::Group& group, uint32_t position,
                          const std::vector<chain::pb::Object>& records,
                          const chain::pb::Receipt& receipt);

// Objects of one group that travel together. Thread-safe.
class Shipment {
 public:
  Shipment(Client& client, chain::pb::Group group, std::vector<Parcel> parcels);

  const std::vector<Parcel>& parcels() const { return parcels_; }
  const std::vector<chain::pb::Object>& records() const { return records_; }
  chain::pb::Group group() const;
  absl::Status RefreshGroup();

  // Gives the holder at `position` its parts of all parcels and takes its receipt: bytes where the
  // parcel has them, otherwise the holder is told to look at what it has.
  absl::Status Deliver(uint32_t position);
  // A receipt that came another way (a large upload); checked.
  absl::Status Add(uint32_t position, const chain::pb::Receipt& receipt);
  // Puts a successor of the holder that is given up at the position, once, unless another client
  // has done so already. Delivering to it is the caller's.
  absl::Status Replace(uint32_t position, const base::AccountId& given_up, const absl::Status& why);
  base::AccountId HolderAt(uint32_t position) const;
  // Positions that at least one parcel uses.
  std::vector<uint32_t> Positions() const;
  // How many of a parcel's positions have signed.
  uint32_t Count(const Parcel& parcel) const;
  bool HasReceipt(uint32_t position) const;
  bool QuorumReached() const;  // of every parcel
  // Whether a holder that fails gives way to another one: to be durable every position must sign, for less the quorum,
  // which may be all of them too.
  bool NeedsSuccessors(WaitFor wait) const;

  // Hands the receipts to the primary until the objects are sealed (or accepted, for kCreated):
  // signs again what an epoch made stale, appoints another primary when this one does not do its
  // work. A primary's word that it has the upload is kept until the seal is there (owed.h).
  absl::Status Seal(WaitFor wait);

  uint64_t sent_bytes() const;
  uint32_t transactions() const;

 private:
  absl::StatusOr<chain::pb::Receipt> Carry(const ProviderAddress& to, uint32_t position);
  absl::Status SignAgain();
  absl::Status SubmitOnce(WaitFor wait);
  absl::StatusOr<bool> SealedOnLedger();

  Client& client_;
  const std::vector<Parcel> parcels_;
  std::vector<chain::pb::Object> records_;
  std::mutex sealing_;  // held through a whole Seal
  mutable std::mutex mutex_;
  chain::pb::Group group_;
  Receipts receipts_;
  std::map<uint32_t, bool> replaced_;
  uint64_t sent_ = 0;
  uint32_t transactions_ = 0;
};

}  // namespace cairn::client
