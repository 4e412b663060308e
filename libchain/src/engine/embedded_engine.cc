#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/engine.h"
#include "cairn/chain/genesis.h"
#include "cairn/chain/invariants.h"
#include "cairn/chain/proof.h"
#include "engine/block_store.h"

namespace cairn::chain {
namespace {

// How stale the mark may be that tells, after a stop, since when the ledger stood still.
constexpr absl::Duration kAliveEvery = absl::Seconds(5);
constexpr absl::Duration kIdle = absl::Hours(1);
constexpr int kPruneAtOnce = 16;

struct Pending {
  PreparedTransaction transaction;
  std::vector<ReceiptCallback> done;
};

absl::Status Stopped() {
  return base::Error(absl::StatusCode::kUnavailable, "STOPPED", "the ledger's engine has stopped",
                     "try again when it runs");
}

}  // namespace

struct EmbeddedEngine::State {
  State(base::Kv& kv_in, const base::Clock& clock_in, base::SigningKey key_in, base::Observer& observer_in,
        EngineOptions options_in, Ledger ledger_in)
      : kv(kv_in), clock(clock_in), key(std::move(key_in)), observer(observer_in), options(std::move(options_in)),
        ledger(std::move(ledger_in)) {}

  // ---- before anyone else knows it: opening ----
  absl::Status CommitGenesis(const pb::Genesis& record);
  absl::Status CheckStore(const std::shared_ptr<const base::KvSnapshot>& snapshot) const;
  // The marks, and how long nobody was there.
  absl::Status Resume(const std::shared_ptr<const base::KvSnapshot>& snapshot);

  // ---- under run_mutex: forming blocks ----
  absl::Duration RunOnce();
  std::vector<Pending> Drain();
  // Takes out what was ordered before; answers it.
  absl::Status AnswerRepeated(const base::KvSnapshot& snapshot, std::vector<Pending>& batch);
  absl::Status FormBlock(uint64_t now_ms, std::vector<Pending>& batch, bool* due_left);
  // Tree, block and state in one durable commit; the ledger then stands at the block.
  absl::StatusOr<pb::Block> CommitBlock(const std::shared_ptr<const base::KvSnapshot>& snapshot,
                                        const BlockContext& context, std::vector<Pending>& batch, BlockResult& result);
  void ReportBroken(uint64_t height) const;
  // Without its events.
  pb::Block MakeBlock(const BlockContext& context, std::vector<Pending>& batch, BlockResult& result,
                      const base::Digest& state_root) const;
  void Prune(const base::KvSnapshot& snapshot, uint64_t now_ms, base::KvBatch& batch);
  absl::Status MarkAlive(uint64_t now_ms);
  absl::Status CheckClock();
  absl::Duration UntilNextDue(uint64_t now_ms) const;
  void Halt(const absl::Status& why);
  absl::Status Commit(const base::KvBatch& batch, bool durable);

  // ---- any thread ----
  absl::Status health() const;
  uint64_t NowMs() const;
  void Adopt(Head head_in);

  base::Kv& kv;
  const base::Clock& clock;
  const base::SigningKey key;
  base::Observer& observer;
  const EngineOptions options;
  const Ledger ledger;

