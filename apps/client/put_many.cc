#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>

#include "absl/strings/str_cat.h"
#include "apps/client/batch.h"
#include "apps/client/create.h"
#include "apps/client/list.h"
#include "apps/client/owed.h"
#include "apps/client/prepare.h"
#include "apps/client/put.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"

namespace cairn::client {
namespace {

constexpr uint32_t kBatchesAtOnce = 3;  // one is encoded while others are sent and sealed
constexpr size_t kListInstead = 32;  // from so many names on, one listing is cheaper than questions

// The folder that all names have in common ("a/b/"), for one listing.
std::string CommonFolder(const std::vector<PutItem>& items) {
  std::string common = items.front().to.key;
  for (const PutItem& item : items) {
    const auto difference =
        std::mismatch(common.begin(), common.end(), item.to.key.begin(), item.to.key.end());
    common.erase(difference.first, common.end());
  }
  const size_t slash = common.rfind('/');
  return slash == std::string::npos ? "" : common.substr(0, slash + 1);
}

// Distributes the small items over batches and the large ones over workers.
class ManyPut {
 public:
  ManyPut(Client& client, const std::vector<PutItem>& items, const ManyOptions& options)
      : client_(client),
        items_(items),
        options_(options),
        results_(items.size(), absl::UnknownError("not reached")) {}

  std::vector<absl::StatusOr<PutResult>> Run();

 private:
  absl::Status Plan();
  absl::Status ReadVersions();
  absl::Status CheckPrice();
  void WorkSmall();
  void WorkLarge();
  std::vector<size_t> TakeBatch();
  void PutBatch(const std::vector<size_t>& batch);
  absl::StatusOr<BatchItem> Encode(size_t index);

  Client& client_;
  const std::vector<PutItem>& items_;
  const ManyOptions& options_;
  std::vector<absl::StatusOr<PutResult>> results_;
  std::shared_ptr<Bucket> bucket_;
  std::vector<uint64_t> sizes_;
  std::map<std::string, uint64_t> versions_;  // by plain name
  bool versions_known_ = false;

