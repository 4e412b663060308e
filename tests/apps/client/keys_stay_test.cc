// What a user's network gets to hold of the user's keys: nothing.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "apps/client/buckets.h"
#include "apps/client/get.h"
#include "apps/client/list.h"
#include "apps/client/put.h"
#include "apps/client/remove.h"
#include "catch.h"
#include "fake_network.h"

namespace cairn::client {
namespace {

struct NamedSecret {
  std::string name;
  std::string bytes;
};

template <size_t N>
NamedSecret Named(const std::string& name, const base::Secret<N>& secret) {
  return {name, base::ToString(secret.Reveal())};
}

// Every secret that stands behind an account, a bucket and its objects.
std::vector<NamedSecret> SecretsOf(FakeNetwork& network, Client& client, const std::string& bucket_name) {
  const auto account = base::AccountKeys::FromSeed(network.seed());
  std::vector<NamedSecret> out{Named("the account's seed", network.seed()),
                               Named("the signing key", account.signing.seed()),
                               Named("the wrapping key", account.wrap.private_key())};
  const auto bucket = OpenBucket(client, bucket_name);
  REQUIRE(bucket.ok());
  out.push_back(Named("the bucket's epoch key", (*bucket)->keys().epoch_key));
  out.push_back(Named("the bucket's name key", (*bucket)->keys().name_key));
  const auto objects = ListObjects(client, **bucket, "", {.versions = true});
  REQUIRE(objects.ok());
  for (const ObjectInfo& object : *objects) {
    REQUIRE(object.key.has_value());
    out.push_back(Named(absl::StrCat("the key of ", object.ref.key), *object.key));
  }
  return out;
}

// Which of them the ledger or a provider holds, whole or either half.
std::vector<std::string> HeldByOthers(FakeNetwork& network, const std::vector<NamedSecret>& secrets) {
  std::vector<std::string> texts = network.LedgerTexts();
  for (int i = 0; i < network.size(); ++i) {
    for (std::string& text : network.provider(i).PartTexts()) texts.push_back(std::move(text));
  }
  std::vector<std::string> out;
  for (const NamedSecret& secret : secrets) {
    REQUIRE(secret.bytes.size() == 32);
    for (const std::string& text : texts) {
      if (!absl::StrContains(text, secret.bytes.substr(0, 16)) && !absl::StrContains(text, secret.bytes.substr(16))) continue;
      out.push_back(secret.name);
      break;
    }
  }
  return out;
}

void Store(Client& client, const Reference& to, base::Bytes bytes) {
  const auto put = Put(client, *MemorySource(std::move(bytes)), to, {});
  INFO(put.status());
  REQUIRE(put.ok());
}

}  // namespace

TEST_CASE("nothing of an account's, a bucket's or an object's keys is ever with the ledger or a provider", "[CS-04]") {
  FakeNetwork network;
  const auto client = network.NewClient();
  REQUIRE(CreateBucket(*client, "private", {.policy = *base::Redundancy::Parse("rs:4+2")}).ok());
  Store(*client, {"private", "small"}, base::Bytes(100, 7));
  Store(*client, {"private", "small"}, base::Bytes(200, 8));
  Store(*client, {"private", "large"}, base::Bytes(3'000'000, 9));
  REQUIRE(Copy(*client, {"private", "large"}, {"private", "copied"}, {}).ok());
  REQUIRE(Rename(*client, {"private", "small"}, {"private", "renamed"}, {}).ok());
  REQUIRE(Get(*client, {"private", "large"}, {}, [](base::ByteView) { return absl::OkStatus(); }).ok());

  const std::vector<NamedSecret> secrets = SecretsOf(network, *client, "private");
  CHECK(secrets.size() >= 8);
  CHECK(HeldByOthers(network, secrets) == std::vector<std::string>{});

  // The scan would have seen them: told to the world as content of a public object, they are found.
  REQUIRE(CreateBucket(*client, "public", {.policy = *base::Redundancy::Parse("replicate:3"), .public_read = true}).ok());
  base::Bytes told;
  for (const NamedSecret& secret : secrets) told.insert(told.end(), secret.bytes.begin(), secret.bytes.end());
  Store(*client, {"public", "told"}, told);
  CHECK(HeldByOthers(network, secrets).size() == secrets.size());
}

}  // namespace cairn::client
