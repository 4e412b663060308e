// Takes the place of the C library's functions that change files (recorder.cc), for LMDB and the POSIX disk alike, and
// writes a DiskLog of one folder. It can make any of the calls fail.
//
//   Recorder recorder(folder);
//   ... the real code works in the folder ...
//   DiskLog log = recorder.Take();
//
// One recorder at a time. Calls outside its folder, and on lock files, are passed on untouched.
#pragma once

#include <optional>
#include <string>

#include "crash/disk_log.h"

namespace cairn::crash {

// The call number `at` (as in DiskLog::operations) fails with `code`; with `forever` every later one too. `code` 0: the
// call, if it is a write, writes only half of its bytes, which is no error.
struct Fault {
  size_t at = 0;
  int code = 0;
  bool forever = false;
};

class Recorder {
 public:
  explicit Recorder(const std::string& root, std::optional<Fault> fault = std::nullopt);
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;
  ~Recorder();

  size_t size() const;  // operations so far
  DiskLog Take();       // ends the recording
};

}  // namespace cairn::crash
