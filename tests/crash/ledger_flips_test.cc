// One bit flipped somewhere in a ledger's store. Every check runs in a child: LMDB has no checksums, and a flipped bit
// in one of its pages may end the process that reads it.
#include <iostream>

#include "cairn/chain/convert.h"
#include "catch.h"
#include "crash/forked.h"
#include "crash/ledger_world.h"
#include "support/temp_dir.h"

namespace cairn::crash {
namespace {

namespace pb = chain::pb;
constexpr size_t kPage = 4096;
constexpr size_t kHeadBytes = 152;  // of the two pages at the front, one of which says where the newest commit begins

// The bits that are flipped of a byte, one a time: all of what says which commit is the newest, one of some others.
std::vector<uint8_t> MasksFor(size_t at) {
  if (at < 2 * kPage && at % kPage < kHeadBytes) return {1, 2, 4, 8, 16, 32, 64, 128};
  if (at % kPage >= 100 && at % (Soak() ? 31 : 255) != 0) return {};
  return {static_cast<uint8_t>(1u << (at * 5 + at / 8) % 8)};
}

std::vector<std::string> BlocksOf(const chain::EmbeddedEngine& engine) {
  std::vector<std::string> blocks;
  for (uint64_t height = 0; height <= engine.height(); ++height) {
    const auto block = engine.NextBlock(height, absl::ZeroDuration());
    blocks.push_back(block.ok() && *block ? (*block)->SerializeAsString() : "");
  }
  return blocks;
}

// What the ledger says of blocks, receipts and accounts, each "" where it says that it cannot tell; nullopt when it does
// not open. Its clock is not asked for: how far a test network's clock was advanced is a mark that may lag behind.
std::optional<std::vector<std::string>> Answers(const LedgerRun& run, const std::string& folder) {
  const auto kv = base::OpenLmdb(folder);
  if (!kv.ok()) return std::nullopt;
  base::SimClock clock(run.end);
  chain::LedgerHarness& people = *TheLedgerScript().people;
  const auto engine = chain::EmbeddedEngine::Open(**kv, clock, people.Key("engine").Clone(), people.genesis());
  if (!engine.ok()) return std::nullopt;
  std::vector<std::string> answers = BlocksOf(**engine);
  for (const pb::TransactionReceipt& receipt : run.receipts) {
    pb::QueryRequest request;
    request.set_transaction(receipt.transaction());
    const auto answer = (*engine)->Query(request);
    answers.push_back(answer.ok() ? answer->transaction().SerializeAsString() : "");
  }
  for (const char* who : {"alice", "bob", "carol", "faucet", "p0"}) {
    pb::QueryRequest request;
    request.set_account(people.Field(who));
    const auto answer = (*engine)->Query(request);
    answers.push_back(answer.ok() ? answer->account().SerializeAsString() : "");
  }
  return answers;
}

std::optional<std::string> Look(const LedgerRun& run, const std::string& folder, const std::vector<std::string>& right) {
  const auto answers = Answers(run, folder);
  if (!answers) return "refused";
  bool silent = false;
  if (answers->size() != right.size()) return "wrong: other answers";
  for (size_t i = 0; i < right.size(); ++i) {
    silent = silent || answers->at(i).empty();
    if (!answers->at(i).empty() && answers->at(i) != right[i]) return "wrong: answer " + std::to_string(i);
  }
  return silent ? std::optional<std::string>("refused") : std::nullopt;
}

}  // namespace

TEST_CASE("a flipped bit anywhere in a ledger's store is noticed or does no harm, and no wrong answer is given") {
  const LedgerRun run = RecordLedger();
  const Tree& tree = run.recorded.end;
  const FileNumber file = tree.names.at("data.mdb");
  const base::Bytes& bytes = tree.contents.at(file)->bytes();
  TempDir scratch(MemoryFolder());
  const std::string folder = scratch.path() + "/flipped";
  WriteTree(tree, folder);
  const auto right = Answers(run, folder);
  REQUIRE(right.has_value());
  size_t harmless = 0, refused = 0, killed = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const uint8_t mask : MasksFor(at)) {
      Tree flipped = tree;
      base::Bytes changed = bytes;
      changed[at] ^= mask;
      flipped.contents[file] = std::make_shared<Content>(std::move(changed));
      WriteTree(flipped, folder);
      const auto finding = InChild([&] { return Look(run, folder, *right); });
      INFO("byte " << at << " mask " << int{mask} << ": " << finding.value_or(""));
      harmless += !finding.has_value();
      refused += finding == "refused";
      killed += finding.has_value() && WasKilled(*finding);
      CHECK((!finding.has_value() || *finding == "refused" || WasKilled(*finding)));
    }
  }
  std::cout << "flips in a ledger: " << harmless << " without harm, " << refused << " noticed, " << killed
            << " ended the process\n";
  CHECK(refused > 100);
}

}  // namespace cairn::crash
