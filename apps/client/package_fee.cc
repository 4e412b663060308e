// What a bucket's package cost, from the ledger's blocks.
#include <map>

#include "absl/strings/numbers.h"
#include "apps/client/bill.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

using Attributes = std::map<std::string, std::string>;

uint64_t Number(const Attributes& attributes, const std::string& key) {
  uint64_t number = 0;
  const auto found = attributes.find(key);
  return found != attributes.end() && absl::SimpleAtoi(found->second, &number) ? number : 0;
}

// Cuts the streams' seconds into periods of one rate.
class FeeCounter {
 public:
  FeeCounter(uint64_t bucket, std::string payer) : bucket_(std::to_string(bucket)), payer_(std::move(payer)) {}

  void Take(const pb::Event& event) {
    Attributes attributes;
    for (const pb::Attribute& attribute : event.attributes()) attributes[attribute.key()] = attribute.value();
    const bool ours = attributes["bucket"] == bucket_;
    const bool paid_by = attributes["payer"] == payer_;
    if (event.type() == "bucket.package_set" && ours) {
      Cut(Number(attributes, "second"));
      bytes_ = Number(attributes, "bytes_per_month");
      rate_ = base::Amount::FromString(attributes["rate"]).value_or(base::Amount());
    } else if (event.type() == "payer.read_only" && paid_by) {
      Cut(Number(attributes, "second"));
      frozen_ = true;
    } else if (event.type() == "payer.resumed" && paid_by) {
      Cut(Number(attributes, "second"));
      frozen_ = false;
    } else if (event.type() == "bucket.payer_set" && ours && attributes["objects"] == "0") {
      payer_ = attributes["payer"];
    }
  }
  // What flowed until `second`.
  void Cut(uint64_t second) {
    if (second > at_ && !frozen_ && !rate_.zero()) {
      PackagePeriod& period = periods_.emplace_back();
      period.from = at_;
      period.to = second;
      period.bytes_per_month = bytes_;
      period.rate = rate_;
    }
    at_ = std::max(at_, second);
  }

  PackageFee Within(uint64_t from, uint64_t to) const {
    PackageFee out;
    for (PackagePeriod period : periods_) {
      period.from = std::max(period.from, from);
      period.to = std::min(period.to, to);
      if (period.from >= period.to) continue;
      period.fee = period.rate.Times(period.to - period.from).value_or(base::Amount());
      out.fee = out.fee.Plus(period.fee).value_or(out.fee);
      out.periods.push_back(period);
    }
    return out;
  }

 private:
  const std::string bucket_;
  std::string payer_;  // hex
  uint64_t at_ = 0;
  uint64_t bytes_ = 0;
  base::Amount rate_;
  bool frozen_ = false;
  std::vector<PackagePeriod> periods_;
};

uint64_t SecondOf(absl::Time time, uint64_t stopped_ms) {
  const auto ms = static_cast<uint64_t>(std::max<int64_t>(absl::ToUnixMillis(time), 0));
  return (ms - std::min(ms, stopped_ms)) / 1000;
}

}  // namespace

absl::StatusOr<PackageFee> CountPackage(Client& client, const pb::Bucket& bucket, absl::Time from, absl::Time to) {
  pb::QueryRequest stream;
  stream.set_stream(bucket.owner());
  ASSIGN_OR_RETURN(pb::QueryResponse clock, client.Query(stream));
  const base::AccountId owner = chain::AccountOf(bucket.owner());
  FeeCounter counter(bucket.id(), owner.ToHexString());  // whoever paid later was named by an event
  const uint64_t earliest = std::max<uint64_t>(clock.status().earliest_height(), 1);
  for (uint64_t height = earliest; height <= clock.status().height(); ++height) {
    RETURN_IF_ERROR(client.CheckStop());
    pb::QueryRequest request;
    request.set_block(height);
    auto answer = client.Query(request);
    if (absl::IsNotFound(answer.status()) || absl::IsOutOfRange(answer.status())) continue;  // pruned meanwhile
    RETURN_IF_ERROR(answer.status());
    for (const pb::Event& event : answer->block().events()) counter.Take(event);
  }
  counter.Cut(SecondOf(std::min(to, client.LedgerTime()), clock.stopped_ms()));
  PackageFee fee = counter.Within(SecondOf(from, clock.stopped_ms()), SecondOf(to, clock.stopped_ms()));
  fee.complete = earliest <= 1;
  return fee;
}

}  // namespace cairn::client
