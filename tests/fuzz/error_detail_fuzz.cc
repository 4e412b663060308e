// The payload of a status that another program made: reason, hint and evidence, or none of them.
#include "absl/strings/cord.h"
#include "cairn/base/status.h"
#include "fuzz.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  absl::Status status(absl::StatusCode::kUnknown, "from afar");
  status.SetPayload("cairn.dev/error", absl::Cord(base::AsText(input)));
  const base::ErrorDetail detail = base::DetailOf(status);
  const absl::Status annotated = base::Annotate(status, "call");
  FUZZ_CHECK(base::ReasonOf(annotated) == detail.reason);

  const absl::Status again =
      base::Error(status.code(), detail.reason, status.message(), detail.hint, detail.evidence);
  const base::ErrorDetail same = base::DetailOf(again);
  FUZZ_CHECK(same.reason == detail.reason && same.hint == detail.hint && same.evidence == detail.evidence);
}

}  // namespace cairn
