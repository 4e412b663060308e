// What a primary owes for an upload that it took and did not seal: fines, whose word they need, until when they can be had.
#include "absl/strings/str_cat.h"
#include "catch.h"
#include "support/ledger_harness.h"

namespace cairn::chain {
namespace {

absl::Duration Window(LedgerHarness& h) { return absl::Milliseconds(h.Params().seal_window_ms()); }

}  // namespace

TEST_CASE("a signed upload receipt without a seal costs the primary a fine, paid to the owner, once", "[GF-29][GF-31]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  const auto created = h.Do("alice", h.Create(bucket, {{.name = "a"}, {.name = "b"}}));
  const std::vector<pb::Object> objects = {h.Object(created.created(0)), h.Object(created.created(1))};
  const auto claim = h.ClaimFine("p0", objects);
  h.Expect(Verdict::kNothingToFine, "alice", claim);  // not before the deadline
  h.Advance(Window(h));

  const base::Amount deposit = FromProto(h.Provider("p0").deposit());
  const base::Amount fine = FromProto(h.Params().seal_fine());
  h.Expect(Verdict::kBadUploadReceipt, "alice", h.ClaimFine("p1", objects));
  auto partial = claim;
  partial.mutable_claim_fine()->mutable_objects()->RemoveLast();
  h.Expect(Verdict::kBadUploadReceipt, "alice", partial);
  h.Fund("mallory", 10);
  h.Expect(Verdict::kNothingToFine, "mallory", claim);
  const base::Amount balance = h.Free("alice");
  const auto receipt = h.Do("alice", claim);
  CHECK(h.Events().count("provider.fined") == 2);
  CHECK(FromProto(h.Provider("p0").deposit()) == Minus(deposit, Plus(fine, fine)));
  CHECK(FromProto(h.Provider("p0").fined()) == Plus(fine, fine));
  CHECK(h.Free("alice") == Minus(Plus(balance, Plus(fine, fine)), FromProto(receipt.fee())));
  h.Expect(Verdict::kNothingToFine, "alice", claim);
}

TEST_CASE("a fine can be claimed until its window closes, and takes no more than the deposit", "[GF-31]") {
  LedgerHarness h({.params = [](pb::Params& params) { *params.mutable_seal_fine() = ToProto(Crn(100)); },
                   .hooks = {}});
  const uint64_t bucket = h.Bucket("replicate:3");
  const auto created = h.Do("alice", h.Create(bucket, {{.name = "a"}, {.name = "b"}}));
  const auto first = h.ClaimFine("p0", {h.Object(created.created(0))});
  const auto second = h.ClaimFine("p0", {h.Object(created.created(1))});
  h.Advance(Window(h));
  h.Do("alice", first);
  CHECK(FromProto(h.Provider("p0").deposit()) == base::Amount());
  CHECK(FromProto(h.Provider("p0").fined()) == Crn(20));
  h.Advance(absl::Milliseconds(h.Params().fine_claim_window_ms()));
  h.Expect(Verdict::kUnknownObject, "alice", second);
}

TEST_CASE("a primary that was replaced during an upload stays liable for it") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  h.Fund("p9", 100);
  h.Do("p9", h.Register("p9", "operator9"));
  pb::Operation replace, leave;
  leave.mutable_exit_provider();
  replace.mutable_replace_primary()->set_group(1);
  const auto make_primary = [&](const std::string& provider) {
    replace.mutable_replace_primary()->set_primary(h.Field(provider));
    h.Approve(provider, &replace);
    return replace;
  };
  h.Do("alice", make_primary("p9"));
  h.CreateOne(bucket, {.name = "a"});
  h.Do("alice", make_primary("p0"));
  CHECK(h.Provider("p9").groups() == 0);
  h.Expect(Verdict::kProviderInUse, "p9", leave);
  h.Advance(Window(h) + absl::Milliseconds(h.Params().fine_claim_window_ms()));
  h.Do("p9", leave);
}

TEST_CASE("a provider cannot leave while an upload it approved may still be fined") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  h.CreateOne(bucket, {.name = "a"});
  h.Advance(Window(h));
  pb::Operation remove, leave;
  remove.mutable_delete_bucket()->set_bucket(bucket);
  leave.mutable_exit_provider();
  h.Expect(Verdict::kProviderInUse, "p0", leave);
  h.Do("alice", remove);
  h.Expect(Verdict::kProviderInUse, "p0", leave);
  h.Advance(absl::Milliseconds(h.Params().fine_claim_window_ms()));
  const base::Amount deposit = FromProto(h.Provider("p0").deposit());
  const base::Amount balance = h.Free("p0");
  const auto receipt = h.Do("p0", leave);
  CHECK(h.Free("p0") == Minus(Plus(balance, deposit), FromProto(receipt.fee())));
  CHECK(h.Provider("p0").state() == pb::PROVIDER_STATE_EXITED);
}

