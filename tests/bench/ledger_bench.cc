// B28 and B29: the embedded engine on LMDB on a real disk, every block durable.
#include <atomic>
#include <thread>

#include "bench.h"
#include "cairn/base/clock.h"
#include "cairn/base/entropy.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/engine.h"
#include "cairn/chain/genesis.h"
#include "cairn/chain/transaction.h"
#include "folder.h"
#include "lmdb_peer.h"

namespace cairn::bench {
namespace {

using chain::pb::SignedTransaction;

constexpr size_t kBatch = 4096;  // operations in one block and one durable commit, of both sides
constexpr size_t kAccounts = 10'000;

// A ledger of many funded accounts, and transfers between them, signed.
class Bank {
 public:
  explicit Bank(const std::string& dir) : folder_(dir) {
    kv_ = Value(base::OpenLmdb(folder_.path() + "/ledger", {.map_bytes = uint64_t{16} << 30}));
    base::SigningKey engine_key = base::SigningKey::Generate(entropy_);
    chain::GenesisOptions genesis{.time = clock_.Now(), .engine_key = engine_key.public_key(), .accounts = {}};
    for (size_t i = 0; i < kAccounts; ++i) {
      keys_.push_back(base::SigningKey::Generate(entropy_));
      genesis.accounts.push_back(chain::MakeGenesisAccount(keys_.back().account(), base::Amount(absl::uint128{1} << 80)));
    }
    std::sort(genesis.accounts.begin(), genesis.accounts.end(),
              [](const auto& a, const auto& b) { return a.id() < b.id(); });
    chain::EngineOptions options;
    options.max_block_transactions = kBatch;
    options.max_block_bytes = size_t{64} << 20;
    options.max_queue = size_t{1} << 20;
    options.max_queue_bytes = size_t{4} << 30;
    engine_ = Value(chain::EmbeddedEngine::Open(*kv_, clock_, std::move(engine_key),
                                                chain::MakeGenesis(genesis, entropy_), base::NullObserver(), options));
  }

  chain::EmbeddedEngine& engine() { return *engine_; }

  std::vector<SignedTransaction> Sign(size_t count) {
    std::vector<SignedTransaction> out;
    for (size_t i = 0; i < count; ++i, ++sent_) {
      const size_t from = sent_ % kAccounts;
      chain::pb::TransactionBody body;
      body.set_chain_id(chain::ToField(engine_->chain_id()));
      body.set_number(sent_ / kAccounts + 1);
      body.set_valid_until_ms(static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now() + absl::Minutes(30))));
      chain::pb::Transfer& transfer = *body.add_operations()->mutable_transfer();
      transfer.set_to(chain::ToField(keys_[entropy_.DrawNumber() % kAccounts].account()));
      transfer.set_asset(chain::pb::ASSET_CRN);
      *transfer.mutable_amount() = chain::ToProto(base::Amount(absl::uint128{1000}));
      out.push_back(chain::SignTransaction(body, keys_[from]));
    }
    return out;
  }

  void Submit(const SignedTransaction& transaction) {
    engine_->Submit(transaction, [this](const absl::StatusOr<chain::pb::TransactionReceipt>& receipt) {
      if (!receipt.ok()) Die(receipt.status().ToString());
      if (receipt->verdict() != 0) Die("verdict " + std::to_string(receipt->verdict()) + " " + receipt->detail());
      ++done_;
    });
  }
  size_t done() const { return done_; }

 private:
  template <typename T>
  static T Value(absl::StatusOr<T> value) {
    if (!value.ok()) Die(value.status().ToString());
    return *std::move(value);
  }

  const Folder folder_;
  base::RealClock clock_;
  base::SeededEntropy entropy_{28};
  std::unique_ptr<base::Kv> kv_;
  std::vector<base::SigningKey> keys_;
  std::unique_ptr<chain::EmbeddedEngine> engine_;
  size_t sent_ = 0;
  std::atomic<size_t> done_ = 0;
};

// Checked and queued before the clock starts; then block after block.
double Execute(Bank& bank, size_t count) {
  for (const SignedTransaction& transaction : bank.Sign(count)) bank.Submit(transaction);
  const size_t before = bank.done();
  const double seconds = WallSeconds([&] {
    while (bank.done() < before + count) bank.engine().RunOnce();
  });
  return static_cast<double>(count) / seconds;
}

