#include "kv_overlay.h"

#include <iterator>
#include <utility>

namespace cairn::base {
namespace {

// Both sources stand at or behind the key that was found last, in the direction of the walk.
class OverlayCursor final : public KvCursor {
 public:
  OverlayCursor(const KvOverlay& overlay, std::unique_ptr<KvCursor> below, absl::string_view hidden)
      : overlay_(overlay), below_(std::move(below)), hidden_(hidden), at_(overlay.end()) {}

  void Seek(absl::string_view key) override {
    at_ = overlay_.lower_bound(key);
    below_->Seek(key);
    forward_ = true;
    FindForward();
  }

  void SeekBefore(absl::string_view key) override {
    at_ = overlay_.lower_bound(key);
    below_->SeekBefore(key);
    forward_ = false;
    FindBackward();
  }

  bool Valid() const override { return found_ != Found::kNothing; }

  void Next() override {
    if (!Valid()) return;
    if (!forward_) Seek(std::string(key()));
    if (found_ == Found::kAbove) {
      const bool both = below_->Valid() && below_->key() == at_->first;
      if (both) below_->Next();
      ++at_;
    } else {
      below_->Next();
    }
    FindForward();
  }

  void Prev() override {
    if (Valid()) SeekBefore(std::string(key()));
  }

  absl::string_view key() const override {
    return found_ == Found::kAbove ? absl::string_view(at_->first) : below_->key();
  }
  absl::string_view value() const override {
    return found_ == Found::kAbove ? absl::string_view(*at_->second) : below_->value();
  }
  absl::Status status() const override { return below_->status(); }

 private:
  enum class Found { kNothing, kAbove, kBelow };

  // Without what is below nothing can be said.
  bool Unreadable() {
    if (below_->status().ok()) return false;
    found_ = Found::kNothing;
    return true;
  }

  // The smaller of both; of equals the one above, which may say that there is none.
  void FindForward() {
    while (true) {
      if (below_->Valid() && below_->key() == hidden_) below_->Next();
      if (Unreadable()) return;
      found_ = below_->Valid() ? Found::kBelow : Found::kNothing;
      if (at_ == overlay_.end() || (below_->Valid() && below_->key() < at_->first)) return;
      if (at_->second) {
        found_ = Found::kAbove;
        return;
      }
      if (below_->Valid() && below_->key() == at_->first) below_->Next();
      ++at_;
    }
  }

  // The larger of what is below and what stands before `at_`.
  void FindBackward() {
    while (true) {
      if (below_->Valid() && below_->key() == hidden_) below_->Prev();
      if (Unreadable()) return;
      found_ = below_->Valid() ? Found::kBelow : Found::kNothing;
      if (at_ == overlay_.begin() || (below_->Valid() && below_->key() > std::prev(at_)->first)) return;
      --at_;
      if (at_->second) {
        found_ = Found::kAbove;
        return;
      }
      if (below_->Valid() && below_->key() == at_->first) below_->Prev();
    }
  }

  const KvOverlay& overlay_;
  std::unique_ptr<KvCursor> below_;
  const absl::string_view hidden_;
  KvOverlay::const_iterator at_;
  Found found_ = Found::kNothing;
  bool forward_ = true;
};

}  // namespace

std::unique_ptr<KvCursor> NewOverlayCursor(const KvOverlay& overlay, std::unique_ptr<KvCursor> below,
                                           absl::string_view hidden) {
  return std::make_unique<OverlayCursor>(overlay, std::move(below), hidden);
}

}  // namespace cairn::base
