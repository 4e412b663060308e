// A client that believes proofs only, before a ledger that lies. Every lie is tried without the checks too, where it
// succeeds.
#include "cairn/chain/verifying_client.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/proof.h"
#include "catch.h"
#include "support/ledger_harness.h"

namespace cairn::chain {
namespace {

// The true ledger until `lie` is set.
class LyingLedger final : public Client {
 public:
  explicit LyingLedger(EmbeddedEngine& engine) : truth_(NewInProcessClient(engine)) {}

  absl::StatusOr<pb::TransactionReceipt> Submit(const pb::SignedTransaction& transaction, WaitFor wait) override {
    auto receipt = truth_->Submit(transaction, wait);
    if (receipt.ok() && on_submit) on_submit(&*receipt);
    return receipt;
  }
  absl::StatusOr<pb::TransactionReceipt> Simulate(const pb::SignedTransaction& transaction) override {
    return truth_->Simulate(transaction);
  }
  absl::StatusOr<pb::QueryResponse> Query(const pb::QueryRequest& request) override {
    ++questions;
    if (instead) return instead(request);
    auto answer = truth_->Query(request);
    if (answer.ok() && lie) lie(request, &*answer);
    return answer;
  }
  absl::Status Follow(uint64_t from, const std::function<bool(const pb::Block&)>& sink) override {
    return truth_->Follow(from, [&](const pb::Block& block) {
      pb::Block shown = block;
      if (on_block) on_block(&shown);
      return sink(shown);
    });
  }

  std::function<void(const pb::QueryRequest&, pb::QueryResponse*)> lie;
  std::function<absl::StatusOr<pb::QueryResponse>(const pb::QueryRequest&)> instead;
  std::function<void(pb::Block*)> on_block;
  std::function<void(pb::TransactionReceipt*)> on_submit;
  int questions = 0;

 private:
  std::unique_ptr<Client> truth_;
};

struct Rig {
  Rig() {
    bucket = h.Bucket("rs:4+2");
    object = h.Store(bucket, {.name = "a"});
    liar = std::make_shared<LyingLedger>(h.engine());
    client = Fresh();
  }
  std::unique_ptr<VerifyingClient> Fresh(const SeenHead& seen = {}) {
    return std::make_unique<VerifyingClient>(liar, Trust{h.engine().chain_id(), h.Key("engine").public_key()}, seen);
  }
  pb::QueryRequest AskObject() const {
    pb::QueryRequest request;
    request.set_object(object);
    return request;
  }
  pb::QueryRequest AskName(const std::string& name) const {
    pb::QueryRequest request;
    request.mutable_object_by_name()->set_bucket(bucket);
    request.mutable_object_by_name()->set_name(name);
    return request;
  }
  // The lie is believed by whoever does not check, and refused by the client that does.
  void Refused(const pb::QueryRequest& request, const std::string& why) {
    INFO(why);
    const auto unchecked = liar->Query(request);
    CHECK(unchecked.ok());
    RefusedQuietly(request, why);
  }
  void RefusedQuietly(const pb::QueryRequest& request, const std::string& why) {
    const auto answer = client->Query(request);
    REQUIRE_FALSE(answer.ok());
    CHECK(absl::IsDataLoss(answer.status()));
    CHECK(base::ReasonOf(answer.status()) == "LEDGER_ANSWER_UNPROVEN");
    CHECK(base::DetailOf(answer.status()).evidence.front().second == why);
  }

