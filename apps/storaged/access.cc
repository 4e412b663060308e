#include "apps/storaged/access.h"

#include <algorithm>

#include "cairn/chain/convert.h"

namespace cairn::storaged {
namespace {

bool MayRead(const std::string& account, const pb::Object& object, const pb::Bucket& bucket,
             const pb::Group& group) {
  if (account == bucket.owner() || account == object.owner() || account == group.primary())
    return true;
  bool member = std::any_of(bucket.wraps().begin(), bucket.wraps().end(),
                            [&](const pb::KeyWrap& wrap) { return wrap.member() == account; });
  return member || std::any_of(group.positions().begin(), group.positions().end(),
                               [&](const pb::GroupPosition& p) {
                                 return p.provider() == account || p.previous_provider() == account;
                               });
}

absl::Status Check(Ledger& ledger, const base::ObjectId& id, const rpc::Caller& caller,
                   Freshness freshness) {
  ASSIGN_OR_RETURN(Record<pb::Object> object, ledger.Object(id, freshness));
  ASSIGN_OR_RETURN(Record<pb::Bucket> bucket, ledger.Bucket({object->bucket()}, freshness));
  if (bucket->public_read()) return absl::OkStatus();
  if (caller.has_value()) {
    ASSIGN_OR_RETURN(Record<pb::Group> group, ledger.Group({object->group()}, freshness));
    if (MayRead(chain::ToField(caller->Account()), *object, *bucket, *group))
      return absl::OkStatus();
  }
  return base::Error(absl::StatusCode::kPermissionDenied, "ACCESS_DENIED",
                     caller.has_value() ? "the caller's account may not read this private object"
                                        : "the object is private and the call is not signed",
                     "sign the call with the owner's account, or ask the owner for a grant");
}

}  // namespace

absl::Status CheckReadAccess(Ledger& ledger, const base::ObjectId& object,
                             const rpc::Caller& caller) {
  absl::Status cached = Check(ledger, object, caller, Freshness::kCached);
  // A grant, a new holder or a bucket just made public may be newer than the cache.
  return absl::IsPermissionDenied(cached) && caller.has_value()
             ? Check(ledger, object, caller, Freshness::kFresh)
             : cached;
}

}  // namespace cairn::storaged
