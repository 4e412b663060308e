#include "crash/forked.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace cairn::crash {
namespace {

constexpr char kKilled[] = "ended by signal ";

[[noreturn]] void Child(int out, const std::function<std::optional<std::string>()>& check) {
  // The test framework's own handlers would report a failed test.
  for (int number : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) signal(number, SIG_DFL);
  const std::string text = check().value_or("");
  const bool sent = text.empty() || write(out, text.data(), text.size()) > 0;
  _exit(sent ? 0 : 1);
}

}  // namespace

std::optional<std::string> InChild(const std::function<std::optional<std::string>()>& check) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const pid_t pid = fork();
  if (pid < 0) std::abort();
  if (pid == 0) Child(ends[1], check);
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) return absl::StrCat(kKilled, WTERMSIG(status));
  if (WEXITSTATUS(status) != 0) return "the child failed";
  return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

bool WasKilled(const std::string& finding) { return absl::StartsWith(finding, kKilled); }

}  // namespace cairn::crash
