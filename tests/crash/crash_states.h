// What a disk may hold after a power cut: every moment of a log, and for each moment what happened to the changes that
// nothing had made durable yet.
//
// Each of them is there or not, whatever became of the others; a write may be torn at every multiple of 512 or 4,096
// bytes, or leave only its length behind, filled with zeros.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "crash/disk_log.h"

namespace cairn::crash {

// What becomes of the changes that are not durable.
struct Choice {
  enum class Kind {
    kAll,      // all are there
    kNone,     // none is
    kOnly,     // only number `argument`
    kWithout,  // all but number `argument`
    kFirst,    // the first `argument`
    kSubset,   // those whose bit is set in `argument`
    kDrawn,    // drawn from the seed `argument`
    kTorn,     // all, but of the last one only the first `argument` sectors
    kLengths,  // drawn from the seed `argument`; a write that is lost leaves its length
  };
  Kind kind = Kind::kAll;
  uint64_t argument = 0;
  size_t sector = 0;  // writes are torn at its multiples; 0: not at all
};

// Walks through a log, from before its first operation to behind its last.
class CrashPoint {
 public:
  // The barrier at `forgotten` is taken for one that was never asked for.
  explicit CrashPoint(const DiskLog& log, const std::function<bool(size_t)>& forgotten = nullptr);

  // Goes on by one operation, or half of one: a write that is durable when it returns is in flight first. False at the
  // end of the log.
  bool Step();
  size_t issued() const { return issued_; }      // operations that have begun
  size_t returned() const { return returned_; }  // operations that have come back to their caller
  // Changes that a crash may undo now.
  size_t loose() const;
  // For each of them, the number of its operation in the log.
  std::vector<size_t> LooseOperations() const;
  Tree Build(const Choice& choice) const;
  // The interesting choices at this point, `drawn` random ones of each kind among them.
  std::vector<Choice> Choices(uint64_t seed, size_t drawn) const;

 private:
  struct Change {
    size_t number;  // of its operation in the log
    bool durable = false;
    bool orphan = false;  // a sync that should have covered it failed
  };

  const Operation& At(const Change& change) const { return log_.operations[change.number]; }
  bool Covers(const Operation& sync, const Operation& change) const;
  void Take(size_t number);
  void Cover(const Operation& sync, bool failed);
  void Settle();

  const DiskLog& log_;
  std::function<bool(size_t)> forgotten_;
  Tree base_;  // what is durable, as far as nothing loose came before it
  std::deque<Change> changes_;
  size_t issued_ = 0;
  size_t returned_ = 0;
};

// One state to be checked.
struct CrashState {
  size_t point = 0;   // steps of the CrashPoint
  size_t choice = 0;  // of its choices
  size_t returned = 0;
  std::string id{};   // "412.7"
  Tree tree{};
};

struct ExploreOptions {
  uint64_t seed = 1;
  size_t drawn = 2;
  std::function<bool(size_t)> forgotten{};
  // Positions of the log at which callers were told more; the same tree counts anew behind each of them.
  std::vector<size_t> told_at{};
  std::string only{};  // the id of a single state
  size_t from = 0;     // operations before this one are not interrupted
  size_t until = SIZE_MAX;
};

// Visits every state that differs from the earlier ones until `visit` returns false. Returns how many it visited.
size_t Explore(const DiskLog& log, const ExploreOptions& options, const std::function<bool(const CrashState&)>& visit);

// The first barrier after `sync` that makes durable whatever `sync` did; the log's end when there is none.
size_t NextSync(const DiskLog& log, size_t sync);

// The changes that `sync` made durable, as numbers of operations.
std::vector<size_t> CoveredBy(const DiskLog& log, size_t sync);

// How many of `told_at` (ascending) lie at or before `returned`.
size_t ToldBy(const std::vector<size_t>& told_at, size_t returned);

}  // namespace cairn::crash
