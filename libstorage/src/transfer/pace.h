// What is usual, so that one can tell what is slow: medians over the last few samples.
#pragma once

#include <algorithm>
#include <deque>
#include <vector>

#include "absl/time/time.h"

namespace cairn::storage {

class Pace {
 public:
  void Add(absl::Duration sample) {
    samples_.push_back(sample);
    if (samples_.size() > kSamples) samples_.pop_front();
  }
  bool known() const { return samples_.size() >= kEnough; }
  absl::Duration Median() const {
    std::vector<absl::Duration> sorted(samples_.begin(), samples_.end());
    std::nth_element(sorted.begin(), sorted.begin() + sorted.size() / 2, sorted.end());
    return sorted[sorted.size() / 2];
  }

 private:
  static constexpr size_t kSamples = 31;
  static constexpr size_t kEnough = 3;
  std::deque<absl::Duration> samples_;
};

}  // namespace cairn::storage
