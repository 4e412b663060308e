// Can this process listen there? Asked before a listener is built, so that the error names the
// cause.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace cairn::app {

// `address` is host:port with a numeric host or localhost. AlreadyExists (reason PORT_TAKEN),
// PermissionDenied (reason PORT_FORBIDDEN), InvalidArgument (reason BAD_LISTEN_ADDRESS).
absl::Status CanListen(absl::string_view address);

// The error of a failed bind or listen on `address`, from errno.
absl::Status ListenError(absl::string_view address, int error);

}  // namespace cairn::app
