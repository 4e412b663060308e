// Changes on top of a snapshot of a key-value store, seen as one.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cairn/base/kv.h"

namespace cairn::base {

// By key, what was put there; nullopt: deleted.
using KvOverlay = std::map<std::string, std::optional<std::string>, std::less<>>;

// A walk over `below` as `overlay` changes it; `hidden` is not seen. Both, and `below`'s snapshot, must outlive it.
std::unique_ptr<KvCursor> NewOverlayCursor(const KvOverlay& overlay, std::unique_ptr<KvCursor> below,
                                           absl::string_view hidden);

}  // namespace cairn::base
