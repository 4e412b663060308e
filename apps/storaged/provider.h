// A provider without its sockets: every part by name, what each is given, its recurring duties, and
// the order in which they start and stop.
//
// The daemon (storaged.cc) puts servers, metrics and signals around it, a simulation puts a network
// in memory. Threads of its own: two lanes to the ledger and one for each duty; all of them end in
// Stop. The public methods belong to one thread, what `service()` answers is thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apps/storaged/journal_anchor.h"
#include "apps/storaged/channels.h"
#include "apps/storaged/part_source.h"
#include "apps/storaged/periodic.h"
#include "apps/storaged/service.h"
#include "apps/storaged/settings.h"
#include "apps/storaged/unpaid.h"
#include "cairn/base/disk.h"
#include "cairn/storage/disk_blob_store.h"

namespace cairn::storaged {

class Provider {
 public:
  struct Environment {
    const Settings& settings;
    const Identity& identity;
    base::Digest tls_pin;  // of our certificate
    bool test_network;
    base::Kv& index;
    base::Kv* claims = nullptr;  // of the claim store; null: no reads are sold
    storage::DiskBlobStore& store;
    base::Disk& disk;  // what the store lies on
    chain::Client& client;
    base::RealClock& clock;
    base::Entropy& entropy;
    std::function<std::unique_ptr<PartSource>(Ledger&)> peers;
    std::function<void()> joined;         // the ledger knows us and our store: calls may be answered
    std::function<void()> asked;          // the first attempt to join is over, either way
    std::function<void(const absl::Status&)> fatal;  // the process has to end
  };
  // Everything named in it must outlive the provider.
  explicit Provider(const Environment& environment);
  ~Provider() { Stop(); }

  // Reads what the last run left. FailedPrecondition (WRONG_CHAIN) when the data belongs to another
  // network.
  absl::Status Load();
  void Start();
  // In two steps, between which the server drains: first nothing new is taken and fetches end, then
  // the duties end and what is owed to the ledger is sent. Idempotent.
  void BeginStop();
  void Stop();
  // After Stop: the next start has nothing to replay.
  absl::Status Checkpoint();

  Service& service() { return service_; }
  PartIndex& index() { return index_; }
  Faults& faults() { return faults_; }
  Scrubber& scrubber() { return scrubber_; }
  ReadJournal& journal() { return journal_; }
  // Name and value of every gauge.
  std::vector<std::pair<std::string, std::function<double()>>> Numbers();

 private:
  absl::Duration JoinLedger();
  absl::Status TryJoin();
  absl::Duration Follow();
  absl::Duration Pull();
  absl::Duration Scrub();
  absl::Duration Tidy();
  absl::Duration Account();
  // A duty went wrong; it is done again later, unless the store is past use.
  void Failed(const char* what, const absl::Status& why);
  // Ends the process when a sync failed: nothing may be acknowledged any more.
  void CheckStore();
  uint64_t Room();
  absl::Status Willing();
  absl::Status OpenChannels();
  void OnChannel(const base::ChannelId& channel);
  void OnPool(const base::ChannelId& pool);

  const Environment env_;
  const Settings& settings_;
  const Identity& identity_;
  std::atomic<bool> stopping_{false};
  bool told_ = false;
  Faults faults_;
  WriteQueue writes_;
  PartIndex index_;
  Ledger ledger_;
  Submitter seal_lane_;
  Submitter pull_lane_;
  Approver approver_;
  Ingest ingest_;
  Sealer sealer_;
  std::unique_ptr<PartSource> source_;
  Puller puller_;
  Scrubber scrubber_;
  Throttle throttle_;
  ReadJournal journal_;
  ReadMeter meter_;
  JournalAnchor anchor_;
  UnpaidClearer unpaid_;
  std::unique_ptr<Channels> channels_;  // from Load on
  Follower follower_;
  Service service_;
  Periodic join_;
  Periodic follow_;
  Periodic pull_;
  Periodic scrub_;
  Periodic tidy_;
  Periodic account_;
  std::atomic<bool> clear_due_{false};
  absl::Duration next_prune_;
};

}  // namespace cairn::storaged
