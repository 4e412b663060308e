#include "apps/client/put.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "apps/client/batch.h"
#include "apps/client/create.h"
#include "apps/client/delivery.h"
#include "apps/client/journal.h"
#include "apps/client/prepare.h"
#include "apps/client/upload.h"
#include "apps/common/key_file.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

constexpr int kSourceChanges = 3;

absl::Status CheckTarget(const Reference& to) {
  if (!to.folder()) return absl::OkStatus();
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_NAME",
                     absl::StrCat(to.ToText(), " names no object"), "write cairn://bucket/key");
}

// One large object on its way, journalled at each step.
class LargePut {
 public:
  LargePut(Client& client, const Bucket& bucket, Input& input, const Reference& to,
           std::string stored_name, const PutOptions& options, std::unique_ptr<Journal> journal)
      : client_(client),
        bucket_(bucket),
        input_(input),
        to_(to),
        stored_name_(std::move(stored_name)),
        options_(options),
        journal_(std::move(journal)) {}

  absl::StatusOr<PutResult> Run();

 private:
  absl::StatusOr<bool> TakeUp();
  absl::StatusOr<bool> FindCreated(const JournalEntry& entry);
  bool Gone(const absl::Status& status);
  absl::Status Begin();
  absl::Status Create();
  absl::StatusOr<PutResult> Send();
  absl::Status Discard();

  Client& client_;
  const Bucket& bucket_;
  Input& input_;
  const Reference& to_;
  const std::string stored_name_;
  const PutOptions& options_;
  std::unique_ptr<Journal> journal_;
  JournalEntry entry_;
  Prepared prepared_;
  pb::Group group_;
  std::optional<pb::Object> record_;
  bool resumed_ = false;
  PutResult result_;
};

// What an earlier process left of this very put; true when the ledger has its object.
absl::StatusOr<bool> LargePut::TakeUp() {
  std::optional<JournalEntry> entry = journal_->Load();
  if (!entry) return false;
  const std::string identity = input_.source->identity();
  auto head = storage::DecodeManifestHead(entry->manifest);
  const bool same = options_.resume && !identity.empty() && entry->source == identity &&
                    entry->chain == client_.chain_id() && entry->bucket == bucket_.id() &&
                    entry->stored_name == stored_name_ && head.ok() &&
                    head->seal.has_value() == bucket_.sealed();
  if (!same) {
    if (!entry->object.empty()) (void)CancelObject(client_, entry->object);
    journal_->Remove();
    return false;
  }
  entry_ = *std::move(entry);
  if (head->seal) {
    ASSIGN_OR_RETURN(input_.key, bucket_.OpenVersionKey(head->seal->epoch, head->seal->key_id,
                                                        head->seal->wrapped_key));
  }
  prepared_.layout = head->stored;
  prepared_.manifest = entry_.manifest;
  prepared_.frame_tags = entry_.frame_tags;
  prepared_.plaintext_size = entry_.plaintext_size;
  prepared_.object.set_name(stored_name_);
  prepared_.object.set_stored_size(head->stored.stored_size);
  prepared_.object.set_content_id(chain::ToField(head->stored.content_id.digest));
  prepared_.object.set_layout_root(chain::ToField(head->stored.LayoutRoot()));
  prepared_.object.set_layout(chain::ToProto(head->stored.layout));
  if (entry_.manifest.size() <= storage::kInlineManifestBytes) {
    prepared_.object.set_manifest(base::ToString(entry_.manifest));
  } else {
    prepared_.object.set_manifest_id(chain::ToField(base::Blake3(entry_.manifest)));
  }
  resumed_ = true;
  return FindCreated(entry_);
}

absl::StatusOr<bool> LargePut::FindCreated(const JournalEntry& entry) {
  if (entry.object.empty()) return false;
  for (int look = 0; look < 2; ++look) {
    pb::QueryRequest request;
    request.set_object(chain::ToField(entry.object));
    auto answer = client_.Query(request);
    if (!answer.ok() && !absl::IsNotFound(answer.status())) return answer.status();
    if (answer.ok() && !answer->objects().empty()) {
      record_ = answer->objects(0);
      ASSIGN_OR_RETURN(group_, client_.Group(record_->group()));
      return true;
    }
    // The transaction may have left without an answer: the same bytes again give the first outcome.
    pb::SignedTransaction transaction;
    if (look > 0 || !transaction.ParseFromString(base::ToString(entry.transaction))) return false;
    auto sent = client_.sender().Resend(transaction);
    if (!sent.ok() &&
        (absl::IsUnavailable(sent.status()) || absl::IsDeadlineExceeded(sent.status()))) {
      return sent.status();
    }
    if (!sent.ok()) return false;
    ++result_.transactions;
  }
  return false;
}

