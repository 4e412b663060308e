// sim_test                    replays regressions.txt, then runs fresh seeds (2,000; CAIRN_SOAK=1: 10,000)
// sim_test --seed N           one world, told in full; --mode safety|liveness|calibration instead of the seed's own
// sim_test --plan "TEXT"      one world by its plan, as regressions.txt has it
// sim_test --count N --base B --jobs J --first 1 (end at the first failure, nothing is shrunk or kept)
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "sim/shrink.h"

namespace cairn::sim {
namespace {

struct Options {
  uint64_t count = 2000;
  uint64_t base = 0;
  int jobs = 1;
  bool first = false;
};

PlanText PlanOf(uint64_t seed) {
  PlanText text;
  text.seed = seed;
  text.mode = seed % 20 == 19 ? Mode::kCalibration : seed % 4 == 3 ? Mode::kLiveness : Mode::kSafety;
  return text;
}

// Every twentieth seed runs again in a fresh image of the program: the same messages must have arrived.
bool RunTwice(uint64_t seed) { return seed % 20 == 0; }

std::vector<PlanText> ReadRegressions() {
  std::vector<PlanText> out;
  std::ifstream file(CAIRN_SIM_REGRESSIONS);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    auto text = PlanText::Parse(line.substr(0, line.find('#')));
    if (!text.ok()) {
      std::cerr << text.status() << "\n";
      std::exit(2);
    }
    out.push_back(*text);
  }
  return out;
}

void Record(const PlanText& text, const std::string& why) {
  std::ofstream file(CAIRN_SIM_REGRESSIONS, std::ios::app);
  file << text.ToText() << "  # " << why.substr(0, why.find('\n')) << "\n";
}

class Tally {
 public:
  explicit Tally(bool first) : first_(first) {}
  void Add(const PlanText& text, const Outcome& outcome, bool fresh) {
    events_.push_back(outcome.events);
    messages_ += outcome.messages;
    acknowledged_ += outcome.acknowledged;
    blocks_ += outcome.blocks;
    ++worlds_[text.mode];
    std::string why = Judge(text, outcome);
    if (why.empty() && fresh && RunTwice(text.seed)) {
      ++twice_;
      if (RunApart(text, /*anew=*/true).trace != outcome.trace) why = "trace: the second run was another one";
    }
    if (why.empty()) return;
    ++failures_;
    std::cout << "FAILED " << text.ToText() << "\n  " << why << "\n" << std::flush;
    if (first_) {
      fflush(nullptr);
      _exit(1);
    }
    if (!fresh || failures_ > 5) return;
    const PlanText small = outcome.oracle.empty() ? text : Shrink(text, outcome, 60);
    std::cout << "  small: sim_test --plan \"" << small.ToText() << "\"\n" << std::flush;
    Record(small, why);
  }

  int Report() {
    std::sort(events_.begin(), events_.end());
    std::cout << events_.size() << " worlds (" << worlds_[Mode::kSafety] << " safety, " << worlds_[Mode::kLiveness]
              << " liveness, " << worlds_[Mode::kCalibration] << " calibration), " << twice_ << " of them twice, "
              << failures_ << " failed; events median " << (events_.empty() ? 0 : events_[events_.size() / 2])
              << " max " << (events_.empty() ? 0 : events_.back()) << ", " << messages_ << " messages, " << blocks_
              << " blocks, " << acknowledged_ << " acknowledged changes\n";
    return failures_ == 0 ? 0 : 1;
  }

 private:
  const bool first_;
  std::vector<uint64_t> events_;
  std::map<Mode, int> worlds_;
  uint64_t messages_ = 0, acknowledged_ = 0, blocks_ = 0;
  int twice_ = 0, failures_ = 0;
};

int RunSuite(const Options& options) {
  Tally tally(options.first);
  const std::vector<PlanText> old = ReadRegressions();
  RunMany(old, options.jobs, [&](const auto& text, const auto& outcome) { tally.Add(text, outcome, false); });
  std::cout << old.size() << " regressions; fresh seeds " << options.base << " to "
            << options.base + options.count - 1 << "\n" << std::flush;
  std::vector<PlanText> fresh;
  for (uint64_t i = 0; i < options.count; ++i) fresh.push_back(PlanOf(options.base + i));
  RunMany(fresh, options.jobs, [&](const auto& text, const auto& outcome) { tally.Add(text, outcome, true); });
  return tally.Report();
}

int RunOne(const PlanText& text) {
  std::cerr << text.Make().Describe();
  const Outcome outcome = RunHere(text, /*verbose=*/true);
  const std::string why = Judge(text, outcome);
  std::cout << text.ToText() << ": " << (why.empty() ? "ok" : why) << "\n  oracle " << outcome.oracle << ", trace "
            << outcome.trace << ", " << outcome.events << " events, " << outcome.messages << " messages, "
            << outcome.blocks << " blocks, " << outcome.acknowledged << " acknowledged changes, simulated "
            << absl::FormatDuration(outcome.time) << "\n";
  return why.empty() ? 0 : 1;
}

int Main(int argc, char** argv) {
  Options options;
  const char* soak = std::getenv("CAIRN_SOAK");
  if (soak != nullptr && std::string(soak) == "1") options.count = 10'000;
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const auto seconds = static_cast<uint64_t>(now.tv_sec), nanoseconds = static_cast<uint64_t>(now.tv_nsec);
  options.base = (seconds * 1'000'003 + nanoseconds / 1000) % 1'000'000'000'000;
  options.jobs = static_cast<int>(std::max(1l, sysconf(_SC_NPROCESSORS_ONLN)));
  std::optional<PlanText> one;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i], value = argv[i + 1];
    uint64_t number = 0;
    (void)absl::SimpleAtoi(value, &number);
    if (flag == "--child") {
      auto text = PlanText::Parse(value);
      if (!text.ok()) return 2;
      std::cout << Encode(RunHere(*text, /*verbose=*/false)) << std::flush;
      return 0;
    }
    if (flag == "--seed") one = PlanOf(number);
    if (flag == "--plan") {
      auto text = PlanText::Parse(value);
      if (!text.ok()) {
        std::cerr << text.status() << "\n";
        return 2;
      }
      one = *text;
    }
    if (flag == "--mode" && one.has_value()) {
      for (Mode mode : {Mode::kSafety, Mode::kLiveness, Mode::kCalibration}) {
        if (value == Name(mode)) one->mode = mode;
      }
    }
    if (flag == "--count") options.count = number;
    if (flag == "--first") options.first = number != 0;
    if (flag == "--base") options.base = number;
    if (flag == "--jobs") options.jobs = static_cast<int>(number);
  }
  return one.has_value() ? RunOne(*one) : RunSuite(options);
}

}  // namespace
}  // namespace cairn::sim

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  const int result = cairn::sim::Main(argc, argv);
  fflush(nullptr);
  _exit(result);  // worlds are not taken down
}
