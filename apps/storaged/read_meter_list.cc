// What the owner of a bucket is told of its reads.
#include "apps/storaged/read_meter.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::storaged {
namespace {

constexpr size_t kMaxListed = 1000;

void FillQuota(const payment::QuotaTerms& terms, const BucketReads& reads, rpc::v1::ListReadsResponse& response) {
  response.set_month(reads.month);
  response.set_free_bytes(terms.free_bytes);
  response.set_free_used(reads.free_used);
  response.set_package_bytes(terms.package_bytes);
  response.set_package_used(reads.package_used);
  response.set_object_bytes(terms.free_object_bytes);
}

void FillPage(const ReadJournal::Page& page, rpc::v1::ListReadsResponse& response) {
  response.set_before_sequence(page.before.sequence);
  response.set_before_hash(chain::ToField(page.before.hash));
  for (const std::string& record : page.records) response.add_records(record);
  response.set_sequence(page.reads.head.sequence);
  response.set_hash(chain::ToField(page.reads.head.hash));
  response.set_start_sequence(page.reads.start.sequence);
  for (const AnchoredHead& anchored : page.anchors) {
    auto& out = *response.add_anchors();
    out.set_epoch(anchored.epoch);
    out.set_sequence(anchored.head.sequence);
    out.set_hash(chain::ToField(anchored.head.hash));
    out.set_index(anchored.index);
    out.set_count(anchored.count);
    for (const base::Digest& sibling : anchored.path) out.add_path(chain::ToField(sibling));
  }
}

}  // namespace

absl::Status ReadMeter::List(const rpc::Caller& caller, const rpc::v1::ListReadsRequest& request,
                             rpc::v1::ListReadsResponse& response) {
  ASSIGN_OR_RETURN(Record<pb::Bucket> bucket, env_.ledger.Bucket({request.bucket()}));
  if (!caller.has_value() || chain::ToField(caller->Account()) != bucket->owner()) {
    return base::Error(absl::StatusCode::kPermissionDenied, "ACCESS_DENIED",
                       "the reads of a bucket are shown to its owner alone", "sign the call with the owner's account");
  }
  ASSIGN_OR_RETURN(Record<pb::Params> params, env_.ledger.Params());
  const base::BucketId id{request.bucket()};
  ASSIGN_OR_RETURN(ReadJournal::Page page,
                   env_.journal.List(id, request.after(), std::min<size_t>(request.limit(), kMaxListed)));
  FillPage(page, response);
  response.set_signature(
      chain::ToField(env_.identity.node.Sign(payment::SigningDigest(env_.journal.owner(), page.reads.head))));
  // Of the same state as the records, so that they add up.
  FillQuota(TermsOf(*bucket, *params), InMonth(page.reads, env_.clock.Now()), response);
  if (auto object = chain::FromField<base::ObjectId>(request.object()))
    response.set_object_used(env_.journal.ObjectUsed(id, *object));
  ASSIGN_OR_RETURN(Record<pb::StreamAccount> stream, env_.ledger.Stream(FundsOf(*bucket, "")));
  response.set_payer_state(chain::NameOf(stream->state()));
  response.set_throttled(stream->state() >= pb::PAYER_STATE_THROTTLED);
  if (response.throttled()) {
    response.set_bytes_per_second(params->throttled_bytes_per_second());
    response.set_connections(params->throttled_connections());
  }
  return absl::OkStatus();
}

}  // namespace cairn::storaged