  std::mutex run_mutex;
  uint64_t gap_ms = 0;      // to be recorded in the next block
  uint64_t alive_ms = 0;    // last mark
  uint64_t earliest = 0;    // block kept
  absl::Duration clock_lead;  // wall minus monotonic, when last looked at
  std::optional<uint64_t> next_due_ms;

  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  std::deque<Pending> queue;
  absl::flat_hash_map<base::Digest, Pending*> queued;  // by hash; into `queue`
  size_t queued_bytes = 0;                             // of the bodies in `queue`
  Head head;
  uint64_t advanced_ms = 0;
  absl::Status health_status;
};

absl::Status EmbeddedEngine::State::health() const {
  std::lock_guard lock(mutex);
  return health_status;
}

uint64_t EmbeddedEngine::State::NowMs() const {
  const uint64_t wall = static_cast<uint64_t>(std::max<int64_t>(0, absl::ToUnixMillis(clock.Now())));
  std::lock_guard lock(mutex);
  return std::max<uint64_t>(wall + advanced_ms, head.header.time_ms());
}

void EmbeddedEngine::State::Adopt(Head head_in) {
  std::lock_guard lock(mutex);
  head = std::move(head_in);
  changed.notify_all();
}

void EmbeddedEngine::State::Halt(const absl::Status& why) {
  {
    std::lock_guard lock(mutex);
    if (health_status.ok()) health_status = why;
  }
  changed.notify_all();
  observer.Report({base::Severity::kError, "chain.engine_halted", std::string(why.message()),
                   {{"reason", base::ReasonOf(why)}}});
}

absl::Status EmbeddedEngine::State::Commit(const base::KvBatch& batch, bool durable) {
  const absl::Status status = kv.Commit(batch, durable);
  if (!status.ok()) Halt(status);
  return status;
}

absl::Status EmbeddedEngine::State::CheckClock() {
  const absl::Duration lead = (clock.Now() - absl::UnixEpoch()) - clock.Monotonic();
  const absl::Duration jump = absl::AbsDuration(lead - clock_lead);
  if (jump > options.max_clock_jump) {
    return base::Error(absl::StatusCode::kFailedPrecondition, "CLOCK_JUMP",
                       absl::StrCat("the wall clock jumped by ", absl::FormatDuration(jump),
                                    " against the monotonic one"),
                       "set the machine's clock right, then start the ledger again",
                       {{"jump", absl::FormatDuration(jump)}});
  }
  // Clocks drift apart, and slowly that is no jump.
  clock_lead = lead;
  return absl::OkStatus();
}

absl::Duration EmbeddedEngine::State::UntilNextDue(uint64_t now_ms) const {
  if (!next_due_ms) return kIdle;
  if (*next_due_ms <= now_ms) return absl::ZeroDuration();
  // Marks must go on while deadlines are open.
  return std::min(absl::Milliseconds(*next_due_ms - now_ms), kAliveEvery);
}

absl::Status EmbeddedEngine::State::MarkAlive(uint64_t now_ms) {
  if (!next_due_ms || now_ms < alive_ms + absl::ToInt64Milliseconds(kAliveEvery)) return absl::OkStatus();
  base::KvBatch batch;
  PutMark(batch, Mark::kAliveMs, now_ms);
  alive_ms = now_ms;
  // A mark that a crash takes back only makes the gap longer, and deadlines later.
  return Commit(batch, /*durable=*/false);
}

std::vector<Pending> EmbeddedEngine::State::Drain() {
  std::vector<Pending> batch;
  size_t bytes = 0;
  std::lock_guard lock(mutex);
  while (!queue.empty() && batch.size() < options.max_block_transactions) {
    const size_t size = queue.front().transaction.transaction.body().size();
    if (!batch.empty() && bytes + size > options.max_block_bytes) break;
    bytes += size;
    queued_bytes -= size;
    queued.erase(queue.front().transaction.hash);
    batch.push_back(std::move(queue.front()));
    queue.pop_front();
  }
  return batch;
}

absl::Status EmbeddedEngine::State::AnswerRepeated(const base::KvSnapshot& snapshot, std::vector<Pending>& batch) {
  // Every look-up comes before the first answer, so that an error leaves all of them to the caller.
  std::vector<std::optional<pb::TransactionReceipt>> earlier(batch.size());
  ReceiptReader reader(snapshot);
  for (size_t i = 0; i < batch.size(); ++i) {
    ASSIGN_OR_RETURN(earlier[i], reader.Find(base::AsText(batch[i].transaction.hash.view())));
  }
  std::vector<Pending> fresh;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (!earlier[i]) {
      fresh.push_back(std::move(batch[i]));
      continue;
    }
    for (const ReceiptCallback& done : batch[i].done) done(*earlier[i]);
  }
  batch = std::move(fresh);
  return absl::OkStatus();
}

