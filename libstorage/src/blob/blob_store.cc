#include "cairn/storage/blob_store.h"

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::storage {

absl::StatusOr<base::Bytes> BlobStore::Read(const base::ContentId& id, uint64_t max_bytes) {
  ASSIGN_OR_RETURN(BlobInfo info, Stat(id));
  if (info.size > max_bytes) {
    return base::Error(
        absl::StatusCode::kResourceExhausted, "BLOB_TOO_LARGE",
        absl::StrCat("blob of ", info.size, " bytes, at most ", max_bytes, " wanted"),
        "Read it by ranges.");
  }
  base::Bytes out;
  out.reserve(info.size);
  RETURN_IF_ERROR(ReadRange(id, {0, info.size}, [&out](base::ByteView piece) {
    out.insert(out.end(), piece.begin(), piece.end());
    return absl::OkStatus();
  }));
  return out;
}

absl::StatusOr<Durable> BlobStore::Delete(const base::ContentId& id) {
  return DeleteMany(absl::MakeConstSpan(&id, 1));
}

}  // namespace cairn::storage
