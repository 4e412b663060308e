// Lets fdatasync fail, in this process, for whoever calls it: LMDB and the POSIX disk.
#pragma once

namespace cairn::base {

// While `code` is not 0 every fdatasync fails with that errno.
void FailSyncs(int code);
// fdatasyncs that were passed on to the system since the start.
int SyncsDone();

}  // namespace cairn::base
