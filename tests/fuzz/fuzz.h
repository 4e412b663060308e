// A fuzz target: a function that takes any bytes at all, does with them what Cairn does with bytes from a stranger, and
// checks what must hold for every input.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "cairn/base/bytes.h"

namespace cairn {

// Defined by each target. The same input must take the same course every time.
void FuzzOne(base::ByteView input);

}  // namespace cairn

// Ends the process when the promise is broken.
#define FUZZ_CHECK(promise)                                                  \
  do {                                                                       \
    if (!(promise)) {                                                        \
      std::fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #promise); \
      std::abort();                                                          \
    }                                                                        \
  } while (false)