  std::mutex mutex_;
  std::vector<size_t> small_;
  std::vector<size_t> large_;
  size_t next_small_ = 0;
  size_t next_large_ = 0;
};

absl::Status ManyPut::Plan() {
  ASSIGN_OR_RETURN(bucket_, OpenBucket(client_, items_.front().to.bucket));
  sizes_.resize(items_.size());
  uint64_t total = 0;
  for (size_t i = 0; i < items_.size(); ++i) {
    auto source = OpenFileSource(items_[i].path);
    const absl::Status name = storage::CheckName(items_[i].to.key);
    if (!source.ok() || !name.ok()) {
      results_[i] = source.ok() ? name : source.status();
      client_.progress().End(items_[i].to.ToText(), results_[i].status());
      continue;
    }
    sizes_[i] = (*source)->size();
    total += sizes_[i];
    (IsSmall(*bucket_, sizes_[i]) ? small_ : large_).push_back(i);
  }
  client_.progress().Totals(items_.size(), total);
  RETURN_IF_ERROR(CheckPrice());
  return small_.size() >= kListInstead && !options_.put.must_be_new ? ReadVersions()
                                                                    : absl::OkStatus();
}

absl::Status ManyPut::CheckPrice() {
  if (!options_.put.max_cost && !options_.put.dry_run) return absl::OkStatus();
  std::vector<uint64_t> sizes;
  for (const auto* part : {&small_, &large_}) {
    for (size_t i : *part) sizes.push_back(sizes_[i]);
  }
  if (sizes.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(payment::Quote quote, QuotePut(client_, *bucket_, sizes));
  RETURN_IF_ERROR(client::CheckPrice(quote, options_.put.max_cost));
  if (!options_.put.dry_run) return absl::OkStatus();
  for (size_t i = 0; i < items_.size(); ++i) {
    PutResult result;
    result.ref = items_[i].to;
    result.size = sizes_[i];
    result.stored_size = StoredSize(*bucket_, sizes_[i]);
    if (i == 0) result.quote = quote;
    results_[i] = std::move(result);
  }
  small_.clear();
  large_.clear();
  return absl::OkStatus();
}

absl::Status ManyPut::ReadVersions() {
  ASSIGN_OR_RETURN(std::vector<ObjectInfo> there,
                   ListObjects(client_, *bucket_, CommonFolder(items_), {.manifests = false}));
  for (const ObjectInfo& object : there) {
    uint64_t& version = versions_[object.ref.key];
    version = std::max(version, object.version);
  }
  versions_known_ = true;
  return absl::OkStatus();
}

std::vector<size_t> ManyPut::TakeBatch() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<size_t> batch;
  uint64_t bytes = 0;
  uint64_t records = 0;
  while (next_small_ < small_.size() && batch.size() < kBatchObjects) {
    const size_t index = small_[next_small_];
    const uint64_t stored = StoredSize(*bucket_, sizes_[index]);
    // Name with its tags, hashes, manifest: what one object adds to the transaction.
    const uint64_t record =
        items_[index].to.key.size() + 18 * 64 + storage::kInlineManifestBytes + 128;
    if (!batch.empty() && (bytes + stored > kBatchBytes || records + record > kBatchRecordBytes))
      break;
    batch.push_back(index);
    bytes += stored;
    records += record;
    ++next_small_;
  }
  return batch;
}

absl::StatusOr<BatchItem> ManyPut::Encode(size_t index) {
  const PutItem& item = items_[index];
  ASSIGN_OR_RETURN(std::unique_ptr<Source> source, OpenFileSource(item.path));
  if (!IsSmall(*bucket_, source->size())) {
    return base::Error(absl::StatusCode::kFailedPrecondition, "SOURCE_CHANGED",
                       "the file grew meanwhile", "run the same command again");
  }
  ASSIGN_OR_RETURN(Prepared prepared, PrepareSmall(client_, *bucket_, *source, options_.put));
  ASSIGN_OR_RETURN(*prepared.object.mutable_name(), bucket_->StoredName(item.to.key));
  const auto version = versions_.find(item.to.key);
  if (version != versions_.end()) prepared.object.set_after_version(version->second);
  return BatchItem{item.to, std::move(prepared)};
}

void ManyPut::PutBatch(const std::vector<size_t>& batch) {
  std::vector<BatchItem> items;
  std::vector<size_t> kept;
  for (size_t index : batch) {
    client_.progress().Begin(items_[index].to.ToText(), sizes_[index]);
    auto item = Encode(index);
    if (!item.ok()) {
      results_[index] = item.status();
      client_.progress().End(items_[index].to.ToText(), item.status());
      continue;
    }
    items.push_back(*std::move(item));
    kept.push_back(index);
  }
  if (items.empty()) return;
  auto results = ShipBatch(client_, *bucket_, std::move(items), options_.put, versions_known_);
  for (size_t i = 0; i < kept.size(); ++i) {
    results_[kept[i]] = std::move(results[i]);
    client_.progress().End(items_[kept[i]].to.ToText(), results_[kept[i]].status());
  }
}

void ManyPut::WorkSmall() {
  while (true) {
    const std::vector<size_t> batch = TakeBatch();
    if (batch.empty()) return;
    if (const absl::Status stop = client_.CheckStop(); !stop.ok()) {
      for (size_t index : batch) results_[index] = stop;
      continue;
    }
    PutBatch(batch);
  }
}

void ManyPut::WorkLarge() {
  PutOptions put = options_.put;  // what may be on the way is shared by all that are
  put.repeat_bytes /= std::clamp<size_t>(large_.size(), 1, std::max(options_.parallel, 1u));
  while (true) {
    size_t index;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (next_large_ == large_.size()) return;
      index = large_[next_large_++];
    }
    if (const absl::Status stop = client_.CheckStop(); !stop.ok()) {
      results_[index] = stop;
      continue;
    }
    auto source = OpenFileSource(items_[index].path);
    results_[index] =
        source.ok() ? Put(client_, **source, items_[index].to, put) : source.status();
  }
}

std::vector<absl::StatusOr<PutResult>> ManyPut::Run() {
  if (items_.empty()) return {};
  if (const absl::Status planned = Plan(); !planned.ok()) {
    for (auto& result : results_) {
      if (result.ok() || result.status().code() == absl::StatusCode::kUnknown) result = planned;
    }
    return std::move(results_);
  }
  std::vector<std::function<void()>> workers;
  for (uint32_t i = 0; i < kBatchesAtOnce; ++i) workers.push_back([this] { WorkSmall(); });
  for (uint32_t i = 0; i < std::max<uint32_t>(options_.parallel, 1); ++i)
    workers.push_back([this] { WorkLarge(); });
  client_.RunAll(std::move(workers));
  return std::move(results_);
}

}  // namespace

std::vector<absl::StatusOr<PutResult>> PutMany(Client& client, const std::vector<PutItem>& items,
                                               const ManyOptions& options) {
  if (!options.put.dry_run) ClaimOwedQuietly(client);
  return ManyPut(client, items, options).Run();
}

}  // namespace cairn::client
