#include "bench.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "cairn/base/entropy.h"

extern char** environ;

namespace cairn::bench {
namespace {

double Seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

template <typename... Args>
std::string Format(const char* format, Args... args) {
  char text[256];
  std::snprintf(text, sizeof text, format, args...);
  return text;
}

}  // namespace

void Die(const std::string& why) {
  std::fprintf(stderr, "bench: %s\n", why.c_str());
  std::exit(2);
}

Program::Program(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--full") {
      full_ = true;
    } else if (word == "--pairs" && i + 1 < argc) {
      pairs_ = std::max(1, std::atoi(argv[++i]));
    } else if (word == "--dir" && i + 1 < argc) {
      dir_ = argv[++i];
    } else if (word.substr(0, 1) == "-") {
      Die("unknown flag " + word);
    } else {
      prefixes_.push_back(word);
    }
  }
}

bool Program::Wants(const std::string& id, const std::string& name) const {
  const std::string whole = id + " " + name;
  if (prefixes_.empty()) return true;
  return std::any_of(prefixes_.begin(), prefixes_.end(), [&](const std::string& prefix) {
    // "B04" chooses all of B04 and, asked for B04 alone, any longer prefix does too.
    return whole.compare(0, prefix.size(), prefix) == 0 || name.compare(0, prefix.size(), prefix) == 0 ||
           (name.empty() && prefix.compare(0, id.size(), id) == 0);
  });
}

void Program::Note(const std::string& text) const {
  std::printf("# %s\n", text.c_str());
  std::fflush(stdout);
}

void Program::Print(const Figure& figure, double ratio, const std::string& details) {
  const bool less_is_better = figure.floor > figure.target;
  const bool below = less_is_better ? ratio > figure.floor : ratio < figure.floor;
  failed_ = failed_ || below;
  std::printf("%s %s %s floor=%g target=%g%s\n", figure.id.c_str(), figure.name.c_str(),
              details.c_str(), figure.floor, figure.target, below ? " BELOW-FLOOR" : "");
  std::fflush(stdout);
}

void Program::Compare(const Figure& figure, const Measure& ours, const Measure& ref) {
  if (!Wants(figure.id, figure.name)) return;
  std::vector<double> a, b, ratios;
  ours();  // warm
  ref();
  for (int i = 0; i < pairs_; ++i) {
    a.push_back(ours());
    b.push_back(ref());
    ratios.push_back(a.back() / b.back());
  }
  const double ratio = Median(ratios);
  const auto [low, high] = std::minmax_element(ratios.begin(), ratios.end());
  Print(figure, ratio,
        Format("ratio=%.3g (%.3g..%.3g) ours=%.4g ref=%.4g %s", ratio, *low, *high, Median(a),
               Median(b), figure.unit.c_str()));
}

void Program::Report(const Figure& figure, double value) {
  if (!Wants(figure.id, figure.name)) return;
  Print(figure, value, Format("value=%.4g %s", value, figure.unit.c_str()));
}

double CpuSeconds(const std::function<void()>& work) {
  const double start = Seconds(CLOCK_THREAD_CPUTIME_ID);
  work();
  return Seconds(CLOCK_THREAD_CPUTIME_ID) - start;
}

double WallSeconds(const std::function<void()>& work) {
  const double start = Seconds(CLOCK_MONOTONIC);
  work();
  return Seconds(CLOCK_MONOTONIC) - start;
}

double ChildCpuSeconds(const std::vector<std::string>& command) {
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  if (posix_spawnp(&child, words[0], &actions, nullptr, words.data(), environ) != 0) {
    Die("cannot run " + command[0]);
  }
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  rusage usage{};
  if (wait4(child, &status, 0, &usage) != child || status != 0) Die(command[0] + " failed");
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

base::Bytes Noise(size_t size, uint64_t seed) {
  base::Bytes bytes(size);
  base::SeededEntropy(seed).Fill(absl::MakeSpan(bytes));
  return bytes;
}

MemoryFile::MemoryFile(base::ByteView content) {
  const bool shm = access("/dev/shm", W_OK) == 0;
  path_ = std::string(shm ? "/dev/shm" : "/tmp") + "/cairn-bench-XXXXXX";
  const int fd = mkstemp(path_.data());
  if (fd < 0) Die("cannot make a file " + path_);
  while (!content.empty()) {
    const ssize_t n = write(fd, content.data(), content.size());
    if (n <= 0) Die("cannot write " + path_);
    content.remove_prefix(static_cast<size_t>(n));
  }
  close(fd);
}

MemoryFile::~MemoryFile() { unlink(path_.c_str()); }

}  // namespace cairn::bench