pb::Block EmbeddedEngine::State::MakeBlock(const BlockContext& context, std::vector<Pending>& batch,
                                           BlockResult& result, const base::Digest& state_root) const {
  pb::Block block;
  std::vector<base::Digest> transactions;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (!Included(VerdictOf(result.receipts[i]))) continue;
    transactions.push_back(batch[i].transaction.hash);
    *block.add_transactions() = std::move(batch[i].transaction.transaction);
    *block.add_receipts() = std::move(result.receipts[i]);
  }

  pb::BlockHeader header;
  header.set_chain_id(ToField(ledger.chain_id()));
  header.set_height(context.height);
  header.set_time_ms(context.time_ms);
  header.set_gap_ms(context.gap_ms);
  if (context.height != 0) header.set_parent(ToField(HeaderDigest(head.header_bytes)));
  header.set_transactions_root(ToField(TransactionsRoot(transactions)));
  header.set_receipts_root(ToField(ReceiptsRoot(block)));
  header.set_state_root(ToField(state_root));
  block.set_header(header.SerializeAsString());
  block.set_signature(ToField(key.Sign(HeaderDigest(block.header()))));
  return block;
}

// Blocks leave the history in order, a few at a time.
void EmbeddedEngine::State::Prune(const base::KvSnapshot& snapshot, uint64_t now_ms, base::KvBatch& batch) {
  const uint64_t keep_ms = absl::ToInt64Milliseconds(options.keep_history);
  for (int i = 0; i < kPruneAtOnce && earliest < head.height(); ++i) {
    const auto block = GetBlock(snapshot, earliest);
    pb::BlockHeader header;
    if (!block.ok() || !header.ParseFromString(block->header())) return;
    if (header.time_ms() + keep_ms > now_ms) return;
    DropBlock(batch, *block, earliest);
    PutMark(batch, Mark::kEarliestHeight, ++earliest);
  }
}

absl::StatusOr<pb::Block> EmbeddedEngine::State::CommitBlock(const std::shared_ptr<const base::KvSnapshot>& snapshot,
                                                             const BlockContext& context, std::vector<Pending>& batch,
                                                             BlockResult& result) {
  ASSIGN_OR_RETURN(TreeUpdate tree, UpdateTree(KvView(snapshot, kPagePrefix), result.changes));
  pb::Block block = MakeBlock(context, batch, result, tree.root);
  base::KvBatch writes;
  PutChanges(writes, kStatePrefix, result.changes);
  PutChanges(writes, kPagePrefix, tree.pages);
  PutBlock(writes, block, result, context.height);
  // History goes with a commit that is made anyway.
  Prune(*snapshot, context.time_ms, writes);
  RETURN_IF_ERROR(Commit(writes, /*durable=*/true));
  alive_ms = context.time_ms;
  Head next;
  next.header_bytes = block.header();
  next.signature = block.signature();
  next.header.ParseFromString(block.header());
  // Only now may anybody know of the block: it is on the disk.
  Adopt(std::move(next));
  next_due_ms = NextDueMs(KvView(kv, kStatePrefix));
  return block;
}

absl::Status EmbeddedEngine::State::FormBlock(uint64_t now_ms, std::vector<Pending>& batch, bool* due_left) {
  const std::shared_ptr<const base::KvSnapshot> snapshot = kv.Snapshot();
  RETURN_IF_ERROR(AnswerRepeated(*snapshot, batch));
  const KvView state(snapshot, kStatePrefix);
  std::vector<PreparedTransaction> transactions;
  transactions.reserve(batch.size());
  for (Pending& pending : batch) transactions.push_back(std::move(pending.transaction));
  const BlockContext context{head.height() + 1, now_ms, gap_ms};
  BlockResult result = ledger.ExecuteBlock(context, transactions, state);
  RETURN_IF_ERROR(state.health());
  for (size_t i = 0; i < batch.size(); ++i) batch[i].transaction = std::move(transactions[i]);

  *due_left = result.due_left;
  // Receipts of what is included move into the block.
  std::vector<pb::TransactionReceipt*> receipts;
  receipts.reserve(batch.size());
  for (pb::TransactionReceipt& receipt : result.receipts) {
    receipts.push_back(Included(VerdictOf(receipt)) ? nullptr : &receipt);
  }
  pb::Block block;
  // Nothing paid, nothing due: no block.
  if (!result.changes.empty()) {
    ASSIGN_OR_RETURN(block, CommitBlock(snapshot, context, batch, result));
  }
  if (result.invariant_broken) ReportBroken(context.height);
  for (size_t i = 0, included = 0; i < batch.size(); ++i) {
    if (receipts[i] == nullptr) receipts[i] = block.mutable_receipts(static_cast<int>(included++));
    const absl::StatusOr<pb::TransactionReceipt> answer = std::move(*receipts[i]);
    for (const ReceiptCallback& done : batch[i].done) done(answer);
  }
  batch.clear();
  gap_ms = 0;
  return absl::OkStatus();
}

