// Running out of money: paying, throttled, read only, notice, clearable; each step told before it comes.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/objects.h"
#include "cairn/chain/domain/payments.h"
#include "domain/billing.h"
#include "domain/object_records.h"
#include "domain/payer_steps.h"
#include "domain/streams.h"

namespace cairn::chain {
namespace {

base::Amount NetOut(const pb::StreamAccount& stream) {
  return FromProto(stream.out_rate()).MinusOrZero(FromProto(stream.in_rate()));
}

uint64_t Left(const pb::StreamAccount& stream) {
  return base::SecondsLeft(FromProto(stream.buffer()), NetOut(stream));
}

// Seconds of reserve at which the payer's next step down comes; `warned` of it or not yet.
uint64_t Mark(const pb::StreamAccount& stream, const base::StreamTerms& terms) {
  const uint64_t step = stream.state() == pb::PAYER_STATE_PAYING ? terms.throttle : terms.forced_settle;
  return stream.warned() ? step : step + terms.warning;
}

// How long a frozen payer stays in its state; nullopt: until it pays.
std::optional<uint64_t> Stay(const pb::StreamAccount& stream, const pb::Params& params) {
  if (stream.state() == pb::PAYER_STATE_READ_ONLY) return params.read_only_seconds();
  if (stream.state() == pb::PAYER_STATE_NOTICE) return params.notice_seconds();
  return std::nullopt;
}

uint64_t FrozenStep(const pb::StreamAccount& stream, uint64_t stay, const Context& context) {
  const uint64_t warning = std::min<uint64_t>(context.params.warning_seconds(), stay / 2);
  return stream.state_since_s() + (stream.warned() ? stay : stay - warning);
}

// When what flows in has filled the reserve of the frozen flows.
std::optional<uint64_t> ResumesAt(const pb::StreamAccount& stream, base::Amount free, const Context& context) {
  const base::Amount in = FromProto(stream.in_rate());
  const auto needed = FromProto(stream.frozen_rate()).MinusOrZero(in).Times(context.params.reserve_seconds());
  if (in.zero() || !needed) return std::nullopt;
  const base::Amount missing = needed->MinusOrZero(free).MinusOrZero(FromProto(stream.buffer()));
  const auto seconds = missing.MulDivCeil(1, in.units());
  if (!seconds || seconds->high() != 0 || seconds->low() > UINT32_MAX) return std::nullopt;
  return context.stream_s + std::max<uint64_t>(seconds->low(), 1);
}

pb::PayerState After(pb::PayerState state) { return static_cast<pb::PayerState>(state + 1); }

void Warn(pb::StreamAccount& stream, uint64_t seconds, const Context& context) {
  stream.set_warned(true);
  TellPayer("payer.warned", stream, context,
            {{"next", NameOf(After(stream.state()))},
             {"at_ms", absl::StrCat((context.stream_s + seconds) * 1000 + context.stopped_ms)}});
}

void StepTo(pb::StreamAccount& stream, const char* event, const Context& context) {
  stream.set_state(After(stream.state()));
  stream.set_warned(false);
  stream.set_state_since_s(context.stream_s);
  TellPayer(event, stream, context);
}

// A payer whose flows move.
bool WorsenPaying(pb::StreamAccount& stream, const Context& context) {
  const base::StreamTerms terms = StreamTermsOf(context.params);
  const uint64_t left = Left(stream);
  if (left > Mark(stream, terms) || NetOut(stream).zero()) return false;
  const uint64_t step = stream.state() == pb::PAYER_STATE_PAYING ? terms.throttle : terms.forced_settle;
  if (!stream.warned()) {
    Warn(stream, left - std::min(left, step), context);
    if (left > step) return false;
  }
  if (stream.state() == pb::PAYER_STATE_THROTTLED) return true;
  StepTo(stream, "payer.throttled", context);
  return false;
}

}  // namespace

const char* NameOf(pb::PayerState state) {
  switch (state) {
    case pb::PAYER_STATE_THROTTLED:
      return "throttled";
    case pb::PAYER_STATE_READ_ONLY:
      return "read_only";
    case pb::PAYER_STATE_NOTICE:
      return "notice";
    case pb::PAYER_STATE_CLEARABLE:
      return "clearable";
    default:
      return "paying";
  }
}

base::StreamTerms StreamTermsOf(const pb::Params& params) {
  return base::InOrder({.reserve = params.reserve_seconds(),
                  .throttle = params.throttle_seconds(),
                  .forced_settle = params.forced_settle_seconds(),
                  .warning = params.warning_seconds()});
}

void TellPayer(const char* type, const pb::StreamAccount& stream, const Context& context, Attributes more) {
  const base::Amount rate = FromProto(Frozen(stream.state()) ? stream.frozen_rate() : stream.out_rate());
  Attributes attributes = {{"payer", Hex(stream.account())},
                           {"state", NameOf(stream.state())},
                           {"second", absl::StrCat(context.stream_s)},
                           {"rate", rate.ToString()}};
  attributes.insert(attributes.end(), more.begin(), more.end());
  context.Emit(type, attributes);
}

bool Owes(const pb::StreamAccount& stream, const Context& context) {
  if (Frozen(stream.state())) return true;
  const auto full = NetOut(stream).Times(context.params.reserve_seconds());
  return full && FromProto(stream.buffer()) < *full;
}

void Improve(pb::StreamAccount& stream, const base::StreamBalance& balance, const Context& context) {
  const base::StreamTerms terms = StreamTermsOf(context.params);
  const uint64_t left = base::SecondsLeft(balance.buffer, balance.net_out());
  if (stream.state() == pb::PAYER_STATE_THROTTLED && left > terms.throttle) {
    stream.set_state(pb::PAYER_STATE_PAYING);
    stream.set_state_since_s(context.stream_s);
    stream.set_warned(left <= terms.throttle + terms.warning);
    TellPayer("payer.restored", stream, context);
  }
  if (stream.warned()) {
    const uint64_t step = stream.state() == pb::PAYER_STATE_PAYING ? terms.throttle : terms.forced_settle;
    stream.set_warned(left <= step + terms.warning);
  }
}

bool Worsen(pb::StreamAccount& stream, const Context& context) {
  if (!Frozen(stream.state())) return WorsenPaying(stream, context);
  const auto stay = Stay(stream, context.params);
  if (!stay || context.stream_s < FrozenStep(stream, *stay, context)) return false;
  const uint64_t end = stream.state_since_s() + *stay;
  if (!stream.warned()) {
    Warn(stream, end - std::min(end, context.stream_s), context);
    if (context.stream_s < end) return false;
  }
  StepTo(stream, stream.state() == pb::PAYER_STATE_READ_ONLY ? "payer.notice" : "payer.clearable", context);
  return false;
}

std::optional<uint64_t> NextStep(const pb::StreamAccount& stream, base::Amount free, const Context& context) {
  if (Frozen(stream.state())) {
    std::optional<uint64_t> next = ResumesAt(stream, free, context);
    if (const auto stay = Stay(stream, context.params)) {
      const uint64_t step = std::max(FrozenStep(stream, *stay, context), context.stream_s);
      next = next ? std::min(*next, step) : step;
    }
    return next;
  }
  if (NetOut(stream).zero()) return std::nullopt;
  const uint64_t left = Left(stream);
  const uint64_t mark = Mark(stream, StreamTermsOf(context.params));
  return context.stream_s + (left - std::min(left, mark));
}

Verdict Validate(const pb::ClearUnpaid& op) { return ValidateObjectIds(op.objects()); }

Verdict Check(const pb::ClearUnpaid& op, const Context& context, const ReadView& view) {
  for (const std::string& id : op.objects()) {
    const auto object = view.Find(keys::Object(id));
    if (!object) return context.Refuse(Verdict::kUnknownObject, absl::StrCat("object ", Hex(id)));
    if (object->state() != pb::OBJECT_STATE_SEALED) return Verdict::kUploadPending;
    const auto group = view.Find(keys::Group(object->group()));
    if (!group || group->primary() != ToField(context.signer)) return Verdict::kNotPrimary;
    const pb::PayerState state = PayerStateOf(view, PayerOf(*object, view));
    if (state == pb::PAYER_STATE_CLEARABLE) continue;
    return context.Refuse(Verdict::kNotClearable, absl::StrCat("object ", Hex(id), ": its payer is ", NameOf(state)));
  }
  return Verdict::kOk;
}

void Apply(const pb::ClearUnpaid& op, const Context& context, Edits& edits) {
  for (const std::string& id : op.objects()) {
    if (!edits.Has(keys::Object(id))) continue;
    const pb::Object object = edits.At(keys::Object(id));
    DeleteVersion(id, EndReason::kCleared, context, edits);
    context.Emit("object.cleared", {{"object", Hex(id)},
                                    {"bucket", absl::StrCat(object.bucket())},
                                    {"group", absl::StrCat(object.group())},
                                    {"primary", context.signer.ToHexString()}});
  }
}

}  // namespace cairn::chain
