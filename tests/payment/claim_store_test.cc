// The claim store: what was acknowledged is there after a crash.
#include "cairn/payment/claim_store.h"

#include <csignal>
#include <cstdio>
#include <filesystem>

#include <sys/wait.h>
#include <unistd.h>

#include "cairn/base/status.h"
#include "catch.h"
#include "channel_rig.h"
#include "support/forwarding_kv.h"
#include "support/temp_dir.h"

namespace cairn::payment {
namespace {

using base::Amount;
using base::kTickBytes;

std::unique_ptr<base::Kv> Lmdb(const std::string& folder) {
  auto kv = base::OpenLmdb(folder, {.map_bytes = 64 << 20, .journal_bytes = 64 << 10});
  INFO(kv.status().ToString());
  REQUIRE(kv.ok());
  return *std::move(kv);
}

TEST_CASE("a store gives back the newest claim of every channel, tick and all") {
  Ends ends;
  const auto kv = base::NewMemoryKv();
  std::vector<base::Claim> claims;
  {
    const auto store = *OpenClaimStore(*kv);
    for (int i = 0; i < 3; ++i) {
      const base::Voucher voucher = ends.Voucher(ends.Facts(), kTickBytes, 8);
      const base::TickChain chain = Ends::Chain(voucher);
      store->Stage(base::ClaimOf(voucher));
      REQUIRE(store->Commit().ok());
      for (uint32_t tick = 1; tick <= 3; ++tick) store->Stage({voucher, tick, chain.At(tick)});
      REQUIRE(store->Commit().ok());
      claims.push_back({voucher, 3, chain.At(3)});
      CHECK(*store->Find(voucher.channel) == claims.back());
    }
    // A new voucher of a channel replaces voucher and tick together.
    base::Voucher next = claims[0].voucher;
    next.bytes += 3 * kTickBytes;
    next.epoch.value[0] ^= 1;
    next.tip = {};
    next.ticks = 0;
    claims[0] = base::ClaimOf(ends.Signed(next));
    store->Stage(claims[0]);
    REQUIRE(store->Commit().ok());
  }
  const auto store = *OpenClaimStore(*kv);
  for (const base::Claim& claim : claims) CHECK(*store->Find(claim.voucher.channel) == claim);
  CHECK(store->All()->size() == 3);
  store->StageForget(claims[1].voucher.channel);
  REQUIRE(store->Commit().ok());
  CHECK_FALSE(store->Find(claims[1].voucher.channel)->has_value());
  CHECK(store->All()->size() == 2);
}

TEST_CASE("every opening of a store has a higher generation, and a copy of it meets the peer's memory") {
  const auto kv = base::NewMemoryKv();
  const base::ChannelId channel = base::ChannelIdFor({}, 1);
  for (uint64_t generation = 1; generation <= 4; ++generation) {
    const auto store = *OpenClaimStore(*kv);
    CHECK(store->generation() == generation);
    CHECK(*store->PeerGeneration(channel) == (generation - 1) * 10);
    store->StagePeerGeneration(channel, generation * 10);
    REQUIRE(store->Commit().ok());
  }
}

TEST_CASE("a waiver survives a restart, so that no voucher slips in between") {
  Ends ends;
  const auto kv = base::NewMemoryKv();
  const ChannelFacts facts = ends.Facts();
  {
    const auto store = *OpenClaimStore(*kv);
    PayeeBook book(*store, ends.Terms());
    REQUIRE(book.Open(facts, ends.now).ok());
    REQUIRE(book.AgreeToClose(facts.id, Amount(5), ends.now + absl::Minutes(5), ends.now).ok());
  }
  const auto store = *OpenClaimStore(*kv);
  PayeeBook book(*store, ends.Terms());
  REQUIRE(book.Open(facts, ends.now).ok());
  CHECK(book.OnVoucher(ends.Voucher(facts, kTickBytes), ends.wallet.public_key(), ends.now) ==
        Reject::kCooperativeCloseSigned);
}

TEST_CASE("a statement has the last claim under each voucher that was worth something, over restarts") {
  Ends ends;
  const auto kv = base::NewMemoryKv();
  const ChannelFacts facts = ends.Facts();
  std::vector<base::Claim> lines;
  for (uint64_t turn = 1; turn <= 5; ++turn) {
    const auto store = *OpenClaimStore(*kv);
    const base::Voucher opening = ends.Voucher(facts, (turn - 1) * 2 * kTickBytes, 8);
    const base::TickChain chain = Ends::Chain(opening);
    for (uint32_t tick = 0; tick <= 2; ++tick) {
      store->Stage({opening, tick, chain.At(tick)});
      if (turn % 2 == 0) REQUIRE(store->Commit().ok());
    }
    REQUIRE(store->Commit().ok());
    lines.push_back({opening, 2, chain.At(2)});
    const auto kept = store->Statement(facts.id, 0, 100);
    REQUIRE(kept.ok());
    CHECK(*kept == std::vector<base::Claim>(lines.begin(), lines.end() - 1));
    // A voucher that adds nothing to the one before leaves one line for both.
    store->Stage(base::ClaimOf(ends.Voucher(facts, turn * 2 * kTickBytes, 8)));
    REQUIRE(store->Commit().ok());
    CHECK(*store->Statement(facts.id, 0, 100) == lines);
    CHECK(store->Statement(facts.id, 1, 1)->size() == (turn > 1 ? 1 : 0));
  }
  const auto store = *OpenClaimStore(*kv);
  store->StageForget(facts.id);
  REQUIRE(store->Commit().ok());
  CHECK(store->Statement(facts.id, 0, 100)->empty());
}

TEST_CASE("a claim is acknowledged only after the commit that holds it [CD-40]") {
  Ends ends;
  const auto kv = base::NewMemoryKv();
  const auto store = *OpenClaimStore(*kv);
  PayeeBook book(*store, ends.Terms());
  const ChannelFacts a = ends.Facts(), b = ends.Facts();
  REQUIRE(book.Open(a, ends.now).ok());
  REQUIRE(book.Open(b, ends.now).ok());
  REQUIRE(book.OnVoucher(ends.Voucher(a, kTickBytes), ends.wallet.public_key(), ends.now) ==
          Reject::kNone);
  REQUIRE(book.OnVoucher(ends.Voucher(a, 2 * kTickBytes), ends.wallet.public_key(), ends.now) ==
          Reject::kNone);
  REQUIRE(book.OnVoucher(ends.Voucher(b, kTickBytes), ends.wallet.public_key(), ends.now) ==
          Reject::kNone);
  CHECK_FALSE(store->Find(a.id)->has_value());
  const auto acks = book.Commit();
  REQUIRE(acks.ok());
  REQUIRE(acks->size() == 2);  // of several for one channel the newest covers all
  for (const auto& ack : *acks) CHECK(ack.earned == Amount(ack.channel == a.id ? 20 : 10));
  CHECK(base::WorthOf(**store->Find(a.id)) == Amount(20));
  CHECK(base::WorthOf(**store->Find(b.id)) == Amount(10));
  CHECK(book.Commit()->empty());
}

TEST_CASE("a commit that failed acknowledges nothing, and the next one has everything [CD-40]") {
  Ends ends;
  base::FailingKv kv(absl::ResourceExhaustedError("full"));
  const auto store = *OpenClaimStore(kv);
  PayeeBook book(*store, ends.Terms());
  const ChannelFacts facts = ends.Facts();
  REQUIRE(book.Open(facts, ends.now).ok());
  REQUIRE(book.OnVoucher(ends.Voucher(facts, kTickBytes), ends.wallet.public_key(), ends.now) ==
          Reject::kNone);
  kv.fail = true;
  CHECK_FALSE(book.Commit().ok());
  CHECK_FALSE(store->Find(facts.id)->has_value());
  kv.fail = false;
  CHECK(book.Commit()->size() == 1);
  CHECK(store->Find(facts.id)->has_value());

  // Forgotten and staged again: the claim outlives a commit that fails in between.
  const base::Claim again = base::ClaimOf(ends.Voucher(facts, 2 * kTickBytes));
  store->StageForget(facts.id);
  store->Stage(again);
  kv.fail = true;
  CHECK_FALSE(store->Commit().ok());
  kv.fail = false;
  REQUIRE(store->Commit().ok());
  CHECK(*store->Find(facts.id) == again);
}

// Takes ticks and acknowledges them through `out` until it is killed: an acknowledgement is the
// number of the tick, 4 bytes, written after the commit.
[[noreturn]] void AcknowledgeForEver(const std::string& folder, const ChannelFacts& facts,
                                     Ends& ends, int out) {
  const auto kv = base::OpenLmdb(folder, {.map_bytes = 64 << 20, .journal_bytes = 64 << 10});
  if (!kv.ok()) _exit(1);
  const auto store = OpenClaimStore(**kv);
  if (!store.ok()) _exit(1);
  PayeeBook book(**store, ends.Terms());
  if (!book.Open(facts, ends.now).ok()) _exit(1);
  const uint64_t paid = book.Find(facts.id)->paid_bytes();
  const base::Voucher voucher = ends.Voucher(facts, paid, base::kMaxTicks);
  const base::TickChain chain = Ends::Chain(voucher);
  if (book.OnVoucher(voucher, ends.wallet.public_key(), ends.now) != Reject::kNone) _exit(2);
  for (uint32_t tick = 1; tick <= chain.ticks(); ++tick) {
    book.OnSent(facts.id, kTickBytes);
    if (book.OnTick(facts.id, voucher.epoch, tick, chain.At(tick), ends.now) != Reject::kNone) {
      _exit(3);
    }
    if (tick % 3 != 0) continue;  // in groups
    const auto acks = book.Commit();
    if (!acks.ok()) _exit(4);
    const uint64_t acknowledged = acks->back().paid_bytes;
    if (write(out, &acknowledged, sizeof acknowledged) != sizeof acknowledged) _exit(5);
  }
  _exit(0);
}

TEST_CASE("kill -9 between receipt and acknowledgement loses nothing that was acknowledged [CD-40]") {
  const int kills = std::getenv("CAIRN_SOAK") != nullptr ? 1000 : 50;
  TempDir temp;
  Ends ends;
  const ChannelFacts facts = ends.Facts(1'000'000'000);
  uint64_t acknowledged = 0, acks = 0;
  for (int i = 0; i < kills; ++i) {
    INFO("kill " << i);
    ends.entropy.DrawNumber();  // the child's epochs differ from those of the children before
    int ends_of_pipe[2];
    REQUIRE(pipe(ends_of_pipe) == 0);
    const pid_t child = fork();
    if (child == 0) {
      close(ends_of_pipe[0]);
      AcknowledgeForEver(temp.path(), facts, ends, ends_of_pipe[1]);
    }
    close(ends_of_pipe[1]);
    // Some acknowledgements, then the kill at a moment that differs from time to time.
    uint64_t value = 0;
    for (int n = 0; n <= i % 7; ++n) {
      if (read(ends_of_pipe[0], &value, sizeof value) == sizeof value) acknowledged = value, ++acks;
    }
    usleep(static_cast<useconds_t>((i * 7919) % 1500));
    kill(child, SIGKILL);
    while (read(ends_of_pipe[0], &value, sizeof value) == sizeof value) acknowledged = value, ++acks;
    close(ends_of_pipe[0]);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE((WIFSIGNALED(status) || WEXITSTATUS(status) == 0));

    const auto kv = Lmdb(temp.path());
    const auto store = *OpenClaimStore(*kv);
    const auto best = store->Find(facts.id);
    REQUIRE(best.ok());
    REQUIRE(best->has_value());
    REQUIRE(*base::BytesOf(**best) >= acknowledged);
    REQUIRE(base::CheckClaim(**best, facts.signer) == base::ClaimFault::kNone);
  }
  CHECK(acks > static_cast<uint64_t>(kills));
  std::printf("claim store: %d kills, %llu acknowledgements, none lost\n", kills,
              static_cast<unsigned long long>(acks));
}

TEST_CASE("a payee whose store is an old backup learns it from its peer, and loses nothing that is signed again") {
  TempDir temp;
  Ends ends;
  const ChannelFacts facts = ends.Facts();
  const std::string folder = temp.path() + "/store", backup = temp.path() + "/backup";
  const auto run = [&](uint64_t bytes) {
    const auto kv = Lmdb(folder);
    const auto store = *OpenClaimStore(*kv);
    PayeeBook book(*store, ends.Terms());
    REQUIRE(book.Open(facts, ends.now).ok());
    REQUIRE(book.OnVoucher(ends.Voucher(facts, bytes), ends.wallet.public_key(), ends.now) ==
            Reject::kNone);
    REQUIRE(book.Commit().ok());
    return store->generation();
  };
  run(2 * kTickBytes);
  std::filesystem::copy(folder, backup, std::filesystem::copy_options::recursive);
  const uint64_t seen = run(6 * kTickBytes);
  std::filesystem::remove_all(folder);
  std::filesystem::copy(backup, folder, std::filesystem::copy_options::recursive);
  // The payer remembers a generation that the restored store has not had yet, and sends its last
  // voucher again.
  CHECK(run(6 * kTickBytes) == seen);
  const auto kv = Lmdb(folder);
  CHECK(base::WorthOf(**(*OpenClaimStore(*kv))->Find(facts.id)) == Amount(60));
}

}  // namespace
}  // namespace cairn::payment