absl::Status LargePut::Begin() {
  if (!input_.sealed_already && bucket_.sealed()) input_.key = client_.entropy().DrawSecret<32>();
  ASSIGN_OR_RETURN(prepared_, PrepareLarge(client_, bucket_, input_, to_.ToText()));
  prepared_.object.set_name(stored_name_);
  entry_ = JournalEntry{.chain = client_.chain_id(),
                        .bucket = bucket_.id(),
                        .stored_name = stored_name_,
                        .source = input_.source->identity(),
                        .spool = "",
                        .plaintext_size = prepared_.plaintext_size,
                        .manifest = prepared_.manifest,
                        .frame_tags = prepared_.frame_tags,
                        .transaction = {},
                        .object = {}};
  if (entry_.source.empty()) return absl::OkStatus();
  return journal_->Save(entry_);
}

absl::Status LargePut::Create() {
  client_.progress().Update(to_.ToText(), Stage::kCreate, 0, 1);
  auto created = CreateObjects(
      client_, bucket_, {prepared_.object}, options_, false,
      [&](const pb::SignedTransaction& transaction, const std::vector<base::ObjectId>& ids) {
        entry_.transaction = base::ToBytes(base::AsBytes(transaction.SerializeAsString()));
        entry_.object = ids.front();
        return entry_.source.empty() ? absl::OkStatus() : journal_->Save(entry_);
      });
  RETURN_IF_ERROR(created.status());
  record_ = created->records.front();
  group_ = created->group;
  result_.quote = created->quote;
  result_.transactions += created->transactions;
  return absl::OkStatus();
}

absl::StatusOr<PutResult> LargePut::Send() {
  Parcel parcel{
      .record = *record_, .layout = prepared_.layout, .manifest = prepared_.manifest, .stored = {}};
  std::vector<Parcel> parcels;
  parcels.push_back(std::move(parcel));
  Shipment shipment(client_, group_, std::move(parcels));
  const PassFn pass = [&](uint64_t first_stripe, const storage::ShardSink& sink) {
    return RunPass(client_, bucket_, input_, &prepared_, first_stripe, sink, nullptr, nullptr);
  };
  const UploadRun run{.resumed = resumed_,
                      .replace_holders = options_.wait == WaitFor::kDurable,
                      .item = to_.ToText(),
                      .plaintext_size = prepared_.plaintext_size};
  ASSIGN_OR_RETURN(UploadOutcome outcome, UploadParcel(client_, shipment, pass, run));
  client_.progress().Update(to_.ToText(), Stage::kSeal, 0, 1);
  RETURN_IF_ERROR(shipment.Seal(options_.wait));
  result_.ref = to_;
  result_.object = chain::Trusted<base::ObjectId>(record_->id());
  result_.content_id = prepared_.layout.content_id;
  result_.version = record_->version();
  result_.size = prepared_.plaintext_size;
  result_.stored_size = prepared_.layout.stored_size;
  result_.parts = static_cast<uint32_t>(record_->positions_size());
  result_.missing = std::move(outcome.missing);
  for (uint32_t position : shipment.Positions()) {
    const bool known =
        std::any_of(result_.missing.begin(), result_.missing.end(),
                    [&](const MissingPart& part) { return part.position == position; });
    if (!shipment.HasReceipt(position) && !known)
      result_.missing.push_back({position, {}, "no receipt"});
  }
  result_.durable = options_.wait != WaitFor::kCreated && result_.missing.empty();
  result_.resumed = resumed_;
  result_.sent_bytes = outcome.sent_bytes + shipment.sent_bytes();
  result_.transactions += shipment.transactions();
  client_.progress().Update(to_.ToText(), Stage::kDurable, 1, 1);
  return result_;
}

// Did the upload fail because its deadline took the object from the ledger?
bool LargePut::Gone(const absl::Status& status) {
  const std::string reason = base::ReasonOf(status);
  if (reason == "VERDICT_UNKNOWN_OBJECT" || reason == "NO_SUCH_OBJECT" ||
      reason == "DEADLINE_PASSED" || reason == "VERDICT_DEADLINE_PASSED") {
    return true;
  }
  if (reason != "NOT_ENOUGH_RECEIPTS" || !record_) return false;
  pb::QueryRequest request;
  request.set_object(record_->id());
  return absl::IsNotFound(client_.Query(request).status());
}

