// How libraries report without logging: an app passes an Observer and decides what becomes a log line or a metric.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace cairn::base {

enum class Severity { kDebug, kInfo, kWarning, kError };

struct Event {
  Severity severity = Severity::kInfo;
  std::string name;  // stable, dotted: "blob.corrupt"
  std::string message;
  std::vector<std::pair<std::string, std::string>> fields;
};

// Thread-safe. Called on the reporting thread; must not block or call back.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void Report(const Event& event) = 0;
  virtual void Count(absl::string_view counter, uint64_t by) = 0;
};

// Drops everything.
Observer& NullObserver();

}  // namespace cairn::base
