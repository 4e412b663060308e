#include "apps/common/errors.h"

#include <fstream>
#include <sstream>

#include "cairn/base/status.h"
#include "catch.h"

namespace cairn::app {
namespace {

std::string Golden(const std::string& name) {
  std::ifstream in(std::string(CAIRN_APPS_VECTORS) + "/" + name);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

absl::Status Make(absl::StatusCode code, const char* reason) {
  return base::Error(code, reason, "m");
}

}  // namespace

TEST_CASE("an error is shown with its cause and the next step, as text and as JSON") {
  absl::Status status =
      base::Error(absl::StatusCode::kResourceExhausted, "PRICE_GUARD",
                  "quote 0.18 crn exceeds --max-cost 0.1 crn", "--replicas 2, or raise --max-cost",
                  {{"holders", "6"}, {"size", "1.5 GB"}});
  // What a stranger put into an error can neither add lines nor break the JSON.
  absl::Status hostile =
      base::Error(absl::StatusCode::kUnavailable, "UNREACHABLE", "line\nerror: forged [OK]\x1b[31m",
                  "", {{"peer", "a\"b\\\xff\xc3\xa9"}});
  CHECK(ErrorText(status) + ErrorText(hostile) + ErrorJson(status) + ErrorJson(hostile) ==
        Golden("errors.txt"));
}

TEST_CASE("a terminal is shown no control character of a name, and everything else as it is") {
  CHECK(Printable("photos/caf\xc3\xa9 1.jpg \xf0\x9f\x98\x80") == "photos/caf\xc3\xa9 1.jpg \xf0\x9f\x98\x80");
  CHECK(Printable("a\x1b[2Jb\rc\nd\te\x7f") == "a\\x1b[2Jb\\x0dc\\nd\\te\\x7f");
  CHECK(Printable("\xc2\x9b[31m") == "\\u009b[31m");                // the one-byte form of ESC [
  CHECK(Printable("exe.\xe2\x80\xaegpj") == "exe.\\u202egpj");     // turns the writing round
  CHECK(Printable("\xff\xc3(\xed\xa0\x80") == "\\xff\\xc3(\\xed\\xa0\\x80");
  CHECK(Printable("two\nlines\t\x07", true) == "two\nlines\t\\x07");
  CHECK(Printable("") == "");
}

TEST_CASE("exit codes follow the reason first and the code otherwise") {
  using absl::StatusCode;
  CHECK(ExitCodeOf(absl::OkStatus()) == 0);
  CHECK(ExitCodeOf(Make(StatusCode::kInternal, "X")) == 1);
  CHECK(ExitCodeOf(Make(StatusCode::kInvalidArgument, "UNKNOWN_CONFIG_KEY")) == 2);
  CHECK(ExitCodeOf(Make(StatusCode::kNotFound, "X")) == 4);
  CHECK(ExitCodeOf(Make(StatusCode::kPermissionDenied, "WRONG_PASSPHRASE")) == 5);
  CHECK(ExitCodeOf(Make(StatusCode::kAlreadyExists, "X")) == 6);
  CHECK(ExitCodeOf(Make(StatusCode::kFailedPrecondition, "VERDICT_NO_FUNDS")) == 7);
  CHECK(ExitCodeOf(Make(StatusCode::kFailedPrecondition, "VERDICT_PRICE_CHANGED")) == 8);
  CHECK(ExitCodeOf(Make(StatusCode::kUnavailable, "X")) == 9);
  CHECK(ExitCodeOf(Make(StatusCode::kDeadlineExceeded, "X")) == 10);
  CHECK(ExitCodeOf(Make(StatusCode::kDataLoss, "X")) == 11);
  CHECK(ExitCodeOf(Make(StatusCode::kResourceExhausted, "NOT_ENOUGH_PROVIDERS")) == 12);
  CHECK(ExitCodeOf(Make(StatusCode::kInvalidArgument, "VERDICT_BAD_NAME")) == 13);
  CHECK(ExitCodeOf(Make(StatusCode::kResourceExhausted, "DISK_FULL")) == 14);
  CHECK(ExitCodeOf(Make(StatusCode::kFailedPrecondition, "STORE_LOCKED")) == 15);
  CHECK(ExitCodeOf(Make(StatusCode::kAlreadyExists, "PORT_TAKEN")) == 15);
  CHECK(ExitCodeOf(Make(StatusCode::kUnimplemented, "X")) == 16);
}

}  // namespace cairn::app