  LedgerHarness h;
  uint64_t bucket = 0;
  std::string object;
  std::shared_ptr<LyingLedger> liar;
  std::unique_ptr<VerifyingClient> client;
};

// Streams, payment accounts, prices, sponsors, channels and pools: 19 questions.
void AskAboutMoney(Rig& rig, pb::QueryRequest* out) {
  pb::Operation account, channel, pool;
  account.mutable_create_payment_account();
  const std::string payment_account = rig.h.Do("alice", account).created(0);
  const std::string key = base::ToString(rig.h.Key("alice").public_key().Encode());
  auto& open = *channel.mutable_open_channel();
  open.set_payee(rig.h.Field("p0"));
  open.set_asset(pb::ASSET_CRN);
  *open.mutable_deposit() = ToProto(Crn(1));
  open.set_signer(key);
  open.set_expires_ms(rig.h.NowMs() + 3'600'000);
  const std::string channel_id = rig.h.Do("alice", channel).created(0);
  pool.mutable_open_pool()->set_asset(pb::ASSET_CRN);
  *pool.mutable_open_pool()->mutable_deposit() = ToProto(Crn(1));
  pool.mutable_open_pool()->set_owner_key(key);
  const std::string pool_id = rig.h.Do("alice", pool).created(0);
  (out++)->set_stream(rig.h.Field("alice"));
  (out++)->set_stream(rig.h.Field("nobody"));
  (out++)->set_flows_from(rig.h.Field("alice"));
  (out++)->set_payment_account(payment_account);
  (out++)->set_payment_account(rig.h.Field("nobody"));
  (out++)->set_payment_accounts_of(rig.h.Field("alice"));
  (out++)->set_bills_of(rig.bucket);
  (out++)->set_bills_of(999);
  pb::Operation consent, closed, sponsor;
  auto& allowed = *consent.mutable_set_payment_consent();
  allowed.set_account(payment_account);
  allowed.set_bucket(rig.bucket);
  *allowed.mutable_max_rate() = ToProto(base::Amount(1'000'000));
  rig.h.Do("alice", consent);
  closed.mutable_disable_refund()->set_account(payment_account);
  rig.h.Do("alice", closed);
  sponsor.mutable_set_sponsorship()->set_account(payment_account);
  *sponsor.mutable_set_sponsorship()->mutable_rate() = ToProto(base::Amount(7));
  rig.h.Do("alice", sponsor);
  (out++)->set_sponsorships_of(rig.h.Field("alice"));
  (out++)->set_sponsorships_of(rig.h.Field("nobody"));
  (out++)->set_consents_of(payment_account);
  (out++)->set_consents_of(rig.h.Field("nobody"));
  (out++)->set_price(true);
  (out++)->set_prices(true);
  (out++)->set_channel(channel_id);
  (out++)->set_channels_of_payer(rig.h.Field("alice"));
  (out++)->set_channels_of_payee(rig.h.Field("p0"));
  (out++)->set_pools_of(rig.h.Field("alice"));
  auto& lane = *out->mutable_pool_lane();
  lane.set_pool(pool_id);
  lane.set_signer(key);
  lane.set_payee(rig.h.Field("p0"));
}

std::vector<pb::QueryRequest> EveryQuestion(Rig& rig) {
  std::vector<pb::QueryRequest> all(38);
  int i = 0;
  all[i++].set_status(true);
  all[i++].set_params(true);
  all[i++].set_genesis(true);
  all[i++].set_account(rig.h.Field("alice"));
  all[i++].set_account(rig.h.Field("nobody"));
  all[i++].mutable_lane()->set_account(rig.h.Field("alice"));
  all[i++].set_provider(rig.h.Field("p0"));
  all[i++].set_providers(true);
  all[i++].set_group(rig.h.GetBucket(rig.bucket).group());
  all[i++].set_group(999);
  all[i++].set_bucket(rig.bucket);
  all[i].mutable_bucket_by_name()->set_owner(rig.h.Field("alice"));
  all[i++].mutable_bucket_by_name()->set_name("photos");
  all[i].mutable_bucket_by_name()->set_owner(rig.h.Field("alice"));
  all[i++].mutable_bucket_by_name()->set_name(std::string(100, 'x'));
  all[i++].set_buckets_of(rig.h.Field("alice"));
  all[i++] = rig.AskObject();
  all[i++] = rig.AskName("a");
  all[i++] = rig.AskName("b");
  all[i++].set_supply(true);
  all[i++].set_groups_of_provider(rig.h.Field("p1"));
  AskAboutMoney(rig, &all[i]);
  return all;
}

}  // namespace

TEST_CASE("a true ledger's answers pass, each as the ledger itself gives it", "[GF-95]") {
  Rig rig;
  for (int i = 0; i < 30; ++i) rig.h.Store(rig.bucket, {.name = absl::StrCat("n", i)});
  std::vector<pb::QueryRequest> questions = EveryQuestion(rig);
  const uint64_t group = rig.h.GetBucket(rig.bucket).group();
  for (const int limit : {0, 7}) {
    for (const int which : {0, 1, 2, 3, 4, 5}) {
      pb::QueryRequest list;
      list.mutable_page()->set_limit(limit);
      if (which < 4) {
        list.mutable_objects()->set_bucket(which == 3 ? 999 : rig.bucket);
        if (which == 1) list.mutable_objects()->set_prefix("n1");
        list.mutable_objects()->set_versions(which == 2);
      } else {
        list.mutable_group_objects()->set_group(group);
        list.mutable_group_objects()->set_missing_position(which == 4 ? -1 : 2);
      }
      questions.push_back(list);
    }
  }
  for (const pb::QueryRequest& question : questions) {
    INFO(question.ShortDebugString());
    auto plain = rig.liar->Query(question);
    auto checked = rig.client->Query(question);
    REQUIRE(plain.status() == checked.status());
    if (!plain.ok()) continue;
    plain->clear_status();  // its time runs
    checked->clear_status();
    CHECK(plain->SerializeAsString() == checked->SerializeAsString());
  }
}

TEST_CASE("every page of a list is proven, and pages add up to the list", "[GF-95]") {
  Rig rig;
  for (int i = 0; i < 30; ++i) rig.h.Store(rig.bucket, {.name = absl::StrCat("n", i)});
  pb::QueryRequest list;
  list.mutable_objects()->set_bucket(rig.bucket);
  list.mutable_page()->set_limit(7);
  int found = 0;
  do {
    auto page = rig.client->Query(list);
    REQUIRE(page.ok());
    found += page->objects_size();
    list.mutable_page()->set_cursor(page->next_cursor());
  } while (!list.page().cursor().empty());
  CHECK(found == 31);
  pb::QueryRequest many;
  for (int i = 0; i < 600; ++i) many.mutable_objects_by_id()->add_ids(rig.object);
  CHECK(rig.client->Query(many)->objects_size() == 600);
}

TEST_CASE("a record that was altered is refused", "[GF-95]") {
  Rig rig;
  rig.liar->lie = [](const pb::QueryRequest&, pb::QueryResponse* answer) {
    answer->mutable_objects(0)->set_stored_size(1);
  };
  rig.Refused(rig.AskObject(), "the answer says something else than its proofs");
  rig.liar->lie = [](const pb::QueryRequest&, pb::QueryResponse* answer) {
    answer->mutable_objects(0)->set_stored_size(1);
    if (answer->proofs_size() > 0) answer->mutable_proofs(0)->set_value(answer->objects(0).SerializeAsString());
  };
  rig.Refused(rig.AskObject(), "the proof does not lead to the state root");
  pb::QueryRequest providers;
  providers.set_providers(true);
  rig.liar->lie = [](const pb::QueryRequest&, pb::QueryResponse* answer) {
    answer->mutable_providers(1)->set_endpoint("127.0.0.1:1");
  };
  rig.Refused(providers, "the answer says something else than its proofs");
}

TEST_CASE("a record said to be absent while it is there is refused, and one said to be there while it is not", "[GF-95]") {
  Rig rig;
  rig.liar->instead = [](const pb::QueryRequest&) {
    return base::Error(absl::StatusCode::kNotFound, "NOT_FOUND", "no such object");
  };
  CHECK(absl::IsNotFound(rig.liar->Query(rig.AskObject()).status()));
  rig.RefusedQuietly(rig.AskObject(), "a record is said to be missing without a proof");

  // The proof of another key's absence, under the name asked for or its own.
  pb::QueryRequest other = rig.AskName("b");
  other.set_prove(true);
  const pb::QueryResponse absent = rig.h.Ask(other);
  rig.liar->instead = [&](const pb::QueryRequest&) { return absent; };
  rig.Refused(rig.AskName("a"), "a record that the answer rests on has no proof");
  rig.liar->instead = [&](const pb::QueryRequest&) {
    pb::QueryResponse renamed = absent;
    renamed.mutable_proofs(0)->set_key(keys::Name(rig.bucket, "a").bytes);
    return renamed;
  };
  rig.Refused(rig.AskName("a"), "the proof does not lead to the state root");
  rig.liar->instead = [&](const pb::QueryRequest&) {
    pb::QueryResponse made_up = absent;
    made_up.add_objects()->set_stored_size(5);
    return made_up;
  };
  rig.Refused(rig.AskName("b"), "the answer says something else than its proofs");
}

TEST_CASE("an older state than one already shown is refused, also by a later client that kept what was seen", "[GF-95]") {
  Rig rig;
  pb::QueryRequest request = rig.AskObject();
  request.set_prove(true);
  const pb::QueryResponse old = rig.h.Ask(request);
  rig.h.Advance(absl::Minutes(1));
  rig.h.Do("alice", rig.h.Transfer("bob", 1));
  REQUIRE(rig.client->Query(rig.AskName("a")).ok());
  rig.liar->instead = [&](const pb::QueryRequest&) { return old; };
  const std::string why = "it speaks of an older state than one already shown";
  rig.Refused(rig.AskObject(), why);
  CHECK(rig.Fresh()->Query(rig.AskObject()).ok());  // nothing seen, nothing to compare with
  rig.client = rig.Fresh(rig.client->seen());
  rig.Refused(rig.AskObject(), why);

  // A committed receipt's height counts as seen.
  rig.liar->instead = nullptr;
  rig.client = rig.Fresh();
  const auto transaction = rig.h.Sign("alice", rig.h.Body("alice", {rig.h.Transfer("bob", 1)}));
  REQUIRE(rig.client->Submit(transaction, WaitFor::kCommitted)->verdict() == 0);
  rig.liar->instead = [&](const pb::QueryRequest&) { return old; };
  rig.Refused(rig.AskObject(), why);
}

TEST_CASE("a header by another key, of another chain, or a second one of a height is refused", "[GF-95]") {
  Rig rig;
  const base::SigningKey engine = rig.h.Key("engine").Clone();
  const auto sign = [&](const base::SigningKey& key, const std::function<void(pb::BlockHeader*)>& change) {
    rig.liar->lie = [&key, change](const pb::QueryRequest&, pb::QueryResponse* answer) {
      pb::BlockHeader header;
      header.ParseFromString(answer->header());
      change(&header);
      answer->set_header(header.SerializeAsString());
      answer->set_header_signature(ToField(key.Sign(HeaderDigest(answer->header()))));
    };
  };
  sign(rig.h.Key("alice"), [](pb::BlockHeader*) {});
  rig.Refused(rig.AskObject(), "the header is not the engine's");
  sign(engine, [](pb::BlockHeader* header) { header->set_chain_id(std::string(32, 'x')); });
  rig.Refused(rig.AskObject(), "the header is of another ledger");
  sign(engine, [](pb::BlockHeader* header) { header->set_state_root(std::string(32, 'x')); });
  rig.Refused(rig.AskObject(), "the proof does not lead to the state root");
  rig.liar->lie = nullptr;
  rig.client = rig.Fresh();
  REQUIRE(rig.client->Query(rig.AskObject()).ok());
  sign(engine, [](pb::BlockHeader* header) { header->set_parent(std::string(32, 'x')); });
  rig.Refused(rig.AskObject(), "two different headers of one height are signed");
  rig.liar->lie = [](const pb::QueryRequest&, pb::QueryResponse* answer) { answer->mutable_status()->set_height(1); };
  rig.Refused(rig.AskObject(), "the status does not agree with the header");
}

TEST_CASE("without the engine's key the chain id is enough: the genesis record names the key", "[GF-95]") {
  Rig rig;
  VerifyingClient right(rig.liar, Trust{rig.h.engine().chain_id(), std::nullopt});
  CHECK(right.Query(rig.AskObject()).ok());
  base::Bytes other(32, 7);
  VerifyingClient wrong(rig.liar, Trust{*base::ChainId::From(other), std::nullopt});
  CHECK(base::ReasonOf(wrong.Query(rig.AskObject()).status()) == "LEDGER_ANSWER_UNPROVEN");
}

TEST_CASE("a page that repeats itself, or entries of another list, are refused", "[GF-95]") {
  Rig rig;
  for (int i = 0; i < 5; ++i) rig.h.Store(rig.bucket, {.name = absl::StrCat("n", i)});
  pb::QueryRequest list;
  list.mutable_objects()->set_bucket(rig.bucket);
  list.mutable_page()->set_limit(2);
  list.mutable_page()->set_cursor(rig.client->Query(list)->next_cursor());
  rig.liar->lie = [&](const pb::QueryRequest& request, pb::QueryResponse* answer) {
    answer->set_next_cursor(request.page().cursor());
  };
  rig.Refused(list, "a page does not move on");
  rig.liar->lie = nullptr;
  rig.liar->instead = [&](const pb::QueryRequest& request) {
    pb::QueryRequest first = request;
    first.mutable_page()->clear_cursor();
    return rig.h.engine().Query(first);
  };
  rig.Refused(list, "the answer says something else than its proofs");
}

TEST_CASE("no single byte of an answer can be changed unnoticed", "[GF-95]") {
  Rig rig;
  pb::QueryRequest request = rig.AskName("a");
  request.set_prove(true);
  const pb::QueryResponse answer = rig.h.Ask(request);
  const std::string bytes = answer.SerializeAsString();
  const uint32_t seed = 11;
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 3000; ++i) {
    std::string changed = bytes;
    const size_t at = random() % changed.size();
    changed[at] = static_cast<char>(changed[at] ^ (1 << random() % 8));
    pb::QueryResponse parsed;
    if (!parsed.ParseFromString(changed)) continue;
    rig.liar->instead = [&](const pb::QueryRequest&) { return parsed; };
    rig.client = rig.Fresh();
    const auto believed = rig.client->Query(request);
    if (!believed.ok()) continue;
    CHECK(believed->objects(0).SerializeAsString() == answer.objects(0).SerializeAsString());
    CHECK(believed->status().state_root() == answer.status().state_root());
  }
}

