// A question to a ledger as a stranger may ask it. Answers are bounded, and proofs that were asked for lead to the root.
#include "cairn/chain/domain/payments.h"
#include "cairn/chain/proof.h"
#include "quiet_protobuf.h"
#include "support/ledger_harness.h"

namespace cairn {
namespace {

// A payment account of alice's that may pay for the bucket, and that she sponsors.
void Sponsor(chain::LedgerHarness& h, uint64_t bucket) {
  chain::pb::Operation create, consent, close, sponsor;
  create.mutable_create_payment_account();
  const std::string id = h.Do("alice", create).created(0);
  consent.mutable_set_payment_consent()->set_account(id);
  consent.mutable_set_payment_consent()->set_bucket(bucket);
  *consent.mutable_set_payment_consent()->mutable_max_rate() = chain::ToProto(base::Amount(1));
  close.mutable_disable_refund()->set_account(id);
  sponsor.mutable_set_sponsorship()->set_account(id);
  *sponsor.mutable_set_sponsorship()->mutable_rate() = chain::ToProto(base::Amount(1));
  for (const chain::pb::Operation& operation : {consent, close, sponsor}) h.Do("alice", operation);
}

chain::LedgerHarness& Ledger() {
  static auto* ledger = [] {
    auto* h = new chain::LedgerHarness();
    const uint64_t bucket = h->Bucket("rs:2+1");
    for (const char* name : {"a/b", "a/c", "d"}) h->Store(bucket, {.name = name});
    h->CreateOne(bucket, {.name = "pending"});
    Sponsor(*h, bucket);
    return h;
  }();
  return *ledger;
}

// An account of the ledger where the question names it: "alice", "p0".
void NameAccounts(chain::LedgerHarness& ledger, chain::pb::QueryRequest& request) {
  const auto named = [&](const std::string& field) {
    if (field == "account0") return chain::ToField(chain::PaymentAccountId(ledger.Id("alice"), 0));
    return field == "alice" || field == "p0" ? ledger.Field(field) : field;
  };
  if (!request.account().empty()) request.set_account(named(request.account()));
  if (!request.provider().empty()) request.set_provider(named(request.provider()));
  if (!request.buckets_of().empty()) request.set_buckets_of(named(request.buckets_of()));
  if (!request.groups_of_provider().empty()) request.set_groups_of_provider(named(request.groups_of_provider()));
  if (!request.stream().empty()) request.set_stream(named(request.stream()));
  if (!request.flows_from().empty()) request.set_flows_from(named(request.flows_from()));
  if (!request.payment_accounts_of().empty()) request.set_payment_accounts_of(named(request.payment_accounts_of()));
  if (!request.payment_account().empty()) request.set_payment_account(named(request.payment_account()));
  if (!request.consents_of().empty()) request.set_consents_of(named(request.consents_of()));
  if (!request.sponsorships_of().empty()) request.set_sponsorships_of(named(request.sponsorships_of()));
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
