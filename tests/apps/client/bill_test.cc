// The bill of a bucket: what providers say was read, against what readers signed and what the ledger has.
#include "apps/client/bill.h"

#include "apps/client/buckets.h"
#include "cairn/chain/convert.h"
#include "cairn/payment/quota.h"
#include "catch.h"
#include "fake_network.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

// A provider that writes down three reads of the bucket's owner and anchors the first few.
struct Journal {
  explicit Journal(uint64_t anchored_reads = 2) {
    CreateBucketOptions options;
    options.public_read = true;
    options.policy = base::Redundancy::Parse("replicate:3").value();
    REQUIRE(CreateBucket(*client, "photos", options).ok());
    bucket = FindBucket(*client, "photos").value();
    group = client->Group(bucket.group()).value();
    provider = network.Find(chain::AccountOf(group.primary()));
    owner = {network.chain_id(), provider->account(), provider->node().public_key()};
    for (int i = 0; i < 3; ++i) Read(100);
    if (anchored_reads != 0) Anchor(anchored_reads);
    provider->list_reads = [this](const rpc::v1::ListReadsRequest& request) { return Page(request); };
  }
  void Read(uint64_t sent) {
    payment::ReadRecord record;
    record.bucket = {bucket.id()};
    record.sequence = records.size() + 1;
    record.time_ms = static_cast<uint64_t>(absl::ToUnixMillis(network.clock.Now()));
    record.length = 100;
    record.sent = record.free_bytes = sent;
    rpc::v1::GetRequest request;
    request.set_object(chain::ToField(record.object));
    request.set_part(chain::ToField(record.part.digest));
    request.set_length(100);
    request.set_nonce(chain::NumberField(record.sequence));
    payment::SignedRead call{client->keys().signing.public_key(), record.time_ms + 60'000, {},
                             request.SerializeAsString()};
    const base::CallClaim claim{owner.chain, client->account(), owner.node_key, call.expires_ms,
                                base::CallRequestHash(payment::kGetMethod, base::AsBytes(call.request))};
    call.signature = client->keys().signing.Sign(base::SigningDigest(claim));
    record.call = call;
    records.push_back(record);
  }
  payment::JournalHead HeadAt(uint64_t sequence) const {
    payment::JournalHead head{{bucket.id()}, 0, payment::EmptyJournal(owner, {bucket.id()})};
    while (head.sequence < sequence) {
      head.hash = payment::NextHead(head.hash, payment::Encode(records[head.sequence]));
      ++head.sequence;
    }
    return head;
  }
  void Anchor(uint64_t sequence) {
    const payment::JournalHead other{{bucket.id() + 1}, 4, {}};
    const payment::JournalTree tree(std::vector<payment::JournalHead>{HeadAt(sequence), other});
    pb::QueryRequest ask;
    ask.set_status(true);
    const pb::QueryResponse status = network.chain().Query(ask).value();
    epoch = status.status().time_ms() / client->Params()->journal_epoch_ms();
    pb::Operation operation;
    operation.mutable_anchor_journal()->set_epoch(epoch);
    operation.mutable_anchor_journal()->set_root(chain::ToField(tree.root()));
    operation.mutable_anchor_journal()->set_journals(2);
    operation.mutable_anchor_journal()->set_records(6);
    REQUIRE(provider->Do(operation).ok());
    path = tree.Path(0);
    anchored = HeadAt(sequence);
  }
  absl::StatusOr<rpc::v1::ListReadsResponse> Page(const rpc::v1::ListReadsRequest& request) const {
    rpc::v1::ListReadsResponse page;
    const payment::JournalHead before = HeadAt(std::min<uint64_t>(request.after(), records.size()));
    page.set_before_sequence(before.sequence);
    page.set_before_hash(chain::ToField(before.hash));
    for (size_t i = before.sequence; i < records.size() && page.records_size() < 2; ++i)
      page.add_records(base::ToString(payment::Encode(records[i])));
    const payment::JournalHead head = HeadAt(records.size());
    page.set_sequence(head.sequence);
    page.set_hash(chain::ToField(head.hash));
    page.set_signature(chain::ToField(provider->node().Sign(payment::SigningDigest(owner, head))));
    if (anchored) {
      auto& anchor = *page.add_anchors();
      anchor.set_epoch(epoch);
      anchor.set_sequence(anchored->sequence);
      anchor.set_hash(chain::ToField(anchored->hash));
      anchor.set_count(2);
      for (const base::Digest& sibling : path) anchor.add_path(chain::ToField(sibling));
    }
    page.set_month(payment::MonthOf(network.clock.Now()));
    page.set_free_bytes(1000);
    for (const payment::ReadRecord& record : records) page.set_free_used(page.free_used() + record.free_bytes);
    return page;
  }
  std::vector<payment::ReadFault> Faults() {
    const ProviderReads reads = AuditProvider(*client, bucket, group, provider->account(), {0, false});
    REQUIRE(reads.answer.ok());
    std::vector<payment::ReadFault> faults;
    for (const payment::ReadFinding& finding : reads.findings) faults.push_back(finding.fault);
    return faults;
  }

