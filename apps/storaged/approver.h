// Whether this provider consents to an operation: the first step of every placement.
//
// Signs for new groups, new primaries and successors (we are asked to take a role) and for new
// objects of groups whose primary we are. An approval is single-use, names the exact operation and
// lives at most ten minutes. No I/O but questions to the ledger's cache. Thread-safe.
//
// Refusals, all FailedPrecondition unless noted: NOT_ACCEPTING (maintenance, or told so), NO_SPACE
// (ResourceExhausted), TOO_LARGE (InvalidArgument), GROUP_NOT_MINE, NOT_OWNER (PermissionDenied),
// BAD_REQUEST (InvalidArgument).
#pragma once

#include <functional>

#include "apps/storaged/identity.h"
#include "apps/storaged/ledger.h"
#include "cairn/base/entropy.h"
#include "cairn/base/layout.h"

namespace cairn::storaged {

inline constexpr absl::Duration kMaxApprovalLife = absl::Minutes(10);

struct ApprovalTerms {
  bool accept = true;  // take new groups, successions and objects
  uint64_t max_object_bytes = base::kMaxObjectBytes;
};

class Approver {
 public:
  // References must outlive it. `room` says how many more bytes of parts the store takes.
  Approver(const Identity& identity, Ledger& ledger, base::Entropy& entropy,
           const base::Clock& clock, const ApprovalTerms& terms, std::function<uint64_t()> room)
      : identity_(identity),
        ledger_(ledger),
        entropy_(entropy),
        clock_(clock),
        terms_(terms),
        room_(std::move(room)) {}

  // `owner` will sign the transaction. The operation's approval names us and the wished expiry;
  // nonce and signature are empty.
  absl::StatusOr<pb::Approval> Decide(const pb::Operation& operation, const base::AccountId& owner);

  void set_accepting(bool accept) { accepting_ = accept; }
  bool accepting() const { return accepting_ && terms_.accept; }

 private:
  absl::Status CheckAccepting();
  absl::Status CheckRoom(uint64_t bytes);
  absl::Status Check(const pb::CreateBucket& create, const base::AccountId& owner);
  absl::Status Check(const pb::ReplacePrimary& replace, const base::AccountId& owner);
  absl::Status Check(const pb::AssignSuccessor& assign);
  absl::Status Check(const pb::CreateObjects& create, const base::AccountId& owner);
  // Bytes of our parts of the new objects.
  uint64_t OurShare(const pb::CreateObjects& create, const pb::Group& group) const;

  const Identity& identity_;
  Ledger& ledger_;
  base::Entropy& entropy_;
  const base::Clock& clock_;
  ApprovalTerms terms_;
  std::function<uint64_t()> room_;
  std::atomic<bool> accepting_{true};
};

}  // namespace cairn::storaged
