#include "cairn/payment/read_audit.h"

#include "catch.h"
#include "payment/read_journal_rig.h"

namespace cairn::payment {
namespace {

std::vector<ReadFault> FaultsOf(const ReadAudit& audit) {
  std::vector<ReadFault> faults;
  for (const ReadFinding& finding : audit.findings()) faults.push_back(finding.fault);
  return faults;
}
using Faults = std::vector<ReadFault>;

TEST_CASE("an honest journal has no fault, and its sums are those of its records", "[GF-73][GF-74]") {
  JournalRig rig;
  ReadAudit audit = rig.Audit(true);
  audit.Add(Encode(rig.Signed(1000)));
  ReadRecord package = rig.Facts(100);
  package.free_bytes = 150;
  package.package_bytes = 250;
  rig.Sign(package, rig.reader);
  audit.Add(Encode(package));
  ReadRecord paid = rig.Facts(30);
  paid.payer = ReadPayer::kChannel;
  paid.free_bytes = 0;
  paid.channel = std::string(16, 'c');
  rig.Sign(paid, rig.reader);
  audit.Add(Encode(paid));
  ReadRecord gift = rig.Unsigned(7);
  gift.payer = ReadPayer::kGift;
  gift.free_bytes = 0;
  gift.own = rig.node.Sign(OwnReadDigest(rig.owner, gift));
  audit.Add(Encode(gift));
  audit.CheckAnchor(audit.head());
  audit.Finish(audit.head(), rig.node.Sign(SigningDigest(rig.owner, audit.head())));
  const int64_t month = MonthOf(absl::FromUnixMillis(static_cast<int64_t>(rig.now_ms)));
  audit.CheckQuota(month, 5000, 250, 4150, 250);
  CHECK(audit.faults() == 0);
  CHECK(audit.months().at(month) == ReadMonth{4, 1137, 4150, 250, 30, 7});
}

TEST_CASE("whatever a provider forges in a journal is named with its record", "[GF-74]") {
  JournalRig rig;
  struct Forgery {
    const char* what;
    ReadFault fault;
    std::function<base::Bytes()> record;
  };
  const auto changed = [&](auto change) {
    return [&rig, change] {
      ReadRecord record = rig.Signed(1000);
      change(record);
      return Encode(record);
    };
  };
  const std::vector<Forgery> forgeries = {
      {"a read that nobody asked for", ReadFault::kForgedSignature,
       changed([&](ReadRecord& r) {
         rig.Sign(r, rig.node);
         r.call->reader = rig.reader.public_key();
       })},
      {"a longer range than was signed", ReadFault::kOtherRequest,
       changed([](ReadRecord& r) {
         r.length = 1001;
         r.sent = 1001;
         r.free_bytes = 4004;
       })},
      {"another part than was signed", ReadFault::kOtherRequest,
       changed([](ReadRecord& r) { r.part.digest.value[0] ^= 1; })},
      {"more of the quota than was sent", ReadFault::kWrongCount, changed([](ReadRecord& r) { r.free_bytes += 1; })},
      {"more sent than asked for", ReadFault::kWrongCount,
       changed([](ReadRecord& r) {
         r.sent = 1001;
         r.free_bytes = 4004;
       })},
      {"a weight that no policy gives", ReadFault::kWrongCount,
       changed([](ReadRecord& r) {
         r.weight = 3;
         r.free_bytes = 3000;
       })},
      {"a signature that was over long ago", ReadFault::kOutsideTime,
       changed([](ReadRecord& r) { r.time_ms += 200'000; })},
      {"a signature that did not hold yet", ReadFault::kOutsideTime,
       changed([](ReadRecord& r) { r.time_ms -= 200'000; })},
      {"a record of another bucket", ReadFault::kWrongSequence,
       changed([](ReadRecord& r) { r.bucket.value += 1; })},
      {"a read of a private bucket that nobody signed", ReadFault::kUnsignedPrivate,
       [&] { return Encode(rig.Unsigned(1000)); }},
      {"bytes", ReadFault::kMalformed, [] { return base::Bytes(40, 1); }},
  };
  for (const Forgery& forgery : forgeries) {
    rig.count = 0;
    INFO(forgery.what);
    ReadAudit control = rig.Audit();
    control.Add(Encode(rig.Signed(1000)));
    CHECK(control.faults() == 0);
    rig.count = 0;
    ReadAudit audit = rig.Audit();
    audit.Add(Encode(rig.Signed(1000)));
    audit.Add(forgery.record());
    CHECK(FaultsOf(audit) == Faults{forgery.fault});
    CHECK(audit.findings().front().sequence == 2);
  }
}

TEST_CASE("one signed call stands in one record only", "[GF-74]") {
  JournalRig rig;
  ReadAudit audit = rig.Audit();
  ReadRecord record = rig.Signed(1000);
  audit.Add(Encode(record));
  record.sequence = 2;
  audit.Add(Encode(record));
  CHECK(FaultsOf(audit) == Faults{ReadFault::kRepeatedCall});
}

TEST_CASE("a record changed, dropped or slipped in behind an anchor breaks the chain", "[GF-73][GF-74]") {
  JournalRig rig;
  std::vector<base::Bytes> honest;
  for (int i = 0; i < 3; ++i) honest.push_back(Encode(rig.Signed(1000)));
  ReadAudit whole = rig.Audit();
  for (const base::Bytes& record : honest) whole.Add(record);
  const JournalHead anchored = whole.head();
  REQUIRE(whole.faults() == 0);

  const auto faults = [&](const std::vector<base::Bytes>& records) {
    ReadAudit audit = rig.Audit();
    for (const base::Bytes& record : records) audit.Add(record);
    audit.CheckAnchor(anchored);
    return FaultsOf(audit);
  };
  CHECK(faults(honest).empty());
  rig.count = 1;
  const base::Bytes rewritten = Encode(rig.Signed(999));  // by the reader, but not what was anchored
  CHECK(faults({honest[0], rewritten, honest[2]}) == Faults{ReadFault::kBrokenChain});
  CHECK(faults({honest[0], honest[1]}) == Faults{ReadFault::kBrokenChain});
  rig.count = 3;
  CHECK(faults({honest[0], honest[1], honest[2], Encode(rig.Signed(1))}) == Faults{ReadFault::kBrokenChain});
}

TEST_CASE("a head by another key, or over other records, is found") {
  JournalRig rig;
  const base::Bytes record = Encode(rig.Signed(1000));
  const auto faults = [&](const base::SigningKey& key, uint64_t sequence) {
    ReadAudit audit = rig.Audit();
    audit.Add(record);
    JournalHead head = audit.head();
    head.sequence = sequence;
    audit.Finish(head, key.Sign(SigningDigest(rig.owner, head)));
    return FaultsOf(audit);
  };
  CHECK(faults(rig.node, 1).empty());
  CHECK(faults(rig.reader, 1) == Faults{ReadFault::kBrokenChain});
  CHECK(faults(rig.node, 2) == Faults{ReadFault::kBrokenChain});
}

TEST_CASE("the provider's counters must be the sums of its records, within the month's quota", "[GF-47][GF-74]") {
  JournalRig rig;
  const int64_t month = MonthOf(absl::FromUnixMillis(static_cast<int64_t>(rig.now_ms)));
  const auto faults = [&](uint64_t free, uint64_t package, uint64_t free_used, uint64_t package_used) {
    rig.count = 0;
    ReadAudit audit = rig.Audit();
    ReadRecord record = rig.Facts(1000);
    record.free_bytes = 3000;
    record.package_bytes = 1000;
    rig.Sign(record, rig.reader);
    audit.Add(Encode(record));
    audit.CheckQuota(month, free, package, free_used, package_used);
    return FaultsOf(audit);
  };
  CHECK(faults(3000, 1000, 3000, 1000).empty());
  CHECK(faults(2999, 1000, 3000, 1000) == Faults{ReadFault::kAboveQuota});
  CHECK(faults(3000, 999, 3000, 1000) == Faults{ReadFault::kAboveQuota});
  CHECK(faults(3000, 1000, 2999, 1000) == Faults{ReadFault::kCounterDiffers});
  CHECK(faults(3000, 1000, 3000, 1001) == Faults{ReadFault::kCounterDiffers});
}

TEST_CASE("findings are bounded, and all of them counted") {
  JournalRig rig;
  ReadAudit audit = rig.Audit();
  for (size_t i = 0; i < ReadAudit::kMaxFindings + 10; ++i) audit.Add(base::Bytes(3, 1));
  CHECK(audit.findings().size() == ReadAudit::kMaxFindings);
  CHECK(audit.faults() == ReadAudit::kMaxFindings + 10);
}

}  // namespace
}  // namespace cairn::payment
