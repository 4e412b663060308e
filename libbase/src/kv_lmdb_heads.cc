#include "kv_lmdb_heads.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "cairn/base/codec.h"
#include "cairn/base/hash.h"
#include "cairn/base/status.h"

namespace cairn::base {
namespace {

constexpr char kNoteName[] = "/newest";
constexpr unsigned kFileMode = 0600;
constexpr size_t kSumBytes = 8;

// Within the page of a head, as every LMDB 0.9 on a 64-bit machine writes it.
constexpr uint64_t kRootAt = 128;
constexpr uint64_t kNumberAt = 144;
constexpr uint64_t kNoRoot = ~uint64_t{0};
constexpr MDB_dbi kFreePages = 0;

struct Head {
  uint64_t number = 0;
  uint64_t root = 0;  // of the table
};

absl::Status Damaged(absl::string_view what) {
  return Error(absl::StatusCode::kDataLoss, "STORE_DAMAGED", absl::StrCat("the heads of the store are damaged: ", what),
               "rebuild the store or restore a copy of its whole folder");
}

absl::StatusOr<uint64_t> NumberAt(int file, uint64_t offset) {
  uint64_t number = 0;
  if (pread(file, &number, sizeof number, static_cast<off_t>(offset)) != sizeof number) {
    return Damaged("they are cut off");
  }
  return number;
}

absl::StatusOr<Head> HeadAt(int file, uint64_t offset) {
  Head head;
  ASSIGN_OR_RETURN(head.number, NumberAt(file, offset + kNumberAt));
  ASSIGN_OR_RETURN(head.root, NumberAt(file, offset + kRootAt));
  return head;
}

// Every commit to a table that is not empty replaces its root, and so lists freed pages under its own number.
bool HasFreedPages(MDB_env* env, uint64_t number) {
  MDB_txn* txn = nullptr;
  MDB_cursor* cursor = nullptr;
  if (mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn) != 0) return false;
  MDB_val key{sizeof number, &number}, pages{};
  const bool found = mdb_cursor_open(txn, kFreePages, &cursor) == 0 && mdb_cursor_get(cursor, &key, &pages, MDB_SET) == 0;
  if (cursor != nullptr) mdb_cursor_close(cursor);
  mdb_txn_abort(txn);
  return found;
}

Bytes Encode(uint64_t number) {
  Writer writer;
  writer.U64(number);
  const Digest sum = Blake3(writer.view());
  Bytes note(writer.view().begin(), writer.view().end());
  note.insert(note.end(), sum.value.begin(), sum.value.begin() + kSumBytes);
  return note;
}

}  // namespace

HeadNote::~HeadNote() {
  if (file_ >= 0) close(file_);
}

absl::Status HeadNote::Open(const std::string& folder) {
  const std::string path = folder + kNoteName;
  file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode);
  if (file_ >= 0) return absl::OkStatus();
  const bool full = errno == ENOSPC || errno == EDQUOT;
  return Error(full ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal, full ? "DISK_FULL" : "IO_ERROR",
               absl::StrCat("open ", path, ": ", strerror(errno)));
}

std::optional<uint64_t> HeadNote::Read() const {
  Bytes note(sizeof(uint64_t) + kSumBytes);
  if (pread(file_, note.data(), note.size(), 0) != static_cast<ssize_t>(note.size())) return std::nullopt;
  Reader reader(ByteView(note).subspan(0, sizeof(uint64_t)));
  const uint64_t number = reader.U64();
  return Encode(number) == note ? std::optional<uint64_t>(number) : std::nullopt;
}

void HeadNote::Write(uint64_t number) {
  const Bytes note = Encode(number);
  if (pwrite(file_, note.data(), note.size(), 0) < 0) return;
}

absl::Status HeadNote::Remove(const std::string& folder) {
  const std::string path = folder + kNoteName;
  if (unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return Error(absl::StatusCode::kInternal, "IO_ERROR", absl::StrCat("remove ", path, ": ", strerror(errno)));
  }
  const int file = open(folder.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = file >= 0 && fsync(file) == 0;
  const int code = errno;
  if (file >= 0) close(file);
  if (synced) return absl::OkStatus();
  return Error(absl::StatusCode::kInternal, "IO_ERROR", absl::StrCat("sync ", folder, ": ", strerror(code)));
}

uint64_t NewestHead(MDB_env* env) {
  MDB_envinfo info{};
  return mdb_env_info(env, &info) == 0 ? info.me_last_txnid : 0;
}

absl::Status CheckHeads(MDB_env* env, std::optional<uint64_t> noted) {
  MDB_stat stat{};
  int file = -1;
  if (mdb_env_stat(env, &stat) != 0 || mdb_env_get_fd(env, &file) != 0) return Damaged("they cannot be read");
  ASSIGN_OR_RETURN(const Head even, HeadAt(file, 0));
  ASSIGN_OR_RETURN(const Head odd, HeadAt(file, stat.ms_psize));
  const Head& newer = even.number > odd.number ? even : odd;
  const Head& older = even.number > odd.number ? odd : even;
  // Commits take turns: the even ones write one page, the odd ones the other.
  const bool fresh = newer.number == 0;
  const bool in_turn = even.number % 2 == 0 && odd.number % 2 == 1 && newer.number - older.number == 1;
  if (!fresh && !in_turn) return Damaged(absl::StrCat("commit ", newer.number, " does not follow ", older.number));
  if (noted && *noted > newer.number) {
    return Damaged(absl::StrCat("commit ", *noted, " was durable, the newest is ", newer.number));
  }
  // Behind the note only what the head's own pages tell: has it the number under which it was written? After a write
  // that failed LMDB leaves the older head with its number and the root of the commit that failed.
  const bool vouched = noted && *noted == newer.number;
  const bool first = fresh || older.number == 0 || older.root == kNoRoot;
  if (vouched || first || HasFreedPages(env, newer.number)) return absl::OkStatus();
  return Damaged(absl::StrCat("nothing was written as commit ", newer.number));
}

}  // namespace cairn::base
