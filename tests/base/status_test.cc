#include "cairn/base/status.h"

#include "absl/strings/cord.h"
#include "catch.h"

namespace cairn::base {
namespace {

absl::Status Sample() {
  return Error(absl::StatusCode::kNotFound, "NO_SUCH_BUCKET", "expected photos, found none",
               "list the buckets with storectl ls", {{"bucket", "photos"}, {"empty", ""}});
}

absl::Status Through(const absl::Status& status) {
  RETURN_IF_ERROR(status);
  return absl::InternalError("not reached");
}

absl::StatusOr<int> Half(int n) {
  if (n % 2 != 0) return Sample();
  return n / 2;
}

absl::StatusOr<int> Quarter(int n) {
  ASSIGN_OR_RETURN(const int half, Half(n));
  ASSIGN_OR_RETURN(const int quarter, Half(half));
  return quarter;
}

TEST_CASE("reason, hint and evidence come back as they were given") {
  const ErrorDetail detail = DetailOf(Sample());
  CHECK(detail.reason == "NO_SUCH_BUCKET");
  CHECK(detail.hint == "list the buckets with storectl ls");
  CHECK(detail.evidence == Evidence{{"bucket", "photos"}, {"empty", ""}});
  CHECK(Sample().message() == "expected photos, found none");
}

TEST_CASE("the detail survives layers that annotate and return early") {
  const absl::Status status = Annotate(Through(Sample()), "put");
  CHECK(status.code() == absl::StatusCode::kNotFound);
  CHECK(status.message() == "put: expected photos, found none");
  CHECK(DetailOf(status).evidence == DetailOf(Sample()).evidence);
  CHECK(Annotate(absl::OkStatus(), "put").ok());
}

TEST_CASE("a status made elsewhere has its code's name as reason") {
  CHECK(ReasonOf(absl::DeadlineExceededError("late")) == "DEADLINE_EXCEEDED");
  CHECK(DetailOf(absl::DeadlineExceededError("late")).evidence.empty());
}

TEST_CASE("a payload that is no detail counts as none") {
  for (const char* payload : {"", "\x01", "\xff\xff\xff\xff"}) {
    absl::Status status = absl::AbortedError("x");
    status.SetPayload("cairn.dev/error", absl::Cord(payload));
    CHECK(ReasonOf(status) == "ABORTED");
  }
  absl::Status status = Sample();  // one byte too many
  absl::Cord longer = *status.GetPayload("cairn.dev/error");
  longer.Append("x");
  status.SetPayload("cairn.dev/error", longer);
  CHECK(ReasonOf(status) == "NOT_FOUND");
}

TEST_CASE("ASSIGN_OR_RETURN gives the value or leaves with the status") {
  CHECK(*Quarter(12) == 3);
  CHECK(ReasonOf(Quarter(6).status()) == "NO_SUCH_BUCKET");
}

}  // namespace
}  // namespace cairn::base
