#include "apps/rpc/stall_guard.h"

#include <grpcpp/server_context.h>

#include <algorithm>
#include <chrono>

namespace cairn::rpc {
namespace {

// A clock that nobody sets.
absl::Time Now() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace

StallGuard::StallGuard(const StallLimits& limits) : limits_(limits), thread_([this] { Run(); }) {}

StallGuard::~StallGuard() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stopping_.notify_all();
  thread_.join();
}

void StallGuard::Run() {
  const auto between = absl::ToChronoNanoseconds(std::min(absl::Seconds(1), limits_.patience / 4));
  std::unique_lock lock(mutex_);
  while (!stopping_.wait_for(lock, between, [this] { return stop_; })) {
    const absl::Time now = Now();
    for (Call* call : calls_) {
      // Under the lock: the call cannot end meanwhile, and its context with it.
      if (now >= call->until_) call->context_.TryCancel();
    }
  }
}

StallGuard::Call::Call(StallGuard& guard, grpc::ServerContextBase& context)
    : guard_(guard), context_(context), left_(guard.limits_.patience) {
  std::lock_guard lock(guard_.mutex_);
  guard_.calls_.insert(this);
}

StallGuard::Call::~Call() {
  std::lock_guard lock(guard_.mutex_);
  guard_.calls_.erase(this);
}

void StallGuard::Call::Wait() {
  std::lock_guard lock(guard_.mutex_);
  until_ = Now() + left_;
}

void StallGuard::Call::Moved(uint64_t bytes) {
  const absl::Duration earned =
      absl::Seconds(1) * (static_cast<double>(bytes) / static_cast<double>(guard_.limits_.least_bytes_per_second));
  std::lock_guard lock(guard_.mutex_);
  left_ = std::min(guard_.limits_.patience, until_ - Now() + earned);
  until_ = absl::InfiniteFuture();
}

}  // namespace cairn::rpc
