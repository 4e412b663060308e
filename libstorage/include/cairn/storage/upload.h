// Uploading a version to its holders: facts in, decisions out. No sockets, no clock, no threads.
//
// The bytes come from passes over the source (ObjectEncoder): a pass begins at an offset within the
// shards and serves every holder that is ready by then. A holder that breaks off is asked how much
// it has and served again by a later pass from there. Receipts are counted against the seal quorum;
// a holder given up is reported, so that a successor can be assigned (OnReplaced) or the position
// left to repair. One thread at a time. `now` is monotonic time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cairn/base/layout.h"

namespace cairn::storage {

// One holding position: which blob it gets (a shard index; 0 for whole copies) and whose it is.
struct UploadTarget {
  uint32_t shard = 0;
  base::AccountId operator_id{};
  std::string name{};  // for evidence
};

struct UploadOptions {
  base::Redundancy policy{};
  base::LayoutKind layout = base::LayoutKind::kShards;
  uint64_t blob_bytes = 0;                           // of each target's blob
  uint32_t attempts = 4;                             // of a holder, before it is given up
  absl::Duration backoff = absl::Milliseconds(200);  // doubles with each attempt, at most 5 s
  absl::Duration gather =
      absl::Seconds(2);  // how long a pass waits for holders that have not answered
  absl::Duration stall =
      absl::Seconds(15);  // no progress during a pass, no answer to an open: failed
};

struct UploadAction {
  enum class Kind {
    kOpen,   // ask `target` what it has and make it ready to receive: OnOpened or OnFailed
    kPass,   // encode from shard offset `offset` on, to `targets`; skip what each has: OnPassEnd at
             // the end
    kClose,  // stop sending to `target`
    kAbandoned,  // `target` was given up, `why` tells; a successor may be assigned
    kAvailable,  // the seal quorum is there
    kDurable,    // every receipt is there
    kGiveUp,     // the quorum cannot be reached: see status(); OnReplaced may revive it
  };
  Kind kind = Kind::kOpen;
  uint32_t target = 0;
  uint64_t offset = 0;
  std::vector<uint32_t> targets;
  absl::Status why;
};

class Upload {
 public:
  enum class State { kUploading, kAvailable, kDurable, kFailed };

  Upload(std::vector<UploadTarget> targets, const UploadOptions& options);
  ~Upload();
  Upload(Upload&&) noexcept;

  std::vector<UploadAction> Start(absl::Duration now);
  // The holder has `offset` durable bytes of its blob and takes the rest. More than blob_bytes is a
  // failure.
  std::vector<UploadAction> OnOpened(uint32_t target, uint64_t offset, absl::Duration now);
  // The holder has come so far; also after the pass, when it still works off what was sent.
  std::vector<UploadAction> OnProgress(uint32_t target, uint64_t offset, absl::Duration now);
  // A receipt that the caller verified (signature, layout root, epoch).
  std::vector<UploadAction> OnReceipt(uint32_t target, absl::Duration now);
  // PermissionDenied, InvalidArgument, FailedPrecondition, ResourceExhausted and DataLoss are final
  // for this holder; others are tried again.
  std::vector<UploadAction> OnFailed(uint32_t target, const absl::Status& why, absl::Duration now);
  std::vector<UploadAction> OnPassEnd(absl::Duration now);
  // A new provider stands at the position; it starts from nothing.
  std::vector<UploadAction> OnReplaced(uint32_t target, const UploadTarget& successor,
                                       absl::Duration now);
  std::vector<UploadAction> OnTimer(absl::Duration now);
  std::optional<absl::Duration> next_timer() const;

  State state() const;
  // Positions whose receipt is in.
  std::vector<uint32_t> receipts() const;
  bool in_pass() const;
  // Nothing more will happen by itself: every holder has signed or was given up.
  bool idle() const;
  // Unavailable with the last error of every holder given up: reason NOT_ENOUGH_RECEIPTS once
  // failed, NOT_DURABLE when idle with the quorum but not all receipts. OK otherwise.
  absl::Status status() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::storage
