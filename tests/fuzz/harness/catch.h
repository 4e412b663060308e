// The few words of Catch2 that tests/support uses, for programs that are no test: this folder stands before tests/ on
// the include path of targets that drive the ledger.
#pragma once

#include <sstream>

#include "fuzz/fuzz.h"

#define REQUIRE(promise) FUZZ_CHECK(promise)
#define CHECK(promise) FUZZ_CHECK(promise)
#define INFO(text)                          \
  do {                                      \
    if (false) std::ostringstream() << text; \
  } while (false)