absl::Status LargePut::Discard() {
  if (record_) (void)CancelObject(client_, chain::Trusted<base::ObjectId>(record_->id()));
  record_.reset();
  resumed_ = false;
  journal_->Remove();
  return absl::OkStatus();
}

absl::StatusOr<PutResult> LargePut::Run() {
  ASSIGN_OR_RETURN(bool created, TakeUp());
  for (int change = 0;; ++change) {
    if (prepared_.manifest.empty()) RETURN_IF_ERROR(Begin());
    if (!created) RETURN_IF_ERROR(Create());
    auto sent = Send();
    if (sent.ok()) {
      journal_->Remove();
      return sent;
    }
    const std::string reason = base::ReasonOf(sent.status());
    const bool gone = Gone(sent.status());
    if (change >= kSourceChanges || (reason != "SOURCE_CHANGED" && !gone)) return sent;
    if (reason == "SOURCE_CHANGED" && input_.sealed_already) return sent;
    client_.progress().Note(to_.ToText(), gone
                                              ? "the upload's deadline passed: created anew"
                                              : "the source changed while it was sent: begun anew");
    RETURN_IF_ERROR(Discard());
    created = false;
    resumed_ = gone;  // holders may still have what they got
    if (!gone) prepared_ = Prepared{};
    if (!gone && input_.source->identity() != entry_.source) {
      return base::Error(absl::StatusCode::kFailedPrecondition, "SOURCE_CHANGED",
                         "the source changed while it was sent", "run the same command again");
    }
  }
}

absl::StatusOr<PutResult> PutSmall(Client& client, const Bucket& bucket, Source& source,
                                   const Reference& to, const std::string& stored_name,
                                   const PutOptions& options) {
  client.progress().Update(to.ToText(), Stage::kEncode, 0, source.size());
  ASSIGN_OR_RETURN(Prepared prepared, PrepareSmall(client, bucket, source, options));
  prepared.object.set_name(stored_name);
  std::vector<BatchItem> items;
  items.push_back({to, std::move(prepared)});
  client.progress().Update(to.ToText(), Stage::kUpload, 0, source.size());
  return ShipBatch(client, bucket, std::move(items), options, false).front();
}

absl::StatusOr<PutResult> PutInto(Client& client, const Bucket& bucket, Source& source,
                                  const Reference& to, const PutOptions& options) {
  ASSIGN_OR_RETURN(std::string stored_name, bucket.StoredName(to.key));
  if (options.dry_run || options.max_cost) {
    ASSIGN_OR_RETURN(payment::Quote quote, QuotePut(client, bucket, {source.size()}));
    RETURN_IF_ERROR(CheckPrice(quote, options.max_cost));
    if (options.dry_run) {
      PutResult out;
      out.ref = to;
      out.size = source.size();
      out.stored_size = StoredSize(bucket, source.size());
      out.quote = quote;
      return out;
    }
  }
  if (IsSmall(bucket, source.size()))
    return PutSmall(client, bucket, source, to, stored_name, options);
  ASSIGN_OR_RETURN(auto journal, Journal::Open(client.transfer_folder(), client.chain_id(),
                                               bucket.id(), stored_name));
  Input input;
  input.source = &source;
  input.content_type = options.content_type.empty() ? source.content_type() : options.content_type;
  input.metadata = options.metadata;
  return LargePut(client, bucket, input, to, stored_name, options, std::move(journal)).Run();
}

absl::Status LocalError(absl::string_view what) {
  return base::Error(absl::StatusCode::kUnknown, "LOCAL_FILE",
                     absl::StrCat(what, ": ", std::strerror(errno)));
}

// A nameless file that holds a pipe's stored bytes: gone with the process, whatever ends it.
class Spool final : public Source {
 public:
  static absl::StatusOr<std::unique_ptr<Spool>> Create(const std::string& folder) {
    const char* temporary = std::getenv("TMPDIR");
    const std::string where = !folder.empty() ? folder : temporary != nullptr ? temporary : "/tmp";
    RETURN_IF_ERROR(app::MakeFolders(where));
    std::string path = where + "/spool-XXXXXX";
    const int fd = mkstemp(path.data());
    if (fd < 0) return LocalError(path);
    unlink(path.c_str());
    return std::unique_ptr<Spool>(new Spool(fd));
  }
  ~Spool() override { close(fd_); }
  uint64_t size() const override { return size_; }
  absl::Status Append(base::ByteView bytes) {
    while (!bytes.empty()) {
      const ssize_t n = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return LocalError("spooling");
      size_ += static_cast<uint64_t>(n);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return absl::OkStatus();
  }
  absl::StatusOr<size_t> ReadAt(uint64_t offset, base::MutableByteView out) override {
    const ssize_t n = pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0) return LocalError("spool");
    return static_cast<size_t>(n);
  }

