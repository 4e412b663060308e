#include "kv_journal.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/codec.h"
#include "cairn/base/hash.h"
#include "cairn/base/status.h"

namespace cairn::base {
namespace {

constexpr char kContext[] = "cairn v1 kv journal";
constexpr uint8_t kDelete = 0;
constexpr uint8_t kPut = 1;
constexpr uint64_t kMaxBytes = uint64_t{1} << 30;
constexpr size_t kFill = 1 << 20;

absl::Status Damaged(absl::string_view why) {
  return Error(absl::StatusCode::kDataLoss, "STORE_DAMAGED", absl::StrCat("the journal of the store ", why),
               "restore the folder of the store as a whole from a backup");
}

uint64_t WholeBlocks(uint64_t bytes) { return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes; }

struct Record {
  uint64_t pass = 0;
  uint32_t index = 0;
  uint32_t synced = 0;  // records of the pass that were on the disk when this one was written
  KvBatch batch;
  uint64_t bytes = 0;  // whole blocks
};

absl::StatusOr<Record> DecodeBody(ByteView body) {
  Reader in(body);
  Record record;
  record.pass = in.U64();
  record.index = in.U32();
  record.synced = in.U32();
  while (in.ok() && in.remaining() > 0) {
    const uint8_t kind = in.U8();
    const std::string key = in.Text(kMaxKvKeyBytes);
    if (key.empty()) in.Fail("a change of no key");
    if (kind == kPut) {
      record.batch.Put(key, AsText(in.Var(kMaxKvValueBytes)));
    } else {
      if (kind != kDelete) in.Fail("a change of another kind");
      record.batch.Delete(key);
    }
  }
  RETURN_IF_ERROR(in.Finish());
  return record;
}

// What begins with `rest` when it is a record: a digest that fits decides.
std::optional<Record> DecodeRecord(ByteView rest) {
  Reader in(rest);
  const Digest digest = in.Fixed<Digest>();
  const ByteView body = in.Var(rest.size());
  if (!in.ok() || Hasher::DeriveKey(kContext).Field(body).Finish() != digest) return std::nullopt;
  auto record = DecodeBody(body);
  if (!record.ok()) return std::nullopt;
  record->bytes = WholeBlocks(rest.size() - in.remaining());
  return *std::move(record);
}

absl::Status FillWithZeros(File& file, uint64_t from, uint64_t to) {
  const Bytes zeros(static_cast<size_t>(std::min<uint64_t>(kFill, to - from)));
  while (from < to) {
    const uint64_t size = std::min<uint64_t>(zeros.size(), to - from);
    RETURN_IF_ERROR(file.WriteAt(from, ByteView(zeros).subspan(0, size)));
    from += size;
  }
  return absl::OkStatus();
}

absl::string_view FolderOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? "" : path.substr(0, slash);
}

}  // namespace

absl::StatusOr<KvJournal> KvJournal::Open(std::shared_ptr<Disk> disk, absl::string_view path, uint64_t bytes,
                                          bool create) {
  ASSIGN_OR_RETURN(auto file, disk->Open(path, create ? OpenMode::kCreate : OpenMode::kReadWrite));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size > kMaxBytes) return Damaged("is larger than a journal can be");
  KvJournal journal(std::move(disk), std::move(file));
  journal.bytes_ = WholeBlocks(std::max(size, bytes));
  if (size == journal.bytes_ && !create) return journal;
  RETURN_IF_ERROR(FillWithZeros(*journal.file_, size, journal.bytes_));
  // Even when the file is whole: whoever made it may have ended before this.
  RETURN_IF_ERROR(journal.file_->Sync());
  RETURN_IF_ERROR(journal.disk_->SyncDir(FolderOf(path)));
  return journal;
}

absl::StatusOr<std::vector<KvBatch>> KvJournal::Read(uint64_t pass) {
  Bytes all(bytes_);
  ASSIGN_OR_RETURN(const size_t size, file_->ReadAt(0, absl::MakeSpan(all)));
  ByteView rest = ByteView(all).subspan(0, size);
  std::vector<KvBatch> batches;
  while (auto record = DecodeRecord(rest)) {
    // What is left of an earlier pass has a digest that fits too.
    if (record->pass != pass || record->index != batches.size()) break;
    batches.push_back(std::move(record->batch));
    rest.remove_prefix(std::min<uint64_t>(record->bytes, rest.size()));
  }
  // Behind the first record that is none, others may be of no use: they were written but never synced. One that was
  // written when the missing one was already on the disk shows that it has been there.
  for (; !rest.empty(); rest.remove_prefix(std::min(kBlockBytes, rest.size()))) {
    const auto record = DecodeRecord(rest);
    if (!record) continue;
    if (record->pass > pass) return Damaged("is of a later time than the store");
    if (record->pass == pass && record->synced > batches.size()) return Damaged("has lost a record");
  }
  return batches;
}

void KvJournal::Begin(uint64_t pass) {
  pass_ = pass;
  at_ = 0;
  next_ = synced_ = 0;
}

Bytes KvJournal::Encode(const KvBatch& batch) const {
  Writer body;
  body.U64(pass_);
  body.U32(next_);
  body.U32(synced_);
  for (const auto& [key, value] : batch.changes()) {
    body.U8(value ? kPut : kDelete);
    body.Var(key);
    if (value) body.Var(*value);
  }
  Writer record;
  record.Raw(Hasher::DeriveKey(kContext).Field(body.view()).Finish().view());
  record.Var(body.view());
  Bytes bytes = std::move(record).Take();
  bytes.resize(WholeBlocks(bytes.size()));
  return bytes;
}

absl::Status KvJournal::Append(const Bytes& record) {
  RETURN_IF_ERROR(file_->WriteAt(at_, record));
  // Not when the write has failed: the same place is written again.
  at_ += record.size();
  ++next_;
  return absl::OkStatus();
}

absl::Status KvJournal::Sync() {
  RETURN_IF_ERROR(file_->Sync());
  synced_ = next_;
  return absl::OkStatus();
}

}  // namespace cairn::base
