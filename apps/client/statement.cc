#include "apps/client/statement.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cairn/base/status.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::client {
namespace {

constexpr absl::string_view kHeader =
    "number,epoch,rate,opened_at_bytes,ticks,bytes,amount,claim";
constexpr absl::string_view kListBegins = "{\"vouchers\":[";
constexpr absl::string_view kListEnds = "]}";
constexpr absl::string_view kClaimBegins = "\"claim\":\"";
constexpr size_t kClaimText = 2 * base::kClaimBytes;
constexpr size_t kMaxLineText = 2048;  // claim and all

absl::Status Bad(absl::string_view what) {
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_STATEMENT", what,
                     "a file with what `storectl channel statement` or `storaged statement` printed, as CSV or JSON");
}

absl::Status BadVoucher(size_t number) {
  return Bad(absl::StrCat("voucher ", number, " says something else than its claim, or is none"));
}

std::string Worth(const base::Claim& claim) {
  return base::WorthOf(claim).value_or(base::Amount()).ToDecimal(base::DecimalsOf(claim.voucher.asset));
}
absl::string_view AssetOf(const base::Claim& claim) { return base::NameOf(claim.voucher.asset); }
uint64_t PaidBytes(const base::Claim& claim) { return base::BytesOf(claim).value_or(0); }

std::string ClaimText(const base::Claim& claim) {
  const base::Bytes encoded = base::EncodeClaim(claim);
  return base::ToHex(encoded);
}

std::string LineCsv(size_t number, const base::Claim& claim) {
  const base::Voucher& voucher = claim.voucher;
  return absl::StrCat(number, ",", voucher.epoch.ToHexString(), ",", voucher.rate.per_unit_e18.ToString(), ",",
                      voucher.bytes, ",", claim.tick, ",", PaidBytes(claim), ",", Worth(claim), ",", ClaimText(claim));
}

absl::StatusOr<base::Claim> ParseClaim(absl::string_view hex, size_t number) {
  const auto bytes = base::FromHex(hex);
  if (!bytes.ok()) return BadVoucher(number);
  const auto claim = base::DecodeClaim(*bytes);
  if (!claim.ok()) return BadVoucher(number);
  return *claim;
}

absl::Status TooLong() {
  return Bad(absl::StrCat("a statement has at most ", kMaxStatementLines, " vouchers"));
}

// Each line is what its claim would be written as.
absl::StatusOr<Statement> FromCsv(absl::string_view text) {
  Statement lines;
  bool header = true;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    absl::ConsumeSuffix(&line, "\r");
    if (line.empty()) continue;
    if (std::exchange(header, false)) {
      if (line != kHeader) return Bad(absl::StrCat("a CSV statement begins with ", kHeader));
      continue;
    }
    if (lines.size() == kMaxStatementLines) return TooLong();
    const size_t comma = line.rfind(',');
    if (comma == absl::string_view::npos) return BadVoucher(lines.size());
    ASSIGN_OR_RETURN(const base::Claim claim, ParseClaim(line.substr(comma + 1), lines.size()));
    if (line != LineCsv(lines.size(), claim)) return BadVoucher(lines.size());
    lines.push_back(claim);
  }
  if (header) return Bad("the statement is empty, without even its header");
  return lines;
}

// No value has a space in it.
std::string Dense(absl::string_view text) {
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out), [](char c) { return !absl::ascii_isspace(c); });
  return out;
}

absl::StatusOr<Statement> FromJson(absl::string_view spaced) {
  const std::string dense = Dense(spaced);
  absl::string_view text = dense;
  if (!absl::ConsumePrefix(&text, kListBegins) || !absl::ConsumeSuffix(&text, kListEnds)) {
    return Bad(absl::StrCat("a JSON statement is ", kListBegins, "...", kListEnds));
  }
  Statement lines;
  while (!text.empty()) {
    if (lines.size() == kMaxStatementLines) return TooLong();
    if (!lines.empty() && !absl::ConsumePrefix(&text, ",")) return BadVoucher(lines.size());
    const absl::string_view near = text.substr(0, kMaxLineText);
    const size_t at = near.find(kClaimBegins);
    if (at == absl::string_view::npos) return BadVoucher(lines.size());
    ASSIGN_OR_RETURN(const base::Claim claim,
                     ParseClaim(near.substr(at + kClaimBegins.size(), kClaimText), lines.size()));
    if (!absl::ConsumePrefix(&text, StatementLineJson(lines.size(), claim))) return BadVoucher(lines.size());
    lines.push_back(claim);
  }
  return lines;
}

