#include "cairn/chain/ledger.h"

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/accounts.h"
#include "cairn/chain/domain/channels.h"
#include "cairn/chain/domain/objects.h"
#include "cairn/chain/domain/payments.h"
#include "cairn/chain/domain/providers.h"
#include "cairn/chain/genesis.h"
#include "cairn/chain/invariants.h"
#include "cairn/chain/transaction.h"
#include "domain/approvals.h"
#include "ledger/operations.h"

namespace cairn::chain {
namespace {

void HandleDue(const keys::DueEntry& due, const Context& context, Edits& edits) {
  switch (due.kind) {
    case DueKind::kSealDeadline:
      return SealDeadlinePassed(due.id, context, edits);
    case DueKind::kFineWindow:
      return FineWindowClosed(due.id, edits);
    case DueKind::kApproval:
      return ApprovalExpired(due.id, edits);
    case DueKind::kAllowance:
      return AllowanceExpired(due.id, context, edits);
    case DueKind::kMaintenanceEnd:
      return MaintenanceEnded(due.id, context, edits);
    case DueKind::kPayerStep:
      return PayerStep(due.id, context, edits);
    case DueKind::kWithdrawal:
      return WithdrawalDue(due.id, context, edits);
    case DueKind::kChannelDue:
      return ChannelDue(due.id, context, edits);
    case DueKind::kPoolDue:
      return PoolDue(due.id, context, edits);
  }
}

// Moves one deadline that was open while the ledger stood still. What a signature fixed (approvals, allowances) stays.
void Postpone(const keys::DueEntry& due, uint64_t gap_ms, const pb::Params& params, Edits& edits) {
  const uint64_t later = due.time_ms + gap_ms;
  switch (due.kind) {
    case DueKind::kSealDeadline: {
      pb::Object& object = edits.At(keys::Object(due.id));
      object.set_seal_deadline_ms(later);
      // Whoever may be fined later stays for as much longer.
      HoldLiable(object.primary(), later + params.fine_claim_window_ms(), edits);
      break;
    }
    case DueKind::kFineWindow: {
      pb::ExpiredUpload& expired = edits.At(keys::ExpiredUpload(due.id));
      expired.set_until_ms(later);
      HoldLiable(expired.primary(), later, edits);
      break;
    }
    case DueKind::kMaintenanceEnd:
      edits.At(keys::Provider(AccountOf(due.id))).set_maintenance_until_ms(later);
      break;
    case DueKind::kPayerStep:
      edits.At(keys::Stream(AccountOf(due.id))).set_step_ms(later);
      break;
    case DueKind::kWithdrawal:
      edits.At(keys::PaymentAccount(AccountOf(due.id))).set_withdrawal_ms(later);
      break;
    case DueKind::kChannelDue:
      edits.At(keys::Channel(due.id)).set_due_ms(later);
      break;
    case DueKind::kPoolDue:
      edits.At(keys::Pool(due.id)).set_due_ms(later);
      break;
    case DueKind::kApproval:
    case DueKind::kAllowance:
      return;
  }
  DropDue(edits, due.time_ms, due.kind, due.id);
  AddDue(edits, later, due.kind, due.id);
}

// Stands for "count of the transactions" until that is known.
constexpr uint32_t kDueMarker = UINT32_MAX;

// One block in the making.
class Block {
 public:
  Block(const Ledger& ledger, const LedgerHooks& hooks, const BlockContext& context, const ReadView& view)
      : ledger_(ledger), hooks_(hooks), context_(context), state_(&view) {
    params_ = state_.Find(keys::Params()).value_or(pb::Params());
    stopped_ms_ = state_.Find(keys::StreamClock()).value_or(pb::StreamClock()).stopped_ms();
    HoldStreams();
  }

  void PostponeDeadlines();
  void RunDueWork();
  void Execute(const PreparedTransaction& transaction);
  BlockResult Take();

 private:
  Context MakeContext(Outcome* outcome) {
    return {.chain = ledger_.chain_id(), .params = params_, .height = context_.height, .time_ms = context_.time_ms,
            .stream_s = (streams_ms_ - std::min(stopped_ms_, streams_ms_)) / 1000, .stopped_ms = stopped_ms_,
            .signer = {}, .transaction = "", .operation = nullptr, .outcome = outcome, .memo = &memo_};
  }
  // The streams' clock does not pass what is due and not handled: so no payer is charged beyond a step it should take.
  void HoldStreams();
  Verdict Admit(const PreparedTransaction& transaction, const Context& context) const;
  Verdict RunOperations(const pb::TransactionBody& body, Context& context, WriteView& view,
                        pb::TransactionReceipt* receipt) const;
  void Keep(const Outcome& outcome, uint32_t marker);
  void Alarm(const absl::Status& broken, const std::string& transaction, uint32_t marker);

