#include "apps/client/wallet.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "apps/common/key_file.h"
#include "cairn/base/status.h"

namespace cairn::client {
namespace {

std::string AccountPath(const Paths& paths, const std::string& name) {
  return absl::StrCat(paths.Keys(), "/", name, ".account");
}

}  // namespace

absl::Status Wallet::Write(const std::string& name, const base::Secret<32>& seed,
                           const base::SecretString& passphrase, base::Entropy& entropy,
                           int work_factor) const {
  RETURN_IF_ERROR(CheckProfileName(name));
  if (access(paths_.Key(name).c_str(), F_OK) == 0) {
    return base::Error(absl::StatusCode::kAlreadyExists, "KEY_EXISTS",
                       absl::StrCat("a key \"", name, "\" is there"), "choose another name",
                       {{"path", paths_.Key(name)}});
  }
  RETURN_IF_ERROR(app::MakeFolders(paths_.Keys()));
  RETURN_IF_ERROR(app::WriteSeedFile(paths_.Key(name), seed, passphrase, work_factor, entropy));
  const base::AccountKeys keys = base::AccountKeys::FromSeed(seed);
  return app::WriteFileAtomically(AccountPath(paths_, name),
                                  base::ToText(keys.signing.account()) + "\n");
}

absl::StatusOr<base::SecretString> Wallet::Create(const std::string& name,
                                                  const base::SecretString& passphrase,
                                                  base::Entropy& entropy, int work_factor) const {
  const base::Secret<32> seed = entropy.DrawSecret<32>();
  RETURN_IF_ERROR(Write(name, seed, passphrase, entropy, work_factor));
  return base::PhraseFromSeed(seed);
}

absl::StatusOr<WalletKey> Wallet::Import(const std::string& name, absl::string_view phrase,
                                         const base::SecretString& passphrase,
                                         base::Entropy& entropy, int work_factor) const {
  ASSIGN_OR_RETURN(base::Secret<32> seed, base::SeedFromPhrase(phrase));
  RETURN_IF_ERROR(Write(name, seed, passphrase, entropy, work_factor));
  return WalletKey{name, base::AccountKeys::FromSeed(seed).signing.account()};
}

absl::StatusOr<base::SecretString> Wallet::ExportPhrase(
    const std::string& name, const base::SecretString& passphrase) const {
  RETURN_IF_ERROR(Find(name).status());
  ASSIGN_OR_RETURN(base::Secret<32> seed, app::ReadSeedFile(paths_.Key(name), passphrase));
  return base::PhraseFromSeed(seed);
}

absl::StatusOr<base::AccountKeys> Wallet::Open(const std::string& name,
                                               const base::SecretString& passphrase) const {
  RETURN_IF_ERROR(Find(name).status());
  ASSIGN_OR_RETURN(base::Secret<32> seed, app::ReadSeedFile(paths_.Key(name), passphrase));
  return base::AccountKeys::FromSeed(seed);
}

absl::StatusOr<WalletKey> Wallet::Find(const std::string& name) const {
  RETURN_IF_ERROR(CheckProfileName(name));
  if (access(paths_.Key(name).c_str(), F_OK) != 0) {
    std::vector<std::string> there;
    for (const WalletKey& key : List()) there.push_back(key.name);
    return base::Error(absl::StatusCode::kNotFound, "NO_KEY", absl::StrCat("no key \"", name, "\""),
                       there.empty() ? "make one: storectl wallet new"
                                     : absl::StrCat("--key ", absl::StrJoin(there, " | ")),
                       {{"path", paths_.Key(name)}});
  }
  ASSIGN_OR_RETURN(std::string text, app::ReadSmallFile(AccountPath(paths_, name), 256));
  ASSIGN_OR_RETURN(base::AccountId account, base::ParseAccountId(absl::StripSuffix(text, "\n")));
  return WalletKey{name, account};
}

std::vector<WalletKey> Wallet::List() const {
  std::vector<WalletKey> out;
  DIR* folder = opendir(paths_.Keys().c_str());
  if (folder == nullptr) return out;
  while (dirent* entry = readdir(folder)) {
    const absl::string_view name = entry->d_name;
    if (!absl::EndsWith(name, ".age") || name.front() == '.') continue;
    auto key = Find(std::string(absl::StripSuffix(name, ".age")));
    if (key.ok()) out.push_back(*std::move(key));
  }
  closedir(folder);
  std::sort(out.begin(), out.end(),
            [](const WalletKey& a, const WalletKey& b) { return a.name < b.name; });
  return out;
}

}  // namespace cairn::client
