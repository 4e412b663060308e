#include "apps/storectl/progress_view.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "apps/client/reference.h"
#include "apps/common/errors.h"
#include "apps/storectl/output.h"
#include "cairn/base/status.h"

namespace cairn::storectl {
namespace {

using client::Stage;

// The counting that all views share. Items end in any order; bytes of finished ones are kept.
class View : public ProgressView {
 public:
  void Begin(absl::string_view item, uint64_t bytes) override {
    std::lock_guard<std::mutex> lock(mutex_);
    Item& entry = items_[std::string(item)];
    entry.bytes = bytes;
    if (!totals_known_) {
      total_bytes_ += bytes;
      ++total_items_;
    }
    Refresh(false);
  }
  void Update(absl::string_view item, Stage stage, uint64_t done, uint64_t total) override {
    std::lock_guard<std::mutex> lock(mutex_);
    Item& entry = items_[std::string(item)];
    const bool moved_on = entry.stage != stage;
    entry.stage = stage;
    entry.done = done;
    entry.total = total;
    current_ = std::string(item);
    Refresh(moved_on && items_.size() == 1 && done_items_ == 0);
  }
  void Note(absl::string_view item, absl::string_view text) override {
    std::lock_guard<std::mutex> lock(mutex_);
    Line(absl::StrCat(item, item.empty() ? "" : ": ", text));
  }
  void End(absl::string_view item, const absl::Status& status) override {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = items_.find(std::string(item));
    if (status.ok() && found != items_.end()) done_bytes_ += found->second.bytes;
    if (found != items_.end()) items_.erase(found);
    ++done_items_;
    Refresh(false);
  }
  void Totals(uint64_t items, uint64_t bytes) override {
    std::lock_guard<std::mutex> lock(mutex_);
    total_items_ = items;
    total_bytes_ = bytes;
    totals_known_ = true;
  }
  void Clear() override {
    std::lock_guard<std::mutex> lock(mutex_);
    Erase();
  }

 protected:
  struct Item {
    uint64_t bytes = 0;
    Stage stage = Stage::kQuote;
    uint64_t done = 0;
    uint64_t total = 0;
  };
  // With the lock held. `stage_changed`: the one item there is went on to another stage.
  virtual void Refresh(bool stage_changed) = 0;
  virtual void Line(const std::string& text) = 0;
  // With the lock held.
  virtual void Erase() {}

  uint64_t BytesDone() const {
    uint64_t done = done_bytes_;
    for (const auto& [name, item] : items_) {
      if (item.stage == Stage::kUpload || item.stage == Stage::kDownload ||
          item.stage == Stage::kVerify)
        done += item.done;
      if (item.stage == Stage::kSeal || item.stage == Stage::kDurable) done += item.bytes;
    }
    return std::min(done, std::max(total_bytes_, done_bytes_));
  }
  double Rate() const {
    const double seconds = absl::ToDoubleSeconds(absl::Now() - begun_);
    return seconds < 0.2 ? 0 : static_cast<double>(BytesDone()) / seconds;
  }
  int64_t Eta() const {
    const double rate = Rate();
    return rate < 1 ? -1
                    : static_cast<int64_t>(static_cast<double>(total_bytes_ - BytesDone()) / rate);
  }
  Stage CurrentStage() const {
    const auto found = items_.find(current_);
    return found == items_.end() ? Stage::kDone : found->second.stage;
  }

  std::mutex mutex_;
  std::map<std::string, Item> items_;
  std::string current_;
  uint64_t total_items_ = 0;
  uint64_t total_bytes_ = 0;
  bool totals_known_ = false;
  uint64_t done_items_ = 0;
  uint64_t done_bytes_ = 0;
  const absl::Time begun_ = absl::Now();
};

class BarView final : public View {
 public:
  explicit BarView(bool color) : color_(color) {}
  ~BarView() override { Erase(); }

