#include "apps/common/errors.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cairn/base/status.h"
#include "cairn/base/utf8.h"

namespace cairn::app {
namespace {

struct ReasonExit {
  const char* reason;
  Exit exit;
};

// Reasons that say more than their code does.
constexpr ReasonExit kByReason[] = {
    {"INSUFFICIENT_FUNDS", Exit::kFunds},
    {"VERDICT_NO_FUNDS", Exit::kFunds},
    {"VERDICT_INSUFFICIENT_FUNDS", Exit::kFunds},
    {"PRICE_GUARD", Exit::kGuard},
    {"VERDICT_PRICE_CHANGED", Exit::kGuard},
    {"QUOTA_EXCEEDED", Exit::kGuard},
    {"NOT_ENOUGH_PROVIDERS", Exit::kNotEnoughProviders},
    {"NOT_ENOUGH_HOLDERS", Exit::kNotEnoughProviders},
    {"NO_PROVIDER", Exit::kNotEnoughProviders},
    {"NO_PRIMARY", Exit::kNotEnoughProviders},
    {"NOT_ENOUGH_OPERATORS", Exit::kNotEnoughProviders},
    {"NOT_ENOUGH_SHARDS", Exit::kNotEnoughProviders},
    {"NOT_ENOUGH_RECEIPTS", Exit::kNotEnoughProviders},
    {"VERDICT_NO_FEE_FUNDS", Exit::kFunds},
    {"VERDICT_UNKNOWN_ACCOUNT", Exit::kFunds},
    {"VERDICT_PAYER_FROZEN", Exit::kFunds},
    {"POOL_SHORT", Exit::kFunds},
    {"LOCAL_FILE", Exit::kLocalDisk},
    {"LOCAL_DISK_FULL", Exit::kLocalDisk},
    {"TRANSFER_LOCKED", Exit::kLocked},
    {"DISK_FULL", Exit::kLocalDisk},
    {"MAP_FULL", Exit::kLocalDisk},
    {"DISK_ERROR", Exit::kLocalDisk},
    {"TOO_MANY_FILES", Exit::kLocalDisk},
    {"STORE_LOCKED", Exit::kLocked},
    {"PORT_TAKEN", Exit::kLocked},
    {"PARTIAL", Exit::kPartial},
    {"NOTHING_TO_DO", Exit::kNothingToDo},
    {"INCOMPATIBLE_VERSION", Exit::kIncompatible},
    {"WRONG_PASSPHRASE", Exit::kPermission},
    {"PIN_MISMATCH", Exit::kPermission},
    {"INTERRUPTED", Exit::kInterrupted},
    {"TERMINATED", Exit::kTerminated},
};

constexpr std::pair<Exit, const char*> kMeanings[] = {
    {Exit::kOk, "success"},
    {Exit::kFailure, "a failure that no other code describes"},
    {Exit::kUsage, "wrong usage or configuration"},
    {Exit::kPartial, "some of the items failed"},
    {Exit::kNotFound, "not found"},
    {Exit::kPermission, "not permitted, or a wrong key or passphrase"},
    {Exit::kPrecondition, "it exists already, or its state does not allow this"},
    {Exit::kFunds, "not enough money"},
    {Exit::kGuard, "a guard on price or quota refused"},
    {Exit::kUnreachable, "unreachable; try again later"},
    {Exit::kDeadline, "not within the time given"},
    {Exit::kIntegrity, "bytes or a proof are not what they should be"},
    {Exit::kNotEnoughProviders, "not enough providers or parts"},
    {Exit::kChainRejected, "the ledger refused the transaction"},
    {Exit::kLocalDisk, "a local file or disk"},
    {Exit::kLocked, "in use by another process"},
    {Exit::kIncompatible, "another version is needed"},
    {Exit::kNothingToDo, "nothing to do"},
    {Exit::kInterrupted, "interrupted"},
    {Exit::kTerminated, "terminated"},
};

Exit ByCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return Exit::kOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return Exit::kUsage;
    case absl::StatusCode::kNotFound:
      return Exit::kNotFound;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return Exit::kPermission;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kFailedPrecondition:
      return Exit::kPrecondition;
    case absl::StatusCode::kResourceExhausted:
      return Exit::kGuard;
    case absl::StatusCode::kUnavailable:
      return Exit::kUnreachable;
    case absl::StatusCode::kDeadlineExceeded:
      return Exit::kDeadline;
    case absl::StatusCode::kDataLoss:
      return Exit::kIntegrity;
    case absl::StatusCode::kUnimplemented:
      return Exit::kIncompatible;
    case absl::StatusCode::kCancelled:
      return Exit::kInterrupted;
    default:
      return Exit::kFailure;
  }
}

