// What a seed means: the parties, what the clients do, which faults strike when. Everything is drawn here, before the
// world begins, so that a failing plan shrinks by leaving out operations and faults, and runs again from its text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace cairn::sim {

enum class Mode {
  kSafety,       // faults strike to the end of the operations, then everything heals
  kLiveness,     // at some moment a core heals; the victim stays broken, and all the same everything must finish
  kCalibration,  // a fault beyond what is promised, or a planted bug: the oracles must find it
};
const char* Name(Mode mode);

struct Op {
  enum class Kind { kPut, kPutMany, kGet, kRange, kRemove, kCopy, kList };
  Kind kind = Kind::kPut;
  int client = 0;
  int name = 0;
  int other = 0;         // copy: the new name; many: how many names
  uint64_t size = 0;
  uint64_t content = 0;  // what the bytes are drawn from
  int wait = 2;          // client::WaitFor
  absl::Duration pause;  // before it
};

struct Fault {
  enum class Kind {
    kLossy,       // messages vanish, calls arrive twice
    kLag,         // a party's messages are late
    kCut,         // a provider and everybody else do not reach each other
    kCutChain,    // a provider and the ledger do not
    kKill,        // kill -9 of a provider, started again after `length`
    kPower,       // its machine loses power
    kWipe,        // and its disk
    kRot,         // bits of its stored bytes flip
    kFull,        // its disk takes no more
    kSlowDisk,
    kSyncError,   // one sync fails
    kSkew,        // its clock is wrong by `amount` seconds
    kLie,         // it serves wrong bytes
    kBadReceipt,  // it signs wrongly
    kKillClient,
    kKillChain,
    kPowerChain,
    // Calibration only:
    kWipeAll,      // more disks at once than any policy stands
    kForgetful,    // a disk that acknowledges syncs and keeps nothing
    kRefuseSeal,   // a primary that says "uploaded" and never seals
    kMintMoney,    // a rule that pays out of nothing
  };
  Kind kind = Kind::kLossy;
  absl::Duration at;
  absl::Duration length;
  int target = 0;
  double amount = 0;
};
const char* Name(Fault::Kind kind);

struct Plan {
  uint64_t seed = 0;
  Mode mode = Mode::kSafety;
  int providers = 4;
  int operators = 3;
  int clients = 1;
  std::vector<std::string> policies;  // of each client's bucket
  std::vector<bool> open;             // public buckets
  double preempt = 0;
  int victim = 0;  // the one provider that may lose or falsify bytes
  std::vector<Op> ops;
  std::vector<Fault> faults;

  std::string Describe() const;
};

Plan MakePlan(uint64_t seed, Mode mode);

// "SEED MODE [ops=I,J,…] [faults=I,J,…]": a plan with only these entries, by their place in the seed's own.
struct PlanText {
  uint64_t seed = 0;
  Mode mode = Mode::kSafety;
  bool all_ops = true, all_faults = true;
  std::vector<int> ops, faults;

  std::string ToText() const;
  static absl::StatusOr<PlanText> Parse(const std::string& text);
  Plan Make() const;
};

}  // namespace cairn::sim
