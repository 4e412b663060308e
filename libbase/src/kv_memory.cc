#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>

#include "kv_limits.h"

namespace cairn::base {
namespace {

// Every key keeps its versions, oldest first; a snapshot sees the newest one not above its own number. Values are
// on the heap of their own, so a view of one stays where it is while versions around it come and go.
struct Version {
  uint64_t number;
  std::unique_ptr<const std::string> value;  // null: deleted
};

struct Store {
  using Map = std::map<std::string, std::vector<Version>, std::less<>>;
  mutable std::shared_mutex mutex;
  Map map;
  uint64_t newest = 0;
  uint64_t live_entries = 0;
  std::multiset<uint64_t> snapshots;
  // (number, key): once no snapshot is older than the number, the key has versions that nobody can see.
  std::deque<std::pair<uint64_t, std::string>> superseded;

  static const std::string* Visible(const std::vector<Version>& versions, uint64_t number) {
    for (auto it = versions.rbegin(); it != versions.rend(); ++it) {
      if (it->number <= number) return it->value.get();
    }
    return nullptr;
  }

  void Apply(const std::string& key, const std::optional<std::string>& value, uint64_t number) {
    std::vector<Version>& versions = map[key];
    bool was_there = !versions.empty() && versions.back().value != nullptr;
    if (!versions.empty() && versions.back().number == number) versions.pop_back();
    versions.push_back({number, value ? std::make_unique<const std::string>(*value) : nullptr});
    if (versions.size() > 1 || !value) superseded.emplace_back(number, key);
    live_entries += value.has_value();
    live_entries -= was_there;
  }

  void Prune() {
    uint64_t oldest = snapshots.empty() ? newest : *snapshots.begin();
    for (; !superseded.empty() && superseded.front().first <= oldest; superseded.pop_front()) {
      auto it = map.find(superseded.front().second);
      if (it == map.end()) continue;
      std::vector<Version>& versions = it->second;
      auto keep = versions.begin();
      while (std::next(keep) != versions.end() && std::next(keep)->number <= oldest) ++keep;
      versions.erase(versions.begin(), keep);
      if (versions.size() == 1 && versions[0].value == nullptr && versions[0].number <= oldest) map.erase(it);
    }
  }
};

class Cursor final : public KvCursor {
 public:
  Cursor(std::shared_ptr<Store> store, uint64_t number)
      : store_(std::move(store)), number_(number), at_(store_->map.end()) {}

  void Seek(absl::string_view key) override {
    std::shared_lock lock(store_->mutex);
    at_ = store_->map.lower_bound(std::string(key));
    SkipForward();
  }
  void SeekBefore(absl::string_view key) override {
    std::shared_lock lock(store_->mutex);
    at_ = store_->map.lower_bound(std::string(key));
    SkipBackward();
  }
  bool Valid() const override { return value_ != nullptr; }
  void Next() override {
    if (!Valid()) return;
    std::shared_lock lock(store_->mutex);
    ++at_;
    SkipForward();
  }
  void Prev() override {
    if (!Valid()) return;
    std::shared_lock lock(store_->mutex);
    SkipBackward();
  }
  absl::string_view key() const override { return at_->first; }
  absl::string_view value() const override { return *value_; }

 private:
  // From `at_` on, the first key that the snapshot sees.
  void SkipForward() {
    value_ = nullptr;
    for (; at_ != store_->map.end(); ++at_) {
      value_ = Store::Visible(at_->second, number_);
      if (value_ != nullptr) return;
    }
  }
  // Before `at_`, the last key that the snapshot sees.
  void SkipBackward() {
    value_ = nullptr;
    while (value_ == nullptr && at_ != store_->map.begin()) {
      --at_;
      value_ = Store::Visible(at_->second, number_);
    }
  }

  std::shared_ptr<Store> store_;
  uint64_t number_;
  // Points at a key the snapshot sees, which is never erased while the snapshot lives, or is not used.
  Store::Map::const_iterator at_;
  const std::string* value_ = nullptr;
};

class MemorySnapshot final : public KvSnapshot {
 public:
  explicit MemorySnapshot(std::shared_ptr<Store> store) : store_(std::move(store)) {
    std::unique_lock lock(store_->mutex);
    number_ = store_->newest;
    store_->snapshots.insert(number_);
  }
  ~MemorySnapshot() override {
    std::unique_lock lock(store_->mutex);
    store_->snapshots.erase(store_->snapshots.find(number_));
    store_->Prune();
  }
  absl::StatusOr<std::optional<absl::string_view>> Get(absl::string_view key) const override {
    RETURN_IF_ERROR(CheckKvKey(key));
    std::shared_lock lock(store_->mutex);
    auto it = store_->map.find(std::string(key));
    const std::string* value = it == store_->map.end() ? nullptr : Store::Visible(it->second, number_);
    if (value == nullptr) return std::optional<absl::string_view>();
    return std::optional<absl::string_view>(*value);
  }
  std::unique_ptr<KvCursor> NewCursor() const override { return std::make_unique<Cursor>(store_, number_); }

 private:
  std::shared_ptr<Store> store_;
  uint64_t number_;
};

class MemoryKv final : public Kv {
 public:
  std::unique_ptr<KvSnapshot> Snapshot() const override { return std::make_unique<MemorySnapshot>(store_); }
  absl::Status Commit(const KvBatch& batch, bool) override {
    RETURN_IF_ERROR(CheckKvBatch(batch));
    std::unique_lock lock(store_->mutex);
    uint64_t number = store_->newest + 1;
    for (const auto& [key, value] : batch.changes()) store_->Apply(key, value, number);
    store_->newest = number;
    store_->Prune();
    return absl::OkStatus();
  }
  absl::Status Sync() override { return absl::OkStatus(); }
  absl::StatusOr<uint64_t> EntryCount() const override {
    std::shared_lock lock(store_->mutex);
    return store_->live_entries;
  }

 private:
  std::shared_ptr<Store> store_ = std::make_shared<Store>();
};

}  // namespace

std::unique_ptr<Kv> NewMemoryKv() { return std::make_unique<MemoryKv>(); }

}  // namespace cairn::base
