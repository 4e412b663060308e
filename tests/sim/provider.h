// One provider's machine: a disk, two key-value stores and storaged::Provider on them, killed and started again.
#pragma once

#include <memory>
#include <string>

#include "apps/storaged/node.h"
#include "apps/storaged/provider.h"
#include "cairn/base/disk.h"
#include "sim/network.h"
#include "sim/storage.h"

namespace cairn::sim {

class World;

class ProviderNode {
 public:
  ProviderNode(World& world, int index, base::SigningKey account, const base::AccountId& operator_account);

  void Start();
  void Kill(bool power_lost);
  void Restart(absl::Duration after);  // systemd's part
  void KeepDown(bool down) { keep_down_ = down; }
  // Disk and index of the store are gone; the identity stays.
  void Wipe();
  // Flips bits of stored bytes. False when nothing is stored.
  bool Rot(std::mt19937_64& random);
  void FillDisk(bool full);
  void FailSync();
  void SetSlow(double factor) { slow_ = factor; }
  void SetSkew(absl::Duration skew);
  // A misbehaviour of storaged/faults.h; survives restarts.
  void SetFault(storaged::Fault fault);
  // Syncs keep nothing from now on.
  void MakeForgetful() { forgetful_ = true; }

  bool running() const { return run_ != nullptr; }
  bool ready() const;
  bool kept_down() const { return keep_down_; }
  // Null while it does not run.
  storaged::Provider* provider() const;
  storage::DiskBlobStore* store() const;
  const std::string& endpoint() const { return settings_.advertise; }
  base::AccountId account() const { return keys_.account.account(); }
  base::PublicKey node_key() const { return keys_.node.public_key(); }

 private:
  struct Run;
  void Main(Run& run);
  absl::Status Boot(Run& run);
  absl::Status Register(Run& run);

  World& world_;
  storaged::Settings settings_;
  storaged::NodeKeys keys_;
  base::SeededEntropy entropy_;
  std::unique_ptr<base::SimDisk> disk_;
  KvFile index_file_;
  KvFile store_index_;
  double slow_ = 1;
  absl::Duration skew_;
  storaged::Fault fault_ = storaged::Fault::kNone;
  bool forgetful_ = false;
  bool keep_down_ = false;
  bool registered_ = false;
  Process process_ = nullptr;
  Run* run_ = nullptr;  // of the process: lost with it, never destroyed
};

}  // namespace cairn::sim
