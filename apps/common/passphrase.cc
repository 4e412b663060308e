#include "apps/common/passphrase.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::app {
namespace {

using base::Error;
using base::SecretString;

constexpr size_t kMaxPassphraseBytes = 1024;

// The first line of a descriptor, without its end. The buffer is wiped.
absl::StatusOr<SecretString> FirstLine(int fd, absl::string_view from) {
  char buffer[kMaxPassphraseBytes + 1];
  size_t size = 0;
  bool ended = false;
  while (!ended && size < sizeof(buffer)) {
    ssize_t n = read(fd, buffer + size, 1);
    ended = n <= 0 || buffer[size] == '\n';
    if (!ended) ++size;
  }
  if (size > 0 && buffer[size - 1] == '\r') --size;
  bool too_long = !ended;
  SecretString line(std::string(buffer, std::min(size, kMaxPassphraseBytes)));
  base::SecureWipe(buffer, sizeof(buffer));
  if (too_long) {
    return Error(absl::StatusCode::kInvalidArgument, "PASSPHRASE_TOO_LONG",
                 absl::StrCat("the passphrase from ", from, " is longer than 1024 bytes"));
  }
  if (line.empty()) {
    return Error(absl::StatusCode::kInvalidArgument, "EMPTY_PASSPHRASE",
                 absl::StrCat("the passphrase from ", from, " is empty"),
                 "give a passphrase of some length");
  }
  return line;
}

absl::StatusOr<SecretString> FromFile(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return Error(absl::StatusCode::kNotFound, "NO_PASSPHRASE",
                 absl::StrCat("cannot read the passphrase file ", path),
                 "check the path and its permissions", {{"file", path}});
  }
  absl::StatusOr<SecretString> line = FirstLine(fd, path);
  close(fd);
  return line;
}

absl::StatusOr<SecretString> FromCommand(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "re");
  if (pipe == nullptr)
    return Error(absl::StatusCode::kInternal, "NO_PASSPHRASE",
                 "cannot start the passphrase command");
  absl::StatusOr<SecretString> line = FirstLine(fileno(pipe), "the passphrase command");
  int status = pclose(pipe);
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
    return Error(absl::StatusCode::kNotFound, "NO_PASSPHRASE", "the passphrase command failed",
                 "run it by hand", {{"exit", absl::StrCat(WEXITSTATUS(status))}});
  }
  return line;
}

absl::StatusOr<SecretString> Ask(int terminal, const std::string& prompt) {
  (void)!write(terminal, prompt.data(), prompt.size());
  termios before{};
  if (tcgetattr(terminal, &before) != 0) {
    return Error(absl::StatusCode::kInternal, "NO_PASSPHRASE",
                 "the terminal cannot hide what is typed");
  }
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  tcsetattr(terminal, TCSAFLUSH, &silent);
  absl::StatusOr<SecretString> line = FirstLine(terminal, "the terminal");
  tcsetattr(terminal, TCSAFLUSH, &before);
  (void)!write(terminal, "\n", 1);
  return line;
}

absl::StatusOr<SecretString> FromTerminal(const PassphraseSources& sources) {
  int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (terminal < 0) {
    return Error(absl::StatusCode::kNotFound, "NO_PASSPHRASE",
                 "a passphrase is needed and there is no terminal to ask on",
                 "give --passphrase-file or --passphrase-command");
  }
  absl::StatusOr<SecretString> first = Ask(terminal, sources.prompt + ": ");
  if (first.ok() && sources.confirm) {
    absl::StatusOr<SecretString> second = Ask(terminal, sources.prompt + " (again): ");
    if (!second.ok()) {
      first = second.status();
    } else if (!base::ConstantTimeEqual(base::AsBytes(first->Reveal()),
                                        base::AsBytes(second->Reveal()))) {
      first = Error(absl::StatusCode::kInvalidArgument, "PASSPHRASES_DIFFER",
                    "the two passphrases differ", "try again");
    }
  }
  close(terminal);
  return first;
}

}  // namespace

absl::StatusOr<SecretString> ReadPassphrase(const PassphraseSources& sources) {
  const char* credentials = std::getenv("CREDENTIALS_DIRECTORY");
  if (credentials != nullptr && !sources.credential.empty() &&
      !absl::StrContains(sources.credential, '/')) {
    std::string path = absl::StrCat(credentials, "/", sources.credential);
    if (access(path.c_str(), F_OK) == 0) return FromFile(path);
  }
  if (!sources.file.empty()) return FromFile(sources.file);
  if (!sources.command.empty()) return FromCommand(sources.command);
  if (!sources.prompt.empty()) return FromTerminal(sources);
  return Error(absl::StatusCode::kNotFound, "NO_PASSPHRASE",
               "no source of a passphrase is configured", "give a passphrase file or command");
}

}  // namespace cairn::app
