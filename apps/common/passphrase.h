// Where passphrases come from: never from an argument, never from an environment variable.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "cairn/base/secret.h"

namespace cairn::app {

struct PassphraseSources {
  std::string credential;  // name in $CREDENTIALS_DIRECTORY (systemd); tried first
  std::string file;        // first line counts
  std::string command;     // run by sh; first line of its output counts
  std::string prompt;      // asked on the terminal, without echo; empty: never ask
  bool confirm = false;    // ask twice (a new passphrase)
};

// In the order of the fields; the first that is set decides. NotFound (reason NO_PASSPHRASE) when
// none is set and there is no terminal; InvalidArgument (reason EMPTY_PASSPHRASE,
// PASSPHRASES_DIFFER).
absl::StatusOr<base::SecretString> ReadPassphrase(const PassphraseSources& sources);

}  // namespace cairn::app