  mutable FakeNetwork network;
  std::unique_ptr<Client> client = network.NewClient();
  pb::Bucket bucket;
  pb::Group group;
  FakeProvider* provider = nullptr;
  payment::JournalOwner owner;
  std::vector<payment::ReadRecord> records;
  uint64_t epoch = 0;
  std::vector<base::Digest> path;
  std::optional<payment::JournalHead> anchored;
};

using Faults = std::vector<payment::ReadFault>;

}  // namespace

TEST_CASE("an honest journal agrees with its readers and with the ledger, page by page", "[GF-73][GF-74]") {
  Journal journal;
  const ProviderReads reads =
      AuditProvider(*journal.client, journal.bucket, journal.group, journal.provider->account(),
                    {payment::MonthOf(journal.network.clock.Now()), true});
  REQUIRE(reads.answer.ok());
  CHECK(reads.faults == 0);
  CHECK(reads.sequence == 3);
  CHECK(reads.anchored == 2);
  CHECK(reads.records.size() == 3);
  CHECK(reads.months.begin()->second.free_bytes == 300);
  CHECK(reads.free_used == 300);
}

TEST_CASE("a root that a provider posts while its journal is read is no fault", "[GF-74]") {
  Journal journal(0);
  int asked = 0;
  journal.provider->list_reads = [&](const rpc::v1::ListReadsRequest& request) {
    if (asked++ == 1) journal.Anchor(3);
    return journal.Page(request);
  };
  CHECK(journal.Faults().empty());
  CHECK(asked == 2);
}

TEST_CASE("what a provider rewrites behind its root, makes up, or anchors nowhere is in the bill", "[GF-74]") {
  Journal journal;
  SECTION("a record behind the root is another one now") {
    journal.records[1].sent = journal.records[1].free_bytes = 50;
    CHECK(journal.Faults() == Faults{payment::ReadFault::kBrokenChain});
  }
  SECTION("a read that nobody signed stands in the reader's name") {
    journal.Read(100);
    journal.records[3].call->signature.value[0] ^= 1;
    CHECK(journal.Faults() == Faults{payment::ReadFault::kForgedSignature});
  }
  SECTION("the root is none that the ledger has") {
    ++journal.epoch;
    CHECK(journal.Faults() == Faults{payment::ReadFault::kUnknownAnchor});
  }
}

TEST_CASE("a provider that does not answer is said not to", "[GF-74]") {
  Journal journal;
  journal.provider->dead = true;
  const ProviderReads reads =
      AuditProvider(*journal.client, journal.bucket, journal.group, journal.provider->account(), {0, false});
  CHECK_FALSE(reads.answer.ok());
  CHECK(reads.faults == 0);
}

}  // namespace cairn::client
