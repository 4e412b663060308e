#include "apps/storaged/read_meter.h"

#include "apps/storaged/read_rig.h"

using namespace cairn;
using namespace cairn::storaged;
using namespace cairn::storaged::testing;

namespace {

pb::Operation Package(uint64_t bucket, uint64_t bytes) {
  pb::Operation operation;
  operation.mutable_set_package()->set_bucket(bucket);
  operation.mutable_set_package()->set_bytes_per_month(bytes);
  *operation.mutable_set_package()->mutable_max_rate() = chain::ToProto(base::Amount(absl::Uint128Max()));
  return operation;
}

// Charges what it was told to, and remembers.
class FakeChannel final : public PaidReads {
 public:
  absl::StatusOr<std::unique_ptr<PaidRead>> Begin(const ReadFacts& facts) override {
    begun.push_back(facts);
    if (!refusal.ok()) return refusal;
    return std::make_unique<One>(*this);
  }
  absl::Status refusal;
  std::vector<ReadFacts> begun;
  uint64_t admitted = 0, sent = 0;
  int ended = 0;

 private:
  struct One final : PaidRead {
    explicit One(FakeChannel& c) : channel(c) {}
    ~One() override { ++channel.ended; }
    absl::Status Admit(uint64_t bytes, const std::function<bool()>&) override {
      channel.admitted += bytes;
      return absl::OkStatus();
    }
    void Sent(uint64_t bytes) override { channel.sent += bytes; }
    FakeChannel& channel;
  };
};

}  // namespace

