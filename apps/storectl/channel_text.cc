#include "apps/storectl/channel_text.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
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
  Json json;
  json.Text("amount", amount.ToDecimal(base::DecimalsOf(asset))).Text("asset", base::NameOf(asset));
  return json;
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

void ShowStatement(const Context& context, const client::Statement& lines, bool csv) {
  if (csv || context.format() == Format::kCsv) return context.Print(client::StatementCsv(lines));
  Table table({"VOUCHER", "EPOCH", "FROM BYTE", "TICKS", "BYTES", "AMOUNT"},
              {true, false, true, true, true, true});
  std::vector<std::string> items;
  for (size_t i = 0; i < lines.size(); ++i) {
    const base::Claim& claim = lines[i];
    items.push_back(client::StatementLineJson(i, claim));
    table.Row({absl::StrCat(i), claim.voucher.epoch.ToHexString(), absl::StrCat(claim.voucher.bytes),
               absl::StrCat(claim.tick), absl::StrCat(base::BytesOf(claim).value_or(0)),
               Money(claim.voucher.asset, base::WorthOf(claim).value_or(base::Amount()))});
  }
  context.Items("vouchers", items, table);
}

absl::Status ShowComparison(const Context& context, const base::ChannelId& id,
                            const client::Statement& ours, const client::Statement& theirs) {
  RETURN_IF_ERROR(client::CompareStatements(ours, theirs));
  Json json;
  json.Text("channel", id.ToHexString()).Bool("same", true).Number("vouchers", ours.size());
  context.Result(json, absl::StrCat("both sides have the same ", ours.size(), " vouchers\n"));
  return absl::OkStatus();
}

}  // namespace cairn::storectl
