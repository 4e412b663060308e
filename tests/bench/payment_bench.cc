// B23 to B27: what payments cost a delivery. Both ends of a channel in one process, the payee's store on a real disk
// where a figure says durable.
#include <fcntl.h>
#include <openssl/curve25519.h>
#include <openssl/sha.h>
#include <unistd.h>

#include <cstring>

#include "bench.h"
#include "cairn/base/entropy.h"
#include "cairn/payment/payee.h"
#include "cairn/payment/payer.h"
#include "folder.h"

namespace cairn::bench {
namespace {

using payment::Reject;
using payment::SendDecision;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

struct Keys {
  base::SeededEntropy entropy{23};
  base::SigningKey wallet = base::SigningKey::Generate(entropy);
};

base::Price Rate() { return {*base::Amount(160).Times(base::kPriceScale)}; }

payment::ChannelFacts Facts(const Keys& keys, uint64_t number) {
  payment::ChannelFacts facts;
  facts.id = base::ChannelIdFor(facts.chain, number);
  facts.payer = keys.wallet.account();
  facts.signer = keys.wallet.public_key();
  facts.deposit = base::Amount(uint64_t{1} << 60);
  facts.open_fee = base::Amount(1000);
  return facts;
}

payment::PayeeTerms Terms() { return {.rate = Rate()}; }

base::Voucher Promise(Keys& keys, const base::ChannelId& channel, uint64_t bytes) {
  base::Voucher voucher;
  voucher.channel = channel;
  voucher.epoch = keys.entropy.Draw<base::Nonce16>();
  voucher.rate = Rate();
  voucher.bytes = bytes;
  voucher.signature = keys.wallet.Sign(base::SigningDigest(voucher));
  return voucher;
}

// ---- B23 ----

void SingleVoucher(Program& program) {
  Keys keys;
  const size_t count = program.full() ? 20'000 : 2'000;
  const payment::ChannelFacts facts = Facts(keys, 1);
  std::vector<base::Bytes> encoded;
  std::vector<base::Digest> digests;
  for (size_t i = 1; i <= count; ++i) {
    const base::Voucher voucher = Promise(keys, facts.id, i * 1000);
    digests.push_back(base::SigningDigest(voucher));
    encoded.push_back(base::EncodeClaim(base::ClaimOf(voucher)));
  }
  const auto ours = [&] {
    auto payee = *payment::Payee::Open(facts, Terms(), std::nullopt, std::nullopt, kNow);
    return static_cast<double>(count) / CpuSeconds([&] {
      for (const base::Bytes& bytes : encoded) {
        const auto claim = base::DecodeClaim(bytes);
        Must(claim.ok(), "decode");
        Must(payee.OnVoucher(claim->voucher, facts.signer, kNow) == Reject::kNone, "voucher");
        payee.OnSent(1000);
      }
    });
  };
  const auto raw = [&] {
    return static_cast<double>(count) / CpuSeconds([&] {
      for (size_t i = 0; i < count; ++i) {
        // The signature stands before tick and preimage.
        const uint8_t* signature = encoded[i].data() + base::kClaimBytes - 100;
        Must(ED25519_verify(digests[i].value.data(), 32, signature, facts.signer.bytes.value.data()) == 1, "verify");
      }
    });
  };
  program.Note("B23: decode, policy and one strict verification, nothing stored; peer: BoringSSL ED25519_verify in a loop");
  program.Compare({"B23", "voucher_single", "vouchers/s", 0.90, 0.97}, ours, raw);
}

// ---- B24 ----

void Ticks(Program& program) {
  Keys keys;
  const payment::ChannelFacts facts = Facts(keys, 1);
  const int rounds = program.full() ? 200 : 20;
  base::Voucher voucher = Promise(keys, facts.id, 0);
  const base::TickChain chain(facts.id, voucher.epoch, base::kMaxTicks, base::Secret<32>());
  voucher.tip = chain.tip();
  voucher.ticks = base::kMaxTicks;
  voucher.signature = keys.wallet.Sign(base::SigningDigest(voucher));
  const auto ours = [&] {
    double seconds = 0;
    for (int round = 0; round < rounds; ++round) {
      auto payee = *payment::Payee::Open(facts, Terms(), std::nullopt, std::nullopt, kNow);
      Must(payee.OnVoucher(voucher, facts.signer, kNow) == Reject::kNone, "voucher");
      seconds += CpuSeconds([&] {
        for (uint32_t tick = 1; tick <= base::kMaxTicks; ++tick) {
          payee.OnSent(base::kTickBytes);
          Must(payee.OnTick(voucher.epoch, tick, chain.At(tick), kNow) == Reject::kNone, "tick");
        }
      });
    }
    return rounds * static_cast<double>(base::kMaxTicks) / seconds;
  };
  const auto raw = [&] {
    uint8_t value[32] = {};
    return rounds * static_cast<double>(base::kMaxTicks) / CpuSeconds([&] {
      for (uint32_t i = 0; i < rounds * base::kMaxTicks; ++i) SHA256(value, sizeof value, value);
    });
  };
  program.Note("B24: ticks accepted one by one (chain, worth, deposit); peer: BoringSSL SHA-256 over 32 bytes, chained");
  program.Compare({"B24", "tick_chain", "ticks/s", 0.3, 0.6}, ours, raw);
}

// ---- B25 ----

// A receiver that copies and verifies what it gets, chunk by chunk; paid, both ends do their accounts as well.
struct Stream {
  base::Bytes content;
  std::vector<base::Digest> hashes;
  base::Bytes received;

