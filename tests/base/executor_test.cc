#include "cairn/base/executor.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "catch.h"

namespace cairn::base {
namespace {

TEST_CASE("a simulated executor runs tasks by due time, then in posting order, and moves the clock along") {
  SimClock clock;
  SimExecutor executor(clock);
  absl::Time start = clock.Now();
  std::string order;
  executor.PostAfter(absl::Seconds(2), [&] { order += 'd'; });
  executor.PostAfter(absl::Seconds(1), [&] { order += 'b'; });
  executor.PostAfter(absl::Seconds(1), [&] { order += 'c'; });
  executor.Post([&] { order += 'a'; });
  CHECK(executor.pending() == 4);
  REQUIRE(executor.RunOne());
  CHECK(clock.Now() == start);
  while (executor.RunOne()) {
  }
  CHECK(order == "abcd");
  CHECK(clock.Now() == start + absl::Seconds(2));
}

TEST_CASE("RunFor runs what is due up to the limit and leaves the clock there") {
  SimClock clock;
  SimExecutor executor(clock);
  absl::Time start = clock.Now();
  int ticks = 0;
  std::function<void()> tick = [&] {
    ++ticks;
    executor.PostAfter(absl::Seconds(1), tick);
  };
  executor.Post(tick);
  CHECK(executor.RunFor(absl::Milliseconds(2500)) == 3);
  CHECK(ticks == 3);
  CHECK(clock.Now() == start + absl::Milliseconds(2500));
  CHECK(executor.RunFor(absl::Milliseconds(500)) == 1);
}

TEST_CASE("a task overdue because the clock moved runs without moving it back") {
  SimClock clock;
  SimExecutor executor(clock);
  absl::Time start = clock.Now();
  executor.PostAfter(absl::Seconds(1), [] {});
  clock.Advance(absl::Hours(1));
  REQUIRE(executor.RunOne());
  CHECK(clock.Now() == start + absl::Hours(1));
}

TEST_CASE("a thread pool runs everything posted before it is destroyed, and drops what is delayed") {
  std::atomic<int> ran = 0;
  std::atomic<int> late = 0;
  {
    ThreadExecutor executor(3);
    for (int i = 0; i < 1000; ++i) {
      executor.Post([&] {
        ++ran;
        executor.Post([&] { ++ran; });
      });
    }
    executor.PostAfter(absl::Hours(1), [&] { ++late; });
    executor.PostAfter(absl::InfiniteDuration(), [&] { ++late; });
  }
  CHECK(ran == 2000);
  CHECK(late == 0);
}

TEST_CASE("a thread pool runs delayed tasks in the order of their times") {
  std::mutex mutex;
  std::condition_variable done;
  std::string order;
  auto add = [&](char c) {
    std::lock_guard lock(mutex);
    order += c;
    done.notify_one();
  };
  ThreadExecutor executor(1);
  executor.PostAfter(absl::Milliseconds(60), [&] { add('b'); });
  executor.PostAfter(absl::Milliseconds(20), [&] { add('a'); });
  std::unique_lock lock(mutex);
  REQUIRE(done.wait_for(lock, std::chrono::seconds(20), [&] { return order.size() == 2; }));
  CHECK(order == "ab");
}

}  // namespace
}  // namespace cairn::base
