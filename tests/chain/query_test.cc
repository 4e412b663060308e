// Lists: their pages have bounds of number and size, and add up.
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "catch.h"
#include "support/ledger_harness.h"

namespace cairn::chain {
namespace {

std::vector<pb::QueryResponse> Pages(LedgerHarness& h, pb::QueryRequest request) {
  std::vector<pb::QueryResponse> pages;
  do {
    pages.push_back(h.Ask(request));
    request.mutable_page()->set_cursor(pages.back().next_cursor());
  } while (!request.page().cursor().empty());
  return pages;
}

}  // namespace

TEST_CASE("a page has so many entries as asked for, and 100 when nothing is said") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  for (int batch = 0; batch < 5; ++batch) {
    std::vector<Upload> uploads;
    for (int i = 0; i < 240; ++i) uploads.push_back({.name = absl::StrCat("n", batch, "-", i), .size = 1});
    h.Do("alice", h.Create(bucket, uploads));
  }
  pb::QueryRequest list;
  list.mutable_objects()->set_bucket(bucket);
  list.mutable_objects()->set_pending(true);
  for (const auto& [limit, sizes] : std::map<uint32_t, std::vector<int>>{
           {0, std::vector<int>(12, 100)}, {600, {600, 600}}, {700, {700, 500}}}) {
    list.mutable_page()->set_limit(limit);
    std::vector<int> found;
    std::set<std::string> names;
    for (const pb::QueryResponse& page : Pages(h, list)) {
      found.push_back(page.objects_size());
      for (const pb::Object& object : page.objects()) names.insert(object.name());
    }
    CHECK(found == sizes);
    CHECK(names.size() == 1'200);
  }
}

TEST_CASE("a page ends early rather than outgrow a message, proofs included") {
  LedgerHarness h;
  const uint64_t bucket = h.Bucket("replicate:3");
  for (int batch = 0; batch < 2; ++batch) {
    std::vector<Upload> uploads;
    for (int i = 0; i < 200; ++i) {
      uploads.push_back({.name = absl::StrCat(batch, "-", i, std::string(4'000, 'n')), .size = 1});
    }
    h.Do("alice", h.Create(bucket, uploads));
  }
  pb::QueryRequest list;
  list.mutable_objects()->set_bucket(bucket);
  list.mutable_objects()->set_pending(true);
  list.mutable_page()->set_limit(1'000);
  list.set_prove(true);
  int found = 0;
  for (const pb::QueryResponse& page : Pages(h, list)) {
    CHECK(page.ByteSizeLong() < size_t{4} << 20);
    CHECK(page.objects_size() > 0);
    found += page.objects_size();
  }
  CHECK(found == 400);
}

TEST_CASE("payment accounts come in pages by their numbers, and a group tells of its own positions only") {
  LedgerHarness h;
  h.Bucket("replicate:3");
  pb::Operation account;
  account.mutable_create_payment_account();
  for (int i = 0; i < 5; ++i) h.Do("alice", account);
  pb::QueryRequest request;
  request.set_payment_accounts_of(h.Field("alice"));
  request.mutable_page()->set_limit(2);
  std::vector<uint64_t> numbers;
  for (const pb::QueryResponse& page : Pages(h, request)) {
    CHECK(page.payment_accounts_size() <= 2);
    for (const pb::PaymentAccount& found : page.payment_accounts()) numbers.push_back(found.number());
  }
  CHECK(numbers == std::vector<uint64_t>{0, 1, 2, 3, 4});

  request.Clear();
  request.mutable_group_objects()->set_group(1);
  request.mutable_group_objects()->set_missing_position(2);
  CHECK(h.engine().Query(request).ok());
  request.mutable_group_objects()->set_missing_position(3);
  CHECK(base::ReasonOf(h.engine().Query(request).status()) == "BAD_QUERY");
}

}  // namespace cairn::chain
