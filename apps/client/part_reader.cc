#include "apps/client/part_reader.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "cairn/base/status.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::client {

bool IsAboutMoney(const absl::Status& status) {
  static constexpr absl::string_view kReasons[] = {
      "PRICE_GUARD", "POOL_SHORT",     "POOL_CLOSED",    "NO_SUCH_POOL",
      "BAD_GRANT",   "BAD_CAPABILITY", "SIGNER_REVOKED", "CAPABILITY_EXPIRED",
      "WRONG_SIGNER"};
  const std::string reason = base::ReasonOf(status);
  return absl::c_linear_search(kReasons, reason) || absl::StartsWith(reason, "VERDICT_");
}

absl::Status NotAllowed(const absl::Status& spent) {
  return base::Error(absl::StatusCode::kResourceExhausted, "READ_QUOTA_SPENT", spent.message(),
                     "--pay needed pays holders for this read, --max-cost AMOUNTusdc limits it",
                     base::DetailOf(spent).evidence);
}

absl::Status PartReader::Keep(const absl::Status& status) {
  const std::lock_guard lock(mutex_);
  if (IsAboutMoney(status)) unpaid_ = status;
  if (base::ReasonOf(status) == "READ_QUOTA_SPENT") spent_ = status;
  return status;
}

absl::Status PartReader::Unpaid() const {
  const std::lock_guard lock(mutex_);
  return unpaid_;
}

absl::Status PartReader::unpaid() const {
  const std::lock_guard lock(mutex_);
  return unpaid_.ok() ? spent_ : unpaid_;
}

absl::Status PartReader::Receive(const ProviderAddress& holder, const Part& part,
                                 const std::function<absl::Status(base::ByteView)>& sink) {
  base::SliceDecoder decoder(part.what.part.digest, part.what.range, part.max_bytes);
  ASSIGN_OR_RETURN(const auto stream,
                   client_.transport().Get(holder, part.what, part.timeout));
  const absl::Status arrived = stream->Run([&](base::ByteView piece) {
    RETURN_IF_ERROR(client_.CheckStop());
    return decoder.Feed(piece, [&](uint64_t, base::ByteView bytes) { return sink(bytes); });
  });
  RETURN_IF_ERROR(arrived);
  return decoder.Finish().status();
}

absl::StatusOr<uint64_t> PartReader::SizeAt(const ProviderAddress& holder, const Part& part) {
  if (part.bytes != 0) return part.bytes;
  ASSIGN_OR_RETURN(const auto held, client_.transport().QueryUpload(holder, part.what.object, 0,
                                                                    part.what.part, part.timeout));
  if (held.complete()) return std::min(held.held_bytes(), part.max_bytes);
  return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_PART",
                     "this provider does not keep that part of the object",
                     "ask another holder of the group");
}

absl::Status PartReader::ReadPaid(const ProviderAddress& holder, Part part,
                                  const std::function<absl::Status(base::ByteView)>& sink) {
  ASSIGN_OR_RETURN(const uint64_t wanted, SizeAt(holder, part));
  std::shared_ptr<PayingChannel> payer;
  {
    const std::lock_guard one_at_a_time(paying_);
    RETURN_IF_ERROR(Unpaid());
    ASSIGN_OR_RETURN(payer, client_.purse().For(holder, wanted, parties_));
    parties_ = 0;
  }
  RETURN_IF_ERROR(payer->Begin(wanted));
  part.what.channel = payer->id();
  uint64_t verified = 0;
  const absl::Status status = Receive(holder, part, [&](base::ByteView bytes) {
    verified += bytes.size();
    payer->Verified(bytes.size());
    return sink(bytes);
  });
  payer->End(wanted - std::min(wanted, verified));
  return status;
}

absl::Status PartReader::Read(const ProviderAddress& holder, const Part& part,
                              const std::function<absl::Status(base::ByteView)>& sink) {
  RETURN_IF_ERROR(Unpaid());
  const PayWhen when = client_.purse().when();
  if (when != PayWhen::kAlways) {
    const absl::Status free = Receive(holder, part, sink);
    if (base::ReasonOf(free) != "READ_QUOTA_SPENT") return free;
    if (when == PayWhen::kNever) return Keep(NotAllowed(free));
  }
  return Keep(ReadPaid(holder, part, sink));
}

}  // namespace cairn::client