TEST_CASE("an owner cannot make a seal impossible and then claim the fine", "[GF-31]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("rs:4+2");
  const std::string id = h.CreateOne(bucket, {.name = "a"});
  const auto claim = h.ClaimFine("p0", {h.Object(id)});
  const auto sealed_in_time = h.Seal({id}, {0, 1, 2, 3, 4, 5});
  h.Advance(absl::Milliseconds(GENERATE(0, 1)));
  h.Do("alice", h.Successor(1, 5, "p8"));  // voids every receipt that the primary holds
  h.Expect(Verdict::kBadReceipt, "p0", sealed_in_time);
  h.Advance(Window(h));
  h.Expect(Verdict::kNothingToFine, "alice", claim);
  CHECK(FromProto(h.Provider("p0").fined()) == base::Amount());
}

TEST_CASE("a primary cannot escape the fine by changing its group itself", "[GF-31]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("rs:4+2");
  const std::string id = h.CreateOne(bucket, {.name = "a"});
  const auto claim = h.ClaimFine("p0", {h.Object(id)});
  h.Advance(absl::Milliseconds(1));
  h.Do("p0", h.Successor(1, 5, "p8", "p0"));
  h.Advance(Window(h));
  h.Do("alice", claim);
  CHECK(FromProto(h.Provider("p0").fined()) == FromProto(h.Params().seal_fine()));
}

TEST_CASE("an upload requested on the ledger and left unanswered is fined at the deadline, once; an answer averts it",
          "[GF-30]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  const std::string ignored = h.CreateOne(bucket, {.name = "a"});
  const std::string answered = h.CreateOne(bucket, {.name = "b"});
  pb::Operation request_a, request_b, answer;
  request_a.mutable_request_upload()->set_object(ignored);
  request_b.mutable_request_upload()->set_object(answered);
  answer.mutable_answer_upload()->set_object(answered);
  h.Advance(Window(h) - absl::Seconds(1));
  h.Expect(Verdict::kNotRequested, "p0", answer);
  h.Expect(Verdict::kNotOwner, "p0", request_a);
  h.Do("alice", request_a);
  h.Do("alice", request_b);
  h.Expect(Verdict::kRequestedBefore, "alice", request_a);
  h.Expect(Verdict::kNotPrimary, "p1", answer);
  h.Do("p0", answer);
  const base::Amount deposit = FromProto(h.Provider("p0").deposit());
  const base::Amount balance = h.Free("alice");
  const base::Amount returned = Plus(FromProto(h.Object(ignored).lock()), FromProto(h.Object(ignored).bond()));
  const auto claim = h.ClaimFine("p0", {h.Object(ignored)});
  h.Advance(absl::Seconds(2));
  CHECK(h.ObjectExists(ignored));  // the request gave the primary a whole window
  h.Advance(Window(h));
  const base::Amount fine = FromProto(h.Params().seal_fine());
  CHECK_FALSE(h.ObjectExists(ignored));
  CHECK_FALSE(h.ObjectExists(answered));
  CHECK(FromProto(h.Provider("p0").deposit()) == Minus(deposit, fine));
  CHECK(h.Free("alice") == Plus(balance, Plus(Plus(returned, returned), fine)));
  // The primary had signed a receipt for it all the same: that is no second fine.
  h.Expect(Verdict::kNothingToFine, "alice", claim);
  CHECK(FromProto(h.Provider("p0").fined()) == fine);
}

TEST_CASE("a reject does not free the primary from an upload receipt that it signed, nor from the rest of one", "[GF-31]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  const auto created = h.Do("alice", h.Create(bucket, {{.name = "a"}, {.name = "b"}}));
  const auto claim = h.ClaimFine("p0", {h.Object(created.created(0)), h.Object(created.created(1))});
  h.Do("p0", h.Reject({created.created(0)}));
  h.Do("alice", claim);  // for the one that is gone; the other may still be sealed
  CHECK(h.Events().count("provider.fined") == 1);
  h.Expect(Verdict::kNothingToFine, "alice", claim);
  h.Advance(Window(h));
  h.Do("alice", claim);
  CHECK(h.Events().count("provider.fined") == 1);
  CHECK(FromProto(h.Provider("p0").fined()) == Plus(FromProto(h.Params().seal_fine()), FromProto(h.Params().seal_fine())));
}

