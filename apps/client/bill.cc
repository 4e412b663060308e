#include "apps/client/bill.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "apps/client/buckets.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/payment/quota.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

constexpr uint32_t kPage = 1000;
constexpr absl::Duration kPatience = absl::Seconds(20);

std::optional<payment::RequestedRead> ReadRequest(absl::string_view bytes) {
  rpc::v1::GetRequest request;
  if (!request.ParseFromString(std::string(bytes))) return std::nullopt;
  const auto object = chain::FromField<base::ObjectId>(request.object());
  const auto part = chain::FromField<base::Digest>(request.part());
  if (!object || !part) return std::nullopt;
  return payment::RequestedRead{*object, {*part}, request.offset(), request.length(), request.channel()};
}

// One journal, page by page.
class JournalCheck {
 public:
  JournalCheck(Client& client, const pb::Bucket& bucket, const ProviderAddress& address, uint32_t max_weight,
               const AuditOptions& options, ProviderReads& out)
      : client_(client),
        address_(address),
        bucket_{bucket.id()},
        options_(options),
        out_(out),
        facts_{{client.chain_id(), address.account, address.node_key},
               bucket_,
               bucket.public_read(),
               max_weight,
               ReadRequest} {}

  absl::Status Run() {
    ASSIGN_OR_RETURN(rpc::v1::ListReadsResponse page, Ask(0));
    Begin(page);
    while (true) {
      RETURN_IF_ERROR(LearnAnchors(page));
      TakePage(page);
      if (page.records().empty() || audit_->head().sequence >= page.sequence()) break;
      RETURN_IF_ERROR(client_.CheckStop());
      ASSIGN_OR_RETURN(page, Ask(audit_->head().sequence));
    }
    Finish(page);
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<rpc::v1::ListReadsResponse> Ask(uint64_t after) {
    rpc::v1::ListReadsRequest request;
    request.set_bucket(bucket_.value);
    request.set_after(after);
    request.set_limit(kPage);
    return client_.transport().ListReads(address_, request, kPatience);
  }

  // The ledger is asked after the provider has named its anchors, and again when it names newer ones: so one that it
  // posts meanwhile is no fault.
  absl::Status LearnAnchors(const rpc::v1::ListReadsResponse& page) {
    const int known = anchors_.anchors_size();
    const int named = page.anchors_size();
    if (named == 0) return absl::OkStatus();
    if (known != 0 && page.anchors(named - 1).epoch() <= anchors_.anchors(known - 1).epoch()) return absl::OkStatus();
    pb::QueryRequest request;
    request.set_journal_anchors(chain::ToField(out_.provider));
    ASSIGN_OR_RETURN(pb::QueryResponse answer, client_.Query(request));
    anchors_ = std::move(*answer.mutable_journal_anchors());
    return absl::OkStatus();
  }

  // What is left of a journal begins at an anchored head, or it is whole.
  void Begin(const rpc::v1::ListReadsResponse& page) {
    payment::JournalHead start{bucket_, 0, payment::EmptyJournal(facts_.owner, bucket_)};
    if (page.before_sequence() != 0)
      start = {bucket_, page.before_sequence(), chain::Trusted<base::Digest>(page.before_hash())};
    audit_ = std::make_unique<payment::ReadAudit>(facts_, start);
    out_.start = start.sequence;
    const bool proven = start.sequence == 0 || std::any_of(page.anchors().begin(), page.anchors().end(), [&](auto& a) {
                          return a.sequence() == start.sequence;
                        });
    if (!proven) {
      audit_->Report(payment::ReadFault::kBrokenChain, start.sequence,
                     "what is left of the journal begins at no root of the ledger");
    }
  }

  void TakePage(const rpc::v1::ListReadsResponse& page) {
    int next = 0;
    TakeAnchors(page, &next);
    for (const std::string& bytes : page.records()) {
      auto record = audit_->Add(base::AsBytes(bytes));
      if (record && options_.keep_records && MonthOf(*record) == options_.month)
        out_.records.push_back(*std::move(record));
      TakeAnchors(page, &next);
    }
  }
  static int64_t MonthOf(const payment::ReadRecord& record) {
    return payment::MonthOf(absl::FromUnixMillis(static_cast<int64_t>(record.time_ms)));
  }

  // Those of the head where the audit stands: under the ledger's root, and where the records lead.
  void TakeAnchors(const rpc::v1::ListReadsResponse& page, int* next) {
    for (; *next < page.anchors_size() && page.anchors(*next).sequence() <= audit_->head().sequence; ++*next) {
      const auto& anchor = page.anchors(*next);
      const payment::JournalHead head{bucket_, anchor.sequence(),
                                      chain::FromField<base::Digest>(anchor.hash()).value_or(base::Digest())};
      if (head.sequence < audit_->head().sequence || checked_ >= head.sequence) continue;  // of the page before
      checked_ = head.sequence;
      if (CheckRoot(anchor, head)) out_.anchored = head.sequence;
      audit_->CheckAnchor(head);
    }
  }

  bool CheckRoot(const rpc::v1::AnchoredHead& anchor, const payment::JournalHead& head) {
    std::vector<base::Digest> path;
    for (const std::string& sibling : anchor.path())
      path.push_back(chain::FromField<base::Digest>(sibling).value_or(base::Digest()));
    if (anchors_.anchors_size() != 0 && anchor.epoch() < anchors_.anchors(0).epoch()) return true;  // forgotten there
    for (const pb::JournalAnchor& known : anchors_.anchors()) {
      if (known.epoch() == anchor.epoch() &&
          payment::CheckJournalPath(chain::Trusted<base::Digest>(known.root()), head, anchor.index(), anchor.count(),
                                    path)) {
        return true;
      }
    }
    audit_->Report(payment::ReadFault::kUnknownAnchor, head.sequence, absl::StrCat("of epoch ", anchor.epoch()));
    return false;
  }

  void Finish(const rpc::v1::ListReadsResponse& page) {
    audit_->Finish({bucket_, page.sequence(), chain::FromField<base::Digest>(page.hash()).value_or(base::Digest())},
                   chain::FromField<base::Signature>(page.signature()).value_or(base::Signature()));
    // Counters of dropped records cannot be added up any more.
    const absl::Time first = absl::FromCivil(absl::CivilMonth(1970, 1) + page.month(), absl::UTCTimeZone());
    const bool whole = out_.start == 0 || DroppedBefore(first);
    if (whole) {
      audit_->CheckQuota(page.month(), page.free_bytes(), page.package_bytes(), page.free_used(), page.package_used());
    }
    out_.sequence = page.sequence();
    out_.free_bytes = page.free_bytes();
    out_.free_used = page.free_used();
    out_.package_bytes = page.package_bytes();
    out_.package_used = page.package_used();
    out_.payer_state = page.payer_state();
    out_.months = audit_->months();
    out_.findings = audit_->findings();
    out_.faults = audit_->faults();
  }
  // Does a record of before that time still stand at the start?
  bool DroppedBefore(absl::Time time) const {
    return !audit_->months().empty() && audit_->months().begin()->first < payment::MonthOf(time);
  }

  Client& client_;
  const ProviderAddress address_;
  const base::BucketId bucket_;
  pb::JournalAnchors anchors_;  // of the ledger, oldest first
  const AuditOptions options_;
  ProviderReads& out_;
  const payment::ReadAudit::Facts facts_;
  std::unique_ptr<payment::ReadAudit> audit_;
  std::optional<uint64_t> checked_;  // newest anchor that was
};

absl::Status Audit(Client& client, const pb::Bucket& bucket, const pb::Group& group, const AuditOptions& options,
                   ProviderReads& out) {
  ASSIGN_OR_RETURN(ProviderAddress address, client.Address(out.provider));
  out.endpoint = address.endpoint;
  const uint32_t weight = std::max<uint32_t>(group.policy().data(), 1);
  return JournalCheck(client, bucket, address, weight, options, out).Run();
}

}  // namespace

ProviderReads AuditProvider(Client& client, const pb::Bucket& bucket, const pb::Group& group,
                            const base::AccountId& provider, const AuditOptions& options) {
  ProviderReads out;
  out.provider = provider;
  out.answer = Audit(client, bucket, group, options, out);
  return out;
}

}  // namespace cairn::client
