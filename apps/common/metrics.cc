#include "apps/common/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <chrono>
#include <mutex>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "apps/common/daemon.h"

namespace cairn::app {
namespace {

std::string MetricName(absl::string_view name) {
  std::string out = "cairn_";
  for (char c : name) out += absl::ascii_isalnum(c) ? c : '_';
  return out;
}

struct CallbackGauge {
  std::string name;
  std::string help;
  MetricLabels labels;
  std::function<double()> value;
};

// From half a millisecond to ten seconds.
const prometheus::Histogram::BucketBoundaries kCallSeconds = {
    .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};

}  // namespace

struct Metrics::State {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Histogram>* calls = nullptr;
  mutable std::mutex mutex;  // guards what follows
  std::map<std::string, prometheus::Family<prometheus::Counter>*> counters;
  std::vector<CallbackGauge> gauges;
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
};

Metrics::Metrics(absl::string_view program) : state_(std::make_unique<State>()) {
  state_->calls = &prometheus::BuildHistogram()
                       .Name("cairn_rpc_seconds")
                       .Help("Time that calls took, by service, method and code.")
                       .Register(state_->registry);
  Gauge("build_info", "Constant 1; the labels say what runs.", [] { return 1.0; },
        {{"program", std::string(program)}, {"version", kVersion}});
  Gauge("up_seconds", "Seconds since the program started.", [state = state_.get()] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - state->started).count();
  });
}

Metrics::~Metrics() = default;

void Metrics::Count(absl::string_view name, uint64_t by, const MetricLabels& labels) {
  std::string full = absl::StrCat(MetricName(name), "_total");
  prometheus::Family<prometheus::Counter>* family;
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    auto& slot = state_->counters[full];
    if (slot == nullptr) {
      slot = &prometheus::BuildCounter()
                  .Name(full)
                  .Help(absl::StrCat("Counts ", name, "."))
                  .Register(state_->registry);
    }
    family = slot;
  }
  family->Add(labels).Increment(static_cast<double>(by));
}

void Metrics::Gauge(absl::string_view name, absl::string_view help, std::function<double()> value,
                    const MetricLabels& labels) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->gauges.push_back({MetricName(name), std::string(help), labels, std::move(value)});
}

void Metrics::ObserveCall(absl::string_view service, absl::string_view method,
                          absl::string_view code, absl::Duration latency) {
  state_->calls
      ->Add({{"service", std::string(service)},
             {"method", std::string(method)},
             {"code", std::string(code)}},
            kCallSeconds)
      .Observe(absl::ToDoubleSeconds(latency));
}

std::string Metrics::Text() const {
  std::vector<prometheus::MetricFamily> families = state_->registry.Collect();
  std::vector<CallbackGauge> gauges;
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    gauges = state_->gauges;
  }
  std::map<std::string, size_t> places;
  for (const CallbackGauge& gauge : gauges) {
    auto [place, fresh] = places.emplace(gauge.name, families.size());
    if (fresh) families.push_back({gauge.name, gauge.help, prometheus::MetricType::Gauge, {}});
    prometheus::ClientMetric metric;
    for (const auto& [key, text] : gauge.labels) metric.label.push_back({key, text});
    metric.gauge.value = gauge.value();
    families[place->second].metric.push_back(std::move(metric));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace cairn::app
