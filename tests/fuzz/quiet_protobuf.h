// Protobuf reports bytes it cannot parse on standard error; a fuzzer hands it nothing else.
#pragma once

#include <google/protobuf/stubs/logging.h>

#include "fuzz.h"

namespace cairn {

inline void QuietProtobuf() {
  static const auto silent = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(silent);
}

}  // namespace cairn
