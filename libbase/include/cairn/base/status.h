// Errors about the environment and the caller, with what a user needs to act on them.
//
// An `absl::Status` carries the code and the message. `Error` adds three things as payloads, so that they travel
// through any layer unharmed: a stable upper-case *reason* (what scripts match on), *evidence* (key = value pairs that
// show the cause), and a *hint* (what to do next). apps/rpc turns them into google.rpc.ErrorInfo and back; storectl
// prints them and picks the exit code from the reason. Rules of the ledger speak `chain::Verdict` instead.
//
// Words: NotFound = no such content; DataLoss = a hash or erasure check failed; FailedPrecondition = wrong state;
// ResourceExhausted = quota, space or deposit; Unavailable = try again; InvalidArgument = the caller's mistake.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn::base {

using Evidence = std::vector<std::pair<std::string, std::string>>;

struct ErrorDetail {
  std::string reason;  // stable, UPPER_SNAKE
  std::string hint;    // one sentence, imperative; may be empty
  Evidence evidence;
};

// Builds a status. `message` says what was expected and what was found.
absl::Status Error(absl::StatusCode code, absl::string_view reason, absl::string_view message,
                   absl::string_view hint = "", Evidence evidence = {});

// The detail of a status made by Error; for any other status the reason is the code's name.
ErrorDetail DetailOf(const absl::Status& status);
inline std::string ReasonOf(const absl::Status& status) { return DetailOf(status).reason; }

// The same status with `context` and ": " before its message; payloads are kept. OK stays OK.
absl::Status Annotate(const absl::Status& status, absl::string_view context);

}  // namespace cairn::base

#define CAIRN_CONCAT_INNER(a, b) a##b
#define CAIRN_CONCAT(a, b) CAIRN_CONCAT_INNER(a, b)

// Leaves the enclosing function with the status unless it is OK.
#define RETURN_IF_ERROR(expression)                  \
  do {                                               \
    absl::Status cairn_status_ = (expression);       \
    if (!cairn_status_.ok()) return cairn_status_;   \
  } while (false)

// ASSIGN_OR_RETURN(auto x, F()): the value, or leaves the enclosing function with the status.
#define ASSIGN_OR_RETURN(declaration, expression) \
  CAIRN_ASSIGN_OR_RETURN_(CAIRN_CONCAT(cairn_or_, __COUNTER__), declaration, expression)
#define CAIRN_ASSIGN_OR_RETURN_(temporary, declaration, expression) \
  auto temporary = (expression);                                    \
  if (!temporary.ok()) return std::move(temporary).status();        \
  declaration = *std::move(temporary)
