#include "apps/client/progress.h"

#include "cairn/base/status.h"

namespace cairn::client {
namespace {

class Silent final : public Progress {
 public:
  void Begin(absl::string_view, uint64_t) override {}
  void Update(absl::string_view, Stage, uint64_t, uint64_t) override {}
  void Note(absl::string_view, absl::string_view) override {}
  void End(absl::string_view, const absl::Status&) override {}
  void Totals(uint64_t, uint64_t) override {}
};

}  // namespace

Progress& NoProgress() {
  static Silent silent;
  return silent;
}

absl::string_view ToText(Stage stage) {
  switch (stage) {
    case Stage::kQuote:
      return "quote";
    case Stage::kEncode:
      return "encode";
    case Stage::kCreate:
      return "create";
    case Stage::kUpload:
      return "upload";
    case Stage::kSeal:
      return "seal";
    case Stage::kDurable:
      return "durable";
    case Stage::kDownload:
      return "download";
    case Stage::kVerify:
      return "verify";
    case Stage::kCompare:
      return "compare";
    case Stage::kDone:
      return "done";
  }
  return "";
}

absl::Status StopFlag::Check() const {
  if (!stopped()) return absl::OkStatus();
  return base::Error(absl::StatusCode::kCancelled, "INTERRUPTED", "interrupted",
                     "run the same command again to continue");
}

}  // namespace cairn::client
