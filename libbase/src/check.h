// What a caller may never do ends the process at once: going on would sign, encrypt or store the wrong bytes.
#pragma once

#include <cstdlib>

namespace cairn::base {

inline void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace cairn::base
