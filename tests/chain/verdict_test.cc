// Verdicts: stable numbers, one name, one explanation and one next step each.
#include "cairn/chain/verdict.h"

#include <set>

#include "cairn/base/status.h"
#include "catch.h"

namespace cairn::chain {

TEST_CASE("every verdict has a number and a name of its own, an explanation and a next step") {
  std::set<std::string> names;
  std::set<int> numbers;
  for (const Verdict verdict : AllVerdicts()) {
    CHECK(names.insert(std::string(Name(verdict))).second);
    CHECK(numbers.insert(static_cast<int>(verdict)).second);
    CHECK(Name(verdict) != "UNKNOWN");
    CHECK(!Explain(verdict).empty());
    if (verdict != Verdict::kOk) CHECK(!Hint(verdict).empty());
  }
  CHECK(AllVerdicts().size() > 90);
}

TEST_CASE("the numbers that scripts and receipts rely on do not move") {
  CHECK(static_cast<int>(Verdict::kNotCanonical) == 101);
  CHECK(static_cast<int>(Verdict::kBadSequence) == 202);
  CHECK(static_cast<int>(Verdict::kNoFunds) == 300);
  CHECK(static_cast<int>(Verdict::kInvariant) == 399);
  CHECK(static_cast<int>(Verdict::kApprovalUsed) == 421);
  CHECK(static_cast<int>(Verdict::kNotEnoughProviders) == 500);
  CHECK(static_cast<int>(Verdict::kPriceChanged) == 605);
  CHECK(static_cast<int>(Verdict::kObjectExists) == 620);
}

TEST_CASE("a refusal becomes a status with reason, evidence and hint") {
  pb::TransactionReceipt receipt;
  receipt.set_verdict(300);
  receipt.set_detail("has 1, sends 2");
  const absl::Status status = ToStatus(receipt);
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(base::ReasonOf(status) == "VERDICT_NO_FUNDS");
  CHECK(!base::DetailOf(status).hint.empty());
  receipt.set_verdict(0);
  CHECK(ToStatus(receipt).ok());
}

}  // namespace cairn::chain