// Two accounts read, changed and written by each transfer.
double RawTransfers(Lmdb& lmdb, const std::vector<base::Digest>& accounts, size_t count) {
  base::SeededEntropy entropy(29);
  base::Bytes from(128), to(128);
  const double seconds = WallSeconds([&] {
    for (size_t done = 0; done < count; done += kBatch) {
      lmdb.Write([&](MDB_txn* txn) {
        for (size_t i = 0; i < kBatch; ++i) {
          const base::ByteView a = accounts[(done + i) % accounts.size()].view();
          const base::ByteView b = accounts[entropy.DrawNumber() % accounts.size()].view();
          lmdb.Get(txn, a, absl::MakeSpan(from));
          lmdb.Get(txn, b, absl::MakeSpan(to));
          --from[0];
          ++to[0];
          lmdb.Put(txn, a, from);
          lmdb.Put(txn, b, to);
        }
      });
    }
  });
  return static_cast<double>(count) / seconds;
}

void Executed(Program& program) {
  const size_t count = (program.full() ? 16 : 2) * kBatch;
  Bank bank(program.dir());
  const Folder folder(program.dir());
  Lmdb lmdb(folder.path());
  std::vector<base::Digest> accounts;
  for (size_t i = 0; i < kAccounts; ++i) accounts.push_back(base::Blake3(base::AsBytes(std::to_string(i))));
  lmdb.Write([&](MDB_txn* txn) {
    for (const base::Digest& account : accounts) lmdb.Put(txn, account.view(), base::Bytes(128));
  });
  program.Note("B28: transfers between 10,000 accounts, one a transaction, signatures checked before; admission, fees, "
               "invariants, receipts, state root and signed block header included, 4096 a block and a durable commit; peer: "
               "LMDB, MDB_NOTLS alone, 2 get and 2 put of 128 bytes, 4096 a durable transaction");
  program.Compare({"B28", "ledger_transfers", "tx/s", 0.5, 1.5}, [&] { return Execute(bank, count); },
                  [&] { return RawTransfers(lmdb, accounts, count); });
}

// ---- B29 ----

// Two threads check and queue while this one forms blocks.
double Signed(Bank& bank, size_t count) {
  const std::vector<SignedTransaction> transactions = bank.Sign(count);
  const size_t before = bank.done();
  std::atomic<size_t> next = 0;
  const double seconds = WallSeconds([&] {
    std::vector<std::thread> callers;
    for (int t = 0; t < 2; ++t) {
      callers.emplace_back([&] {
        for (size_t i = next++; i < count; i = next++) bank.Submit(transactions[i]);
      });
    }
    while (bank.done() < before + count) {
      bank.engine().WaitForWork(absl::Milliseconds(10));
      bank.engine().RunOnce();
    }
    for (std::thread& caller : callers) caller.join();
  });
  return static_cast<double>(count) / seconds;
}

double RawVerify(size_t count) {
  base::SeededEntropy entropy(30);
  const base::SigningKey key = base::SigningKey::Generate(entropy);
  const base::Digest digest = base::Blake3(base::AsBytes("a transaction"));
  const base::Signature signature = key.Sign(digest);
  const double seconds = WallSeconds([&] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&] {
        for (size_t i = 0; i < count / 2; ++i) Must(key.public_key().Verify(digest, signature), "verify");
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  return static_cast<double>(count) / seconds;
}

void WithSignatures(Program& program) {
  const size_t count = (program.full() ? 16 : 2) * kBatch;
  Bank bank(program.dir());
  program.Note("B29: the same with signatures, two threads that check and queue beside the one that forms durable blocks; "
               "reference: raw single Ed25519 verification on two threads");
  program.Compare({"B29", "ledger_signed", "tx/s", 0.4, 0.7}, [&] { return Signed(bank, count); },
                  [&] { return RawVerify(count); });
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  cairn::bench::Program program(argc, argv);
  if (program.Wants("B28")) cairn::bench::Executed(program);
  if (program.Wants("B29")) cairn::bench::WithSignatures(program);
  return program.Finish();
}
