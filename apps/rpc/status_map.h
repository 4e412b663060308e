// absl::Status <-> grpc::Status: the one place where they meet.
//
// On the wire a status carries google.rpc.Status with one google.rpc.ErrorInfo {reason, domain
// "cairn", metadata}. The evidence travels as metadata; the hint as metadata under "hint". What
// comes back from the wire is bounded (32 pairs, 1,024 bytes a value) and treated as text of a
// stranger.
#pragma once

#include "absl/status/status.h"

namespace grpc {
class Status;
}

namespace cairn::rpc {

// Reason of a status: another server answers there than the one that is known.
inline constexpr char kPinMismatch[] = "PIN_MISMATCH";

grpc::Status ToGrpc(const absl::Status& status);
// A status without details (a proxy, a broken connection) gets the reason of its code: UNREACHABLE,
// DEADLINE, ...
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace cairn::rpc
