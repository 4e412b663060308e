// A provider that meters its reads, over the real ledger in one process; and a reader who signs them.
#pragma once

#include "apps/rpc/call_auth.h"
#include "apps/storaged/journal_anchor.h"
#include "apps/storaged/read_meter.h"
#include "apps/storaged/world.h"
#include "cairn/chain/convert.h"
#include "cairn/payment/read_audit.h"
#include "cairn/rpc/v1/provider.pb.h"
#include "catch.h"

namespace cairn::storaged::testing {

inline constexpr uint64_t kFreeQuota = 1'000'000;

// What storectl reads out of a signed request.
inline std::optional<payment::RequestedRead> ReadRequest(absl::string_view bytes) {
  rpc::v1::GetRequest request;
  if (!request.ParseFromString(std::string(bytes))) return std::nullopt;
  payment::RequestedRead read;
  read.object = chain::Trusted<base::ObjectId>(request.object());
  read.part.digest = chain::Trusted<base::Digest>(request.part());
  read.offset = request.offset();
  read.length = request.length();
  read.channel = request.channel();
  return read;
}

struct ReadRig {
  explicit ReadRig(const std::function<void(pb::Params&)>& params = [](pb::Params&) {},
                   base::Amount storage_price = base::Amount(1'000'000))
      : world(
            7, uint64_t{1} << 30,
            [params](pb::Params& all) {
              all.set_free_quota_bytes(kFreeQuota);
              params(all);
            },
            storage_price) {
    Restart();
  }

  // What a provider is after a crash: the index alone is left.
  void Restart() {
    lane = std::make_unique<Submitter>(*world.client, p.identity, world.clock, 3);
    lane->Start();
    journal = std::make_unique<ReadJournal>(p.identity, *p.kv, world.clock, options);
    REQUIRE(journal->Load().ok());
    throttle = std::make_unique<Throttle>(world.clock);
    meter = std::make_unique<ReadMeter>(ReadMeter::Environment{.identity = p.identity,
                                                              .ledger = p->ledger,
                                                              .journal = *journal,
                                                              .clock = world.clock,
                                                              .throttle = *throttle});
    meter->SetPaid(paid);
    anchor = std::make_unique<JournalAnchor>(p.identity, p->ledger, *journal, *lane);
  }

  TestObject Object(const TestBucket& bucket, const std::string& name, size_t size) {
    TestObject object = world.Create(bucket, name, Pattern(size));
    world.Store(bucket, object);
    p.CatchUp();
    return object;
  }
  // The provider's own part of it.
  Part PartOf(const TestObject& object) {
    auto parts = p->index.PartsOf(object.id);
    REQUIRE(parts.ok());
    REQUIRE(parts->size() == 1);
    return parts->front();
  }
  rpc::v1::GetRequest Request(const Part& part, uint64_t offset, uint64_t length) {
    rpc::v1::GetRequest request;
    request.set_object(chain::ToField(part.object));
    request.set_part(chain::ToField(part.id.digest));
    request.set_offset(offset);
    request.set_length(length);
    request.set_nonce(std::string(8, '\0') + chain::NumberField(++reads));
    return request;
  }
  rpc::Caller Sign(const base::SigningKey& key, const rpc::v1::GetRequest& request) {
    const rpc::CallSigner signer(p.identity.chain, p.identity.node.public_key(), key.Clone(), world.clock);
    const rpc::CallVerifier verifier(p.identity.chain, p.identity.node.public_key(), world.clock);
    const std::string bytes = request.SerializeAsString();
    auto caller = verifier.Verify(signer.Sign(payment::kGetMethod, bytes), payment::kGetMethod, bytes);
    REQUIRE(caller.ok());
    return *caller;
  }
  // A read of [0, length), of which `sent` bytes leave. "OK" or the reason it was refused for.
  std::string Read(const base::SigningKey& key, const Part& part, uint64_t length, uint64_t sent) {
    const auto request = Request(part, 0, length);
    auto read = meter->Begin(Sign(key, request), request, part);
    if (!read.ok()) return base::ReasonOf(read.status());
    Send(**read, sent);
    CHECK((*read)->End(false).ok());
    return "OK";
  }
  std::string Read(const Part& part, uint64_t length) { return Read(world.owner(), part, length, length); }
  static void Send(ReadMeter::Read& read, uint64_t bytes) {
    while (bytes > 0) {
      const uint64_t piece = std::min<uint64_t>(bytes, 16 * 1024);
      REQUIRE(read.Admit(piece, [] { return false; }).ok());
      read.Sent(piece);
      bytes -= piece;
    }
  }
  BucketReads Now(const TestBucket& bucket) { return *journal->Reads({bucket.id}, world.clock.Now()); }
  // What an auditor says of the bucket's journal, who knows the ledger.
  payment::ReadAudit Audit(const TestBucket& bucket) {
    rpc::v1::ListReadsRequest request;
    request.set_bucket(bucket.id);
    request.set_limit(1000);
    rpc::v1::ListReadsResponse page;
    REQUIRE(meter->List(rpc::SignedCaller(world.owner().public_key()), request, page).ok());
    const base::BucketId id{bucket.id};
    payment::ReadAudit audit({journal->owner(), id, bucket.is_public, std::max(bucket.policy.data, 1u), ReadRequest},
                             {id, page.before_sequence(), chain::Trusted<base::Digest>(page.before_hash())});
    for (const std::string& record : page.records()) {
      audit.Add(base::AsBytes(record));
      for (const auto& anchored : page.anchors()) {
        if (anchored.sequence() == audit.head().sequence)
          audit.CheckAnchor({id, anchored.sequence(), chain::Trusted<base::Digest>(anchored.hash())});
      }
    }
    audit.Finish({id, page.sequence(), chain::Trusted<base::Digest>(page.hash())},
                 chain::Trusted<base::Signature>(page.signature()));
    audit.CheckQuota(page.month(), page.free_bytes(), page.package_bytes(), page.free_used(), page.package_used());
    return audit;
  }
  pb::JournalAnchors Anchors() { return *p->ledger.JournalAnchors(p.id()); }

  World world;
  TestProvider& p = world.provider(0);
  ReadJournalOptions options;
  PaidReads* paid = nullptr;
  uint64_t reads = 0;
  std::unique_ptr<Submitter> lane;
  std::unique_ptr<ReadJournal> journal;
  std::unique_ptr<Throttle> throttle;
  std::unique_ptr<ReadMeter> meter;
  std::unique_ptr<JournalAnchor> anchor;
};

}  // namespace cairn::storaged::testing