void EmbeddedEngine::State::ReportBroken(uint64_t height) const {
  observer.Report({base::Severity::kError, "chain.invariant_broken",
                   "a transaction that would break an invariant was undone", {{"height", absl::StrCat(height)}}});
}

absl::Duration EmbeddedEngine::State::RunOnce() {
  std::lock_guard run(run_mutex);
  std::vector<Pending> batch = Drain();
  absl::Status status = health();
  bool due_left = false;
  uint64_t now_ms = NowMs();
  if (status.ok()) {
    status = CheckClock();
    if (!status.ok()) Halt(status);
  }
  if (status.ok()) {
    const bool due = next_due_ms && *next_due_ms <= now_ms;
    // A gap is written down at once: deadlines must have moved before anything is late by it.
    if (!batch.empty() || due || gap_ms != 0) {
      status = FormBlock(now_ms, batch, &due_left);
      if (!status.ok()) Halt(status);
    } else {
      status = MarkAlive(now_ms);
    }
  }
  if (!status.ok()) {
    for (Pending& pending : batch) {
      for (const ReceiptCallback& done : pending.done) done(status);
    }
    return kIdle;
  }
  {
    std::lock_guard lock(mutex);
    if (!queue.empty()) return absl::ZeroDuration();
  }
  return due_left ? absl::ZeroDuration() : UntilNextDue(now_ms);
}

EmbeddedEngine::EmbeddedEngine(std::unique_ptr<State> state) : state_(std::move(state)) {}
EmbeddedEngine::~EmbeddedEngine() {
  Stop();
  // Answers what is still queued, block by block.
  bool queued = true;
  while (queued) {
    RunOnce();
    std::lock_guard lock(state_->mutex);
    queued = !state_->queue.empty();
  }
}

namespace {

absl::Status WrongGenesis(absl::string_view reason, absl::string_view what) {
  return base::Error(absl::StatusCode::kFailedPrecondition, reason, what,
                     "start the ledger with the genesis and key that its store was made with");
}

// The store's genesis, which must agree with the one given.
absl::StatusOr<pb::Genesis> StoredGenesis(const base::Kv& kv, const std::optional<pb::Genesis>& given) {
  const KvView state(kv, kStatePrefix);
  const auto stored = state.Find(keys::Genesis());
  RETURN_IF_ERROR(state.health());
  if (!stored) return WrongGenesis("NO_GENESIS", "the store holds a ledger without a genesis record");
  if (given && !(ChainIdOf(*given) == ChainIdOf(*stored))) {
    return WrongGenesis("WRONG_GENESIS", "the store holds a ledger of another genesis");
  }
  return *stored;
}

// A ledger whose newest header was lost must not be begun anew over its records.
absl::Status ExpectEmpty(const base::Kv& kv) {
  ASSIGN_OR_RETURN(const uint64_t entries, kv.EntryCount());
  if (entries == 0) return absl::OkStatus();
  return base::Error(absl::StatusCode::kDataLoss, "STORE_DAMAGED", "the store holds records but no newest header",
                     "restore the ledger's store from a copy");
}

}  // namespace

