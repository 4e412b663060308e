// What a user and a script see of an error: exit code, three lines of text, or one JSON object.
#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace cairn::app {

// Never renumbered. Scripts treat an unknown one as failure.
enum class Exit : int {
  kOk = 0,
  kFailure = 1,
  kUsage = 2,
  kPartial = 3,
  kNotFound = 4,
  kPermission = 5,
  kPrecondition = 6,
  kFunds = 7,
  kGuard = 8,  // price or quota guard
  kUnreachable = 9,
  kDeadline = 10,
  kIntegrity = 11,
  kNotEnoughProviders = 12,
  kChainRejected = 13,
  kLocalDisk = 14,
  kLocked = 15,  // by another process
  kIncompatible = 16,
  kNothingToDo = 17,
  kInterrupted = 130,
  kTerminated = 143,
};

// Each code with what it means, for people, in ascending order.
absl::Span<const std::pair<Exit, const char*>> ExitMeanings();

// By the status's reason where the reason decides (funds, verdicts, locks, disk), by its code
// otherwise.
Exit ExitOf(const absl::Status& status);
inline int ExitCodeOf(const absl::Status& status) { return static_cast<int>(ExitOf(status)); }
// Does trying again later, unchanged, make sense?
bool IsRetryable(const absl::Status& status);

//   error: quote 0.18 crn exceeds --max-cost 0.1 crn [PRICE_GUARD]
//     cause  holders = 6, size = 1.5 GB
//     try    --replicas 2, or raise --max-cost
std::string ErrorText(const absl::Status& status);
// {"error":{"code":"PRICE_GUARD","exit":8,"message":...,"evidence":{...},"hint":...,"retryable":false}}
std::string ErrorJson(const absl::Status& status);

// The text as a terminal may show it: control characters, bytes that are not UTF-8 and marks that turn the direction of
// writing become \n, \t, \x1b, \u202e. `lines`: newlines and tabs stay. Names are shown so wherever people read them;
// JSON has them exactly.
std::string Printable(absl::string_view text, bool lines = false);

// A JSON string with its quotes; invalid UTF-8 becomes U+FFFD.
std::string JsonQuote(absl::string_view text);

}  // namespace cairn::app
