// A question to a ledger as a stranger may ask it. Answers are bounded, and proofs that were asked for lead to the root.
#include "cairn/chain/proof.h"
#include "quiet_protobuf.h"
#include "support/ledger_harness.h"

namespace cairn {
namespace {

chain::LedgerHarness& Ledger() {
  static auto* ledger = [] {
    auto* h = new chain::LedgerHarness();
    const uint64_t bucket = h->Bucket("rs:2+1");
    for (const char* name : {"a/b", "a/c", "d"}) h->Store(bucket, {.name = name});
    h->CreateOne(bucket, {.name = "pending"});
    return h;
  }();
  return *ledger;
}

// An account of the ledger where the question names it: "alice", "p0".
void NameAccounts(chain::LedgerHarness& ledger, chain::pb::QueryRequest& request) {
  const auto named = [&](const std::string& field) {
    return field == "alice" || field == "p0" ? ledger.Field(field) : field;
  };
  if (!request.account().empty()) request.set_account(named(request.account()));
  if (!request.provider().empty()) request.set_provider(named(request.provider()));
  if (!request.buckets_of().empty()) request.set_buckets_of(named(request.buckets_of()));
  if (!request.groups_of_provider().empty()) request.set_groups_of_provider(named(request.groups_of_provider()));
  if (request.has_lane()) request.mutable_lane()->set_account(named(request.lane().account()));
  if (request.has_bucket_by_name()) request.mutable_bucket_by_name()->set_owner(named(request.bucket_by_name().owner()));
}

}  // namespace

void FuzzOne(base::ByteView input) {
  QuietProtobuf();
  chain::LedgerHarness& ledger = Ledger();
  chain::pb::QueryRequest request;
  if (!request.ParseFromString(base::ToString(input))) return;
  NameAccounts(ledger, request);
  auto answer = ledger.engine().Query(request);
  if (!answer.ok()) return;
  FUZZ_CHECK(answer->objects_size() <= 1000 && answer->providers_size() <= 1000 && answer->groups_size() <= 1000);
  FUZZ_CHECK(answer->buckets_size() <= 1000 && answer->proofs_size() <= 3001);
  if (!request.prove()) return;
  const base::PublicKey engine = ledger.Key("engine").public_key();
  if (!answer->header().empty()) {
    FUZZ_CHECK(chain::VerifyAnswer(ledger.engine().chain_id(), engine, *answer).ok());
  }
}

}  // namespace cairn