 private:
  explicit Spool(int fd) : fd_(fd) {}
  int fd_;
  uint64_t size_ = 0;
};

// Reads up to `limit` bytes, so that what is small needs no spool.
absl::StatusOr<base::Bytes> ReadHead(const ReadFn& read, size_t limit) {
  base::Bytes out(limit);
  size_t filled = 0;
  while (filled < limit) {
    ASSIGN_OR_RETURN(size_t got, read(base::MutableByteView(out.data() + filled, limit - filled)));
    if (got == 0) break;
    filled += got;
  }
  out.resize(filled);
  return out;
}

}  // namespace

absl::StatusOr<WaitFor> ParseWait(absl::string_view text) {
  if (text == "created") return WaitFor::kCreated;
  if (text == "available") return WaitFor::kAvailable;
  if (text == "durable") return WaitFor::kDurable;
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_WAIT",
                     absl::StrCat("no state \"", text, "\" to wait for"),
                     "--wait created | available | durable");
}

absl::StatusOr<PutResult> Put(Client& client, Source& source, const Reference& to,
                              const PutOptions& options) {
  RETURN_IF_ERROR(CheckTarget(to));
  ASSIGN_OR_RETURN(std::shared_ptr<Bucket> bucket, OpenBucket(client, to.bucket));
  client.progress().Begin(to.ToText(), source.size());
  auto result = PutInto(client, *bucket, source, to, options);
  client.progress().End(to.ToText(), result.status());
  return result;
}

absl::StatusOr<PutResult> PutPipe(Client& client, const ReadFn& read, const Reference& to,
                                  const PutOptions& options) {
  RETURN_IF_ERROR(CheckTarget(to));
  ASSIGN_OR_RETURN(std::shared_ptr<Bucket> bucket, OpenBucket(client, to.bucket));
  ASSIGN_OR_RETURN(base::Bytes head, ReadHead(read, base::kSmallObjectBytes));
  if (head.size() < base::kSmallObjectBytes) {
    const std::unique_ptr<Source> source = MemorySource(std::move(head), ContentTypeOf(to.key));
    client.progress().Begin(to.ToText(), source->size());
    auto small = PutInto(client, *bucket, *source, to, options);
    client.progress().End(to.ToText(), small.status());
    return small;
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Spool> spool, Spool::Create(client.transfer_folder()));
  Input input;
  input.source = spool.get();
  input.sealed_already = true;
  input.content_type = options.content_type.empty() ? ContentTypeOf(to.key) : options.content_type;
  input.metadata = options.metadata;
  if (bucket->sealed()) input.key = client.entropy().DrawSecret<32>();
  std::optional<storage::StreamSealer> sealer;
  if (input.key)
    sealer.emplace(*input.key, [&](base::ByteView bytes) { return spool->Append(bytes); });
  base::Hasher plaintext;
  base::Bytes piece = std::move(head);
  while (!piece.empty()) {
    RETURN_IF_ERROR(client.CheckStop());
    plaintext.Update(piece);
    input.plaintext_size += piece.size();
    RETURN_IF_ERROR(sealer ? sealer->Feed(piece) : spool->Append(piece));
    ASSIGN_OR_RETURN(piece, ReadHead(read, 1 << 20));
  }
  if (sealer) RETURN_IF_ERROR(sealer->Finish());
  input.plaintext_hash = plaintext.Finish();
  client.progress().Begin(to.ToText(), input.plaintext_size);
  if (options.max_cost || options.dry_run) {
    ASSIGN_OR_RETURN(payment::Quote quote, QuotePut(client, *bucket, {input.plaintext_size}));
    RETURN_IF_ERROR(CheckPrice(quote, options.max_cost));
    if (options.dry_run) {
      PutResult out;
      out.ref = to;
      out.size = input.plaintext_size;
      out.stored_size = spool->size();
      out.quote = quote;
      return out;
    }
  }
  ASSIGN_OR_RETURN(std::string stored_name, bucket->StoredName(to.key));
  ASSIGN_OR_RETURN(auto journal, Journal::Open(client.transfer_folder(), client.chain_id(),
                                               bucket->id(), stored_name));
  auto result =
      LargePut(client, *bucket, input, to, stored_name, options, std::move(journal)).Run();
  client.progress().End(to.ToText(), result.status());
  return result;
}

}  // namespace cairn::client