 private:
  void Erase() final {
    if (drawn_) std::fputs("\r\x1b[K", stderr);
    drawn_ = false;
  }
  void Line(const std::string& text) override {
    Erase();
    std::fprintf(stderr, "%s\n", app::Printable(text).c_str());
  }
  void Refresh(bool stage_changed) override {
    const absl::Time now = absl::Now();
    if (!stage_changed && now - shown_ < absl::Milliseconds(100)) return;
    shown_ = now;
    const uint64_t done = BytesDone();
    const double part =
        total_bytes_ == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total_bytes_);
    std::string stage(client::ToText(CurrentStage()));
    if (CurrentStage() == Stage::kEncode && items_.contains(current_) &&
        items_[current_].total > 0) {
      const Item& item = items_[current_];
      absl::StrAppend(&stage,
                      absl::StrFormat(" %d%%", static_cast<int>(100.0 * item.done / item.total)));
    }
    const int filled = static_cast<int>(part * 20);
    std::string bar;
    for (int i = 0; i < 20; ++i) bar += i < filled ? "#" : ".";
    std::string text = absl::StrFormat(
        "%s  %s  [%s] %3d%%  %s/%s",
        total_items_ > 1 ? absl::StrCat(done_items_, "/", total_items_)
                         : app::Printable(client::BaseName(current_)),
        stage, bar, static_cast<int>(part * 100), HumanBytes(done), HumanBytes(total_bytes_));
    if (Rate() > 0) absl::StrAppend(&text, "  ", HumanBytes(static_cast<uint64_t>(Rate())), "/s");
    if (Eta() >= 0 && part < 1)
      absl::StrAppend(&text, "  eta ", HumanDuration(absl::Seconds(Eta())));
    winsize size{};
    const size_t width =
        ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 10 ? size.ws_col - 1 : 100;
    std::fprintf(stderr, "\r\x1b[K%s%s%s", color_ ? "\x1b[36m" : "", text.substr(0, width).c_str(),
                 color_ ? "\x1b[0m" : "");
    std::fflush(stderr);
    drawn_ = true;
  }
  const bool color_;
  bool drawn_ = false;
  absl::Time shown_ = absl::InfinitePast();
};

// For logs: at most one line in five seconds, never a carriage return.
class LineView final : public View {
 private:
  void Line(const std::string& text) override {
    std::fprintf(stderr, "%s\n", app::Printable(text).c_str());
  }
  void Refresh(bool) override {
    const absl::Time now = absl::Now();
    if (now - shown_ < absl::Seconds(5)) return;
    const bool first = shown_ == absl::InfinitePast();
    shown_ = now;
    if (first && now - begun_ < absl::Seconds(5)) {
      shown_ = begun_;
      return;
    }
    std::fprintf(stderr, "%s: %d of %d items, %s of %s, %s/s\n",
                 std::string(client::ToText(CurrentStage())).c_str(), static_cast<int>(done_items_),
                 static_cast<int>(total_items_), HumanBytes(BytesDone()).c_str(),
                 HumanBytes(total_bytes_).c_str(),
                 HumanBytes(static_cast<uint64_t>(Rate())).c_str());
  }
  absl::Time shown_ = absl::InfinitePast();
};

class JsonView final : public View {
 private:
  void Line(const std::string& text) override {
    std::fprintf(stderr, "%s\n", Json().Text("type", "note").Text("message", text).Done().c_str());
  }
  void Refresh(bool stage_changed) override {
    const absl::Time now = absl::Now();
    if (!stage_changed && now - shown_ < absl::Seconds(1)) return;
    shown_ = now;
    std::fprintf(stderr, "%s\n",
                 Json()
                     .Text("type", "progress")
                     .Text("stage", client::ToText(CurrentStage()))
                     .Number("bytes_done", BytesDone())
                     .Number("bytes_total", total_bytes_)
                     .Number("items_done", done_items_)
                     .Number("items_total", total_items_)
                     .Number("rate_bps", static_cast<uint64_t>(Rate()))
                     .Small("eta_s", Eta())
                     .Text("current", current_)
                     .Done()
                     .c_str());
  }
  absl::Time shown_ = absl::InfinitePast();
};

// Notes only: what is worth a line even when nobody watches.
class QuietView final : public View {
 public:
  explicit QuietView(bool silent) : silent_(silent) {}

 private:
  void Line(const std::string& text) override {
    if (!silent_) std::fprintf(stderr, "%s\n", app::Printable(text).c_str());
  }
  void Refresh(bool) override {}
  const bool silent_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ProgressView>> MakeProgress(absl::string_view kind, bool quiet,
                                                           bool color) {
  const bool terminal = isatty(STDERR_FILENO) == 1;
  if (kind == "none" || (quiet && (kind.empty() || kind == "auto")))
    return std::make_unique<QuietView>(quiet);
  if (kind == "bar" || (terminal && (kind.empty() || kind == "auto")))
    return std::make_unique<BarView>(color);
  if (kind == "line" || kind.empty() || kind == "auto") return std::make_unique<LineView>();
  if (kind == "json") return std::make_unique<JsonView>();
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_PROGRESS",
                     absl::StrCat("no progress \"", kind, "\""),
                     "--progress auto | bar | line | json | none");
}

}  // namespace cairn::storectl
