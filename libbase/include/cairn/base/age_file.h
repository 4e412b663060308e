// Secrets under a passphrase in the age v1 format (scrypt recipient, ASCII armor): `age -d` opens
// them too.
//
// The passphrase is stretched by scrypt with N = 2^work_factor, r = 8, p = 1 (18: about a second
// and 256 MiB); what is sealed is authenticated as a whole. Layout and golden file:
// libbase/FORMATS.md.
#pragma once

#include "cairn/base/entropy.h"
#include "cairn/base/secret.h"

namespace cairn::base {

inline constexpr int kAgeWorkFactor = 16;  // key files
inline constexpr int kAgeMaxWorkFactor =
    19;  // refused above: a file must not cost its opener a gigabyte
inline constexpr size_t kAgeMaxPlaintextBytes = 16 << 20;

// Armored. InvalidArgument above kAgeMaxPlaintextBytes, for a work factor outside 1..19 or an empty
// passphrase.
absl::StatusOr<std::string> AgeSeal(ByteView plaintext, const SecretString& passphrase,
                                    int work_factor, Entropy& entropy);
// Armored or binary. PermissionDenied (reason WRONG_PASSPHRASE); DataLoss (reason BAD_AGE_FILE)
// when the file is no age passphrase file or was changed; ResourceExhausted (reason
// WORK_FACTOR_TOO_HIGH).
absl::StatusOr<SecretString> AgeOpen(absl::string_view file, const SecretString& passphrase);

}  // namespace cairn::base
