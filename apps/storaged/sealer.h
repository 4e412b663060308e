// The primary's part of an upload: take the holders' receipts, say "uploaded", seal on the ledger.
//
// A submission is a set of objects of one group and receipts over exactly that set. Each receipt is
// checked as the ledger will check it. When every object that is not sealed yet reaches its quorum
// over two operators, the submission is kept durably and the answer is the primary's signed upload
// receipt: from then on it owes the seal, also after a crash. Receipts for sealed objects are
// passed on the same way; what the ledger has already is answered and not sent again.
//
// Reasons: NOT_PRIMARY, NO_SUCH_OBJECT, WRONG_GROUP, BAD_RECEIPT, STALE_RECEIPT (made for an
// earlier group epoch or store: ask the holder again), NOT_ENOUGH_RECEIPTS, DEADLINE_PASSED (or so
// near that the seal is not sure), SEAL_PENDING (too many for the same objects at once),
// BAD_REQUEST. Thread-safe.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>

#include "apps/storaged/faults.h"
#include "apps/storaged/identity.h"
#include "apps/storaged/ledger.h"
#include "apps/storaged/submitter.h"
#include "apps/storaged/write_queue.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::storaged {

class Sealer {
 public:
  struct Environment {
    const Identity& identity;
    Ledger& ledger;
    WriteQueue& writes;
    Submitter& submitter;
    const base::Clock& clock;
    const Faults& faults;
  };
  explicit Sealer(const Environment& environment) : env_(environment) {}

  // Takes up what is still owed: after a start, and now and then for seals that failed for want of
  // funds.
  absl::Status Resume();

  // Checks, keeps, queues the seal. Fills in the upload signature and, when asked to wait, the
  // height of the seal.
  absl::StatusOr<rpc::v1::SubmitReceiptsResponse> Accept(
      const rpc::v1::SubmitReceiptsRequest& request, absl::Duration patience);

  // Seals created objects of our group whose posted receipts already reach the quorum (copies, late
  // holders).
  void SealPosted(const pb::Group& group, const std::vector<pb::Object>& objects);
  // Answers the owner's RequestUpload: we will take it, or the object is rejected with the reason. Whose seal we owe is
  // not rejected any more.
  void Answer(const base::ObjectId& object, const absl::Status& willing);
  // After an upload receipt was signed, this is fined.
  void Reject(const std::vector<base::ObjectId>& objects, absl::string_view reason);

  size_t pending() const;
  uint64_t sealed() const { return sealed_; }

 private:
  struct Job {
    rpc::v1::SubmitReceiptsRequest request;
    bool done = false;
    absl::Status status;
    uint64_t height = 0;
    int attempts = 0;
  };
  using JobPtr = std::shared_ptr<Job>;

  absl::StatusOr<std::vector<std::pair<std::string, JobPtr>>> Kept() const;
  bool Owes(const base::ObjectId& object) const;
  absl::StatusOr<std::vector<pb::Object>> Load(const rpc::v1::SubmitReceiptsRequest& request,
                                               const pb::Group& group);
  absl::Status CheckReceipt(const pb::Receipt& receipt, const pb::Group& group,
                            const std::vector<pb::Object>& objects);
  absl::Status CheckJobs(const rpc::v1::SubmitReceiptsRequest& request) const;
  absl::Status CheckQuorum(const rpc::v1::SubmitReceiptsRequest& request, const pb::Group& group,
                           const std::vector<pb::Object>& objects);
  void Queue(const std::string& key, JobPtr job);
  void OnOutcome(const std::string& key, JobPtr job, const absl::Status& status, uint64_t height);
  void Close(const std::string& key, const JobPtr& job, const absl::Status& status,
             uint64_t height);

  Environment env_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, JobPtr> jobs_;
  std::atomic<uint64_t> sealed_{0};
};

}  // namespace cairn::storaged