std::string Brief(const Statement& lines, size_t at) {
  if (at >= lines.size()) return "no such voucher";
  const base::Claim& claim = lines[at];
  return absl::StrCat("epoch ", claim.voucher.epoch.ToHexString(), ", ", claim.tick, " ticks, ", PaidBytes(claim),
                      " bytes, ", Worth(claim), " ", AssetOf(claim));
}

}  // namespace

std::string StatementCsv(const Statement& lines) {
  std::string out = absl::StrCat(kHeader, "\n");
  for (size_t i = 0; i < lines.size(); ++i) absl::StrAppend(&out, LineCsv(i, lines[i]), "\n");
  return out;
}

std::string StatementLineJson(size_t number, const base::Claim& claim) {
  const base::Voucher& voucher = claim.voucher;
  return absl::StrCat("{\"number\":\"", number, "\",\"epoch\":\"", voucher.epoch.ToHexString(), "\",\"rate\":\"",
                      voucher.rate.per_unit_e18.ToString(), "\",\"opened_at_bytes\":\"", voucher.bytes,
                      "\",\"ticks\":", claim.tick, ",\"bytes\":\"", PaidBytes(claim), "\",\"amount\":{\"amount\":\"",
                      Worth(claim), "\",\"asset\":\"", AssetOf(claim), "\"},", kClaimBegins, ClaimText(claim), "\"}");
}

std::string StatementJson(const Statement& lines) {
  std::string out(kListBegins);
  for (size_t i = 0; i < lines.size(); ++i) {
    absl::StrAppend(&out, i == 0 ? "" : ",", StatementLineJson(i, lines[i]));
  }
  return absl::StrCat(out, kListEnds);
}

absl::StatusOr<Statement> ParseStatement(absl::string_view text) {
  if (text.size() > kMaxStatementText) return TooLong();
  text = absl::StripAsciiWhitespace(text);
  return absl::StartsWith(text, "{") ? FromJson(text) : FromCsv(text);
}

absl::StatusOr<Statement> CollectLines(const AskLines& ask, size_t most) {
  Statement lines;
  while (lines.size() < most) {
    ASSIGN_OR_RETURN(const rpc::v1::ChannelStatementResponse answer, ask(static_cast<uint32_t>(lines.size())));
    for (const std::string& field : answer.claims()) {
      ASSIGN_OR_RETURN(const base::Claim line, base::DecodeClaim(base::AsBytes(field)));
      lines.push_back(line);
    }
    if (answer.complete() || answer.claims().empty()) return lines;
  }
  return base::Error(absl::StatusCode::kResourceExhausted, "STATEMENT_TOO_LONG", "the statement does not end",
                     "do not trust whoever gave it: no store keeps as many vouchers", {{"most", absl::StrCat(most)}});
}

absl::Status CheckStatement(const payment::ChannelFacts& facts, const Statement& lines) {
  payment::ChannelFacts covered = facts;
  covered.deposit = base::Amount::Max();
  for (size_t i = 0; i < lines.size(); ++i) {
    if (payment::ClaimHolds(covered, lines[i])) continue;
    return base::Error(absl::StatusCode::kPermissionDenied, "FORGED_CLAIM",
                       absl::StrCat("voucher ", i, " of the statement was not signed for this channel by its signer"),
                       "do not use this payee any more");
  }
  return absl::OkStatus();
}

std::optional<size_t> FirstDifference(const Statement& ours, const Statement& theirs) {
  const size_t both = std::min(ours.size(), theirs.size());
  for (size_t i = 0; i < both; ++i) {
    if (!(ours[i] == theirs[i])) return i;
  }
  return ours.size() == theirs.size() ? std::nullopt : std::optional<size_t>(both);
}

absl::Status CompareStatements(const Statement& ours, const Statement& theirs) {
  const auto at = FirstDifference(ours, theirs);
  if (!at) return absl::OkStatus();
  return base::Error(absl::StatusCode::kDataLoss, "STATEMENTS_DIFFER",
                     absl::StrCat("the statements differ from voucher ", *at, " on"),
                     "the higher claim that the payer's key signed counts",
                     {{"voucher", absl::StrCat(*at)}, {"ours", Brief(ours, *at)}, {"theirs", Brief(theirs, *at)}});
}

}  // namespace cairn::client
