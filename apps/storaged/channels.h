// Everything of this provider that has to do with channels: the claim store, reads that are paid, the
// settler and the watchtower, with a lane to the ledger and one recurring duty of their own.
//
// Open, Start and Stop belong to one thread; the parts are thread-safe.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apps/storaged/periodic.h"
#include "apps/storaged/read_channels.h"
#include "apps/storaged/settings.h"
#include "apps/storaged/settler.h"
#include "apps/storaged/tower.h"

namespace cairn::storaged {

class Channels {
 public:
  struct Environment {
    const Settings& settings;
    const Identity& identity;
    Ledger& ledger;
    WriteQueue& writes;
    PartSource& peers;
    chain::Client& client;
    const base::Clock& clock;
    base::Kv& claims;  // of the claim store alone
    std::function<bool()> stopping;
    std::function<void(const absl::Status&)> failed;  // the claim store is past use
  };
  // Opens the claim store, which counts it.
  static absl::StatusOr<std::unique_ptr<Channels>> Open(const Environment& environment);
  ~Channels() { Stop(); }

  void Start();
  void Stop();
  // Something happened on the ledger to a channel.
  void OnChannel(const base::ChannelId& channel);
  void OnPool(const base::ChannelId& pool);

  ReadChannels& reads() { return reads_; }
  Tower& tower() { return tower_; }
  std::vector<std::pair<std::string, std::function<double()>>> Numbers();

 private:
  Channels(const Environment& environment, std::unique_ptr<payment::ClaimStore> store);
  absl::Duration Round();
  absl::Status TellTower();

  const Environment env_;
  std::unique_ptr<payment::ClaimStore> store_;
  Submitter lane_;
  PoolLanes lanes_;
  ReadChannels reads_;
  Tower tower_;
  Settler settler_;
  std::mutex mutex_;
  std::set<base::ChannelId> news_;
  bool loaded_ = false;
  Periodic round_;
};

}  // namespace cairn::storaged
