// What the commands on files share: how results of puts and gets are shown.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "apps/client/put.h"
#include "apps/storectl/context.h"

namespace cairn::storectl {

Json CostJson(const payment::Quote& quote);
Json PutJson(const client::PutResult& result);
std::string PutText(const client::PutResult& result);

// What a command paid holders for its reads: for people on stderr, nothing when nothing was paid.
void SaySpent(const Context& context);
// The same for programs: one entry a channel.
std::vector<std::string> SpentJson(const Context& context);
// Context::Items of a command that may have paid: with "spent" beside the items when it did.
void ItemsAndSpent(const Context& context, absl::string_view name,
                   const std::vector<std::string>& items, const Table& table);

// One command's many items: shown as they come under jsonl, together otherwise, failures on stderr.
// Finish gives the status of the whole: OK, or PARTIAL (exit 3) when some failed, or the error when
// the only one did.
class Batch {
 public:
  Batch(const Context& context, absl::string_view verb) : context_(context), verb_(verb) {}
  void Put(const absl::StatusOr<client::PutResult>& result, const std::string& name,
           client::WaitFor wait);
  void Done(const std::string& name, uint64_t bytes, const absl::Status& status);
  void Transactions(uint32_t count) { transactions_ += count; }
  absl::Status Finish();

 private:
  void Fail(const std::string& name, const absl::Status& status);
  void Show(Json json, const std::string& text);

  const Context& context_;
  const std::string verb_;
  std::vector<std::string> items_;
  std::vector<absl::Status> failures_;
  std::vector<std::string> told_;  // what failed first, for people
  size_t not_durable_ = 0;
  size_t done_ = 0;
  uint64_t bytes_ = 0;
  uint32_t transactions_ = 0;
  base::Amount cost_;
  std::string first_missing_;
};

}  // namespace cairn::storectl
