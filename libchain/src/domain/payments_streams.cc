// Streams: flows, their settlement, and the buffer behind them.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"
#include "domain/money.h"
#include "domain/object_records.h"
#include "domain/payer_steps.h"
#include "domain/streams.h"

namespace cairn::chain {
namespace {

base::StreamBalance BalanceOf(const pb::StreamAccount& stream, base::Amount free) {
  return {.free = free,
          .buffer = FromProto(stream.buffer()),
          .in_rate = FromProto(stream.in_rate()),
          .out_rate = FromProto(stream.out_rate()),
          .settled_s = stream.settled_s()};
}

bool IsTreasury(const base::AccountId& id) { return id == TreasuryId(); }

base::Amount FreeOf(const base::AccountId& id, Edits& edits) {
  return IsTreasury(id) ? base::Amount() : FromProto(edits.At(keys::Account(id)).crn());
}

// Money leaves or enters the streams for a balance's free part; the treasury's is the supply's.
void MoveOut(const base::AccountId& id, base::Amount amount, const Context& context, Edits& edits) {
  pb::Supply& supply = edits.At(keys::Supply(pb::ASSET_CRN));
  TakeFrom(supply.mutable_streams(), amount);
  if (IsTreasury(id)) return AddTo(supply.mutable_treasury(), amount);
  AddTo(supply.mutable_free(), amount);
  AddTo(ExistingAccount(edits, context, id).mutable_crn(), amount);
}

void MoveIn(const base::AccountId& id, base::Amount amount, Edits& edits) {
  pb::Supply& supply = edits.At(keys::Supply(pb::ASSET_CRN));
  AddTo(supply.mutable_streams(), amount);
  TakeFrom(supply.mutable_free(), amount);
  TakeFrom(edits.At(keys::Account(id)).mutable_crn(), amount);
}

void Write(const base::AccountId& id, base::Amount free_before, const base::StreamBalance& balance,
           const Context& context, Edits& edits) {
  pb::StreamAccount& stream = edits.At(keys::Stream(id));
  stream.set_settled_s(balance.settled_s);
  *stream.mutable_buffer() = ToProto(balance.buffer);
  if (balance.free > free_before) MoveOut(id, balance.free.MinusOrZero(free_before), context, edits);
  if (balance.free < free_before) MoveIn(id, free_before.MinusOrZero(balance.free), edits);
}

pb::StreamAccount& StreamOf(const base::AccountId& id, const Context& context, Edits& edits) {
  pb::StreamAccount& stream = edits.At(keys::Stream(id));
  if (stream.account().empty()) {
    stream.set_account(ToField(id));
    stream.set_settled_s(context.stream_s);
  }
  return stream;
}

// What the account paid and received since it was settled last.
void TellFlowed(const pb::StreamAccount& stream, const Context& context) {
  const uint64_t seconds = context.stream_s - stream.settled_s();
  const base::Amount paid = FromProto(stream.out_rate()).Times(seconds).value_or(base::Amount::Max());
  const base::Amount received = FromProto(stream.in_rate()).Times(seconds).value_or(base::Amount::Max());
  if (stream.account() == ToField(TreasuryId()) || (paid.zero() && received.zero())) return;
  context.Emit("stream.flowed", {{"account", Hex(stream.account())},
                                 {"paid", paid.ToString()},
                                 {"received", received.ToString()},
                                 {"seconds", absl::StrCat(seconds)}});
}

// Charges and credits up to this second.
void Run(const base::AccountId& id, const Context& context, Edits& edits) {
  pb::StreamAccount& stream = StreamOf(id, context, edits);
  if (stream.settled_s() >= context.stream_s) return;
  const base::Amount free = FreeOf(id, edits);
  base::StreamBalance balance = BalanceOf(stream, free);
  TellFlowed(stream, context);
  if (!RunStream(context.stream_s, &balance)) {
    // A payer beyond its money is a defect; no invariant lets this amount pass.
    balance.buffer = base::Amount::Max();
  }
  Write(id, free, balance, context, edits);
}

bool Idle(const pb::StreamAccount& stream) {
  return FromProto(stream.in_rate()).zero() && FromProto(stream.out_rate()).zero() &&
         FromProto(stream.frozen_rate()).zero() && FromProto(stream.buffer()).zero();
}

void Requeue(pb::StreamAccount& stream, std::optional<uint64_t> step_s, const Context& context, Edits& edits) {
  const uint64_t step_ms = step_s ? *step_s * 1000 + context.stopped_ms : 0;
  if (stream.step_ms() == step_ms) return;
  if (stream.step_ms() != 0) DropDue(edits, stream.step_ms(), DueKind::kPayerStep, stream.account());
  stream.set_step_ms(step_ms);
  stream.set_step_s(step_s.value_or(0));
  if (step_ms != 0) AddDue(edits, step_ms, DueKind::kPayerStep, stream.account());
}

// The record follows its rates: reserve, state, next step. `receivers` may be payers themselves.
void Rebalance(const base::AccountId& id, const Context& context, Edits& edits);

void MoveRate(const base::AccountId& receiver, base::Amount rate, bool in, const Context& context, Edits& edits) {
  Run(receiver, context, edits);
  pb::StreamAccount& stream = edits.At(keys::Stream(receiver));
  if (in) {
    AddTo(stream.mutable_in_rate(), rate);
  } else {
    TakeFrom(stream.mutable_in_rate(), rate);
  }
}

struct Due {
  base::AccountId receiver;
  base::Amount rate;
};

// Every flow of a payer begins or stops to move.
std::vector<Due> SetFrozen(const base::AccountId& payer, bool frozen, const Context& context, Edits& edits) {
  std::vector<Due> flows;
  const std::string prefix = keys::FlowPrefix(payer);
  for (const std::string& key : edits.KeysOf(prefix)) {
    pb::Flow& flow = edits.At(Key<pb::Flow>{key});
    flow.set_frozen(frozen);
    flows.push_back({AccountOf(key.substr(prefix.size())), FromProto(flow.rate())});
    MoveRate(flows.back().receiver, flows.back().rate, !frozen, context, edits);
  }
  pb::StreamAccount& stream = edits.At(keys::Stream(payer));
  std::swap(*stream.mutable_out_rate(), *stream.mutable_frozen_rate());
  return flows;
}

void RebalanceOthers(const base::AccountId& payer, const std::vector<Due>& flows, const Context& context,
                     Edits& edits) {
  for (const Due& flow : flows) {
    if (!(flow.receiver == payer)) Rebalance(flow.receiver, context, edits);
  }
}

void Enter(pb::StreamAccount& stream, pb::PayerState state, const Context& context) {
  stream.set_state(state);
  stream.set_warned(false);
  stream.set_state_since_s(context.stream_s);
}

// Does the frozen payer's money fill the reserve of all its flows again?
bool CanResume(const pb::StreamAccount& stream, base::Amount free, const Context& context) {
  // The whole reserve: with less the payer would stand still again in a moment, and all its receivers with it.
  const base::Amount net = FromProto(stream.frozen_rate()).MinusOrZero(FromProto(stream.in_rate()));
  const auto needed = net.Times(context.params.reserve_seconds());
  const auto money = FromProto(stream.buffer()).Plus(free);
  return needed && money && *money >= *needed;
}

void Resume(const base::AccountId& id, const Context& context, Edits& edits) {
  pb::StreamAccount& stream = edits.At(keys::Stream(id));
  Enter(stream, pb::PAYER_STATE_PAYING, context);
  const std::vector<Due> flows = SetFrozen(id, false, context, edits);
  TellPayer("payer.resumed", stream, context);
  RebalanceOthers(id, flows, context, edits);
}

void Rebalance(const base::AccountId& id, const Context& context, Edits& edits) {
  const auto key = keys::Stream(id);
  pb::StreamAccount& stream = edits.At(key);
  if (Frozen(stream.state()) && CanResume(stream, FreeOf(id, edits), context)) Resume(id, context, edits);
  const base::Amount free = FreeOf(id, edits);
  if (!Frozen(stream.state())) {
    base::StreamBalance balance = BalanceOf(stream, free);
    FillBuffer(context.params.reserve_seconds(), &balance);
    Write(id, free, balance, context, edits);
    Improve(stream, balance, context);
  }
  const bool owes = Owes(stream, context);
  if (!IsTreasury(id) && edits.At(keys::Account(id)).owes() != owes) edits.At(keys::Account(id)).set_owes(owes);
  Requeue(stream, NextStep(stream, FreeOf(id, edits), context), context, edits);
  if (Idle(stream)) edits.Drop(key);
}

// The reserve that is left goes to those who are paid, second by second; what is less than a second of all, to the
// first of them. Then the flows stand still.
void Freeze(const base::AccountId& id, const Context& context, Edits& edits) {
  pb::StreamAccount& stream = edits.At(keys::Stream(id));
  const base::Amount left = FromProto(stream.buffer());
  const uint64_t seconds = base::SecondsLeft(left, FromProto(stream.out_rate()));
  stream.clear_buffer();
  const std::vector<Due> flows = SetFrozen(id, true, context, edits);
  base::Amount rest = left;
  const auto give = [&](const base::AccountId& receiver, base::Amount part) {
    MoveOut(receiver, part, context, edits);
    TellPaid("stream.forfeited", {}, id, receiver, part, context);
  };
  for (const Due& flow : flows) {
    const base::Amount part = flow.rate.Times(seconds).value_or(base::Amount());
    rest = rest.MinusOrZero(part);
    give(flow.receiver, part);
  }
  if (!flows.empty()) give(flows.front().receiver, rest);
  Enter(stream, pb::PAYER_STATE_READ_ONLY, context);
  TellPayer("payer.read_only", stream, context, {{"forfeited", left.ToString()}});
  RebalanceOthers(id, flows, context, edits);
}

// Changes the one rate from payer to receiver. True when the pair's flow moves.
void ChangeFlow(const base::AccountId& payer, const FlowChange& change, const Context& context, Edits& edits) {
  const bool frozen = Frozen(edits.At(keys::Stream(payer)).state());
  const auto key = keys::Flow(payer, change.receiver);
  pb::Flow& flow = edits.At(key);
  AddTo(flow.mutable_rate(), change.add);
  TakeFrom(flow.mutable_rate(), change.remove);
  flow.set_frozen(frozen);
  if (FromProto(flow.rate()).zero()) edits.Drop(key);
  Run(change.receiver, context, edits);
  pb::StreamAccount& stream = edits.At(keys::Stream(payer));
  pb::Amount* out = frozen ? stream.mutable_frozen_rate() : stream.mutable_out_rate();
  AddTo(out, change.add);
  TakeFrom(out, change.remove);
  if (frozen) return;
  pb::Amount* in = edits.At(keys::Stream(change.receiver)).mutable_in_rate();
  AddTo(in, change.add);
  TakeFrom(in, change.remove);
}

}  // namespace

void ChangeFlows(const base::AccountId& payer, const std::vector<FlowChange>& changes, const Context& context,
                 Edits& edits) {
  // Up to this second at the rates that held until now.
  Run(payer, context, edits);
  for (const FlowChange& change : changes) {
    if (!(change.add == change.remove)) ChangeFlow(payer, change, context, edits);
  }
  for (const FlowChange& change : changes) {
    if (!(change.receiver == payer) && edits.Has(keys::Stream(change.receiver))) {
      Rebalance(change.receiver, context, edits);
    }
  }
  if (edits.Has(keys::Stream(payer))) Rebalance(payer, context, edits);
}

void SettleAccount(const base::AccountId& id, const Context& context, Edits& edits) {
  if (!edits.Has(keys::Stream(id))) return;
  Run(id, context, edits);
  Rebalance(id, context, edits);
}

void PayerStep(const std::string& id, const Context& context, Edits& edits) {
  const base::AccountId account = AccountOf(id);
  const auto key = keys::Stream(account);
  if (!edits.Has(key)) return;
  pb::StreamAccount& stream = edits.At(key);
  // Its entry went with this turn: a next step in the same second would pass for queued.
  stream.set_step_ms(0);
  stream.set_step_s(0);
  SettleAccount(account, context, edits);
  if (!edits.Has(key)) return;
  const bool freeze = Worsen(edits.At(key), context);
  if (freeze) Freeze(account, context, edits);
  Rebalance(account, context, edits);
}

pb::PayerState PayerStateOf(const ReadView& view, const base::AccountId& id) {
  const auto stream = view.Find(keys::Stream(id));
  return stream ? stream->state() : pb::PAYER_STATE_PAYING;
}

base::Amount Spendable(const ReadView& view, const base::AccountId& id, const Context& context) {
  const base::Amount free = FreeBalance(view, id);
  const auto stream = view.Find(keys::Stream(id));
  if (!stream) return free;
  base::StreamBalance balance = BalanceOf(*stream, free);
  if (!RunStream(context.stream_s, &balance)) return {};
  // Flows that stand still need no reserve.
  if (!Frozen(stream->state())) FillBuffer(context.params.reserve_seconds(), &balance);
  return balance.free;
}

Verdict Validate(const pb::SettleStream& op) {
  return op.account().size() == base::AccountId::kSize ? Verdict::kOk : Verdict::kBadAccountId;
}

Verdict Check(const pb::SettleStream& op, const Context&, const ReadView& view) {
  return view.Has(keys::Stream(AccountOf(op.account()))) ? Verdict::kOk : Verdict::kNoStream;
}

void Apply(const pb::SettleStream& op, const Context& context, Edits& edits) {
  const base::AccountId id = AccountOf(op.account());
  SettleAccount(id, context, edits);
  context.Emit("stream.settled", {{"account", id.ToHexString()}, {"second", absl::StrCat(context.stream_s)}});
}

}  // namespace cairn::chain