absl::Status EmbeddedEngine::State::CommitGenesis(const pb::Genesis& record) {
  const ChangeSet changes = ledger.GenesisState();
  ASSIGN_OR_RETURN(TreeUpdate tree, UpdateTree(KvView(kv, kPagePrefix), changes));
  std::vector<Pending> none;
  BlockResult nothing;
  const pb::Block block = MakeBlock({0, record.time_ms(), 0}, none, nothing, tree.root);
  base::KvBatch writes;
  PutChanges(writes, kStatePrefix, changes);
  PutChanges(writes, kPagePrefix, tree.pages);
  PutBlock(writes, block, nothing, 0);
  return kv.Commit(writes);
}

absl::Status EmbeddedEngine::State::CheckStore(const std::shared_ptr<const base::KvSnapshot>& snapshot) const {
  const KvView view(snapshot, kStatePrefix);
  const absl::Status sound = Recount(view);
  if (!sound.ok()) {
    return base::Error(absl::StatusCode::kDataLoss, "INVARIANT_BROKEN", sound.message(),
                       "restore the ledger's store from a copy and report this", base::DetailOf(sound).evidence);
  }
  ASSIGN_OR_RETURN(const base::Digest root, CheckTree(KvView(snapshot, kPagePrefix), view));
  if (ToField(root) == head.header.state_root()) return absl::OkStatus();
  return base::Error(absl::StatusCode::kDataLoss, "STATE_TREE_BROKEN",
                     "the state tree does not match the newest header", "restore the ledger's store from a copy");
}

