// Transactions as bytes: one encoding, no surprises from hostile input.
#include "cairn/chain/transaction.h"

#include <google/protobuf/stubs/logging.h>

#include <random>

#include "base/vectors.h"
#include "cairn/base/status.h"
#include "cairn/chain/ledger.h"
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
