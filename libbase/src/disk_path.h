// The rule for paths of a Disk, whatever it is built on.
#pragma once

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cairn/base/status.h"

namespace cairn::base {

inline absl::Status CheckDiskPath(absl::string_view path) {
  bool bad = path.find('\0') != absl::string_view::npos;
  for (absl::string_view part : absl::StrSplit(path, '/')) bad = bad || part.empty() || part == "." || part == "..";
  if (!bad) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument, "BAD_PATH",
               absl::StrCat("a path is relative, without empty, \".\" or \"..\" parts: ", path));
}

// A folder may also be the root, written "".
inline absl::Status CheckDiskFolder(absl::string_view folder) {
  return folder.empty() ? absl::OkStatus() : CheckDiskPath(folder);
}

}  // namespace cairn::base