absl::Status EmbeddedEngine::State::Resume(const std::shared_ptr<const base::KvSnapshot>& snapshot) {
  ASSIGN_OR_RETURN(earliest, GetMark(*snapshot, Mark::kEarliestHeight));
  ASSIGN_OR_RETURN(advanced_ms, GetMark(*snapshot, Mark::kAdvancedMs));
  ASSIGN_OR_RETURN(const uint64_t alive, GetMark(*snapshot, Mark::kAliveMs));
  clock_lead = (clock.Now() - absl::UnixEpoch()) - clock.Monotonic();
  const KvView state(snapshot, kStatePrefix);
  next_due_ms = NextDueMs(state);
  RETURN_IF_ERROR(state.health());
  const uint64_t last_ms = std::max<uint64_t>(alive, head.header.time_ms());
  const uint64_t now_ms = NowMs();
  // With no deadline open there is nothing to postpone.
  if (head.height() != 0 && next_due_ms && now_ms > last_ms) gap_ms = now_ms - last_ms;
  alive_ms = last_ms;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<EmbeddedEngine>> EmbeddedEngine::Open(base::Kv& kv, const base::Clock& clock,
                                                                     base::SigningKey engine_key,
                                                                     const std::optional<pb::Genesis>& genesis,
                                                                     base::Observer& observer,
                                                                     EngineOptions options) {
  ASSIGN_OR_RETURN(std::optional<Head> head, GetHead(*kv.Snapshot()));
  pb::Genesis record;
  if (head) {
    ASSIGN_OR_RETURN(record, StoredGenesis(kv, genesis));
  } else if (genesis) {
    RETURN_IF_ERROR(ExpectEmpty(kv));
    record = *genesis;
  } else {
    return WrongGenesis("NO_GENESIS", "the store is empty and no genesis was given");
  }
  if (record.engine_key() != base::ToString(engine_key.public_key().Encode())) {
    return WrongGenesis("WRONG_ENGINE_KEY", "the genesis names another engine key");
  }
  LedgerHooks hooks = options.hooks;
  ASSIGN_OR_RETURN(Ledger ledger, Ledger::Create(record, std::move(hooks)));
  auto state = std::make_unique<State>(kv, clock, std::move(engine_key), observer, std::move(options),
                                       std::move(ledger));
  if (!head) {
    RETURN_IF_ERROR(state->CommitGenesis(record));
    ASSIGN_OR_RETURN(head, GetHead(*kv.Snapshot()));
  }
  state->head = *std::move(head);
  const std::shared_ptr<const base::KvSnapshot> snapshot = kv.Snapshot();
  RETURN_IF_ERROR(state->CheckStore(snapshot));
  RETURN_IF_ERROR(state->Resume(snapshot));
  return std::unique_ptr<EmbeddedEngine>(new EmbeddedEngine(std::move(state)));
}

void EmbeddedEngine::Submit(const pb::SignedTransaction& transaction, ReceiptCallback done) {
  State& s = *state_;
  PreparedTransaction prepared = Prepare(transaction);
  const bool refused = prepared.bytes != Verdict::kOk || !prepared.signature_valid;
  absl::Status status = s.health();
  if (status.ok() && !refused) {
    // Anybody may send the ledger's whole history again for nothing: whoever does reads its blocks here, not on the one
    // thread that makes blocks.
    const auto earlier = FindReceipt(*s.kv.Snapshot(), base::AsText(prepared.hash.view()));
    if (!earlier.ok()) return done(earlier.status());
    if (*earlier) return done(**earlier);
  }
  {
    std::lock_guard lock(s.mutex);
    if (status.ok()) status = s.health_status;
    if (status.ok() && !refused) {
      const auto same = s.queued.find(prepared.hash);
      if (same != s.queued.end()) {
        same->second->done.push_back(std::move(done));
        return;
      }
      const size_t bytes = prepared.transaction.body().size();
      if (s.queue.size() < s.options.max_queue && s.queued_bytes + bytes <= s.options.max_queue_bytes) {
        const base::Digest hash = prepared.hash;
        s.queued_bytes += bytes;
        s.queue.push_back({std::move(prepared), {}});
        s.queue.back().done.push_back(std::move(done));
        s.queued[hash] = &s.queue.back();
        s.changed.notify_all();
        return;
      }
      status = base::Error(absl::StatusCode::kResourceExhausted, "QUEUE_FULL", "too many transactions wait",
                           "try again in a moment");
    }
  }
  if (!status.ok()) return done(status);
  pb::TransactionReceipt receipt;
  receipt.set_transaction(ToField(prepared.hash));
  receipt.set_verdict(static_cast<uint32_t>(prepared.bytes != Verdict::kOk ? prepared.bytes : Verdict::kBadSignature));
  done(receipt);
}

absl::StatusOr<pb::TransactionReceipt> EmbeddedEngine::Simulate(const pb::SignedTransaction& transaction) const {
  RETURN_IF_ERROR(state_->health());
  const PreparedTransaction prepared = Prepare(transaction);
  const KvView view(state_->kv, kStatePrefix);
  pb::TransactionReceipt receipt = state_->ledger.Simulate({height() + 1, state_->NowMs(), 0}, prepared, view);
  RETURN_IF_ERROR(view.health());
  return receipt;
}

absl::StatusOr<pb::QueryResponse> EmbeddedEngine::Query(const pb::QueryRequest& request) const {
  const State& s = *state_;
  const std::shared_ptr<const base::KvSnapshot> snapshot = s.kv.Snapshot();
  const KvView view(snapshot, kStatePrefix);
  std::vector<std::string> shown;
  const bool prove = request.prove() || request.question_case() == pb::QueryRequest::kStateKey;
  ASSIGN_OR_RETURN(pb::QueryResponse response, AnswerQuery(view, request, prove ? &shown : nullptr));
  ASSIGN_OR_RETURN(const std::optional<Head> head, GetHead(*snapshot));
  if (!head) return Stopped();
  if (request.question_case() == pb::QueryRequest::kTransaction) {
    if (request.transaction().size() != base::Digest::kSize) {
      return base::Error(absl::StatusCode::kInvalidArgument, "BAD_QUERY", "a transaction's hash has 32 bytes",
                         "correct the question");
    }
    ASSIGN_OR_RETURN(const auto receipt, FindReceipt(*snapshot, request.transaction()));
    if (!receipt) {
      return base::Error(absl::StatusCode::kNotFound, "NOT_FOUND", "no such transaction in the history that is kept",
                         "submit it again: the same bytes never take effect twice");
    }
    *response.mutable_transaction() = *receipt;
  } else if (request.question_case() == pb::QueryRequest::kBlock) {
    ASSIGN_OR_RETURN(*response.mutable_block(), GetBlock(*snapshot, request.block()));
  }
  pb::ChainStatus& status = *response.mutable_status();
  status.set_chain_id(ToField(s.ledger.chain_id()));
  status.set_network(s.ledger.genesis().network());
  status.set_network_class(s.ledger.genesis().network_class());
  status.set_height(head->height());
  // An answer is of its header's time; only a status is asked to tell what time it is.
  status.set_time_ms(request.question_case() == pb::QueryRequest::kStatus ? s.NowMs() : head->header.time_ms());
  status.set_state_root(head->header.state_root());
  status.set_engine_key(s.ledger.genesis().engine_key());
  ASSIGN_OR_RETURN(const uint64_t earliest, GetMark(*snapshot, Mark::kEarliestHeight));
  status.set_earliest_height(earliest);
  {
    std::lock_guard lock(s.mutex);
    status.set_pending_transactions(s.queue.size());
  }
  response.set_header(head->header_bytes);
  response.set_header_signature(head->signature);
  const KvView pages(snapshot, kPagePrefix);
  ASSIGN_OR_RETURN(*response.mutable_proofs(), ProveAll(pages, view, shown));
  return response;
}

absl::Duration EmbeddedEngine::RunOnce() { return state_->RunOnce(); }

void EmbeddedEngine::WaitForWork(absl::Duration timeout) {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  s.changed.wait_for(lock, absl::ToChronoMicroseconds(std::min(timeout, kIdle)),
                     [&] { return !s.queue.empty() || !s.health_status.ok(); });
}

absl::StatusOr<std::optional<pb::Block>> EmbeddedEngine::NextBlock(uint64_t height, absl::Duration timeout) const {
  const State& s = *state_;
  {
    std::unique_lock lock(s.mutex);
    s.changed.wait_for(lock, absl::ToChronoMicroseconds(std::min(timeout, kIdle)),
                       [&] { return s.head.height() >= height || !s.health_status.ok(); });
    if (s.head.height() < height) {
      if (!s.health_status.ok()) return s.health_status;
      return std::optional<pb::Block>();
    }
  }
  auto block = GetBlock(*s.kv.Snapshot(), height);
  if (block.ok()) return std::optional<pb::Block>(*std::move(block));
  if (!absl::IsNotFound(block.status())) return block.status();
  return base::Error(absl::StatusCode::kOutOfRange, "PRUNED", absl::StrCat("block ", height, " is no longer kept"),
                     "begin at the earliest height in the ledger's status");
}

absl::StatusOr<absl::Time> EmbeddedEngine::Advance(absl::Duration by) {
  State& s = *state_;
  if (s.ledger.genesis().network_class() != pb::NETWORK_CLASS_TEST) {
    return base::Error(absl::StatusCode::kPermissionDenied, "NOT_A_TEST_NETWORK",
                       "only the clock of a test network can be advanced", "wait");
  }
  if (by < absl::ZeroDuration() || by > absl::Hours(24 * 3660)) {
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_DURATION", "a clock advances by 0 to 10 years at once",
                       "give a shorter time");
  }
  {
    std::lock_guard run(s.run_mutex);
    uint64_t advanced;
    {
      std::lock_guard lock(s.mutex);
      advanced = s.advanced_ms += absl::ToInt64Milliseconds(by);
    }
    base::KvBatch batch;
    PutMark(batch, Mark::kAdvancedMs, advanced);
    // Before anybody lives by it: after a restart the ledger's time must not be earlier.
    RETURN_IF_ERROR(s.Commit(batch, /*durable=*/true));
  }
  s.changed.notify_all();
  return Now();
}

void EmbeddedEngine::Stop() {
  {
    std::lock_guard lock(state_->mutex);
    if (state_->health_status.ok()) state_->health_status = Stopped();
  }
  state_->changed.notify_all();
}

absl::Status EmbeddedEngine::Health() const { return state_->health(); }
const base::ChainId& EmbeddedEngine::chain_id() const { return state_->ledger.chain_id(); }
const pb::Genesis& EmbeddedEngine::genesis() const { return state_->ledger.genesis(); }
absl::Time EmbeddedEngine::Now() const { return absl::FromUnixMillis(state_->NowMs()); }

uint64_t EmbeddedEngine::height() const {
  std::lock_guard lock(state_->mutex);
  return state_->head.height();
}

}  // namespace cairn::chain
