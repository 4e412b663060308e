// A signing key in an age passphrase file (cairn/base/age_file.h): 0600, written beside and renamed
// into place.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "cairn/base/key.h"

namespace cairn::app {

// The plaintext is one line, "CAIRN-SEED-V1 " and 64 hex digits, so that `age -d` shows something
// recognisable.
absl::Status WriteSeedFile(const std::string& path, const base::Secret<32>& seed,
                           const base::SecretString& passphrase, int work_factor,
                           base::Entropy& entropy);
// NotFound (NO_KEY_FILE), PermissionDenied (WRONG_PASSPHRASE), DataLoss (BAD_KEY_FILE).
absl::StatusOr<base::Secret<32>> ReadSeedFile(const std::string& path,
                                              const base::SecretString& passphrase);

// A daemon's key without a passphrase: the same line in a file of mode 0600. Refuses a file that
// others may read (PermissionDenied, KEY_FILE_OPEN).
absl::Status WritePlainSeedFile(const std::string& path, const base::Secret<32>& seed);
absl::StatusOr<base::Secret<32>> ReadPlainSeedFile(const std::string& path);

// Whole small files (at most `limit` bytes), and atomic durable replacement with a mode.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path, size_t limit = 1 << 20);
absl::Status WriteFileAtomically(const std::string& path, absl::string_view content,
                                 int mode = 0600);
absl::Status MakeFolders(const std::string& path, int mode = 0700);

}  // namespace cairn::app
