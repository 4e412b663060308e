// What must hold in every world, whatever strikes it. The first thing that does not hold ends the world.
//
//   read        what was acknowledged is read back byte for byte; nothing half visible; what was deleted stays deleted
//   list        a listing shows what reads show
//   ledger      the ledger opens, keeps every block, has one header a height; its recount adds up
//   money       no transaction breaks an invariant
//   fines       no honest provider is fined, for no upload receipt that it signed
//   receipts    who signed for a part has it on its disk, also after a power cut
//   ends        every upload is sealed or its lock returned
//   repair      after everything healed every part is where the ledger says
//   liveness    after everything healed operations succeed, and the world comes to rest
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cairn/base/bytes.h"
#include "cairn/base/id.h"
#include "cairn/chain/engine.h"
#include "cairn/chain/pb.h"
#include "sim/network.h"

namespace cairn::sim {

class World;

// The bytes of a version, by what they are drawn from.
struct Content {
  uint64_t seed = 0;
  uint64_t size = 0;
  friend auto operator<=>(const Content&, const Content&) = default;
};
base::Bytes BytesOf(const Content& content);

// Code, reason and sentence of a status, without the rest.
std::string Brief(const absl::Status& status);

// What a name may stand for: one thing when the last change was acknowledged, several after changes whose outcome
// nobody knows. nullopt: nothing.
class Model {
 public:
  using Value = std::optional<Content>;
  void Attempt(const std::string& name, const Value& value);  // may or may not take effect from now on
  void Settle(const std::string& name, const Value& value);   // acknowledged
  std::set<Value> Allowed(const std::string& name) const;
  bool Allows(const std::string& name, const Value& value) const { return Allowed(name).contains(value); }
  std::vector<std::string> Names() const;

 private:
  std::map<std::string, std::set<Value>> values_;
};

class Oracles {
 public:
  explicit Oracles(World& world) : world_(world) {}

  void Fail(const std::string& oracle, const std::string& what);
  void Explain(const std::string& more) { what_ = more + "\n" + what_; }
  bool failed() const { return !oracle_.empty(); }
  const std::string& oracle() const { return oracle_; }
  const std::string& what() const { return what_; }

  void OnChainOpen(const chain::EmbeddedEngine& engine);
  void OnBlock(const chain::pb::Block& block, uint64_t height);
  void OnMessage(const Call& call, bool up, const std::string& bytes);

  // ---- from a fiber, when the world is at rest ----
  // Uploads that are neither sealed nor ended, and parts that are not where the ledger says; empty: none.
  std::string Unsettled();
  // Every signed part is on its holder's disk, whole.
  void CheckReceipts();

  uint64_t blocks() const { return headers_.size(); }
  uint64_t fined() const { return fined_; }

 private:
  void ClaimFine(const std::string& object);
  std::vector<chain::pb::Object> AllObjects(chain::EmbeddedEngine& engine, std::vector<chain::pb::Group>& groups);

  struct Signed {
    std::vector<std::string> objects;
    std::string signature;
  };
  World& world_;
  std::string oracle_;
  std::string what_;
  std::map<uint64_t, std::string> headers_;                   // by height
  std::map<const Call*, std::vector<std::string>> asked_;     // submissions under way
  std::map<std::string, Signed> uploads_;                     // upload receipts, by object
  uint64_t fined_ = 0;
};

}  // namespace cairn::sim