TEST_CASE("who rejects without having signed an upload receipt is not fined, nor whose group others had changed",
          "[GF-26][GF-31]") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("rs:4+2");
  const std::string unsigned_one = h.CreateOne(bucket, {.name = "a"}), disturbed = h.CreateOne(bucket, {.name = "b"});
  const auto forged = h.ClaimFine("p1", {h.Object(unsigned_one)});
  const auto signed_claim = h.ClaimFine("p0", {h.Object(disturbed)});
  h.Do("p0", h.Reject({unsigned_one}));
  h.Expect(Verdict::kBadUploadReceipt, "alice", forged);
  h.Advance(absl::Milliseconds(1));
  h.Do("alice", h.Successor(1, 5, "p8"));
  h.Do("p0", h.Reject({disturbed}));
  h.Expect(Verdict::kNothingToFine, "alice", signed_claim);
  CHECK(FromProto(h.Provider("p0").fined()).zero());
}

TEST_CASE("a fine is not to be had when its window has ended, even before the due work ran", "[GF-31]") {
  // One entry a block: the second record is still there when the claim for it comes.
  LedgerHarness h({.params = [](pb::Params& params) { params.set_max_due_per_block(1); }, .hooks = {}});
  const uint64_t bucket = h.Bucket("replicate:3");
  const auto created = h.Do("alice", h.Create(bucket, {{.name = "a"}, {.name = "b"}}));
  const auto claim = h.ClaimFine("p0", {h.Object(std::max(created.created(0), created.created(1)))});
  h.Advance(Window(h));
  h.clock().Advance(absl::Milliseconds(h.Params().fine_claim_window_ms()));
  h.Expect(Verdict::kNothingToFine, "alice", claim);
  CHECK(FromProto(h.Provider("p0").fined()).zero());
}

TEST_CASE("nobody is fined on another's word", "[GF-31]") {
  LedgerHarness h;
  h.Bucket("replicate:3");
  h.Do("alice", h.NewBucket("other", "replicate:3", "p1", h.Holders(3)));
  const pb::Object mine = h.Object(h.CreateOne(1, {.name = "a"}));
  const pb::Object theirs = h.Object(h.CreateOne(2, {.name = "b"}));
  const pb::Operation by_p0 = h.ClaimFine("p0", {mine, theirs}), by_p1 = h.ClaimFine("p1", {mine, theirs});
  h.Advance(Window(h));
  h.Expect(Verdict::kBadUploadReceipt, "alice", by_p0);
  h.Expect(Verdict::kBadUploadReceipt, "alice", by_p1);
  h.Expect(Verdict::kBadUploadReceipt, "alice", h.ClaimFine("p1", {mine}));
  for (const char* who : {"p0", "p1"}) CHECK(FromProto(h.Provider(who).fined()).zero());
}

TEST_CASE("a primary stays liable for an upload that was requested until the end of the window it was given", "[GF-30]") {
  LedgerHarness h({.params = [](pb::Params& params) { params.set_fine_claim_window_ms(1000); }, .hooks = {}});
  const uint64_t bucket = h.Bucket("replicate:3");
  const std::string id = h.CreateOne(bucket, {.name = "a"});
  pb::Operation request, replace, leave;
  request.mutable_request_upload()->set_object(id);
  replace.mutable_replace_primary()->set_group(1);
  replace.mutable_replace_primary()->set_primary(h.Field("p4"));
  leave.mutable_exit_provider();
  h.Advance(Window(h) - absl::Milliseconds(1));
  h.Do("alice", request);
  CHECK(h.Provider("p0").liable_until_ms() == h.Object(id).seal_deadline_ms() + 1000);
  h.Approve("p4", &replace);
  h.Do("alice", replace);
  h.Do("alice", h.Successor(1, 0, "p3"));  // it kept a copy as well
  pb::Operation complete;
  complete.mutable_complete_succession()->set_group(1);
  h.Do("p3", complete);
  CHECK(h.Provider("p0").groups() == 0);
  h.Advance(absl::Seconds(2));  // beyond what it was liable for before the request
  h.Expect(Verdict::kProviderInUse, "p0", leave);
  h.Advance(Window(h));
  h.Do("p0", leave);
  CHECK(FromProto(h.Provider("p0").fined()) == FromProto(h.Params().seal_fine()));
}

TEST_CASE("a request for an upload is paid for, or is none") {
  LedgerHarness h;
  const std::string id = h.CreateOne(h.Bucket("replicate:3"), {.name = "a"});
  pb::Operation request;
  request.mutable_request_upload()->set_object(id);
  const base::Amount price = FromProto(h.Params().upload_request_fee()), fee = h.FeeFor({request});
  const base::Amount one(1), left = Minus(Plus(price, fee), one);
  const base::Amount sending = h.FeeFor({h.TransferUnits("bob", one)});
  h.Do("alice", h.TransferUnits("bob", Minus(h.Free("alice"), Plus(left, sending))));
  h.Expect(Verdict::kNoFunds, "alice", request);
  h.Do("faucet", h.TransferUnits("alice", Plus(fee, one)));
  h.Do("alice", request);
  CHECK(h.Free("alice") == base::Amount());
}

}  // namespace cairn::chain
