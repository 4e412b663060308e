// One user: a home folder, keys, a list of commands, and a process that runs them through apps/client until it is
// killed and started again with the command it was at.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/client/list.h"
#include "apps/client/put.h"
#include "apps/client/session.h"
#include "cairn/base/phrase.h"
#include "sim/oracles.h"
#include "sim/plan.h"

namespace cairn::sim {

class World;

class ClientNode {
 public:
  ClientNode(World& world, int index, const std::string& policy, bool open);

  void Start();
  void Kill();
  bool running() const { return running_; }
  // All commands are done.
  bool done() const { return next_ >= ops_.size(); }
  uint64_t acknowledged() const { return acknowledged_; }
  const base::AccountKeys& keys() const { return keys_; }

  // A client with nothing but the keys reads everything back. From a fiber of any process.
  void ReadAll();

 private:
  struct Run;
  std::unique_ptr<client::Client> Open(Run& run);
  void Main(Run& run);
  absl::Status EnsureBucket(client::Client& client);
  void Do(client::Client& client, const Op& op);
  absl::Status Put(client::Client& client, const Op& op);
  absl::Status PutMany(client::Client& client, const Op& op);
  absl::Status Get(client::Client& client, const std::string& name, base::ByteRange range);
  absl::Status Remove(client::Client& client, const Op& op);
  absl::Status Copy(client::Client& client, const Op& op);
  absl::Status List(client::Client& client);
  std::string File(const Content& content);
  std::string NameOf(int index) const;
  client::Reference At(const std::string& name) const;

  World& world_;
  const std::string self_;
  const std::string home_;
  const base::Redundancy policy_;
  const bool open_;
  const base::Secret<32> seed_;
  base::AccountKeys keys_;
  base::SeededEntropy entropy_;
  std::vector<Op> ops_;
  Model model_;
  size_t next_ = 0;
  uint64_t acknowledged_ = 0;
  bool has_bucket_ = false;
  bool running_ = false;
  Process process_ = nullptr;
};

}  // namespace cairn::sim
