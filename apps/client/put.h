// Putting: a source becomes the current version of a name, sealed and spread over the bucket's
// holders.
//
// Two passes: the first computes what the ledger records; after the primary's consent and the
// create transaction the second sends each shard straight to its holder, in bounded memory.
// Interrupted at any point, also by kill -9, the same call goes on from its journal: the object
// keeps its id and at most one part is sent again.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/client/buckets.h"
#include "apps/client/reference.h"
#include "apps/client/source.h"
#include "cairn/base/amount.h"
#include "cairn/payment/quote.h"

namespace cairn::client {

enum class WaitFor {
  kCreated,    // every byte is with a quorum of holders; the primary seals in its own time
  kAvailable,  // sealed by the quorum
  kDurable,    // every holder's receipt is on the ledger
};
absl::StatusOr<WaitFor> ParseWait(absl::string_view text);

// A put that is killed sends at most this much again, over all holders: never more is on the way
// that a holder has not yet said it keeps. Of a group of more than 42 holders 384 KiB each.
inline constexpr uint64_t kRepeatBytes = 16 << 20;

struct PutOptions {
  WaitFor wait = WaitFor::kDurable;
  std::optional<base::Amount> max_cost = {};  // crn: lock + bond + fee of the put
  std::string content_type = {};              // empty: by the source
  std::map<std::string, std::string> metadata = {};
  bool resume = true;
  uint64_t repeat_bytes = kRepeatBytes;
  bool must_be_new = false;  // AlreadyExists (NAME_EXISTS) when the name has a version
  bool dry_run = false;      // quote only: nothing is asked of providers or the ledger's rules
};

// A position without this object's part.
struct MissingPart {
  uint32_t position = 0;
  base::AccountId provider;
  std::string why;
};

struct PutResult {
  Reference ref;
  base::ObjectId object;
  base::ContentId content_id;
  uint64_t version = 0;
  uint64_t size = 0;
  uint64_t stored_size = 0;
  uint32_t parts = 0;  // positions that keep a part
  std::vector<MissingPart> missing;
  bool durable = false;
  bool resumed = false;
  uint64_t sent_bytes = 0;    // to all holders, by this call
  uint32_t transactions = 0;  // of the owner
  payment::Quote quote;
};

// Errors: PRICE_GUARD, NAME_EXISTS, NO_SUCH_BUCKET, NOT_ENOUGH_RECEIPTS (Unavailable),
// SOURCE_CHANGED, and what primary or ledger refused. With kDurable, an object that is available
// but not durable is returned with its missing parts and durable = false: it is stored and can be
// read.
absl::StatusOr<PutResult> Put(Client& client, Source& source, const Reference& to,
                              const PutOptions& options);

// From a pipe: the bytes are spooled as they will be stored (ciphertext in private buckets) below
// the client's transfer folder, then sent. `read` fills what it can and returns 0 at the end.
using ReadFn = std::function<absl::StatusOr<size_t>(base::MutableByteView out)>;
absl::StatusOr<PutResult> PutPipe(Client& client, const ReadFn& read, const Reference& to,
                                  const PutOptions& options);

// Many at once. Small ones travel in batches of up to 256 objects a transaction, large ones side by
// side. Failures of one item do not stop the others; results stand in the order of the items.
struct PutItem {
  std::string path;  // local file
  Reference to;      // all of one bucket
};
struct ManyOptions {
  PutOptions put;
  uint32_t parallel = 4;
};
std::vector<absl::StatusOr<PutResult>> PutMany(Client& client, const std::vector<PutItem>& items,
                                               const ManyOptions& options);

// What putting objects of these plaintext sizes will cost.
absl::StatusOr<payment::Quote> QuotePut(Client& client, const Bucket& bucket,
                                        const std::vector<uint64_t>& sizes);

// A new name for what is stored, within one bucket without sending bytes (holders sign again for
// what they have), across buckets by reading and writing. Rename also deletes the old name.
absl::StatusOr<PutResult> Copy(Client& client, const Reference& from, const Reference& to,
                               const PutOptions& options);
absl::StatusOr<PutResult> Rename(Client& client, const Reference& from, const Reference& to,
                                 const PutOptions& options);

}  // namespace cairn::client
