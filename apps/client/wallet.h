// The keys of a user: one passphrase file per key, one recovery phrase behind each.
//
// A key's account id stands beside it in the clear (NAME.account), so that listing, balances and
// `ls` of names need no passphrase until something has to be signed or opened. Files are written
// beside and renamed into place.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/client/profile.h"
#include "cairn/base/phrase.h"

namespace cairn::client {

// scrypt's: 2^16 rounds, about 0.15 s an attempt.
inline constexpr int kWorkFactor = 16;

struct WalletKey {
  std::string name;
  base::AccountId account;
};

class Wallet {
 public:
  explicit Wallet(const Paths& paths) : paths_(paths) {}

  // Draws a key, seals it, and returns its phrase: the caller shows it once. AlreadyExists (reason
  // KEY_EXISTS).
  absl::StatusOr<base::SecretString> Create(const std::string& name,
                                            const base::SecretString& passphrase,
                                            base::Entropy& entropy,
                                            int work_factor = kWorkFactor) const;
  // From a phrase: everything the account owns is there again.
  absl::StatusOr<WalletKey> Import(const std::string& name, absl::string_view phrase,
                                   const base::SecretString& passphrase, base::Entropy& entropy,
                                   int work_factor = kWorkFactor) const;
  absl::StatusOr<base::SecretString> ExportPhrase(const std::string& name,
                                                  const base::SecretString& passphrase) const;
  // NotFound (NO_KEY) with the keys there are; PermissionDenied (WRONG_PASSPHRASE).
  absl::StatusOr<base::AccountKeys> Open(const std::string& name,
                                         const base::SecretString& passphrase) const;
  absl::StatusOr<WalletKey> Find(const std::string& name) const;
  std::vector<WalletKey> List() const;

 private:
  absl::Status Write(const std::string& name, const base::Secret<32>& seed,
                     const base::SecretString& passphrase, base::Entropy& entropy,
                     int work_factor) const;
  Paths paths_;
};

}  // namespace cairn::client
