// Getting: any k holders give the bytes, every byte is verified before anyone sees it.
//
// A file appears under its name only complete (local_file.h). A failure leaves nothing behind, but for what is paid
// for: that is kept, and the next run buys the rest.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "apps/client/list.h"
#include "cairn/storage/seal.h"

namespace cairn::client {

// Asked for and not yet written, over all holders of a get. Bytes are paid for as they are verified and written in order,
// so this is what a process that is killed has bought in vain at most: little beside the time that asking for less would
// cost every get.
inline constexpr uint64_t kReadAhead = 16 << 20;

struct GetOptions {
  base::ByteRange range{0, UINT64_MAX};            // of the plaintext; the default is all
  uint64_t version = 0;                            // 0: the current one
  absl::Duration start_within = absl::Seconds(8);  // the first bytes must come by then
};

struct GetResult {
  Reference ref;
  uint64_t bytes = 0;
  base::ContentId content_id;
  uint32_t hedges = 0;
};

// Errors: NO_SUCH_OBJECT, NOT_ENOUGH_SHARDS (Unavailable; evidence names each holder),
// RANGE_NOT_SATISFIABLE, CONTENT_MISMATCH.
absl::StatusOr<GetResult> Get(Client& client, const Reference& from, const GetOptions& options,
                              const storage::ByteSink& sink);
absl::StatusOr<GetResult> GetFile(Client& client, const Reference& from, const GetOptions& options,
                                  const std::string& path);
// An object that was found already (listings, verify).
absl::StatusOr<GetResult> GetObject(Client& client, const Bucket& bucket, const ObjectInfo& object,
                                    const GetOptions& options, const storage::ByteSink& sink);

}  // namespace cairn::client
