// Transactions as bytes: one encoding, no surprises from hostile input.
#include "cairn/chain/transaction.h"

#include <google/protobuf/stubs/logging.h>

#include <functional>
#include <map>
#include <random>

#include "base/vectors.h"
#include "cairn/base/status.h"
#include "cairn/chain/domain/payments.h"
#include "cairn/chain/genesis.h"
#include "cairn/chain/ledger.h"
#include "cairn/chain/proof.h"
#include "catch.h"
#include "support/ledger_harness.h"

namespace cairn::chain {
namespace {

pb::SignedTransaction Golden() {
  const base::SigningKey key = base::SigningKey::FromSeed(*base::Secret<32>::From(base::Bytes(32, 7)));
  pb::TransactionBody body;
  body.set_chain_id(std::string(32, 'c'));
  body.set_lane(3);
  body.set_number(9);
  body.set_valid_until_ms(1'800'000'060'000);
  pb::Transfer& transfer = *body.add_operations()->mutable_transfer();
  transfer.set_to(std::string(20, 't'));
  transfer.set_asset(pb::ASSET_CRN);
  *transfer.mutable_amount() = ToProto(Crn(5));
  return SignTransaction(body, key);
}

}  // namespace

TEST_CASE("a signed transaction keeps its bytes and its hash") {
  const pb::SignedTransaction transaction = Golden();
  base::CheckVector("chain/transaction.hex", base::AsBytes(transaction.SerializeAsString()));
  base::CheckVector("chain/transaction_hash.hex", TransactionHash(transaction).view());
  const auto prepared = Prepare(transaction);
  CHECK(prepared.bytes == Verdict::kOk);
  CHECK(prepared.signature_valid);
}

TEST_CASE("what is signed beside transactions, and what blocks are made of, keeps its digests") {
  base::ChainId chain;
  chain.value.fill(0x11);
  base::AccountId account, other;
  account.value.fill(0x22);
  other.value.fill(0x33);
  base::Bytes digests;
  const auto add = [&](const base::Digest& digest) {
    digests.insert(digests.end(), digest.value.begin(), digest.value.end());
  };
  pb::FeeAllowance allowance;
  allowance.set_sponsor_key(std::string(33, 's'));
  allowance.set_beneficiary(ToField(account));
  *allowance.mutable_limit() = ToProto(base::Amount::Parts(5, 6));
  allowance.set_expires_ms(7);
  allowance.set_nonce(std::string(16, 'n'));
  add(AllowanceDigest(chain, allowance));
  add(RegistrationDigest(chain, account, other));
  pb::Operation create;
  create.mutable_create_objects()->set_bucket(3);
  create.mutable_create_objects()->mutable_approval()->set_nonce(std::string(16, 'n'));
  add(ApprovalRequest(create, account));
  create.mutable_create_objects()->mutable_approval()->set_signature(std::string(64, 's'));
  add(ApprovalRequest(create, account));  // the signature is not of it
  pb::PostPrice price;
  price.set_number(8);
  price.set_observed_ms(9);
  price.add_signatures()->set_oracle(1);
  add(PriceDigest(chain, price));
  add(HeaderDigest("header"));
  pb::Block block;
  std::vector<base::Digest> hashes;
  for (int i = 1; i <= 5; ++i) {
    hashes.push_back(base::Blake3(base::AsBytes(std::string(1, static_cast<char>(i)))));
    pb::TransactionReceipt& receipt = *block.add_receipts();
    receipt.set_transaction(ToField(hashes.back()));
    receipt.set_verdict(300 + i);
    receipt.set_operation(i);
    *receipt.mutable_fee() = ToProto(base::Amount::Parts(i, 10 + i));
    add(TransactionsRoot(hashes));
    add(ReceiptsRoot(block));
  }
  pb::Genesis genesis;
  genesis.set_network("golden");
  base::Digest id;
  id.value = ChainIdOf(genesis).value;
  add(id);
  base::CheckVector("chain/digests.hex", digests);
}

TEST_CASE("every kind of operation has its weight, and so much for each item that it names") {
  const auto weight = [](const std::function<void(pb::Operation&)>& fill) {
    pb::TransactionBody body;
    fill(*body.add_operations());
    return Weight(body);
  };
  std::map<std::string, uint64_t> weights;
  const auto* kinds = pb::Operation::descriptor()->FindOneofByName("kind");
  for (int i = 0; i < kinds->field_count(); ++i) {
    weights[kinds->field(i)->name()] = weight([&](pb::Operation& operation) {
      operation.GetReflection()->MutableMessage(&operation, kinds->field(i));
    });
  }
  CHECK(weights == std::map<std::string, uint64_t>{
                       {"transfer", 1}, {"set_wrap_key", 1}, {"set_root_pointer", 1}, {"drop_lane", 1},
                       {"register_provider", 10}, {"edit_provider", 2}, {"add_deposit", 1}, {"set_maintenance", 1},
                       {"report_new_store", 5}, {"exit_provider", 2}, {"create_bucket", 10}, {"edit_bucket", 1},
                       {"delete_bucket", 2}, {"replace_primary", 5}, {"assign_successor", 5},
                       {"complete_succession", 2}, {"create_objects", 1}, {"seal_objects", 1}, {"post_receipts", 1},
                       {"reject_objects", 1}, {"cancel_objects", 1}, {"delete_objects", 1}, {"request_upload", 2},
                       {"answer_upload", 1}, {"claim_fine", 1}, {"create_payment_account", 2}, {"deposit_payment", 1},
                       {"withdraw_payment", 2}, {"cancel_withdrawal", 1}, {"disable_refund", 1},
                       {"set_payment_consent", 2}, {"set_payer", 2}, {"set_sponsorship", 2}, {"settle_stream", 1},
                       {"clear_unpaid", 1}, {"set_package", 2}, {"set_free_cap", 1}, {"post_price", 2},
                       {"refresh_price", 2}, {"anchor_journal", 2}, {"open_channel", 10}, {"top_up_channel", 1},
                       {"withdraw_channel", 2}, {"close_channel", 2}, {"dispute_channel", 2}, {"close_together", 4},
                       {"reclaim_channel", 2}, {"open_pool", 10}, {"top_up_pool", 1}, {"redeem_pool", 4},
                       {"revoke_pool_signer", 2}, {"close_pool", 2}});
  CHECK(weight([](auto& op) { op.mutable_create_objects()->add_objects(), op.mutable_create_objects()->add_objects(); }) == 5);
  CHECK(weight([](auto& op) { op.mutable_seal_objects()->add_objects(), op.mutable_seal_objects()->add_receipts(); }) == 3);
  CHECK(weight([](auto& op) { op.mutable_post_receipts()->add_objects(), op.mutable_post_receipts()->add_receipts(); }) == 3);
  CHECK(weight([](auto& op) { op.mutable_reject_objects()->add_objects(); }) == 2);
  CHECK(weight([](auto& op) { op.mutable_cancel_objects()->add_objects(); }) == 2);
  CHECK(weight([](auto& op) { op.mutable_delete_objects()->add_names(), op.mutable_delete_objects()->add_versions(); }) == 5);
  CHECK(weight([](auto& op) { op.mutable_claim_fine()->add_objects(); }) == 2);
  CHECK(weight([](auto& op) { op.mutable_set_payer()->add_objects(); }) == 4);
  CHECK(weight([](auto& op) { op.mutable_clear_unpaid()->add_objects(); }) == 3);
  CHECK(weight([](auto& op) { op.mutable_post_price()->add_signatures(); }) == 3);
  // A claim costs its hashes: one for every 256 begun.
  for (const auto& [tick, more] : std::map<uint32_t, uint64_t>{{1, 1}, {256, 1}, {257, 2}}) {
    CHECK(weight([&](auto& op) { op.mutable_withdraw_channel()->mutable_claim()->set_tick(tick); }) == 2 + more);
    CHECK(weight([&](auto& op) { op.mutable_close_channel()->mutable_claim()->set_tick(tick); }) == 2 + more);
    CHECK(weight([&](auto& op) { op.mutable_dispute_channel()->mutable_claim()->set_tick(tick); }) == 2 + more);
    CHECK(weight([&](auto& op) { op.mutable_redeem_pool()->mutable_claim()->set_tick(tick); }) == 4 + more);
  }
}

TEST_CASE("only the one encoding is accepted: no unknown fields, no detours, no other order") {
  const pb::SignedTransaction good = Golden();
  pb::TransactionBody body;
  REQUIRE(CheckBytes(good, &body) == Verdict::kOk);
  const auto verdict = [&](const std::string& bytes) {
    pb::SignedTransaction transaction = good;
    transaction.set_body(bytes);
    pb::TransactionBody ignored;
    return CheckBytes(transaction, &ignored);
  };
  CHECK(verdict(good.body() + std::string("\xf8\x07\x01", 3)) == Verdict::kNotCanonical);  // field 127
  CHECK(verdict(good.body() + std::string("\x18\x03", 2)) == Verdict::kNotCanonical);      // lane again
  // The lane as a two-byte number.
  const size_t lane = good.body().find(std::string("\x18\x03\x20", 3));
  REQUIRE(lane != std::string::npos);
  std::string longer = good.body();
  longer.replace(lane, 2, std::string("\x18\x83\x00", 3));
  CHECK(verdict(longer) == Verdict::kNotCanonical);
  CHECK(verdict("") != Verdict::kOk);
  CHECK(verdict("\xff\xff\xff") == Verdict::kMalformed);
  CHECK(verdict(std::string(kMaxTransactionBytes + 1, 'x')) == Verdict::kTooLarge);
  CHECK(verdict(std::string(kMaxTransactionBytes, 'x')) != Verdict::kTooLarge);
}

TEST_CASE("a transaction has 1 to 256 operations, each well formed") {
  LedgerHarness h;
  h.Fund("alice", 100);
  pb::TransactionBody body = h.Body("alice", {});
  CHECK(VerdictOf(h.Submit(h.Sign("alice", body))) == Verdict::kOperationCount);
  for (int i = 0; i < 256; ++i) *body.add_operations() = h.TransferUnits("bob", base::Amount(1));
  CHECK(VerdictOf(h.Submit(h.Sign("alice", body))) == Verdict::kOk);
  body.set_number(2);
  *body.add_operations() = h.Transfer("bob", 1);
  CHECK(VerdictOf(h.Submit(h.Sign("alice", body))) == Verdict::kOperationCount);
  body = h.Body("alice", {pb::Operation()});
  CHECK(VerdictOf(h.Submit(h.Sign("alice", body))) == Verdict::kUnknownOperation);
  auto zero = h.Transfer("bob", 0);
  CHECK(VerdictOf(h.Submit(h.Sign("alice", h.Body("alice", {zero})))) == Verdict::kBadAmount);
}

TEST_CASE("the decoder answers any bytes with a verdict") {
  LedgerHarness h;
  h.Bucket("replicate:3");
  const std::string object = h.CreateOne(1, {.name = "a"});
  std::vector<std::string> seeds = {Golden().body()};
  for (const pb::Operation& operation :
       {h.Create(1, {{.name = "b"}, {.name = "c"}}), h.Seal({object}, {0, 1, 2}), h.Register("p9", "operator0"),
        h.NewBucket("more", "rs:4+2", "p0", h.Holders(3)), h.DeleteNames(1, {"a"}), h.Successor(1, 0, "p4")}) {
    seeds.push_back(h.Sign("alice", h.Body("alice", {operation})).body());
  }
  google::protobuf::SetLogHandler(nullptr);  // it would print every malformed text
  std::mt19937 random(20'260'101);
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = seeds[random() % seeds.size()];
    for (uint32_t i = random() % 4 + 1; i > 0 && !bytes.empty(); --i) {
      const size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, random() % 8 + 1);
          break;
        case 2:
          bytes.insert(at, random() % 8 + 1, static_cast<char>(random()));
          break;
        default:
          bytes.resize(at);
      }
    }
    pb::SignedTransaction transaction;
    transaction.set_body(bytes);
    transaction.set_signature(std::string(64, 's'));
    const PreparedTransaction prepared = Prepare(transaction);
    CHECK_FALSE(prepared.signature_valid);
    if (prepared.bytes == Verdict::kOk) {
      ++accepted;
      CHECK(Canonical(prepared.body) == bytes);
      Weight(prepared.body);
    } else {
      CHECK_FALSE(Included(prepared.bytes));
    }
  }
  CHECK(accepted > 100);  // mutations of a field's content are transactions still
}

}  // namespace cairn::chain