  const Ledger& ledger_;
  const LedgerHooks& hooks_;
  BlockContext context_;
  BlockView state_;
  pb::Params params_;
  uint64_t stopped_ms_ = 0;
  uint64_t streams_ms_ = 0;  // the ledger's time up to which streams are charged
  uint32_t included_ = 0;
  BlockMemo memo_;
  BlockResult result_;
};

void Block::Keep(const Outcome& outcome, uint32_t marker) {
  result_.events.Append(outcome.events);
  result_.event_transactions.insert(result_.event_transactions.end(), outcome.events.size(), marker);
}

void Block::Alarm(const absl::Status& broken, const std::string& transaction, uint32_t marker) {
  Outcome outcome;
  MakeContext(&outcome).Emit("ledger.invariant_broken", {{"transaction", base::ToHex(base::AsBytes(transaction))},
                                                         {"invariant", std::string(broken.message())}});
  Keep(outcome, marker);
  result_.invariant_broken = true;
}

void Block::PostponeDeadlines() {
  if (context_.gap_ms == 0) return;
  // Gathered before any of them moves: the scan would meet again, further on, what it has moved.
  std::vector<keys::DueEntry> open;
  state_.Scan(keys::DuePrefix(), "", [&](const std::string& key, const Record&) {
    // What was overdue moves as well: the streams' clock must meet all of them in the order they had.
    open.push_back(keys::ParseDue(key));
    return true;
  });
  WriteView scratch(&state_);
  Edits edits(scratch);
  for (const keys::DueEntry& due : open) Postpone(due, context_.gap_ms, params_, edits);
  stopped_ms_ += context_.gap_ms;
  edits.At(keys::StreamClock()).set_stopped_ms(stopped_ms_);
  edits.Flush();
  state_.Merge(scratch.TakeChanges());
  HoldStreams();
}

void Block::RunDueWork() {
  // A second in which very much falls due must not become one endless block.
  while (result_.due_handled < params_.max_due_per_block()) {
    const auto first = state_.Seek(keys::DuePrefix());
    if (!first || first->first.substr(0, 1) != keys::DuePrefix()) break;
    const keys::DueEntry due = keys::ParseDue(first->first);
    if (due.time_ms > context_.time_ms) break;
    ++result_.due_handled;
    // Everything due acts at its own time, however late the block: what it comes to must not hang on when that was made.
    streams_ms_ = due.time_ms;
    Outcome outcome;
    WriteView scratch(&state_);
    Edits edits(scratch);
    DropDue(edits, due.time_ms, due.kind, due.id);
    HandleDue(due, MakeContext(&outcome), edits);
    edits.Flush();
    const absl::Status sound = CheckChanges(scratch, ledger_.genesis().network_class());
    if (sound.ok()) {
      state_.Merge(scratch.TakeChanges());
      Keep(outcome, kDueMarker);
    } else {
      // The entry goes all the same, or the ledger would stand still before it for ever.
      state_.Merge({{first->first, nullptr}});
      Alarm(sound, "", kDueMarker);
    }
  }
  const auto next = state_.Seek(keys::DuePrefix());
  result_.due_left = next && next->first.substr(0, 1) == keys::DuePrefix() &&
                     keys::ParseDue(next->first).time_ms <= context_.time_ms;
  HoldStreams();
}

void Block::HoldStreams() {
  streams_ms_ = std::min(context_.time_ms, NextDueMs(state_).value_or(context_.time_ms));
}

Verdict Block::Admit(const PreparedTransaction& transaction, const Context& context) const {
  if (transaction.bytes != Verdict::kOk) return transaction.bytes;
  // In this order the state is asked last: who may not be heard at all costs no look-up.
  if (transaction.body.chain_id() != ToField(ledger_.chain_id())) return Verdict::kWrongChain;
  if (!transaction.signature_valid) return Verdict::kBadSignature;
  return CheckAdmission(transaction.body, context, state_);
}

Verdict Block::RunOperations(const pb::TransactionBody& body, Context& context, WriteView& view,
                             pb::TransactionReceipt* receipt) const {
  for (int i = 0; i < body.operations_size(); ++i) {
    const pb::Operation& operation = body.operations(i);
    const OperationRules* rules = RulesFor(operation.kind_case());
    receipt->set_operation(i);
    context.operation = &operation;
    const Verdict verdict = rules->check(operation, context, view);
    if (verdict != Verdict::kOk) return verdict;
    Edits edits(view);
    rules->apply(operation, context, edits);
    edits.Flush();
    if (hooks_.after_apply) hooks_.after_apply(operation, view);
  }
  receipt->set_operation(0);
  return Verdict::kOk;
}

void Block::Execute(const PreparedTransaction& transaction) {
  const uint32_t index = included_;
  pb::TransactionReceipt receipt;
  receipt.set_transaction(ToField(transaction.hash));
  Outcome outcome;
  Context context = MakeContext(&outcome);
  context.transaction = receipt.transaction();
  if (transaction.bytes == Verdict::kOk) {
    const auto signer = base::PublicKey::Decode(base::AsBytes(transaction.body.signer()));
    if (signer.ok()) context.signer = signer->Account();
  }
  Verdict verdict = Admit(transaction, context);
  if (verdict == Verdict::kOk) {
    WriteView scratch(&state_);
    Edits admission(scratch);
    // Kept whatever the operations come to: a refusal that cost nothing could be sent again for ever.
    *receipt.mutable_fee() = ToProto(ApplyAdmission(transaction.body, context, admission));
    admission.Flush();
    state_.Merge(scratch.TakeChanges());
    verdict = RunOperations(transaction.body, context, scratch, &receipt);
    if (verdict == Verdict::kOk) {
      const absl::Status sound = CheckChanges(scratch, ledger_.genesis().network_class());
      if (sound.ok()) {
        state_.Merge(scratch.TakeChanges());
      } else {
        verdict = Verdict::kInvariant;
        outcome.detail = std::string(sound.message());
        Alarm(sound, receipt.transaction(), index);
      }
    }
    receipt.set_height(context_.height);
    receipt.set_index(index);
    ++included_;
  }
  receipt.set_verdict(static_cast<uint32_t>(verdict));
  if (verdict == Verdict::kOk) {
    for (std::string& id : outcome.created) *receipt.add_created() = std::move(id);
    Keep(outcome, index);
  } else {
    receipt.set_detail(outcome.detail);
  }
  result_.receipts.push_back(std::move(receipt));
}

BlockResult Block::Take() {
  for (uint32_t& marker : result_.event_transactions) marker = marker == kDueMarker ? included_ : marker;
  result_.changes = state_.TakeChanges();
  return std::move(result_);
}

}  // namespace

PreparedTransaction Prepare(pb::SignedTransaction transaction) {
  PreparedTransaction prepared;
  prepared.hash = TransactionHash(transaction);
  prepared.bytes = CheckBytes(transaction, &prepared.body);
  if (prepared.bytes == Verdict::kOk) prepared.signature_valid = SignatureValid(transaction, prepared.body);
  prepared.transaction = std::move(transaction);
  return prepared;
}

Ledger::Ledger(pb::Genesis genesis, LedgerHooks hooks)
    : genesis_(std::move(genesis)), chain_id_(ChainIdOf(genesis_)), hooks_(std::move(hooks)) {}

absl::StatusOr<Ledger> Ledger::Create(const pb::Genesis& genesis, LedgerHooks hooks) {
  RETURN_IF_ERROR(CheckGenesis(genesis));
  return Ledger(genesis, std::move(hooks));
}

ChangeSet Ledger::GenesisState() const {
  MapView nothing;
  WriteView state(&nothing);
  state.Put(keys::Genesis(), genesis_);
  state.Put(keys::Params(), genesis_.params());
  state.Put(keys::Counters(), pb::Counters());
  base::Amount crn, usdc;
  for (const pb::GenesisAccount& entry : genesis_.accounts()) {
    pb::Account account;
    account.set_id(entry.id());
    *account.mutable_crn() = entry.crn();
    *account.mutable_usdc() = entry.usdc();
    account.set_created_ms(genesis_.time_ms());
    state.Put(keys::Account(AccountOf(entry.id())), account);
    crn = crn.Plus(FromProto(entry.crn())).value_or(base::Amount::Max());
    usdc = usdc.Plus(FromProto(entry.usdc())).value_or(base::Amount::Max());
  }
  for (const auto& [asset, sum] : {std::pair(pb::ASSET_CRN, crn), std::pair(pb::ASSET_USDC, usdc)}) {
    pb::Supply supply;
    *supply.mutable_minted() = ToProto(sum);
    *supply.mutable_free() = ToProto(sum);
    state.Put(keys::Supply(asset), supply);
  }
  return state.TakeChanges();
}

BlockResult Ledger::ExecuteBlock(const BlockContext& context, absl::Span<const PreparedTransaction> transactions,
                                 const ReadView& view) const {
  Block block(*this, hooks_, context, view);
  block.PostponeDeadlines();
  block.RunDueWork();
  for (const PreparedTransaction& transaction : transactions) block.Execute(transaction);
  return block.Take();
}

pb::TransactionReceipt Ledger::Simulate(const BlockContext& context, const PreparedTransaction& transaction,
                                        const ReadView& view) const {
  Block block(*this, hooks_, context, view);
  block.Execute(transaction);
  pb::TransactionReceipt receipt = block.Take().receipts.front();
  receipt.set_height(0);
  return receipt;
}

std::optional<uint64_t> NextDueMs(const ReadView& view) {
  const auto first = view.Seek(keys::DuePrefix());
  if (!first || first->first.substr(0, 1) != keys::DuePrefix()) return std::nullopt;
  return keys::ParseDue(first->first).time_ms;
}

}  // namespace cairn::chain
