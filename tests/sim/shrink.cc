#include "sim/shrink.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace cairn::sim {
namespace {

constexpr unsigned kRealSeconds = 120;  // a world that hangs is ended from outside

std::string FolderFor() {
  const char* root = std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
  std::string path = absl::StrCat(root, "/cairn-sim-XXXXXX");
  if (mkdtemp(path.data()) == nullptr) std::abort();
  return path;
}

struct Child {
  pid_t pid = -1;
  int out = -1;
  std::string text;
};

Child Begin(const PlanText& text, bool anew) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
  fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(kRealSeconds);
    if (anew) {
      dup2(ends[1], STDOUT_FILENO);
      const std::string plan = text.ToText();
      execl("/proc/self/exe", "sim_test", "--child", plan.c_str(), nullptr);
      _exit(127);
    }
    const std::string said = Encode(RunHere(text, /*verbose=*/false));
    size_t at = 0;
    while (at < said.size()) {
      const ssize_t n = write(ends[1], said.data() + at, said.size() - at);
      if (n <= 0) break;
      at += static_cast<size_t>(n);
    }
    _exit(0);
  }
  close(ends[1]);
  return {pid, ends[0], ""};
}

// True at the end of what it says.
bool ReadSome(Child& child) {
  char buffer[4096];
  const ssize_t n = read(child.out, buffer, sizeof buffer);
  if (n > 0) child.text.append(buffer, static_cast<size_t>(n));
  return n <= 0;
}

Outcome Finish(Child& child) {
  int status = 0;
  while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  close(child.out);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Decode(child.text);
  Outcome crashed;
  crashed.oracle = "crash";
  crashed.what = WIFSIGNALED(status) ? absl::StrCat("ended by signal ", WTERMSIG(status))
                                     : absl::StrCat("exit status ", WEXITSTATUS(status));
  return crashed;
}

std::vector<int> AllOf(size_t count) {
  std::vector<int> out(count);
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<int>(i);
  return out;
}

}  // namespace

Outcome RunHere(const PlanText& text, bool verbose) {
  const std::string folder = FolderFor();
  Outcome out;
  {
    World& world = *new World(text.Make(), folder, verbose);  // killed processes are never unwound, nor is this
    out = world.Run();
  }
  std::filesystem::remove_all(folder);
  return out;
}

std::string Judge(const PlanText& text, const Outcome& outcome) {
  if (text.mode != Mode::kCalibration) return outcome.ok ? "" : absl::StrCat(outcome.oracle, ": ", outcome.what);
  static const auto& expected = *new std::map<Fault::Kind, std::set<std::string>>{
      {Fault::Kind::kWipeAll, {"read", "receipts", "liveness"}},
      {Fault::Kind::kForgetful, {"read", "receipts", "liveness"}},
      {Fault::Kind::kRefuseSeal, {"fines"}},
      {Fault::Kind::kMintMoney, {"money"}},
  };
  const Plan plan = text.Make();
  if (plan.faults.empty()) return "";
  const Fault::Kind kind = plan.faults.front().kind;
  if (expected.at(kind).contains(outcome.oracle)) return "";
  return absl::StrCat("control run: ", Name(kind), " was ", outcome.ok ? "not noticed" : "noticed as ", outcome.oracle,
                      " ", outcome.what);
}

PlanText Shrink(const PlanText& text, const Outcome& failed, int runs) {
  const Plan whole = text.Make();
  PlanText best = text;
  if (best.all_ops) best.ops = AllOf(whole.ops.size());
  if (best.all_faults) best.faults = AllOf(whole.faults.size());
  best.all_ops = best.all_faults = false;
  const auto still = [&](const PlanText& candidate) {
    --runs;
    return RunApart(candidate, /*anew=*/false).oracle == failed.oracle;
  };
  if (!still(best)) return text;
  for (std::vector<int> PlanText::*part : {&PlanText::faults, &PlanText::ops}) {
    for (size_t size = std::max<size_t>(1, (best.*part).size() / 2); size >= 1; size /= 2) {
      for (size_t at = 0; at < (best.*part).size() && runs > 0;) {
        PlanText candidate = best;
        auto& entries = candidate.*part;
        const auto first = entries.begin() + static_cast<ptrdiff_t>(at);
        entries.erase(first, first + static_cast<ptrdiff_t>(std::min(size, entries.size() - at)));
        if (still(candidate)) {
          best = candidate;
        } else {
          at += size;
        }
      }
    }
  }
  return best;
}

std::string Encode(const Outcome& o) {
  return absl::StrCat(o.ok ? 1 : 0, "\t", o.oracle, "\t", o.trace, "\t", o.events, "\t", o.messages, "\t", o.blocks, "\t",
                      o.acknowledged, "\t", absl::ToInt64Milliseconds(o.time), "\t", o.what);
}

Outcome Decode(const std::string& text) {
  Outcome out;
  const std::vector<std::string> fields = absl::StrSplit(text, absl::MaxSplits('\t', 8));
  if (fields.size() != 9) {
    out.oracle = "crash";
    out.what = "said nothing";
    return out;
  }
  out.ok = fields[0] == "1";
  out.oracle = fields[1];
  out.trace = fields[2];
  int64_t ms = 0;
  (void)absl::SimpleAtoi(fields[3], &out.events);
  (void)absl::SimpleAtoi(fields[4], &out.messages);
  (void)absl::SimpleAtoi(fields[5], &out.blocks);
  (void)absl::SimpleAtoi(fields[6], &out.acknowledged);
  (void)absl::SimpleAtoi(fields[7], &ms);
  out.time = absl::Milliseconds(ms);
  out.what = fields[8];
  return out;
}

Outcome RunApart(const PlanText& text, bool anew) {
  Child child = Begin(text, anew);
  while (!ReadSome(child)) {
  }
  return Finish(child);
}

void RunMany(const std::vector<PlanText>& texts, int jobs,
             const std::function<void(const PlanText&, const Outcome&)>& done) {
  std::map<int, std::pair<Child, size_t>> running;  // by file descriptor
  size_t next = 0;
  while (next < texts.size() || !running.empty()) {
    while (next < texts.size() && running.size() < static_cast<size_t>(jobs)) {
      Child child = Begin(texts[next], /*anew=*/false);
      const int out = child.out;
      running[out] = {std::move(child), next++};
    }
    std::vector<pollfd> polled;
    for (const auto& [fd, entry] : running) polled.push_back({fd, POLLIN, 0});
    poll(polled.data(), polled.size(), -1);
    for (const pollfd& fd : polled) {
      if (fd.revents == 0) continue;
      auto& [child, index] = running[fd.fd];
      if (!ReadSome(child)) continue;
      const size_t which = index;
      const Outcome outcome = Finish(child);
      running.erase(fd.fd);
      done(texts[which], outcome);
    }
  }
}

}  // namespace cairn::sim
