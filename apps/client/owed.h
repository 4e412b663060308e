// Seals that primaries owe us: signed upload receipts, kept until the seal has come or its fine is paid.
//
// A primary that says "uploaded" owes the seal before the object's deadline. Its receipt is written beside the upload
// journals before anybody waits for the seal; one file each, layout in FORMATS.md. After the deadline the ledger pays
// the fine to the owner for every object of the receipt that was never sealed, unless the owner or a third party made
// that impossible (a replaced primary or holder); the lock came back at the deadline in any case.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/client/session.h"
#include "cairn/base/amount.h"
#include "cairn/chain/pb.h"

namespace cairn::client {

struct OwedSeal {
  base::ChainId chain = {};
  base::AccountId owner = {};
  base::AccountId primary = {};
  base::BucketId bucket = {};
  uint64_t deadline_ms = 0;             // of the ledger
  std::vector<base::ObjectId> objects;  // all that the receipt names, sorted
  base::Signature signature = {};
  friend bool operator==(const OwedSeal&, const OwedSeal&) = default;
};
base::Bytes EncodeOwed(const OwedSeal& owed);
// InvalidArgument (reason MALFORMED) for anything EncodeOwed would not write.
absl::StatusOr<OwedSeal> DecodeOwed(base::ByteView bytes);

// Checks the primary's signature and keeps it, durably. `records` as their receipt names them, sorted by id. Keeps
// nothing when the client has no transfer folder. Unavailable (reason BAD_UPLOAD_RECEIPT) for a wrong signature.
absl::Status KeepOwed(Client& client, const base::AccountId& primary,
                      const std::vector<chain::pb::Object>& records, const std::string& signature);
// The seals came.
void ForgetOwed(Client& client, const std::vector<chain::pb::Object>& records);

enum class OwedState {
  kOpen,     // the deadline has not passed
  kSealed,   // nothing is owed any more
  kFinable,  // a fine can be claimed now
  kNothing,  // over without a fine: rejected, cancelled, made impossible by others, too late, claimed before
};
absl::string_view ToText(OwedState state);

struct OwedReport {
  OwedSeal owed;
  OwedState state = OwedState::kOpen;
  base::Amount fine;  // kFinable: what can be claimed; after a claim what was paid, at most the primary's deposit
  bool paid = false;
};
// Every receipt of this account that is kept, oldest deadline first, as the ledger sees it.
absl::StatusOr<std::vector<OwedReport>> ListOwed(Client& client);
// Claims every fine that can be claimed, and drops the receipts that are of no more use. An error of one claim is
// returned after the others were tried.
absl::StatusOr<std::vector<OwedReport>> ClaimOwed(Client& client);
// The same as part of another command: asks nobody when no deadline has passed by our clock, tells the user through
// the client's progress, and fails never.
void ClaimOwedQuietly(Client& client);

}  // namespace cairn::client
