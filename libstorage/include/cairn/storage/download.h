// Downloading a version from its holders: facts in, decisions out. No sockets, no clock, no
// threads.
//
// Any k shards do. Requests go to the holders that have been best so far; one that stops or trails
// is hedged with another shard; a holder whose bytes do not verify is dropped for good; a copy is
// continued on another holder at the verified offset. Memory is bounded by a window of stripes. Two
// layers:
//   Download        decides who is asked for what. Knows progress only, never sees a byte.
//   ObjectDownload  Download, one SliceDecoder a request, and the ObjectReader: slices in,
//   plaintext out.
// One thread at a time. `now` is monotonic time (base::Clock::Monotonic).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cairn/base/blake3_tree.h"
#include "cairn/storage/decode.h"

namespace cairn::storage {

// Someone who may have a shard. While a position is rebuilding two holders name the same shard;
// every holder of a whole copy names shard 0.
struct ShardHolder {
  uint32_t shard = 0;
  std::string name{};  // for evidence: the provider's account
};

struct DownloadOptions {
  uint64_t batch_bytes = 4 << 20;  // stored bytes asked for at a time, over all shards together
  uint32_t window_batches = 4;     // batches in flight or waiting
  double hedge_factor = 4;         // slow: no progress for so many times the usual
  absl::Duration min_hedge = absl::Milliseconds(250);
  absl::Duration stall = absl::Seconds(4);  // no progress at all: given up
  uint32_t attempts = 2;  // transient failures that a holder is forgiven, less one
  // Told of every run of newly verified bytes of a request (ObjectDownload only).
  std::function<void(uint64_t fetch, uint64_t bytes)> verified{};
};

struct FetchAction {
  enum class Kind { kStart, kCancel };
  Kind kind = Kind::kStart;
  uint64_t fetch = 0;   // id of the request; the caller names it in every fact
  uint32_t holder = 0;  // index into the holders given
  uint32_t shard = 0;
  base::ByteRange range;  // of the shard
};

enum class TransferState { kRunning, kDone, kFailed };

class Download {
 public:
  Download(const ReadPlan& plan, uint32_t shards, std::vector<ShardHolder> holders,
           const DownloadOptions& options);
  ~Download();
  Download(Download&&) noexcept;

  std::vector<FetchAction> Start(absl::Duration now);
  // Verified bytes of the request's range so far (from its start). The request ends when its range
  // is complete.
  std::vector<FetchAction> OnProgress(uint64_t fetch, uint64_t verified, absl::Duration now);
  // The holder refused, broke off, or lied. DataLoss, NotFound, PermissionDenied and
  // InvalidArgument drop it for good.
  std::vector<FetchAction> OnFailed(uint64_t fetch, const absl::Status& why, absl::Duration now);
  // To be called at next_timer() (sooner or later does no harm).
  std::vector<FetchAction> OnTimer(absl::Duration now);
  std::optional<absl::Duration> next_timer() const;

  TransferState state() const;
  // When failed: Unavailable (reason NOT_ENOUGH_SHARDS) with the last error of every holder as
  // evidence.
  const absl::Status& status() const;
  uint32_t hedges() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class ObjectDownload {
 public:
  // Errors of ObjectReader::Create; Unavailable (NOT_ENOUGH_SHARDS) shows only after Start.
  static absl::StatusOr<std::unique_ptr<ObjectDownload>> Create(
      const VersionLayout& version, const SealedWith* seal, base::ByteRange range,
      std::vector<ShardHolder> holders, const DownloadOptions& options, ByteSink sink);
  ~ObjectDownload();

  std::vector<FetchAction> Start(absl::Duration now);
  // A piece of the slice (base::EncodeSlice) that the holder sends for the request. Pieces of
  // requests that were cancelled or have ended are ignored.
  std::vector<FetchAction> OnPiece(uint64_t fetch, base::ByteView slice, absl::Duration now);
  // The stream ended. Early ends count as failures.
  std::vector<FetchAction> OnEnd(uint64_t fetch, absl::Duration now);
  std::vector<FetchAction> OnFailed(uint64_t fetch, const absl::Status& why, absl::Duration now);
  std::vector<FetchAction> OnTimer(absl::Duration now);
  std::optional<absl::Duration> next_timer() const;

  TransferState state() const;  // kDone: all plaintext is out and verified
  const absl::Status& status() const;
  uint64_t buffered_bytes() const;
  uint32_t hedges() const;

 private:
  struct State;
  explicit ObjectDownload(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cairn::storage
