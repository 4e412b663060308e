#include "apps/common/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <mutex>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "apps/common/errors.h"
#include "apps/common/metrics.h"
#include "cairn/base/status.h"

namespace cairn::app {
namespace {

struct Logger {
  std::mutex mutex;
  std::shared_ptr<spdlog::logger> out;
  std::string program = "cairn";
  bool json = false;
};

Logger& TheLogger() {
  static Logger& logger = *[] {
    auto* made = new Logger;
    made->out = std::make_shared<spdlog::logger>("cairn",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->out->set_pattern("%v");
    made->out->flush_on(spdlog::level::trace);
    return made;
  }();
  return logger;
}

spdlog::level::level_enum LevelOf(base::Severity severity) {
  switch (severity) {
    case base::Severity::kDebug:
      return spdlog::level::debug;
    case base::Severity::kInfo:
      return spdlog::level::info;
    case base::Severity::kWarning:
      return spdlog::level::warn;
    case base::Severity::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

const char* NameOf(base::Severity severity) {
  switch (severity) {
    case base::Severity::kDebug:
      return "debug";
    case base::Severity::kInfo:
      return "info";
    case base::Severity::kWarning:
      return "warning";
    case base::Severity::kError:
      return "error";
  }
  return "info";
}

std::string JsonRecord(const std::string& program, base::Severity severity, absl::string_view name,
                       absl::string_view message, const LogFields& fields) {
  std::string line = absl::StrCat(
      "{\"ts\":\"", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone()),
      "\",\"level\":\"", NameOf(severity), "\",\"program\":", JsonQuote(program),
      ",\"event\":", JsonQuote(name), ",\"message\":", JsonQuote(message));
  for (const auto& [key, value] : fields)
    absl::StrAppend(&line, ",", JsonQuote(key), ":", JsonQuote(value));
  return line + "}";
}

std::string TextRecord(base::Severity severity, absl::string_view name, absl::string_view message,
                       const LogFields& fields) {
  std::string line =
      absl::StrCat(absl::FormatTime("%H:%M:%E3S", absl::Now(), absl::LocalTimeZone()), " ",
                   absl::StrFormat("%-7s ", NameOf(severity)), std::string(name), "  ");
  std::string said(message);
  for (const auto& [key, value] : fields) absl::StrAppend(&said, "  ", key, "=", value);
  for (char& c : said) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return line + said;
}

}  // namespace

void InitLog(const LogOptions& options) {
  Logger& logger = TheLogger();
  std::lock_guard<std::mutex> lock(logger.mutex);
  logger.program = options.program;
  logger.json =
      options.format == LogFormat::kJson || (options.format == LogFormat::kAuto && !isatty(2));
  logger.out->set_level(LevelOf(options.level));
}

absl::Status ParseLogOptions(absl::string_view level, absl::string_view format,
                             LogOptions& options) {
  auto bad = [](absl::string_view key, absl::string_view value, absl::string_view choices) {
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_CONFIG_VALUE",
                       absl::StrCat(key, " must be one of ", choices), "",
                       {{"key", std::string(key)}, {"value", std::string(value)}});
  };
  if (level == "debug") {
    options.level = base::Severity::kDebug;
  } else if (level == "info") {
    options.level = base::Severity::kInfo;
  } else if (level == "warning") {
    options.level = base::Severity::kWarning;
  } else if (level == "error") {
    options.level = base::Severity::kError;
  } else {
    return bad("log.level", level, "debug, info, warning, error");
  }
  if (format == "auto") {
    options.format = LogFormat::kAuto;
  } else if (format == "text") {
    options.format = LogFormat::kText;
  } else if (format == "json") {
    options.format = LogFormat::kJson;
  } else {
    return bad("log.format", format, "auto, text, json");
  }
  return absl::OkStatus();
}

void SetLogLevel(base::Severity level) { TheLogger().out->set_level(LevelOf(level)); }

void Log(base::Severity severity, absl::string_view name, absl::string_view message,
         const LogFields& fields) {
  Logger& logger = TheLogger();
  if (!logger.out->should_log(LevelOf(severity))) return;
  std::string program;
  bool json;
  {
    std::lock_guard<std::mutex> lock(logger.mutex);
    program = logger.program;
    json = logger.json;
  }
  std::string line = json ? JsonRecord(program, severity, name, message, fields)
                          : TextRecord(severity, name, message, fields);
  logger.out->log(LevelOf(severity), spdlog::string_view_t(line.data(), line.size()));
}

void LogError(absl::string_view name, const absl::Status& status, const LogFields& fields) {
  base::ErrorDetail detail = base::DetailOf(status);
  LogFields all = fields;
  all.emplace_back("reason", detail.reason);
  if (!detail.hint.empty()) all.emplace_back("hint", detail.hint);
  for (const auto& [key, value] : detail.evidence) all.emplace_back("cause_" + key, value);
  Log(base::Severity::kError, name, status.message(), all);
}

void LogObserver::Report(const base::Event& event) {
  Log(event.severity, event.name, event.message, event.fields);
}

void LogObserver::Count(absl::string_view counter, uint64_t by) {
  if (metrics_ != nullptr) metrics_->Count(counter, by);
}

}  // namespace cairn::app
