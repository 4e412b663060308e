// References, profiles, wallet, journals, lanes, and what storectl prints.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "apps/client/journal.h"
#include "apps/client/profile.h"
#include "apps/client/reference.h"
#include "apps/client/sender.h"
#include "apps/client/wallet.h"
#include "apps/common/cli_tree.h"
#include "apps/storectl/output.h"
#include "apps/storectl/tree.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "catch.h"
#include "fake_network.h"
#include "support/temp_dir.h"

namespace cairn::client {

TEST_CASE("a reference is a bucket and a key, and nothing else parses") {
  CHECK(*ParseReference("cairn://photos") == Reference{"photos", ""});
  CHECK(*ParseReference("cairn://photos/") == Reference{"photos", ""});
  CHECK(*ParseReference("cairn://photos/a/b c.jpg") == Reference{"photos", "a/b c.jpg"});
  CHECK(ParseReference("cairn://photos/a/")->folder());
  CHECK(ParseReference("cairn://photos/a/")->Child("b").key == "a/b");
  CHECK(ParseReference("cairn://photos")->Child("b").ToText() == "cairn://photos/b");
  CHECK(base::ReasonOf(ParseReference("s3://photos").status()) == "BAD_REFERENCE");
  for (const char* bad :
       {"cairn://", "cairn://ab", "cairn://Photos", "cairn://-photos", "cairn://pho_tos/a"}) {
    CHECK(base::ReasonOf(ParseReference(bad).status()) == "BAD_BUCKET_NAME");
  }
  for (const char* bad :
       {"cairn://photos//a", "cairn://photos/a//b", "cairn://photos/../b", "cairn://photos/."}) {
    CHECK(base::ReasonOf(ParseReference(bad).status()) == "BAD_NAME");
  }
  const auto huge =
      ParseReference(absl::StrCat("cairn://photos/", std::string(10 << 20, 'x'))).status();
  CHECK(base::ReasonOf(huge) == "BAD_NAME");
  CHECK(huge.message().size() < 500);
}

TEST_CASE("profiles and settings come back as they were saved") {
  TempDir home;
  const Paths paths = Paths::Find(home.path());
  base::SystemEntropy entropy;
  Profile profile{.name = "dev",
                  .chain_endpoint = "127.0.0.1:4853",
                  .chain_tls_pin = entropy.Draw<base::Digest>(),
                  .chain_id = entropy.Draw<base::ChainId>(),
                  .engine_key = base::SigningKey::Generate(entropy).public_key()};
  REQUIRE(SaveProfile(paths, profile).ok());
  auto back = LoadProfile(paths, "dev");
  INFO(back.status());
  REQUIRE(back.ok());
  CHECK(back->chain_id == profile.chain_id);
  CHECK(back->chain_tls_pin == profile.chain_tls_pin);
  CHECK(back->engine_key == profile.engine_key);
  CHECK(base::ReasonOf(LoadProfile(paths, "main").status()) == "NO_PROFILE");
  CHECK(base::ReasonOf(LoadProfile(paths, "../dev").status()) == "BAD_PROFILE_NAME");

  Settings settings;
  **settings.Find("max_cost") = "1.5 \"crn\"";
  REQUIRE(SaveSettings(paths, settings).ok());
  CHECK(LoadSettings(paths)->max_cost == "1.5 \"crn\"");
  CHECK(base::DetailOf(settings.Find("max_costs").status()).hint.find("max_cost") !=
        std::string::npos);
}

TEST_CASE("a phrase brings a key back, a wrong passphrase opens nothing") {
  TempDir home;
  base::SystemEntropy entropy;
  const Wallet wallet(Paths::Find(home.path()));
  const base::SecretString passphrase("correct horse");
  auto phrase = wallet.Create("one", passphrase, entropy, 10);
  INFO(phrase.status());
  REQUIRE(phrase.ok());
  auto again = wallet.Import("two", phrase->Reveal(), base::SecretString("other"), entropy, 10);
  REQUIRE(again.ok());
  CHECK(again->account == wallet.Find("one")->account);
  CHECK(wallet.Open("two", base::SecretString("other"))->signing.account() == again->account);
  CHECK(base::ReasonOf(wallet.Open("one", base::SecretString("wrong")).status()) ==
        "WRONG_PASSPHRASE");
  CHECK(base::ReasonOf(wallet.Create("one", passphrase, entropy, 10).status()) == "KEY_EXISTS");
  CHECK(wallet.List().size() == 2);
}

TEST_CASE("a journal comes back whole or not at all") {
  base::SystemEntropy entropy;
  JournalEntry entry;
  entry.chain = entropy.Draw<base::ChainId>();
  entry.bucket.value = 7;
  entry.stored_name = "name";
  entry.source = "file\n/a/b\n1:2";
  entry.plaintext_size = 99;
  entry.manifest = base::Bytes(300, 3);
  entry.frame_tags = base::Bytes(32, 4);
  entry.transaction = base::Bytes(500, 5);
  entry.object = entropy.Draw<base::ObjectId>();
  const base::Bytes encoded = EncodeJournal(entry);
  REQUIRE(DecodeJournal(encoded).ok());
  CHECK(*DecodeJournal(encoded) == entry);
  for (size_t size = 0; size < encoded.size(); ++size) {
    CHECK_FALSE(DecodeJournal(base::ByteView(encoded.data(), size)).ok());
  }
  for (size_t at = 0; at < encoded.size(); at += 7) {
    base::Bytes damaged = encoded;
    damaged[at] ^= 0x20;
    CHECK_FALSE(DecodeJournal(damaged).ok());
  }
}

TEST_CASE("one process at a time works on a transfer") {
  TempDir folder;
  const base::ChainId chain{};
  {
    auto journal = Journal::Open(folder.path(), chain, {1}, "name");
    REQUIRE(journal.ok());
    CHECK(base::ReasonOf(Journal::Open(folder.path(), chain, {1}, "name").status()) ==
          "TRANSFER_LOCKED");
    CHECK(Journal::Open(folder.path(), chain, {1}, "other").ok());
    REQUIRE((*journal)->Save({.chain = chain, .bucket = {1}, .stored_name = "name"}).ok());
  }
  auto again = Journal::Open(folder.path(), chain, {1}, "name");
  REQUIRE(again.ok());
  REQUIRE((*again)->Load());
  CHECK((*again)->Load()->stored_name == "name");
  (*again)->Remove();
  CHECK_FALSE((*again)->Load());
}

TEST_CASE("parallel clients of one account do not take each other's numbers") {
  FakeNetwork network(1);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(network.NewClient());
  std::vector<std::thread> threads;
  std::atomic<int> sent{0};
  for (int t = 0; t < 12; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) {
        chain::pb::Operation operation;
        operation.mutable_transfer()->set_to(chain::ToField(network.provider(0).account()));
        operation.mutable_transfer()->set_asset(chain::pb::ASSET_CRN);
        *operation.mutable_transfer()->mutable_amount() = chain::ToProto(base::Amount(1));
        const auto receipt = clients[t % clients.size()]->sender().Send({operation});
        if (receipt.ok()) ++sent;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(sent == 60);
}

TEST_CASE("a refusal by the rules comes back as its verdict, with a hint") {
  FakeNetwork network(1);
  auto client = network.NewClient();
  chain::pb::Operation operation;
  operation.mutable_transfer()->set_to(chain::ToField(network.provider(0).account()));
  operation.mutable_transfer()->set_asset(chain::pb::ASSET_CRN);
  *operation.mutable_transfer()->mutable_amount() = chain::ToProto(base::Amount::Max());
  const auto refused = client->sender().Send({operation});
  CHECK(base::ReasonOf(refused.status()) == "VERDICT_NO_FUNDS");
  CHECK_FALSE(base::DetailOf(refused.status()).hint.empty());
}

}  // namespace cairn::client

namespace cairn::storectl {

TEST_CASE("JSON writes 64-bit numbers and money as strings, names in the order added") {
  Json json;
  json.Text("name", "a\"b\n")
      .Number("size_bytes", uint64_t{1} << 60)
      .Small("position", 3)
      .Bool("ok", true)
      .Crn("cost", base::Amount(absl::uint128(1'500'000'000'000'000'000)));
  CHECK(json.Done() ==
        "{\"name\":\"a\\\"b\\n\",\"size_bytes\":\"1152921504606846976\",\"position\":3,\"ok\":true,"
        "\"cost\":{\"amount\":\"1.5\",\"asset\":\"crn\"}}");
  CHECK(JsonList({"1", "{}"}) == "[1,{}]");
}

TEST_CASE("rates are told in six digits, sums to the unit") {
  const base::Amount rate{absl::uint128(1'999'999'999'998'432'000)};
  CHECK(AboutCrn(rate) == "2 crn");
  CHECK(Crn(rate) == "1.999999999998432 crn");
  CHECK(AboutCrn(base::Amount(absl::uint128(17'680'109'760'000))) == "0.0000176801 crn");
  CHECK(AboutCrn(base::Amount(5)) == "0.000000000000000005 crn");
  CHECK(AboutCrn(base::Amount()) == "0 crn");
}

TEST_CASE("sizes are base ten, tables are aligned") {
  CHECK(HumanBytes(0) == "0 B");
  CHECK(HumanBytes(999) == "999 B");
  CHECK(HumanBytes(1'560'000'000) == "1.56 GB");
  CHECK(HumanBytes(212'000'000) == "212 MB");
  Table table({"SIZE", "NAME"}, {true, false});
  table.Row({"1 B", "a"});
  table.Row({"100 B", "long"});
  CHECK(table.Done(true) == " SIZE  NAME\n  1 B  a\n100 B  long\n");
  CHECK(table.Done(false) == "  1 B  a\n100 B  long\n");
}

namespace {

absl::Status ParseWords(std::vector<std::string> words) {
  Context context;
  const auto tree = BuildTree(context);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  bool done = false;
  return Parse(*tree, static_cast<int>(argv.size()), argv.data(), context, &done);
}

}  // namespace

TEST_CASE("a wrong command or flag suggests the nearest") {
  CHECK(ParseWords({"storectl", "ls", "cairn://photos"}).ok());
  CHECK(ParseWords({"storectl", "ls", "-o", "json", "--key", "one"}).ok());
  const absl::Status command = ParseWords({"storectl", "walet", "balance"});
  CHECK(base::ReasonOf(command) == "USAGE");
  CHECK(base::DetailOf(command).hint == "did you mean storectl wallet?");
  CHECK(base::DetailOf(ParseWords({"storectl", "wallet", "balanse"})).hint ==
        "did you mean storectl wallet balance?");
  CHECK(base::DetailOf(ParseWords({"storectl", "ls", "--recursiv"})).hint ==
        "did you mean --recursive?");
}

TEST_CASE("completions know every command and flag") {
  Context context;
  const auto tree = BuildTree(context);
  for (const char* shell : {"bash", "zsh", "fish"}) {
    auto script = app::Completion(*tree, shell);
    REQUIRE(script.ok());
    for (const char* word : {"replace-primary", "max-cost", "verify", "events"})
      CHECK(script->find(word) != std::string::npos);
  }
  CHECK(base::ReasonOf(app::Completion(*tree, "csh").status()) == "UNKNOWN_SHELL");
}

}  // namespace cairn::storectl