TEST_CASE("blocks must follow one another and hold what their headers say", "[GF-95]") {
  Rig rig;
  const auto follow = [&] {
    int seen = 0;
    const absl::Status ended = rig.Fresh()->Follow(1, [&](const pb::Block&) { return ++seen < 5; });
    return std::make_pair(ended, seen);
  };
  CHECK(follow() == std::make_pair(absl::OkStatus(), 5));
  rig.liar->on_block = [](pb::Block* block) {
    if (block->receipts_size() > 0) block->mutable_receipts(0)->set_verdict(301);
  };
  CHECK(base::ReasonOf(follow().first) == "LEDGER_ANSWER_UNPROVEN");
  rig.liar->on_block = [](pb::Block* block) {
    block->clear_transactions();
    block->clear_receipts();
  };
  CHECK(base::ReasonOf(follow().first) == "LEDGER_ANSWER_UNPROVEN");
  const pb::Block newest = rig.h.NewestBlock();
  int count = 0;
  rig.liar->on_block = [&](pb::Block* block) {
    if (++count == 3) *block = newest;
  };
  const auto [ended, seen] = follow();
  CHECK(base::DetailOf(ended).evidence.front().second == "a block does not follow the one before");
  CHECK(seen == 2);
}

TEST_CASE("a block asked for by its height, and a receipt, are those asked for") {
  Rig rig;
  pb::QueryRequest request;
  request.set_block(2);
  REQUIRE(rig.client->Query(request).ok());
  rig.liar->lie = [&](const pb::QueryRequest&, pb::QueryResponse* answer) {
    *answer->mutable_block() = rig.h.NewestBlock();
  };
  rig.Refused(request, "it is another block");
  rig.liar->lie = nullptr;
  const auto transaction = rig.h.Sign("alice", rig.h.Body("alice", {rig.h.Transfer("bob", 1)}));
  rig.liar->on_submit = [](pb::TransactionReceipt* receipt) { receipt->set_transaction(std::string(32, 'x')); };
  CHECK(base::ReasonOf(rig.client->Submit(transaction, WaitFor::kCommitted).status()) == "LEDGER_ANSWER_UNPROVEN");
}

}  // namespace cairn::chain
