// How long operations tell where they are. The client reports; who shows it, and how, is the
// program's business.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace cairn::client {

enum class Stage {
  kQuote,
  kEncode,
  kCreate,
  kUpload,
  kSeal,
  kDurable,
  kDownload,
  kVerify,
  kCompare,
  kDone
};
absl::string_view ToText(Stage stage);

// Thread-safe. Called often; must not block for long.
class Progress {
 public:
  virtual ~Progress() = default;
  // A file (or object) begins; bytes are those of its plaintext.
  virtual void Begin(absl::string_view item, uint64_t bytes) = 0;
  // A stage of an item, with the bytes done in that stage.
  virtual void Update(absl::string_view item, Stage stage, uint64_t done, uint64_t total) = 0;
  // Something worth a line: a holder given up, a primary replaced.
  virtual void Note(absl::string_view item, absl::string_view text) = 0;
  virtual void End(absl::string_view item, const absl::Status& status) = 0;
  // The whole of a command that handles many items.
  virtual void Totals(uint64_t items, uint64_t bytes) = 0;
};
Progress& NoProgress();

// Set from a signal handler or another thread; long operations look at it between pieces and stop
// with Cancelled (reason INTERRUPTED), leaving what can be resumed.
class StopFlag {
 public:
  void Set() { stop_.store(true, std::memory_order_relaxed); }
  bool stopped() const { return stop_.load(std::memory_order_relaxed); }
  absl::Status Check() const;

 private:
  std::atomic<bool> stop_{false};
};

}  // namespace cairn::client
