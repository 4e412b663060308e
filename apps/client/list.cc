#include "apps/client/list.h"

#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "apps/client/holders.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

absl::Status NoSuchObject(const Reference& ref) {
  return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_OBJECT",
                     absl::StrCat("no object ", ref.ToText()),
                     absl::StrCat("storectl ls cairn://", ref.bucket, "/"));
}

absl::Status OpenManifest(Client& client, const Bucket& bucket, const pb::Group& group, bool fetch,
                          ObjectInfo& info) {
  base::Bytes encoded = base::ToBytes(base::AsBytes(info.record->manifest()));
  if (encoded.empty() && !info.record->manifest_id().empty()) {
    if (!fetch) return absl::OkStatus();
    ASSIGN_OR_RETURN(encoded, FetchManifest(client, *info.record, group));
  }
  if (encoded.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(storage::ManifestHead head, storage::DecodeManifestHead(encoded));
  RETURN_IF_ERROR(storage::CheckAgainstLedger(
      head, base::ContentId{chain::Trusted<base::Digest>(info.record->content_id())},
      chain::Trusted<base::Digest>(info.record->layout_root()), info.record->stored_size()));
  if (head.seal) {
    ASSIGN_OR_RETURN(
        storage::VersionKey key,
        bucket.OpenVersionKey(head.seal->epoch, head.seal->key_id, head.seal->wrapped_key));
    info.key = std::move(key);
  }
  ASSIGN_OR_RETURN(info.manifest,
                   storage::DecodeManifest(encoded, info.key ? &*info.key : nullptr));
  return absl::OkStatus();
}

ObjectStatus StatusOf(const pb::Object& record, bool complete) {
  if (record.state() != pb::OBJECT_STATE_SEALED) return ObjectStatus::kUploading;
  if (complete) return ObjectStatus::kDurable;
  return record.durable_once() ? ObjectStatus::kDegraded : ObjectStatus::kAvailable;
}

}  // namespace

absl::string_view ToText(ObjectStatus status) {
  switch (status) {
    case ObjectStatus::kUploading:
      return "uploading";
    case ObjectStatus::kAvailable:
      return "available";
    case ObjectStatus::kDurable:
      return "durable";
    case ObjectStatus::kDegraded:
      return "degraded";
  }
  return "";
}

absl::StatusOr<ObjectInfo> Describe(Client& client, const Bucket& bucket, const pb::Object& record,
                                    const pb::Group& group, bool fetch_manifest) {
  ObjectInfo info;
  info.record = std::make_shared<const pb::Object>(record);
  info.ref.bucket = bucket.record().name();
  ASSIGN_OR_RETURN(info.ref.key, bucket.PlainName(record.name()));
  info.id = chain::Trusted<base::ObjectId>(record.id());
  info.version = record.version();
  info.missing = chain::MissingPositions(record, group);
  info.status = StatusOf(record, info.missing.empty());
  RETURN_IF_ERROR(
      base::Annotate(OpenManifest(client, bucket, group, fetch_manifest, info), info.ref.ToText()));
  return info;
}

absl::StatusOr<ObjectInfo> FindObject(Client& client, const Bucket& bucket, const Reference& ref,
                                      uint64_t version) {
  ASSIGN_OR_RETURN(std::string stored, bucket.StoredName(ref.key));
  pb::QueryRequest request;
  if (version == 0) {
    request.mutable_object_by_name()->set_bucket(bucket.id().value);
    request.mutable_object_by_name()->set_name(stored);
  } else {
    request.mutable_objects()->set_bucket(bucket.id().value);
    request.mutable_objects()->set_prefix(stored);
    request.mutable_objects()->set_versions(true);
    request.mutable_page()->set_limit(1000);
  }
  auto answer = client.Query(request);
  if (absl::IsNotFound(answer.status())) return NoSuchObject(ref);
  RETURN_IF_ERROR(answer.status());
  for (const pb::Object& record : answer->objects()) {
    if (record.name() != stored || (version != 0 && record.version() != version)) continue;
    if (version == 0 && record.state() != pb::OBJECT_STATE_SEALED) continue;
    ASSIGN_OR_RETURN(pb::Group group, client.Group(record.group()));
    return Describe(client, bucket, record, group, true);
  }
  return NoSuchObject(ref);
}

absl::StatusOr<std::vector<ObjectInfo>> ListObjects(Client& client, const Bucket& bucket,
                                                    absl::string_view prefix,
                                                    const ListOptions& options) {
  ASSIGN_OR_RETURN(storage::ListPrefix wanted, bucket.Prefix(prefix));
  pb::QueryRequest request;
  request.mutable_objects()->set_bucket(bucket.id().value);
  request.mutable_objects()->set_prefix(wanted.stored);
  request.mutable_objects()->set_pending(options.pending);
  request.mutable_objects()->set_versions(options.versions);
  request.mutable_page()->set_limit(1000);
  std::map<uint64_t, pb::Group> groups;
  std::vector<ObjectInfo> out;
  do {
    RETURN_IF_ERROR(client.CheckStop());
    ASSIGN_OR_RETURN(pb::QueryResponse answer, client.Query(request));
    for (const pb::Object& record : answer.objects()) {
      auto group = groups.find(record.group());
      if (group == groups.end()) {
        ASSIGN_OR_RETURN(pb::Group found, client.Group(record.group()));
        group = groups.emplace(record.group(), std::move(found)).first;
      }
      ASSIGN_OR_RETURN(ObjectInfo info,
                       Describe(client, bucket, record, group->second, options.manifests));
      if (absl::StartsWith(info.ref.key, wanted.text)) out.push_back(std::move(info));
    }
    request.mutable_page()->set_cursor(answer.next_cursor());
  } while (!request.page().cursor().empty());
  std::sort(out.begin(), out.end(), [](const ObjectInfo& a, const ObjectInfo& b) {
    return a.ref.key != b.ref.key ? a.ref.key < b.ref.key : a.version < b.version;
  });
  return out;
}

}  // namespace cairn::client
