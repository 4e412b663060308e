#include "failing_sync.h"

#include <atomic>
#include <cerrno>

#include <sys/syscall.h>
#include <unistd.h>

namespace cairn::base {
namespace {

std::atomic<int> failure = 0;
std::atomic<int> done = 0;

}  // namespace

void FailSyncs(int code) { failure = code; }
int SyncsDone() { return done; }

}  // namespace cairn::base

// Takes the place of the C library's function, for shared libraries as well.
extern "C" int fdatasync(int fd) {
  if (int code = cairn::base::failure) {
    errno = code;
    return -1;
  }
  ++cairn::base::done;
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}
