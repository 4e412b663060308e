#include "apps/client/verify.h"

#include "absl/strings/str_cat.h"
#include "apps/client/get.h"
#include "apps/client/holders.h"
#include "apps/client/part_reader.h"
#include "cairn/base/status.h"
#include "cairn/chain/pb.h"

namespace cairn::client {
namespace {

absl::Status Differs(const Reference& ref, absl::string_view how) {
  return base::Error(absl::StatusCode::kDataLoss, "CONTENT_DIFFERS",
                     absl::StrCat("not the bytes of ", ref.ToText(), ": ", how));
}

PartReport Check(PartReader& reader, const ObjectInfo& object, const Holder& holder,
                 bool whole_copy) {
  PartReport report{
      .position = holder.position, .provider = holder.address.account, .bytes = 0, .status = {}};
  const storage::VersionLayout& layout = object.manifest->head.stored;
  const base::ContentId& part = whole_copy ? layout.content_id : layout.blob(holder.shard);
  const uint64_t size = whole_copy ? layout.stored_size : storage::StripeMap(layout).shard_size();
  report.status = reader.Read(holder.address,
                              {.what = {object.id, part, {0, size}},
                               .bytes = size,
                               .max_bytes = size,
                               .timeout = absl::Hours(1)},
                              [&](base::ByteView bytes) {
                                report.bytes += bytes.size();
                                return absl::OkStatus();
                              });
  if (report.status.ok() && report.bytes != size)
    report.status = absl::DataLossError("another size");
  return report;
}

}  // namespace

absl::StatusOr<VerifyReport> VerifyObject(Client& client, const Bucket&, const ObjectInfo& object) {
  if (!object.manifest) {
    return base::Error(absl::StatusCode::kUnavailable, "NO_MANIFEST",
                       absl::StrCat("the manifest of ", object.ref.ToText(), " could not be read"));
  }
  ASSIGN_OR_RETURN(chain::pb::Group group, client.Group(object.record->group()));
  ASSIGN_OR_RETURN(std::vector<Holder> holders, HoldersOf(client, *object.record, group));
  VerifyReport out;
  out.needed = object.manifest->head.stored.data();
  const size_t parts = holders.size();
  if (auto primary = WholeAtPrimary(client, group)) holders.push_back(*std::move(primary));
  out.parts.resize(holders.size());
  PartReader reader(client, static_cast<uint32_t>(holders.size()));
  std::vector<std::function<void()>> tasks;
  for (size_t i = 0; i < holders.size(); ++i) {
    tasks.push_back([&, i] { out.parts[i] = Check(reader, object, holders[i], i >= parts); });
  }
  client.RunAll(std::move(tasks));
  RETURN_IF_ERROR(client.CheckStop());
  RETURN_IF_ERROR(reader.unpaid());
  RETURN_IF_ERROR(client.purse().Settle());
  for (size_t i = 0; i < parts; ++i) out.good += out.parts[i].status.ok() ? 1 : 0;
  if (holders.size() > parts) {
    out.whole = std::move(out.parts.back());
    out.parts.pop_back();
  }
  return out;
}

absl::Status VerifySource(Client& client, const Bucket& bucket, const ObjectInfo& object,
                          Source& source) {
  if (source.size() != object.size()) {
    return Differs(object.ref,
                   absl::StrCat(source.size(), " bytes here, ", object.size(), " there"));
  }
  const bool known = object.manifest && object.manifest->plaintext_hash;
  base::Hasher hasher;
  base::Bytes buffer(1 << 20);
  uint64_t offset = 0;
  const auto compare = [&](base::ByteView theirs) -> absl::Status {
    base::Bytes ours(theirs.size());
    ASSIGN_OR_RETURN(size_t got,
                     source.ReadAt(offset, base::MutableByteView(ours.data(), ours.size())));
    if (got != ours.size() || base::ByteView(ours) != theirs) {
      return Differs(object.ref, absl::StrCat("from about byte ", offset, " on"));
    }
    offset += got;
    return absl::OkStatus();
  };
  if (!known) return GetObject(client, bucket, object, {}, compare).status();
  while (offset < source.size()) {
    RETURN_IF_ERROR(client.CheckStop());
    ASSIGN_OR_RETURN(size_t got,
                     source.ReadAt(offset, base::MutableByteView(buffer.data(), buffer.size())));
    if (got == 0) break;
    hasher.Update(base::ByteView(buffer.data(), got));
    offset += got;
    client.progress().Update(object.ref.ToText(), Stage::kVerify, offset, source.size());
  }
  if (hasher.Finish() == *object.manifest->plaintext_hash) return absl::OkStatus();
  return Differs(object.ref, "another hash");
}

}  // namespace cairn::client
