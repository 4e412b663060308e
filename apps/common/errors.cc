#include "apps/common/errors.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cairn/base/status.h"

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
    {"LOCAL_FILE", Exit::kLocalDisk},
    {"LOCAL_DISK_FULL", Exit::kLocalDisk},
    {"TRANSFER_LOCKED", Exit::kLocked},
    {"DISK_FULL", Exit::kLocalDisk},
    {"MAP_FULL", Exit::kLocalDisk},
    {"DISK_ERROR", Exit::kLocalDisk},
    {"STORE_LOCKED", Exit::kLocked},
    {"PORT_TAKEN", Exit::kLocked},
    {"PARTIAL", Exit::kPartial},
    {"NOTHING_TO_DO", Exit::kNothingToDo},
    {"INCOMPATIBLE_VERSION", Exit::kIncompatible},
    {"WRONG_PASSPHRASE", Exit::kPermission},
    {"INTERRUPTED", Exit::kInterrupted},
    {"TERMINATED", Exit::kTerminated},
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

// Bytes of the UTF-8 sequence that starts `text`, 0 when it is not well formed.
size_t Utf8Length(absl::string_view text) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char lead = byte(0);
  size_t length = 0;
  if (lead < 0x80) length = 1;
  if (lead >= 0xc2 && lead < 0xe0) length = 2;
  if (lead >= 0xe0 && lead < 0xf0) length = 3;
  if (lead >= 0xf0 && lead < 0xf5) length = 4;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (length > 2) {  // overlong forms, surrogates, beyond U+10FFFF
    unsigned char second = byte(1);
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
        (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) {
      return 0;
    }
  }
  return length;
}

// One line, whatever a stranger put into it.
std::string OneLine(absl::string_view text) {
  std::string out;
  for (char c : text) {
    unsigned char byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
  return out;
}

}  // namespace

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

std::string JsonQuote(absl::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    size_t length = Utf8Length(text);
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
