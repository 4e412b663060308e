// Stores a file on a network and fetches it back:  put_and_get PROFILE KEY PASSPHRASE_FILE FILE
#include <iostream>

#include "apps/client/connect.h"
#include "apps/client/get.h"
#include "apps/client/put.h"
#include "apps/client/wallet.h"
#include "apps/common/passphrase.h"
#include "cairn/base/status.h"

namespace {
using namespace cairn;

absl::Status Run(char** argv) {
  const client::Paths paths = client::Paths::Find("");
  ASSIGN_OR_RETURN(client::Profile profile, client::LoadProfile(paths, argv[1]));
  app::PassphraseSources sources;
  sources.file = argv[3];
  ASSIGN_OR_RETURN(base::SecretString passphrase, app::ReadPassphrase(sources));
  ASSIGN_OR_RETURN(base::AccountKeys keys, client::Wallet(paths).Open(argv[2], passphrase));
  ASSIGN_OR_RETURN(auto connection, client::Connection::Open(paths, profile, std::move(keys)));
  client::Client& client = connection->client();

  const absl::Status made = client::CreateBucket(client, "example", {}).status();
  if (!made.ok() && !absl::IsAlreadyExists(made)) return made;
  const client::Reference ref{"example", client::BaseName(argv[4])};
  ASSIGN_OR_RETURN(auto source, client::OpenFileSource(argv[4]));
  ASSIGN_OR_RETURN(client::PutResult put, client::Put(client, *source, ref, {}));
  std::cout << ref.ToText() << " " << put.content_id.ToText() << "\n";
  return client::GetFile(client, ref, {}, std::string(argv[4]) + ".back").status();
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = argc == 5 ? Run(argv) : absl::InvalidArgumentError("see the source");
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
