// The ledger's machine: the embedded engine, driven as chaind drives it, on a store that keeps what was synced.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cairn/base/clock.h"
#include "cairn/base/key.h"
#include "cairn/chain/engine.h"
#include "cairn/chain/pb.h"
#include "sim/storage.h"

namespace cairn::sim {

class World;

class ChainNode {
 public:
  // `accounts` are funded in genesis.
  ChainNode(World& world, const std::vector<base::AccountId>& accounts, bool mint_money);

  void Start();
  void Kill(bool power_lost);
  bool running() const { return run_ != nullptr; }
  // Null while it does not run. Calls must come from a fiber.
  chain::EmbeddedEngine* engine() const;
  const base::ChainId& id() const { return id_; }
  uint64_t height() const;

 private:
  struct Run;
  void Main(Run& run);

  World& world_;
  KvFile store_;
  base::SigningKey key_;
  chain::pb::Genesis genesis_;
  base::ChainId id_;
  const bool mint_money_;
  Process process_ = nullptr;
  Run* run_ = nullptr;  // of the process: lost with it, never destroyed
};

}  // namespace cairn::sim
