// What every bench program is written with.
//
// A figure is a ratio of ours to a reference, both measured in the same run, alternately (A/B/A/B): the median over the
// pairs, printed as one line
//
//   B01 hash_1gib ratio=0.97 (0.95..0.99) ours=4.9 ref=5.1 GB/s floor=0.80 target=0.95
//
// Work that computes is measured in processor time of the threads that do it, so a busy machine moves both sides little;
// work that waits for a disk or a peer is measured on the clock. A program ends with 1 when a figure is under its floor.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cairn/base/bytes.h"

namespace cairn::bench {

struct Figure {
  std::string id;    // "B01"
  std::string name;  // "hash_1gib"
  std::string unit;  // of `ours` and `ref`, in which more is better: "GB/s", "puts/s"
  double floor = 0;
  double target = 0;
};

// A measured rate: work done, in the figure's unit, for each second it took.
using Measure = std::function<double()>;

class Program {
 public:
  // Flags, then prefixes of "<id> <name>" that choose figures; none: all.
  //   --full      sizes as in the table of figures instead of ones that take a few seconds
  //   --pairs N   5 unless given
  //   --dir DIR   a folder on the disk to measure (default: the working directory)
  Program(int argc, char** argv);

  bool full() const { return full_; }
  const std::string& dir() const { return dir_; }
  bool Wants(const std::string& id, const std::string& name = "") const;
  // A remark in the output: peers, versions, durability of both sides.
  void Note(const std::string& text) const;
  void Compare(const Figure& figure, const Measure& ours, const Measure& ref);
  // A figure without a peer: `value` itself is held against floor and target. Less is better when floor > target.
  void Report(const Figure& figure, double value);
  // 0, or 1 when a figure was under its floor.
  int Finish() const { return failed_ ? 1 : 0; }

 private:
  void Print(const Figure& figure, double ratio, const std::string& details);
  bool full_ = false;
  int pairs_ = 5;
  std::string dir_ = ".";
  std::vector<std::string> prefixes_;
  bool failed_ = false;
};

// Processor seconds of this thread during `work`.
double CpuSeconds(const std::function<void()>& work);
// Seconds on the clock.
double WallSeconds(const std::function<void()>& work);
// Processor seconds, user and system, of a child process; its output is thrown away. Ends the program when it fails.
double ChildCpuSeconds(const std::vector<std::string>& command);

// Deterministic bytes that do not compress.
base::Bytes Noise(size_t size, uint64_t seed);
// A file in memory (/dev/shm) or, without that, in the temporary folder; removed with the object.
class MemoryFile {
 public:
  explicit MemoryFile(base::ByteView content);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Prints why and ends the program with 2.
[[noreturn]] void Die(const std::string& why);
inline void Must(bool ok, const char* what) {
  if (!ok) Die(what);
}

}  // namespace cairn::bench
