// The ledger's half of a put: price, consent, create. Internal.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/client/put.h"
#include "cairn/chain/pb.h"

namespace cairn::client {

struct CreateOutcome {
  chain::pb::Group group;
  std::vector<chain::pb::Object> records;  // in the order asked
  payment::Quote quote;
  uint32_t transactions = 0;
};

// Called with the signed transaction and the ids it will give, before it leaves.
using OnSigned = std::function<absl::Status(const chain::pb::SignedTransaction&,
                                            const std::vector<base::ObjectId>&)>;

// Creates objects of one bucket in one transaction. Names and sizes are set; the version each
// follows is read from the ledger unless `versions_known`, and read again when it proves wrong.
// Another primary is appointed when the bucket's does not consent.
absl::StatusOr<CreateOutcome> CreateObjects(Client& client, const Bucket& bucket,
                                            std::vector<chain::pb::NewObject> objects,
                                            const PutOptions& options, bool versions_known,
                                            const OnSigned& on_signed);

// The last version of a stored name; 0 when it has none. `pending`: an upload that is under way
// (empty: none).
struct NameState {
  uint64_t last_version = 0;
  base::ObjectId pending;
};
absl::StatusOr<NameState> LookUpName(Client& client, const Bucket& bucket,
                                     const std::string& stored_name);
absl::Status CancelObject(Client& client, const base::ObjectId& object);

// FailedPrecondition (reason PRICE_GUARD) when the quote's total is above the limit; in crn, for
// people.
absl::Status CheckPrice(const payment::Quote& quote, const std::optional<base::Amount>& max_cost);

// An upper bound, exact where all holders ask the same: copies are priced at the dearest holders.
absl::StatusOr<payment::Quote> QuoteObjects(Client& client, const Bucket& bucket,
                                            const chain::pb::Group& group,
                                            const std::vector<chain::pb::NewObject>& objects);

}  // namespace cairn::client
