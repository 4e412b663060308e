// Stores a file on a network and fetches it back:  put_and_get PROFILE KEY PASSPHRASE_FILE FILE
#include <iostream>

#include "apps/client/buckets.h"
#include "apps/client/connect.h"
#include "apps/client/get.h"
#include "apps/client/put.h"
#include "apps/client/wallet.h"
#include "apps/common/passphrase.h"
#include "cairn/base/status.h"

namespace {

absl::Status Run(const std::string& network, const std::string& key, const std::string& secret,
                 const std::string& file) {
  using namespace cairn;
  const client::Paths paths = client::Paths::Find("");
  ASSIGN_OR_RETURN(client::Profile profile, client::LoadProfile(paths, network));
  app::PassphraseSources sources;
  sources.file = secret;
  ASSIGN_OR_RETURN(base::SecretString passphrase, app::ReadPassphrase(sources));
  ASSIGN_OR_RETURN(base::AccountKeys keys, client::Wallet(paths).Open(key, passphrase));
  ASSIGN_OR_RETURN(auto connection, client::Connection::Open(paths, profile, std::move(keys)));
  client::Client& client = connection->client();

  const absl::Status made = client::CreateBucket(client, "example", {}).status();
  if (!made.ok() && !absl::IsAlreadyExists(made)) return made;
  const client::Reference ref{"example", client::BaseName(file)};
  ASSIGN_OR_RETURN(auto source, client::OpenFileSource(file));
  ASSIGN_OR_RETURN(client::PutResult put, client::Put(client, *source, ref, {}));
  std::cout << ref.ToText() << " " << put.content_id.ToText()
            << (put.durable ? " durable\n" : " available\n");
  return client::GetFile(client, ref, {}, file + ".back").status();
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = argc == 5 ? Run(argv[1], argv[2], argv[3], argv[4])
                                        : absl::InvalidArgumentError("see the top of this file");
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
