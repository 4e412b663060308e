#include "apps/client/put.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "apps/client/batch.h"
#include "apps/client/create.h"
#include "apps/client/journal.h"
#include "apps/client/large_put.h"
#include "apps/client/owed.h"
#include "apps/client/prepare.h"
#include "apps/common/key_file.h"
#include "cairn/base/status.h"

namespace cairn::client {
namespace {

absl::Status CheckTarget(const Reference& to) {
  if (!to.folder()) return absl::OkStatus();
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_NAME",
                     absl::StrCat(to.ToText(), " names no object"), "write cairn://bucket/key");
}

// Holds the price against --max-cost before any work is done; a result when the quote is all that
// was asked for.
absl::StatusOr<std::optional<PutResult>> QuoteFirst(Client& client, const Bucket& bucket,
                                                    const Reference& to, uint64_t size,
                                                    const PutOptions& options) {
  if (!options.dry_run && !options.max_cost) return std::optional<PutResult>();
  ASSIGN_OR_RETURN(payment::Quote quote, QuotePut(client, bucket, {size}));
  RETURN_IF_ERROR(CheckPrice(quote, options.max_cost));
  if (!options.dry_run) return std::optional<PutResult>();
  PutResult out;
  out.ref = to;
  out.size = size;
  out.stored_size = StoredSize(bucket, size);
  out.quote = quote;
  return std::optional<PutResult>(std::move(out));
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
  ASSIGN_OR_RETURN(std::optional<PutResult> quoted,
                   QuoteFirst(client, bucket, to, source.size(), options));
  if (quoted) return *std::move(quoted);
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

// Seals what comes into the spool, where there is a key; fills in the plaintext's size and hash.
absl::Status SpoolAll(Client& client, const ReadFn& read, base::Bytes head, Spool& spool,
                      Input& input) {
  std::optional<storage::StreamSealer> sealer;
  if (input.key)
    sealer.emplace(*input.key, [&](base::ByteView bytes) { return spool.Append(bytes); });
  base::Hasher plaintext;
  base::Bytes piece = std::move(head);
  while (!piece.empty()) {
    RETURN_IF_ERROR(client.CheckStop());
    plaintext.Update(piece);
    input.plaintext_size += piece.size();
    RETURN_IF_ERROR(sealer ? sealer->Feed(piece) : spool.Append(piece));
    ASSIGN_OR_RETURN(piece, ReadHead(read, 1 << 20));
  }
  if (sealer) RETURN_IF_ERROR(sealer->Finish());
  input.plaintext_hash = plaintext.Finish();
  return absl::OkStatus();
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
  if (!options.dry_run) ClaimOwedQuietly(client);
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
  RETURN_IF_ERROR(SpoolAll(client, read, std::move(head), *spool, input));
  client.progress().Begin(to.ToText(), input.plaintext_size);
  ASSIGN_OR_RETURN(std::optional<PutResult> quoted,
                   QuoteFirst(client, *bucket, to, input.plaintext_size, options));
  if (quoted) return *std::move(quoted);
  ASSIGN_OR_RETURN(std::string stored_name, bucket->StoredName(to.key));
  ASSIGN_OR_RETURN(auto journal, Journal::Open(client.transfer_folder(), client.chain_id(),
                                               bucket->id(), stored_name));
  auto result =
      LargePut(client, *bucket, input, to, stored_name, options, std::move(journal)).Run();
  client.progress().End(to.ToText(), result.status());
  return result;
}

}  // namespace cairn::client
