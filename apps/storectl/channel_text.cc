#include "apps/storectl/channel_text.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "apps/client/channels.h"
#include "cairn/base/status.h"

namespace cairn::storectl {
namespace {

std::string Party(payment::ClosedBy by) {
  switch (by) {
    case payment::ClosedBy::kPayer:
      return "payer";
    case payment::ClosedBy::kPayee:
      return "payee";
    case payment::ClosedBy::kExpiry:
      return "expiry";
    case payment::ClosedBy::kBoth:
      return "both";
    default:
      return "";
  }
}

Json MoneyJson(base::Asset asset, base::Amount amount) {
  const bool usdc = asset == base::Asset::kUsdc;
  Json json;
  json.Text("amount", amount.ToDecimal(usdc ? base::kUsdcDecimals : base::kCrnDecimals))
      .Text("asset", usdc ? "usdc" : "crn");
  return json;
}

struct Line {
  base::Amount worth;
  uint64_t bytes = 0;
  std::string claim;
};

Line LineOf(const base::Claim& claim) {
  const base::Bytes encoded = base::EncodeClaim(claim);
  return {base::WorthOf(claim).value_or(base::Amount()), base::BytesOf(claim).value_or(0),
          base::ToHex(encoded)};
}

Json LineJson(size_t number, const base::Claim& claim) {
  const Line line = LineOf(claim);
  Json json;
  json.Number("number", number)
      .Text("epoch", claim.voucher.epoch.ToHexString())
      .Text("rate", claim.voucher.rate.per_unit_e18.ToString())
      .Number("opened_at_bytes", claim.voucher.bytes)
      .Small("ticks", claim.tick)
      .Number("bytes", line.bytes)
      .Raw("amount", MoneyJson(claim.voucher.asset, line.worth).Done())
      .Text("claim", line.claim);
  return json;
}

std::string Brief(const std::vector<base::Claim>& lines, size_t at) {
  if (at >= lines.size()) return "no such voucher";
  const Line line = LineOf(lines[at]);
  return absl::StrCat("epoch ", lines[at].voucher.epoch.ToHexString(), ", ", lines[at].tick,
                      " ticks, ", line.bytes, " bytes, ",
                      Money(lines[at].voucher.asset, line.worth));
}

}  // namespace

absl::StatusOr<base::Amount> ParseUsdc(const std::string& text) {
  const std::string lower = absl::AsciiStrToLower(text);
  absl::string_view number = lower;
  absl::ConsumeSuffix(&number, "usdc");
  return base::Amount::FromDecimal(absl::StripAsciiWhitespace(number), base::kUsdcDecimals);
}

std::string Money(base::Asset asset, base::Amount amount) {
  return asset == base::Asset::kUsdc ? Usdc(amount) : Crn(amount);
}

absl::string_view PhaseText(payment::ChannelPhase phase) {
  switch (phase) {
    case payment::ChannelPhase::kOpen:
      return "open";
    case payment::ChannelPhase::kClosing:
      return "closing";
    case payment::ChannelPhase::kSettled:
      return "settled";
  }
  return "unknown";
}

Json ChannelJson(const payment::ChannelFacts& facts) {
  Json json;
  json.Text("channel", facts.id.ToHexString())
      .Text("state", PhaseText(facts.phase))
      .Text("payer", base::ToText(facts.payer))
      .Text("payee", base::ToText(facts.payee))
      .Raw("deposit", MoneyJson(facts.asset, facts.deposit).Done())
      .Raw("withdrawn", MoneyJson(facts.asset, facts.withdrawn).Done())
      .Raw("claimed", MoneyJson(facts.asset, facts.claimed).Done())
      .Raw("reserve", MoneyJson(facts.asset, facts.reserve).Done())
      .Raw("open_fee", MoneyJson(facts.asset, facts.open_fee).Done())
      .Time("expires", facts.expires);
  if (facts.phase != payment::ChannelPhase::kOpen) {
    json.Text("closed_by", Party(facts.closed_by)).Time("due", facts.due);
  }
  return json;
}

void AddLock(Json& json, const payment::ChannelFacts& facts,
             const payment::LockExplanation& lock) {
  const bool held = !lock.locked.zero();
  const base::Amount theirs =
      held ? facts.claimed.MinusOrZero(facts.withdrawn) : base::Amount();
  const base::Amount reserve = held ? facts.reserve : base::Amount();
  Json out;
  out.Raw("locked", MoneyJson(facts.asset, lock.locked).Done())
      .Raw("payee_has_shown", MoneyJson(facts.asset, theirs).Done())
      .Raw("reserve", MoneyJson(facts.asset, reserve).Done())
      .Raw("rest", MoneyJson(facts.asset, lock.locked.MinusOrZero(theirs).MinusOrZero(reserve)).Done())
      .Text("who", lock.who)
      .Text("what", lock.what);
  if (lock.until != absl::InfiniteFuture()) out.Time("until", lock.until);
  json.Raw("lock", out.Done());
}

std::string ShowText(const payment::ChannelFacts& facts, const payment::LockExplanation& lock) {
  const base::Amount theirs = facts.claimed.MinusOrZero(facts.withdrawn);
  std::string out = absl::StrCat(
      "channel    ", facts.id.ToHexString(), "\nstate      ", PhaseText(facts.phase), "\npayer      ",
      base::ToText(facts.payer), "\npayee      ", base::ToText(facts.payee), "\ndeposit    ",
      Money(facts.asset, facts.deposit), "\nwithdrawn  ", Money(facts.asset, facts.withdrawn),
      "\nlocked     ", Money(facts.asset, lock.locked), "\n");
  if (!lock.locked.zero()) {
    absl::StrAppend(&out, "           = ", Money(facts.asset, theirs), " that the payee has shown + ",
                    Money(facts.asset, facts.reserve), " reserve + ",
                    Money(facts.asset,
                          lock.locked.MinusOrZero(theirs).MinusOrZero(facts.reserve)),
                    " of the payer, or promised and not shown yet\n");
  }
  absl::StrAppend(&out, "until      ",
                  lock.until == absl::InfiniteFuture() ? "somebody acts" : HumanTime(lock.until),
                  "\nwho        ", lock.who, "\nwhy        ", lock.what, "\n");
  return out;
}

std::string StatementCsv(const std::vector<base::Claim>& lines) {
  std::string out = "number,epoch,rate,opened_at_bytes,ticks,bytes,amount,claim\n";
  for (size_t i = 0; i < lines.size(); ++i) {
    const Line line = LineOf(lines[i]);
    absl::StrAppend(&out, i, ",", lines[i].voucher.epoch.ToHexString(), ",",
                    lines[i].voucher.rate.per_unit_e18.ToString(), ",", lines[i].voucher.bytes, ",",
                    lines[i].tick, ",", line.bytes, ",", line.worth.ToDecimal(base::kUsdcDecimals),
                    ",", line.claim, "\n");
  }
  return out;
}

void ShowStatement(const Context& context, const base::ChannelId&,
                   const std::vector<base::Claim>& lines) {
  Table table({"VOUCHER", "EPOCH", "FROM BYTE", "TICKS", "BYTES", "AMOUNT"},
              {true, false, true, true, true, true});
  std::vector<std::string> items;
  for (size_t i = 0; i < lines.size(); ++i) {
    const Line line = LineOf(lines[i]);
    items.push_back(LineJson(i, lines[i]).Done());
    table.Row({absl::StrCat(i), lines[i].voucher.epoch.ToHexString(),
               absl::StrCat(lines[i].voucher.bytes), absl::StrCat(lines[i].tick),
               absl::StrCat(line.bytes), Money(lines[i].voucher.asset, line.worth)});
  }
  context.Items("vouchers", items, table);
}

absl::Status ShowComparison(const Context& context, const base::ChannelId& id,
                            const std::vector<base::Claim>& ours,
                            const std::vector<base::Claim>& theirs) {
  const auto at = client::FirstDifference(ours, theirs);
  if (!at) {
    Json json;
    json.Text("channel", id.ToHexString()).Bool("same", true).Number("vouchers", ours.size());
    context.Result(json, absl::StrCat("both sides have the same ", ours.size(), " vouchers\n"));
    return absl::OkStatus();
  }
  return base::Error(absl::StatusCode::kDataLoss, "STATEMENTS_DIFFER",
                     absl::StrCat("the statements differ from voucher ", *at, " on"),
                     "the higher claim with our signature counts: storectl channel show",
                     {{"voucher", absl::StrCat(*at)},
                      {"ours", Brief(ours, *at)},
                      {"theirs", Brief(theirs, *at)}});
}

}  // namespace cairn::storectl
