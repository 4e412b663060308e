// A question to a ledger as a stranger may ask it. Answers are bounded, and proofs that were asked for lead to the root.
#include <map>

#include "cairn/chain/proof.h"
#include "quiet_protobuf.h"
#include "support/ledger_harness.h"

namespace cairn {
namespace {

// A payment account of alice's that may pay for the bucket, and that she sponsors: its id.
std::string Sponsor(chain::LedgerHarness& h, uint64_t bucket) {
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
  return id;
}

struct Asked {
  Asked() {
    const uint64_t bucket = h.Bucket("rs:2+1");
    for (const char* name : {"a/b", "a/c", "d"}) h.Store(bucket, {.name = name});
    h.CreateOne(bucket, {.name = "pending"});
    known["account0"] = Sponsor(h, bucket);
    for (const char* who : {"alice", "p0"}) known[who] = h.Field(who);
    OpenPayments();
    h.Advance(absl::Hours(2));
  }

  void OpenPayments() {
    known["key"] = base::ToString(h.Key("alice").public_key().Encode());
    chain::pb::Operation channel, pool;
    auto& open = *channel.mutable_open_channel();
    open.set_payee(h.Field("p0"));
    open.set_asset(chain::pb::ASSET_CRN);
    *open.mutable_deposit() = chain::ToProto(chain::Crn(1));
    open.set_signer(known["key"]);
    open.set_expires_ms(h.NowMs() + absl::ToInt64Milliseconds(absl::Hours(24)));
    known["channel"] = h.Do("alice", channel).created(0);
    pool.mutable_open_pool()->set_asset(chain::pb::ASSET_CRN);
    *pool.mutable_open_pool()->mutable_deposit() = chain::ToProto(chain::Crn(1));
    pool.mutable_open_pool()->set_owner_key(known["key"]);
    known["pool"] = h.Do("alice", pool).created(0);
  }

  // What the ledger has, where a question names it: "alice", "p0", "key", "account0", "channel", "pool".
  std::string operator()(const std::string& field) const {
    const auto found = known.find(field);
    return found == known.end() ? field : found->second;
  }

  chain::LedgerHarness h;
  std::map<std::string, std::string> known;
};

Asked& Ledger() {
  static auto* ledger = new Asked();
  return *ledger;
}

void NameMoney(const Asked& named, chain::pb::QueryRequest& request) {
  if (!request.stream().empty()) request.set_stream(named(request.stream()));
  if (!request.flows_from().empty()) request.set_flows_from(named(request.flows_from()));
  if (!request.payment_account().empty()) request.set_payment_account(named(request.payment_account()));
  if (!request.payment_accounts_of().empty()) request.set_payment_accounts_of(named(request.payment_accounts_of()));
  if (!request.consents_of().empty()) request.set_consents_of(named(request.consents_of()));
  if (!request.sponsorships_of().empty()) request.set_sponsorships_of(named(request.sponsorships_of()));
  if (!request.journal_anchors().empty()) request.set_journal_anchors(named(request.journal_anchors()));
  if (!request.channel().empty()) request.set_channel(named(request.channel()));
  if (!request.channels_of_payer().empty()) request.set_channels_of_payer(named(request.channels_of_payer()));
  if (!request.channels_of_payee().empty()) request.set_channels_of_payee(named(request.channels_of_payee()));
  if (!request.pool().empty()) request.set_pool(named(request.pool()));
  if (!request.pools_of().empty()) request.set_pools_of(named(request.pools_of()));
  if (!request.has_pool_lane()) return;
  auto& lane = *request.mutable_pool_lane();
  lane.set_pool(named(lane.pool()));
  lane.set_signer(named(lane.signer()));
  lane.set_payee(named(lane.payee()));
}

void Name(const Asked& named, chain::pb::QueryRequest& request) {
  if (!request.account().empty()) request.set_account(named(request.account()));
  if (!request.provider().empty()) request.set_provider(named(request.provider()));
  if (!request.buckets_of().empty()) request.set_buckets_of(named(request.buckets_of()));
  if (!request.groups_of_provider().empty()) request.set_groups_of_provider(named(request.groups_of_provider()));
  if (request.has_lane()) request.mutable_lane()->set_account(named(request.lane().account()));
  if (request.has_bucket_by_name()) request.mutable_bucket_by_name()->set_owner(named(request.bucket_by_name().owner()));
  NameMoney(named, request);
}

}  // namespace

void FuzzOne(base::ByteView input) {
  QuietProtobuf();
  chain::LedgerHarness& ledger = Ledger().h;
  chain::pb::QueryRequest request;
  if (!request.ParseFromString(base::ToString(input))) return;
  Name(Ledger(), request);
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
