// Ends calls whose peer holds a place and moves nothing: it has vanished without a word, or never meant to.
//
//   StallGuard::Call call(guard, context);   // in the handler of a stream
//   call.Wait();  stream.Read(&message);  call.Moved(message_bytes);
//
// Only time spent waiting for the peer counts. A call may wait for `patience` in all; what moves earns patience back, up
// to that, at the least rate. When it is used up the call is cancelled, and the read or write under way fails.
// Thread-safe; a Call belongs to one thread and must not outlive its guard.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <set>
#include <thread>

#include "absl/time/time.h"

namespace grpc {
class ServerContextBase;
}

namespace cairn::rpc {

struct StallLimits {
  absl::Duration patience = absl::Minutes(2);
  uint64_t least_bytes_per_second = 16 << 10;
};

class StallGuard {
 public:
  explicit StallGuard(const StallLimits& limits);
  ~StallGuard();

  class Call {
   public:
    Call(StallGuard& guard, grpc::ServerContextBase& context);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    // The peer's turn begins; it ends with what it moved.
    void Wait();
    void Moved(uint64_t bytes);

   private:
    friend class StallGuard;
    StallGuard& guard_;
    grpc::ServerContextBase& context_;
    absl::Duration left_;
    absl::Time until_ = absl::InfiniteFuture();  // while it is the peer's turn
  };

 private:
  void Run();

  const StallLimits limits_;
  std::mutex mutex_;
  std::condition_variable stopping_;
  bool stop_ = false;
  std::set<Call*> calls_;
  std::thread thread_;
};

}  // namespace cairn::rpc
