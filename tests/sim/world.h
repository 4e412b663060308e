// One network in one thread: a ledger, providers, clients, their machines and the wires between them, from one seed.
//
// The parties are the daemons' own objects: chain::EmbeddedEngine as chaind drives it, storaged::Provider as storaged
// runs it, client::Client as storectl uses it. Below them are this folder's machines, network and threads. See
// README.md here for what strikes them and what is held against them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cairn/base/clock.h"
#include "cairn/base/entropy.h"
#include "cairn/base/key.h"
#include "sim/network.h"
#include "sim/plan.h"
#include "sim/storage.h"

namespace cairn::sim {

class ChainNode;
class ProviderNode;
class ClientNode;
class Oracles;

// How a world ended.
struct Outcome {
  bool ok = false;
  std::string oracle;  // that failed
  std::string what;
  std::string trace;   // hash over every message
  uint64_t events = 0;
  uint64_t messages = 0;
  uint64_t blocks = 0;
  uint64_t acknowledged = 0;  // operations that changed something and said so
  absl::Duration time;        // simulated
};

class World {
 public:
  // `folder`: where the clients' home folders are; emptied by the caller.
  World(const Plan& plan, std::string folder, bool verbose);
  ~World();

  Outcome Run();

  const Plan& plan() const { return plan_; }
  Scheduler& scheduler() { return scheduler_; }
  Network& network() { return network_; }
  Oracles& oracles() { return *oracles_; }
  ChainNode& chain() { return *chain_; }
  std::vector<std::unique_ptr<ProviderNode>>& providers() { return providers_; }
  std::vector<std::unique_ptr<ClientNode>>& clients() { return clients_; }
  const std::string& folder() const { return folder_; }
  base::SeededEntropy& entropy() { return entropy_; }
  bool healed() const { return healed_; }
  absl::Duration healed_at() const { return healed_at_; }
  void Say(absl::string_view text);

 private:
  bool Phase(const char* name, const std::function<bool()>& done, absl::Duration limit);
  void BeginFaults();
  void Heal();
  bool Converge();
  void Outage();

  const Plan plan_;
  const std::string folder_;
  const bool verbose_;
  Scheduler scheduler_;
  Network network_;
  base::SeededEntropy entropy_;
  Process driver_;
  bool healed_ = false;
  absl::Duration healed_at_;
  std::unique_ptr<Oracles> oracles_;
  std::unique_ptr<ChainNode> chain_;
  std::vector<std::unique_ptr<ProviderNode>> providers_;
  std::vector<std::unique_ptr<ClientNode>> clients_;
};

}  // namespace cairn::sim