TEST_CASE("a read of a shard counts as the whole stripe, one of a copy as itself", "[GF-69]") {
  ReadRig rig;
  TestBucket coded = rig.world.MakeBucket("rs:4+2", true);
  TestBucket copied = rig.world.MakeBucket("replicate:3", true);
  Part shard = rig.PartOf(rig.Object(coded, "a", 400'000));
  Part copy = rig.PartOf(rig.Object(copied, "b", 100'000));
  CHECK(rig.Read(shard, 50'000) == "OK");
  CHECK(rig.Now(coded).free_used == 200'000);
  CHECK(rig.Read(copy, 50'000) == "OK");
  CHECK(rig.Now(copied).free_used == 50'000);
}

TEST_CASE("reads within the free quota cost nothing, the next byte is refused until the month is over",
          "[GF-47][GF-48][GF-49]") {
  ReadRig rig;
  TestBucket bucket = rig.world.MakeBucket("replicate:3", true);
  TestBucket other = rig.world.MakeBucket("replicate:3", true);
  Part part = rig.PartOf(rig.Object(bucket, "a", 700'000));
  Part elsewhere = rig.PartOf(rig.Object(other, "b", 700'000));
  const base::Amount before = chain::FromProto(rig.world.client->Query([&] {
    pb::QueryRequest q;
    q.set_account(chain::ToField(rig.world.owner().account()));
    return q;
  }())->account().crn());
  CHECK(rig.Read(part, 700'000) == "OK");
  CHECK(rig.Read(part, 300'001) == "READ_QUOTA_SPENT");
  CHECK(rig.Now(bucket).free_used == 700'000);  // refused reads take nothing
  CHECK(rig.Read(part, 300'000) == "OK");
  CHECK(rig.Read(part, 1) == "READ_QUOTA_SPENT");
  CHECK(rig.Read(elsewhere, 700'000) == "OK");  // every bucket has its own
  CHECK(chain::FromProto(rig.world.client->Query([&] {
          pb::QueryRequest q;
          q.set_account(chain::ToField(rig.world.owner().account()));
          return q;
        }())->account().crn()) == before);
  rig.world.clock.Set(payment::EndOfMonth(payment::MonthOf(rig.world.clock.Now())) - absl::Seconds(1));
  CHECK(rig.Read(part, 1) == "READ_QUOTA_SPENT");
  rig.world.clock.Advance(absl::Seconds(1));
  CHECK(rig.Read(part, 700'000) == "OK");
  CHECK(rig.Audit(bucket).faults() == 0);
}

TEST_CASE("the owner's cap bounds what one object takes of the free quota", "[GF-47]") {
  ReadRig rig;
  TestBucket bucket = rig.world.MakeBucket("replicate:3", true);
  Part a = rig.PartOf(rig.Object(bucket, "a", 300'000));
  Part b = rig.PartOf(rig.Object(bucket, "b", 300'000));
  pb::Operation cap;
  cap.mutable_set_free_cap()->set_bucket(bucket.id);
  cap.mutable_set_free_cap()->set_bytes_per_object(250'000);
  rig.world.Do(cap);
  rig.p.CatchUp();
  CHECK(rig.Read(a, 250'000) == "OK");
  CHECK(rig.Read(a, 1) == "READ_QUOTA_SPENT");
  CHECK(rig.Read(b, 250'000) == "OK");
  rig.Restart();
  CHECK(rig.Read(a, 1) == "READ_QUOTA_SPENT");
  CHECK(rig.Now(bucket).free_used == 500'000);
}

TEST_CASE("a package bought in the middle holds for the next read, and is taken after the free quota",
          "[GF-49][GF-70]") {
  ReadRig rig;
  TestBucket bucket = rig.world.MakeBucket("replicate:3", true);
  Part part = rig.PartOf(rig.Object(bucket, "a", 900'000));
  CHECK(rig.Read(part, 900'000) == "OK");
  CHECK(rig.Read(part, 300'000) == "READ_QUOTA_SPENT");
  rig.world.Do(Package(bucket.id, 250'000));  // the provider has not followed the block yet
  CHECK(rig.Read(part, 300'000) == "OK");
  BucketReads reads = rig.Now(bucket);
  CHECK(reads.free_used == 1'000'000);
  CHECK(reads.package_used == 200'000);
  CHECK(rig.Read(part, 50'001) == "READ_QUOTA_SPENT");
  rig.world.Do(Package(bucket.id, 300'000));
  CHECK(rig.Read(part, 50'001) == "OK");
  CHECK(rig.Now(bucket).package_used == 250'001);
  rig.p.CatchUp();
  payment::ReadAudit audit = rig.Audit(bucket);
  CHECK(audit.faults() == 0);
  CHECK(audit.months().begin()->second == payment::ReadMonth{3, 1'250'001, 1'000'000, 250'001, 0, 0});
}

TEST_CASE("a read that names a channel is paid by it, whole, and takes nothing from quota or package", "[GF-49]") {
  ReadRig rig;
  FakeChannel channel;
  rig.paid = &channel;
  rig.Restart();
  TestBucket bucket = rig.world.MakeBucket("replicate:3", true);
  Part part = rig.PartOf(rig.Object(bucket, "a", 900'000));
  const auto pay = [&](uint64_t length, uint64_t sent) {
    auto request = rig.Request(part, 0, length);
    request.set_channel(std::string(16, 'c'));
    auto read = rig.meter->Begin(rig.Sign(rig.world.owner(), request), request, part);
    if (!read.ok()) return base::ReasonOf(read.status());
    ReadRig::Send(**read, sent);
    CHECK((*read)->End(false).ok());
    return std::string("OK");
  };
  CHECK(pay(200'000, 150'000) == "OK");
  REQUIRE(channel.begun.size() == 1);
  CHECK(channel.begun[0].bytes == 200'000);
  CHECK(channel.sent == 150'000);
  CHECK(channel.ended == 1);
  CHECK(rig.Now(bucket).free_used == 0);
  channel.refusal = base::Error(absl::StatusCode::kFailedPrecondition, "VOUCHER_EXPIRED", "expired");
  CHECK(pay(200'000, 0) == "VOUCHER_EXPIRED");
  CHECK(rig.Read(part, 900'000) == "OK");  // names no channel: the free quota is whole
  CHECK(rig.Now(bucket).free_used == 900'000);
  CHECK(rig.Read(part, 200'000) == "READ_QUOTA_SPENT");
  payment::ReadAudit audit = rig.Audit(bucket);
  CHECK(audit.faults() == 0);
  CHECK(audit.months().begin()->second == payment::ReadMonth{2, 1'050'000, 900'000, 0, 150'000, 0});
}

TEST_CASE("a provider that asks nothing for egress gives what no quota covers; holders repair for nothing",
          "[GF-49]") {
  ReadRig rig;
  TestBucket bucket = rig.world.MakeBucket("replicate:3", true);
  Part part = rig.PartOf(rig.Object(bucket, "a", 1'000'000));
  CHECK(rig.Read(rig.world.provider(1).identity.account, part, 1'000'000, 1'000'000) == "OK");
  CHECK(rig.Now(bucket).free_used == 0);
  // A stranger among the providers is a reader like others.
  CHECK(rig.Read(rig.world.provider(5).identity.account, part, 1'000'000, 1'000'000) == "OK");
  CHECK(rig.Now(bucket).free_used == 1'000'000);
  CHECK(rig.Read(part, 1) == "READ_QUOTA_SPENT");
  pb::Operation edit;
  const pb::Provider record = **rig.p->ledger.Provider(rig.p.id());
  *edit.mutable_edit_provider()->mutable_prices() = record.prices();
  edit.mutable_edit_provider()->mutable_prices()->clear_egress();
  REQUIRE(chain::VerdictOf(rig.world.Submit(rig.p.identity.account, edit)) == chain::Verdict::kOk);
  rig.p.CatchUp();
  CHECK(rig.Read(part, 1) == "OK");
  payment::ReadAudit audit = rig.Audit(bucket);
  CHECK(audit.faults() == 0);
  CHECK(audit.months().begin()->second.unpaid_bytes == 1'000'001);
}

TEST_CASE("what was not sent is given back, and a read that ends early is written down as far as it came",
          "[GF-47][GF-73]") {
  ReadRig rig;
  TestBucket bucket = rig.world.MakeBucket("rs:4+2", true);
  Part part = rig.PartOf(rig.Object(bucket, "a", 900'000));
  CHECK(rig.Read(rig.world.owner(), part, 200'000, 70'000) == "OK");
  CHECK(rig.Now(bucket).free_used == 280'000);
  {
    const auto request = rig.Request(part, 0, 180'000);
    auto lost = rig.meter->Begin(rig.Sign(rig.world.owner(), request), request, part);
    REQUIRE(lost.ok());
    CHECK(rig.Read(part, 1) == "READ_QUOTA_SPENT");  // 720,000 are under way
  }  // the connection broke
  CHECK(rig.Now(bucket).free_used == 280'000);
  CHECK(rig.Read(part, 180'000) == "OK");
  CHECK(rig.Now(bucket).free_used == 1'000'000);
  CHECK(rig.Audit(bucket).faults() == 0);
}

TEST_CASE("one signed call is good for one read, also after a restart", "[GF-74]") {
  ReadRig rig;
  TestBucket bucket = rig.world.MakeBucket("replicate:3", true);
  Part part = rig.PartOf(rig.Object(bucket, "a", 1000));
  const auto request = rig.Request(part, 0, 10);
  const rpc::Caller caller = rig.Sign(rig.world.owner(), request);
  const auto again = [&] {
    auto read = rig.meter->Begin(caller, request, part);
    return read.ok() ? "OK" : base::ReasonOf(read.status());
  };
  CHECK(again() == "OK");
  CHECK(again() == "READ_REPEATED");
  rig.Restart();
  CHECK(again() == "READ_REPEATED");
  CHECK(rig.Read(part, 10) == "OK");
}

TEST_CASE("an unsigned read of a public object is the provider's word, and only its owner sees the journal",
          "[GF-74]") {
  ReadRig rig;
  TestBucket bucket = rig.world.MakeBucket("replicate:3", true);
  Part part = rig.PartOf(rig.Object(bucket, "a", 1000));
  const auto request = rig.Request(part, 0, 1000);
  auto read = rig.meter->Begin(std::nullopt, request, part);
  REQUIRE(read.ok());
  ReadRig::Send(**read, 1000);
  CHECK((*read)->End(true).ok());
  CHECK(rig.Audit(bucket).faults() == 0);
  rpc::v1::ListReadsRequest ask;
  ask.set_bucket(bucket.id);
  rpc::v1::ListReadsResponse answer;
  const base::SigningKey stranger = base::SigningKey::Generate(rig.world.entropy);
  CHECK(base::ReasonOf(rig.meter->List(std::nullopt, ask, answer)) == "ACCESS_DENIED");
  CHECK(base::ReasonOf(rig.meter->List(rpc::SignedCaller(stranger.public_key()), ask, answer)) == "ACCESS_DENIED");
}