  explicit Stream(size_t size) : content(Noise(size, 25)), received(base::kTickBytes) {
    for (size_t at = 0; at < size; at += base::kTickBytes) hashes.push_back(base::Blake3(Chunk(at)));
  }
  base::ByteView Chunk(size_t at) const { return base::ByteView(content).subspan(at, base::kTickBytes); }
  void Receive(size_t at) {
    std::memcpy(received.data(), content.data() + at, base::kTickBytes);
    Must(base::Blake3(received) == hashes[at / base::kTickBytes], "the chunk's hash");
  }
};

void Pay(payment::Payer& payer, payment::PayeeBook& book, const base::PublicKey& wallet) {
  const auto payment = payer.Due(kNow);
  Must(payment.ok(), "payment");
  if (payment->voucher) Must(book.OnVoucher(*payment->voucher, wallet, kNow) == Reject::kNone, "voucher");
  if (payment->tick) {
    Must(book.OnTick(payer.facts().id, payment->tick->epoch, payment->tick->tick, payment->tick->x, kNow) ==
             Reject::kNone, "tick");
  }
}

// Delivers the stream, a payment for every chunk and a commit for every `group` chunks.
void PaidStream(Stream& stream, Keys& keys, base::Kv& kv, size_t group) {
  const auto store = *payment::OpenClaimStore(kv);
  payment::PayeeBook book(*store, Terms());
  static uint64_t channels = 100;
  const payment::ChannelFacts facts = Facts(keys, ++channels);
  Must(book.Open(facts, kNow).ok(), "open");
  auto payer = *payment::Payer::Open(
      facts, {.max_rate = Rate(), .max_total = facts.deposit, .ticks = base::kMaxTicks}, keys.wallet, keys.entropy);
  Must(payer.Agree(Rate()).ok(), "rate");
  payer.Want(stream.content.size());
  size_t chunks = 0;
  for (size_t at = 0; at < stream.content.size(); at += base::kTickBytes, ++chunks) {
    Pay(payer, book, facts.signer);
    if (chunks % group == 0 || book.MaySend(facts.id, base::kTickBytes, kNow) != SendDecision::kSend) {
      Must(book.Commit().ok(), "commit");
    }
    Must(book.MaySend(facts.id, base::kTickBytes, kNow) == SendDecision::kSend, "credit");
    book.OnSent(facts.id, base::kTickBytes);
    stream.Receive(at);
    payer.OnVerified(base::kTickBytes);
  }
  Must(book.Commit().ok(), "commit");
}

void PaidOverhead(Program& program) {
  Keys keys;
  Stream stream(program.full() ? 1 << 30 : 128 << 20);
  const double gigabytes = static_cast<double>(stream.content.size()) * 1e-9;
  const auto unpaid = [&] {
    return gigabytes / CpuSeconds([&] {
      for (size_t at = 0; at < stream.content.size(); at += base::kTickBytes) stream.Receive(at);
    });
  };
  const auto paid = [&] {
    const auto kv = base::NewMemoryKv();
    return gigabytes / CpuSeconds([&] { PaidStream(stream, keys, *kv, 4); });
  };
  program.Note("B25: copy and verification of 64 KiB chunks; paid: a tick for each chunk, credit window, claims committed for every 256 KiB (store in memory), both ends on one core");
  program.Compare({"B25", "paid_overhead_256k", "GB/s", 0.85, 0.95}, paid, unpaid);
}

// ---- B26, B27 ----

double SyncsPerSecond(const std::string& dir) {
  const Folder folder(dir);
  const int fd = open((folder.path() + "/raw").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  Must(fd >= 0, "a file to sync");
  constexpr int kSyncs = 50;
  const base::Bytes page(4096, 1);
  const double seconds = WallSeconds([&] {
    for (int i = 0; i < kSyncs; ++i) {
      Must(pwrite(fd, page.data(), page.size(), 4096 * i) == 4096 && fdatasync(fd) == 0, "sync");
    }
  });
  close(fd);
  return kSyncs / seconds;
}

// A payee's channels over a store on the disk, journal and LMDB.
struct DurableBook {
  explicit DurableBook(const std::string& dir) : folder(dir) {}
  Keys keys;
  const Folder folder;
  const std::unique_ptr<base::Kv> kv =
      *base::OpenLmdb(folder.path(), {.map_bytes = 1 << 30, .journal_bytes = base::kKvJournalBytes});
  const std::unique_ptr<payment::ClaimStore> store = *payment::OpenClaimStore(*kv);
  payment::PayeeBook book{*store, Terms()};
};

// Signed vouchers of many channels, each verified, in groups of one commit.
double DurableVouchers(const std::string& dir, size_t channels, size_t groups) {
  DurableBook rig(dir);
  Keys& keys = rig.keys;
  payment::PayeeBook& book = rig.book;
  std::vector<base::Voucher> vouchers;
  for (size_t group = 1; group <= groups; ++group) {
    for (size_t i = 0; i < channels; ++i) {
      const payment::ChannelFacts facts = Facts(keys, i + 1);
      if (group == 1) Must(book.Open(facts, kNow).ok(), "open");
      vouchers.push_back(Promise(keys, facts.id, group * 60'000));
    }
  }
  size_t acknowledged = 0;
  const double seconds = WallSeconds([&] {
    for (size_t i = 0; i < vouchers.size(); ++i) {
      Must(book.OnVoucher(vouchers[i], keys.wallet.public_key(), kNow) == Reject::kNone, "voucher");
      book.OnSent(vouchers[i].channel, 60'000);
      if ((i + 1) % channels == 0) acknowledged += book.Commit().value().size();
    }
  });
  Must(acknowledged == vouchers.size(), "every voucher is acknowledged");
  return static_cast<double>(acknowledged) / seconds;
}

// Ticks of many channels, a tick each to a commit.
double DurableTicks(const std::string& dir, size_t channels, uint32_t commits) {
  DurableBook rig(dir);
  Keys& keys = rig.keys;
  payment::PayeeBook& book = rig.book;
  std::vector<base::Voucher> vouchers;
  std::vector<base::TickChain> chains;
  for (size_t i = 0; i < channels; ++i) {
    const payment::ChannelFacts facts = Facts(keys, i + 1);
    Must(book.Open(facts, kNow).ok(), "open");
    base::Voucher& voucher = vouchers.emplace_back(Promise(keys, facts.id, 0));
    chains.emplace_back(facts.id, voucher.epoch, commits, base::Secret<32>());
    voucher.tip = chains.back().tip();
    voucher.ticks = commits;
    voucher.signature = keys.wallet.Sign(base::SigningDigest(voucher));
    Must(book.OnVoucher(voucher, keys.wallet.public_key(), kNow) == Reject::kNone, "voucher");
  }
  Must(book.Commit().value().size() == channels, "every voucher is acknowledged");
  size_t acknowledged = 0;
  const double seconds = WallSeconds([&] {
    for (uint32_t tick = 1; tick <= commits; ++tick) {
      for (size_t i = 0; i < channels; ++i) {
        book.OnSent(vouchers[i].channel, base::kTickBytes);
        Must(book.OnTick(vouchers[i].channel, vouchers[i].epoch, tick, chains[i].At(tick), kNow) == Reject::kNone, "tick");
      }
      acknowledged += book.Commit().value().size();
    }
  });
  Must(acknowledged == channels * commits, "every tick is acknowledged");
  return static_cast<double>(acknowledged) / seconds;
}

void Durable(Program& program) {
  program.Note("B26: claims of 512 channels, one of each to a commit (journal and LMDB), each acknowledged when it is durable: a "
               "signed voucher, verified on one core, or the next tick under a voucher; peer: fdatasync of one appended page");
  program.Compare({"B26", "voucher_durable", "vouchers/s", 20, 200},
                  [&] { return DurableVouchers(program.dir(), 512, program.full() ? 64 : 8); },
                  [&] { return SyncsPerSecond(program.dir()); });
  program.Compare({"B26", "tick_durable", "ticks/s", 20, 200},
                  [&] { return DurableTicks(program.dir(), 512, program.full() ? 512 : 64); },
                  [&] { return SyncsPerSecond(program.dir()); });
}

// Payments over one channel, from the payer's decision to the acknowledgement of the durable claim; as many to a commit
// as the credit window holds.
void EndToEnd(Program& program) {
  constexpr double kLightning = 89;
  constexpr uint64_t kWarm = 1200;  // chunks until the window is open to the full
  DurableBook rig(program.dir());
  Keys& keys = rig.keys;
  payment::PayeeBook& book = rig.book;
  const payment::ChannelFacts facts = Facts(keys, 1);
  Must(book.Open(facts, kNow).ok(), "open");
  auto payer = *payment::Payer::Open(
      facts, {.max_rate = Rate(), .max_total = facts.deposit, .ticks = base::kMaxTicks}, keys.wallet, keys.entropy);
  Must(payer.Agree(Rate()).ok(), "rate");
  const uint64_t payments = program.full() ? 128'000 : 12'800;
  payer.Want((kWarm + payments) * base::kTickBytes);
  uint64_t acknowledged = 0;
  const auto deliver = [&](uint64_t chunks) {
    for (uint64_t i = 0; i < chunks; ++i) {
      Pay(payer, book, facts.signer);
      if (book.MaySend(facts.id, base::kTickBytes, kNow) != SendDecision::kSend) {
        acknowledged = book.Commit().value().back().paid_bytes / base::kTickBytes;
      }
      Must(book.MaySend(facts.id, base::kTickBytes, kNow) == SendDecision::kSend, "credit");
      book.OnSent(facts.id, base::kTickBytes);
      payer.OnVerified(base::kTickBytes);
    }
    acknowledged = book.Commit().value().back().paid_bytes / base::kTickBytes;
  };
  deliver(kWarm);
  const uint64_t before = acknowledged;
  const double seconds = WallSeconds([&] { deliver(payments); });
  program.Note("B27: payments of one chunk each over one channel, committed durably (journal and LMDB) whenever the credit window is used up, counted when acknowledged; the peer is the rate published for Lightning, 89 a second, not measured here");
  program.Report({"B27", "pay_vs_lightning_published", "x", 100, 1000},
                 static_cast<double>(acknowledged - before) / seconds / kLightning);
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  cairn::bench::Program program(argc, argv);
  if (program.Wants("B23")) cairn::bench::SingleVoucher(program);
  if (program.Wants("B24")) cairn::bench::Ticks(program);
  if (program.Wants("B25")) cairn::bench::PaidOverhead(program);
  if (program.Wants("B26")) cairn::bench::Durable(program);
  if (program.Wants("B27")) cairn::bench::EndToEnd(program);
  return program.Finish();
}