// Of a well-formed UTF-8 sequence.
uint32_t CodePoint(absl::string_view sequence) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(sequence[i]); };
  if (sequence.size() == 1) return byte(0);
  uint32_t point = byte(0) & (0x7f >> sequence.size());
  for (size_t i = 1; i < sequence.size(); ++i) point = point << 6 | (byte(i) & 0x3f);
  return point;
}

// Controls of a terminal, line and paragraph separators, marks of direction.
bool Unprintable(uint32_t point) {
  return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x200e || point == 0x200f ||
         (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

// One line, whatever a stranger put into it.
std::string OneLine(absl::string_view text) { return Printable(text); }

}  // namespace

absl::Span<const std::pair<Exit, const char*>> ExitMeanings() { return kMeanings; }

Exit ExitOf(const absl::Status& status) {
  if (status.ok()) return Exit::kOk;
  std::string reason = base::ReasonOf(status);
  for (const ReasonExit& known : kByReason) {
    if (reason == known.reason) return known.exit;
  }
  if (absl::StartsWith(reason, "VERDICT_")) return Exit::kChainRejected;
  return ByCode(status.code());
}

bool IsRetryable(const absl::Status& status) {
  if (ExitOf(status) == Exit::kPermission) return false;  // the same key meets the same answer
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsAborted(status) || ExitOf(status) == Exit::kLocked;
}

std::string ErrorText(const absl::Status& status) {
  base::ErrorDetail detail = base::DetailOf(status);
  std::string out =
      absl::StrCat("error: ", OneLine(status.message()), " [", OneLine(detail.reason), "]\n");
  if (!detail.evidence.empty()) {
    absl::StrAppend(&out, "  cause  ",
                    absl::StrJoin(detail.evidence, ", ",
                                  [](std::string* text, const auto& pair) {
                                    absl::StrAppend(text, OneLine(pair.first), " = ",
                                                    OneLine(pair.second));
                                  }),
                    "\n");
  }
  if (!detail.hint.empty()) absl::StrAppend(&out, "  try    ", OneLine(detail.hint), "\n");
  return out;
}

std::string ErrorJson(const absl::Status& status) {
  base::ErrorDetail detail = base::DetailOf(status);
  std::string evidence =
      absl::StrJoin(detail.evidence, ",", [](std::string* text, const auto& pair) {
        absl::StrAppend(text, JsonQuote(pair.first), ":", JsonQuote(pair.second));
      });
  return absl::StrCat("{\"error\":{\"code\":", JsonQuote(detail.reason),
                      ",\"exit\":", ExitCodeOf(status),
                      ",\"message\":", JsonQuote(status.message()), ",\"evidence\":{", evidence,
                      "},\"hint\":", JsonQuote(detail.hint),
                      ",\"retryable\":", IsRetryable(status) ? "true" : "false", "}}\n");
}

std::string Printable(absl::string_view text, bool lines) {
  std::string out;
  while (!text.empty()) {
    const size_t length = base::Utf8SequenceLength(text);
    const absl::string_view sequence = text.substr(0, std::max<size_t>(length, 1));
    const uint32_t point = length == 0 ? 0 : CodePoint(sequence);
    if (length == 0) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned char>(text[0]));
    } else if (!Unprintable(point) || (lines && (point == '\n' || point == '\t'))) {
      out.append(sequence.data(), sequence.size());
    } else if (point == '\n' || point == '\t') {
      out += point == '\n' ? "\\n" : "\\t";
    } else {
      absl::StrAppendFormat(&out, point < 0x80 ? "\\x%02x" : "\\u%04x", point);
    }
    text.remove_prefix(sequence.size());
  }
  return out;
}

std::string JsonQuote(absl::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    size_t length = base::Utf8SequenceLength(text);
    char c = text[0];
    if (length == 0) {
      out += "\xef\xbf\xbd";
      length = 1;
    } else if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      absl::StrAppendFormat(&out, "\\u%04x", static_cast<unsigned>(c));
    } else {
      out.append(text.data(), length);
    }
    text.remove_prefix(length);
  }
  return out + "\"";
}

}  // namespace cairn::app
