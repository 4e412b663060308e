// Structured logs on standard error: JSON lines, or aligned text on a terminal.
//
// A record has a stable dotted name, a sentence for people and fields. Values of secret type cannot
// be passed: fields are plain text and base::Secret does not convert. Thread-safe. Only apps log;
// libraries report to a base::Observer, for which LogObserver stands.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "cairn/base/observer.h"

namespace cairn::app {

class Metrics;

enum class LogFormat { kAuto /* text on a terminal */, kText, kJson };

struct LogOptions {
  std::string program;
  base::Severity level = base::Severity::kInfo;
  LogFormat format = LogFormat::kAuto;
};
// Once at the start of the program; again to change level or format. Before it, records of level
// info and up go out as text.
void InitLog(const LogOptions& options);
// "debug", "info", "warning", "error"; "auto", "text", "json". InvalidArgument (reason
// BAD_CONFIG_VALUE).
absl::Status ParseLogOptions(absl::string_view level, absl::string_view format,
                             LogOptions& options);
void SetLogLevel(base::Severity level);

using LogFields = std::vector<std::pair<std::string, std::string>>;
void Log(base::Severity severity, absl::string_view name, absl::string_view message,
         const LogFields& fields = {});
inline void LogInfo(absl::string_view name, absl::string_view message,
                    const LogFields& fields = {}) {
  Log(base::Severity::kInfo, name, message, fields);
}
inline void LogWarning(absl::string_view name, absl::string_view message,
                       const LogFields& fields = {}) {
  Log(base::Severity::kWarning, name, message, fields);
}
// The status's message, reason, hint and evidence as fields.
void LogError(absl::string_view name, const absl::Status& status, const LogFields& fields = {});

// Events become records, counts become metrics (cairn_<counter>_total). `metrics` may be null and
// must outlive it.
class LogObserver final : public base::Observer {
 public:
  explicit LogObserver(Metrics* metrics) : metrics_(metrics) {}
  void Report(const base::Event& event) override;
  void Count(absl::string_view counter, uint64_t by) override;

 private:
  Metrics* metrics_;
};

}  // namespace cairn::app
