// B43: what an idle daemon takes, and how soon it serves.
#include <algorithm>
#include <fstream>
#include <optional>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "bench.h"
#include "cairn/base/entropy.h"
#include "cairn/base/id.h"
#include "cairn/base/key.h"
#include "folder.h"
#include "support/process.h"

namespace cairn::bench {
namespace {

constexpr std::chrono::seconds kSettle(2);  // from ready to idle
constexpr int kStarts = 5;

std::string Field(const std::string& line, const std::string& name) {
  for (absl::string_view field : absl::StrSplit(line, ' ')) {
    if (absl::StartsWith(field, name + "=")) return std::string(field.substr(name.size() + 1));
  }
  Die("no " + name + " in \"" + line + "\"");
}

// The row "name   value" that init prints.
std::string Row(const std::string& text, const std::string& name) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, name + " ")) return std::string(absl::StripAsciiWhitespace(line.substr(name.size())));
  }
  Die("no row " + name);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// A ledger of one account, and the provider that it pays for.
class Network {
 public:
  explicit Network(const std::string& dir) : folder_(dir) {
    std::ofstream(folder_.path() + "/pass") << "correct horse\n";
    const std::string account = Row(Finish(Storaged({"init", "--work-factor", "4"})), "account");
    Finish({CAIRN_CHAIND, "--node.data_dir=" + folder_.path() + "/chain", "init", "--account", account + "=10000"});
    Process ledger(Chaind(), folder_.path() + "/log", true);
    chain_ = Field(ledger.WaitReady(), "grpc");
    Finish(Storaged({"register"}));
    ledger.Signal(SIGTERM);
    ledger.Wait();
  }

  std::vector<std::string> Chaind() const {
    return {CAIRN_CHAIND, "--node.data_dir=" + folder_.path() + "/chain", "--net.listen=127.0.0.1:0", "--net.tls=false",
            "--http.listen=127.0.0.1:0"};
  }
  std::vector<std::string> Storaged(std::vector<std::string> more = {}) const {
    std::vector<std::string> all = {CAIRN_STORAGED, "--node.data_dir=" + folder_.path() + "/provider",
                                    "--net.listen=127.0.0.1:0", "--net.advertise=127.0.0.1:1", "--admin.listen=127.0.0.1:0",
                                    "--http.listen=127.0.0.1:0", "--chain.endpoint=" + chain_, "--storage.size=1GB",
                                    "--storage.reserve=1MiB", "--key.passphrase_file=" + folder_.path() + "/pass",
                                    "--market.deposit=100"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  const std::string& log() const { return folder_.path(); }
  void UseLedger(const std::string& endpoint) { chain_ = endpoint; }

 private:
  std::string Finish(const std::vector<std::string>& command) {
    Process process(command, folder_.path() + "/run", false);
    if (process.Wait() != 0) Die(process.err());
    return process.out();
  }

  const Folder folder_;
  std::string chain_ = "127.0.0.1:1";
};

double ResidentMiB(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (absl::StartsWith(line, "VmRSS:")) return std::stod(line.substr(6)) / 1024;
  }
  Die("no VmRSS");
}

struct Idle {
  double start_ms;
  double resident_mib;
};

Idle Measure(const std::vector<std::string>& command, const std::string& log) {
  std::vector<double> starts, sizes;
  for (int i = 0; i < kStarts; ++i) {
    std::optional<Process> daemon;
    starts.push_back(1000 * WallSeconds([&] {
      daemon.emplace(command, log + "/daemon", true);
      if (daemon->WaitReady().empty()) Die(daemon->err());
    }));
    std::this_thread::sleep_for(kSettle);
    sizes.push_back(ResidentMiB(daemon->pid()));
    daemon->Signal(SIGTERM);
    daemon->Wait();
  }
  return {Median(starts), Median(sizes)};
}

void Daemons(Program& program) {
  Network network(program.dir());
  program.Note("B43: from exec to the ready line, programs and data in the page cache; resident size two seconds later; median "
               "of 5 starts, HTTP listener included");
  const auto report = [&](const std::string& name, const Idle& idle) {
    program.Report({"B43", name + "_rss", "MiB", 200, 64}, idle.resident_mib);
    program.Report({"B43", name + "_start", "ms", 2000, 300}, idle.start_ms);
  };
  report("chaind", Measure(network.Chaind(), network.log()));
  Process ledger(network.Chaind(), network.log() + "/ledger", true);
  network.UseLedger(Field(ledger.WaitReady(), "grpc"));
  report("storaged", Measure(network.Storaged(), network.log()));
  ledger.Signal(SIGTERM);
  ledger.Wait();
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  cairn::bench::Program program(argc, argv);
  if (program.Wants("B43")) cairn::bench::Daemons(program);
  return program.Finish();
}
