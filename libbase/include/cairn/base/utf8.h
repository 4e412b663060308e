// Text that may come from anyone: is it UTF-8, and what to show when it is not.
//
// Well formed means: no overlong form, no surrogate, at most U+10FFFF. Functions without state; nothing fails.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace cairn::base {

// Bytes of the well-formed sequence that `text`, not empty, begins with; 0 when there is none.
size_t Utf8SequenceLength(absl::string_view text);

bool IsUtf8(absl::string_view text);

// `text` with each byte that belongs to no well-formed sequence replaced by U+FFFD: up to three times as long.
std::string ToUtf8(absl::string_view text);

}  // namespace cairn::base
