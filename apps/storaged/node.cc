#include "apps/storaged/node.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "apps/common/key_file.h"
#include "apps/common/passphrase.h"
#include "cairn/base/age_file.h"
#include "cairn/base/status.h"

namespace cairn::storaged {
namespace {

app::PassphraseSources SourcesOf(const Settings& settings, bool confirm) {
  app::PassphraseSources sources;
  sources.credential = settings.passphrase_credential;
  sources.file = settings.passphrase_file;
  sources.command = settings.passphrase_command;
  sources.prompt = "Passphrase of the provider's keys: ";
  sources.confirm = confirm;
  return sources;
}

bool IsPlain(absl::string_view content) { return absl::StartsWith(content, "CAIRN-SEED-V1 "); }

// Asks for the passphrase once, and only when a file needs it.
class KeyOpener {
 public:
  explicit KeyOpener(const Settings& settings) : settings_(settings) {}

  absl::StatusOr<base::SigningKey> Open(const std::string& path) {
    auto content = app::ReadSmallFile(path);
    if (!content.ok()) {
      return base::Error(absl::StatusCode::kNotFound, "NO_KEY_FILE",
                         absl::StrCat("cannot read the key ", path),
                         "run `storaged init` with the same configuration", {{"path", path}});
    }
    if (IsPlain(*content)) {
      ASSIGN_OR_RETURN(base::Secret<32> seed, app::ReadPlainSeedFile(path));
      return base::SigningKey::FromSeed(seed);
    }
    if (passphrase_.empty()) {
      ASSIGN_OR_RETURN(passphrase_, app::ReadPassphrase(SourcesOf(settings_, /*confirm=*/false)));
    }
    ASSIGN_OR_RETURN(base::Secret<32> seed, app::ReadSeedFile(path, passphrase_));
    return base::SigningKey::FromSeed(seed);
  }

 private:
  const Settings& settings_;
  base::SecretString passphrase_;
};

absl::Status MakeKeys(const Settings& settings, const InitOptions& options,
                      base::Entropy& entropy) {
  base::SecretString passphrase;
  for (const std::string& path : {settings.account_key_file, settings.node_key_file}) {
    if (app::ReadSmallFile(path).ok()) continue;
    base::Secret<32> seed = entropy.DrawSecret<32>();
    if (options.plain_keys) {
      RETURN_IF_ERROR(app::WritePlainSeedFile(path, seed));
      continue;
    }
    if (passphrase.empty()) {
      ASSIGN_OR_RETURN(passphrase, app::ReadPassphrase(SourcesOf(settings, /*confirm=*/true)));
    }
    int work_factor = options.work_factor > 0 ? options.work_factor : base::kAgeWorkFactor;
    RETURN_IF_ERROR(app::WriteSeedFile(path, seed, passphrase, work_factor, entropy));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status InitNode(const Settings& settings, const InitOptions& options,
                      base::Entropy& entropy) {
  RETURN_IF_ERROR(app::MakeFolders(settings.data_dir));
  RETURN_IF_ERROR(MakeKeys(settings, options, entropy));
  RETURN_IF_ERROR(LoadKeys(settings).status());
  RETURN_IF_ERROR(LoadCertificate(settings).status());
  RETURN_IF_ERROR(OpenIndex(settings).status());
  return OpenStore(settings, entropy, base::NullObserver()).status();
}

absl::StatusOr<NodeKeys> LoadKeys(const Settings& settings) {
  KeyOpener opener(settings);
  ASSIGN_OR_RETURN(base::SigningKey account, opener.Open(settings.account_key_file));
  ASSIGN_OR_RETURN(base::SigningKey node, opener.Open(settings.node_key_file));
  return NodeKeys{std::move(account), std::move(node)};
}

absl::StatusOr<rpc::NodeCertificate> LoadCertificate(const Settings& settings) {
  return rpc::LoadOrMakeNodeCertificate(settings.data_dir, settings.name);
}

absl::StatusOr<std::unique_ptr<base::Kv>> OpenIndex(const Settings& settings) {
  std::string folder = absl::StrCat(settings.data_dir, "/index");
  RETURN_IF_ERROR(app::MakeFolders(folder));
  return base::OpenLmdb(folder);
}

absl::StatusOr<std::unique_ptr<base::Kv>> OpenClaims(const Settings& settings) {
  std::string folder = absl::StrCat(settings.data_dir, "/claims");
  RETURN_IF_ERROR(app::MakeFolders(folder));
  // Payers wait for each of its small commits.
  return base::OpenLmdb(folder, {.journal_bytes = base::kKvJournalBytes});
}

absl::StatusOr<std::unique_ptr<storage::DiskBlobStore>> OpenStore(const Settings& settings,
                                                                  base::Entropy& entropy,
                                                                  base::Observer& observer) {
  RETURN_IF_ERROR(app::MakeFolders(settings.store_path));
  storage::DiskBlobStoreOptions options;
  options.quota_bytes = settings.store_bytes;
  options.reserve_bytes = settings.reserve_bytes;
  return storage::DiskBlobStore::OpenAt(settings.store_path, entropy, observer, options);
}

}  // namespace cairn::storaged
