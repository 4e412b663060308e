// Counters, gauges and the latency of calls, as Prometheus text.
//
// Every name gets the prefix "cairn_"; dots and dashes become underscores. Labels must come from
// small fixed sets. Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace cairn::app {

using MetricLabels = std::map<std::string, std::string>;

class Metrics {
 public:
  // Starts with cairn_build_info{program,version} and cairn_up_seconds.
  explicit Metrics(absl::string_view program);
  ~Metrics();

  // cairn_<name>_total
  void Count(absl::string_view name, uint64_t by = 1, const MetricLabels& labels = {});
  // Read when the metrics are: `value` is called from the scraping thread.
  void Gauge(absl::string_view name, absl::string_view help, std::function<double()> value,
             const MetricLabels& labels = {});
  // cairn_rpc_seconds{service,method,code}
  void ObserveCall(absl::string_view service, absl::string_view method, absl::string_view code,
                   absl::Duration latency);

  // The exposition of everything.
  std::string Text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cairn::app
