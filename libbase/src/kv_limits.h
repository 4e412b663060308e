// What every key-value store refuses, whatever it is built on.
#pragma once

#include "absl/strings/str_cat.h"
#include "cairn/base/kv.h"
#include "cairn/base/status.h"

namespace cairn::base {

inline absl::Status CheckKvKey(absl::string_view key) {
  if (!key.empty() && key.size() <= kMaxKvKeyBytes) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument, "BAD_KEY_SIZE",
               absl::StrCat("a key has 1 to ", kMaxKvKeyBytes, " bytes, not ", key.size()));
}

inline absl::Status CheckKvBatch(const KvBatch& batch) {
  for (const auto& [key, value] : batch.changes()) {
    RETURN_IF_ERROR(CheckKvKey(key));
    if (value.has_value() && value->size() > kMaxKvValueBytes) {
      return Error(absl::StatusCode::kInvalidArgument, "VALUE_TOO_LARGE",
                   absl::StrCat("a value has at most ", kMaxKvValueBytes, " bytes, not ", value->size()));
    }
  }
  return absl::OkStatus();
}

}  // namespace cairn::base
