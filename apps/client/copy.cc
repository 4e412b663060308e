#include <condition_variable>
#include <deque>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "apps/client/batch.h"
#include "apps/client/create.h"
#include "apps/client/delivery.h"
#include "apps/client/get.h"
#include "apps/client/holders.h"
#include "apps/client/put.h"
#include "apps/client/remove.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

// Between a get on one thread and a put on another, bounded.
class BytePipe {
 public:
  absl::Status Write(base::ByteView bytes) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || buffered_ < kLimit; });
    if (closed_) return absl::CancelledError("the writer's other end is gone");
    buffered_ += bytes.size();
    pieces_.emplace_back(bytes.begin(), bytes.end());
    changed_.notify_all();
    return absl::OkStatus();
  }
  void End(absl::Status status) {
    std::lock_guard<std::mutex> lock(mutex_);
    end_ = std::move(status);
    changed_.notify_all();
  }
  void Close() {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  absl::StatusOr<size_t> Read(base::MutableByteView out) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return !pieces_.empty() || end_; });
    if (pieces_.empty()) {
      RETURN_IF_ERROR(*end_);
      return 0;
    }
    base::Bytes& front = pieces_.front();
    const size_t n = std::min(out.size(), front.size() - used_);
    std::copy_n(front.begin() + static_cast<ptrdiff_t>(used_), n, out.begin());
    used_ += n;
    buffered_ -= n;
    if (used_ == front.size()) {
      pieces_.pop_front();
      used_ = 0;
    }
    changed_.notify_all();
    return n;
  }
  void WaitForEnd() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return end_.has_value(); });
  }

 private:
  static constexpr size_t kLimit = 4 << 20;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<base::Bytes> pieces_;
  size_t used_ = 0;
  size_t buffered_ = 0;
  bool closed_ = false;
  std::optional<absl::Status> end_;
};

absl::StatusOr<PutResult> CopyAcross(Client& client, const Bucket& bucket, const ObjectInfo& object,
                                     const Reference& to, PutOptions options) {
  BytePipe pipe;
  options.content_type = object.manifest->content_type;
  options.metadata = object.manifest->metadata;
  client.executor().Post([&] {
    pipe.End(GetObject(client, bucket, object, {}, [&](base::ByteView bytes) {
               return pipe.Write(bytes);
             }).status());
  });
  auto result = PutPipe(
      client, [&](base::MutableByteView out) { return pipe.Read(out); }, to, options);
  pipe.Close();
  pipe.WaitForEnd();
  return result;
}

absl::StatusOr<PutResult> CopyWithin(Client& client, const Bucket& bucket, const ObjectInfo& object,
                                     const Reference& to, const PutOptions& options) {
  const pb::Object& source = *object.record;
  pb::NewObject copy;
  ASSIGN_OR_RETURN(*copy.mutable_name(), bucket.StoredName(to.key));
  copy.set_stored_size(source.stored_size());
  copy.set_content_id(source.content_id());
  copy.set_layout_root(source.layout_root());
  copy.set_layout(source.layout());
  copy.set_manifest(source.manifest());
  copy.set_manifest_id(source.manifest_id());
  copy.set_copy_of(source.id());
  Parcel parcel;
  parcel.layout = object.manifest->head.stored;
  parcel.manifest = base::ToBytes(base::AsBytes(source.manifest()));
  if (!source.manifest_id().empty()) {
    ASSIGN_OR_RETURN(pb::Group group, client.Group(source.group()));
    ASSIGN_OR_RETURN(parcel.manifest, FetchManifest(client, source, group));
  }
  ASSIGN_OR_RETURN(CreateOutcome created,
                   CreateObjects(client, bucket, {copy}, options, false, nullptr));
  parcel.record = created.records.front();
  std::vector<Parcel> parcels;
  parcels.push_back(std::move(parcel));
  PutOptions within = options;
  // A successor would have nothing to sign for: a copy is made of what holders have.
  if (within.wait == WaitFor::kDurable) within.wait = WaitFor::kAvailable;
  Shipment shipment(client, created.group, std::move(parcels));
  std::vector<absl::Status> outcome(1);
  std::vector<std::vector<MissingPart>> missing(1);
  const absl::Status sealed = DeliverAndSeal(client, shipment, within, &outcome, &missing);
  if (!outcome[0].ok()) {
    (void)CancelObject(client, chain::Trusted<base::ObjectId>(created.records.front().id()));
    return outcome[0];
  }
  RETURN_IF_ERROR(sealed);
  PutResult result;
  result.ref = to;
  result.object = chain::Trusted<base::ObjectId>(created.records.front().id());
  result.content_id = object.manifest->head.stored.content_id;
  result.version = created.records.front().version();
  result.size = object.size();
  result.stored_size = source.stored_size();
  result.parts = static_cast<uint32_t>(created.records.front().positions_size());
  result.missing = std::move(missing[0]);
  result.durable = result.missing.empty();
  result.sent_bytes = shipment.sent_bytes();
  result.transactions = created.transactions + shipment.transactions();
  result.quote = created.quote;
  return result;
}

}  // namespace

absl::StatusOr<PutResult> Copy(Client& client, const Reference& from, const Reference& to,
                               const PutOptions& options) {
  ASSIGN_OR_RETURN(std::shared_ptr<Bucket> bucket, OpenBucket(client, from.bucket));
  ASSIGN_OR_RETURN(ObjectInfo object, FindObject(client, *bucket, from));
  if (from == to) {
    return base::Error(absl::StatusCode::kInvalidArgument, "SAME_NAME",
                       absl::StrCat(to.ToText(), " is its own source"));
  }
  if (from.bucket != to.bucket) return CopyAcross(client, *bucket, object, to, options);
  client.progress().Begin(to.ToText(), object.size());
  auto result = CopyWithin(client, *bucket, object, to, options);
  // A source that was read by the time but not by the ledger (replaced meanwhile, another group):
  // bytes go the long way.
  if (base::ReasonOf(result.status()) == "VERDICT_BAD_COPY_SOURCE") {
    result = CopyAcross(client, *bucket, object, to, options);
  }
  client.progress().End(to.ToText(), result.status());
  return result;
}

absl::StatusOr<PutResult> Rename(Client& client, const Reference& from, const Reference& to,
                                 const PutOptions& options) {
  ASSIGN_OR_RETURN(PutResult result, Copy(client, from, to, options));
  ASSIGN_OR_RETURN(std::shared_ptr<Bucket> bucket, OpenBucket(client, from.bucket));
  RETURN_IF_ERROR(RemoveNames(client, *bucket, {from.key}));
  ++result.transactions;
  return result;
}

}  // namespace cairn::client
