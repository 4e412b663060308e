#include "apps/storectl/results.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "apps/common/errors.h"
#include "cairn/base/status.h"

namespace cairn::storectl {

Json CostJson(const payment::Quote& quote) {
  Json out;
  out.Crn("lock", quote.lock)
      .Crn("bond", quote.bond)
      .Crn("fee", quote.fee)
      .Crn("total", quote.total)
      .Crn("per_month", quote.per_month);
  return out;
}

Json PutJson(const client::PutResult& result) {
  std::vector<std::string> missing;
  for (const client::MissingPart& part : result.missing) {
    missing.push_back(Json()
                          .Small("position", part.position)
                          .Text("provider", base::ToText(part.provider))
                          .Text("why", part.why)
                          .Done());
  }
  Json out;
  out.Text("ref", result.ref.ToText())
      .Text("object", result.object.ToHexString())
      .Text("content_id", result.content_id.ToText())
      .Number("version", result.version)
      .Number("size_bytes", result.size)
      .Number("stored_bytes", result.stored_size)
      .Text("state", result.durable ? "durable" : "available")
      .Small("parts", result.parts)
      .List("missing", missing)
      .Bool("resumed", result.resumed)
      .Number("sent_bytes", result.sent_bytes)
      .Small("transactions", result.transactions)
      .Raw("cost", CostJson(result.quote).Done());
  return out;
}

std::string PutText(const client::PutResult& result) {
  if (result.object.empty()) {
    return absl::StrCat(app::Printable(result.ref.ToText()), "  ", HumanBytes(result.size), "  would lock ",
                        Crn(result.quote.lock), ", bond ", Crn(result.quote.bond), ", fee ",
                        Crn(result.quote.fee), "; ", AboutCrn(result.quote.per_month), " a month\n");
  }
  return absl::StrCat(
      app::Printable(result.ref.ToText()), "  ", result.content_id.ToText(), "  ", HumanBytes(result.size), "  ",
      result.parts, " parts ", result.durable ? "durable" : "available",
      result.resumed ? "  (continued)" : "",
      result.quote.lock.zero() ? "" : absl::StrCat("  ", AboutCrn(result.quote.per_month), " a month"),
      "\n");
}

void Batch::Show(Json json, const std::string& text) {
  if (context_.format() == Format::kJsonl) {
    Json line;
    line.Text("type", "item").Raw("item", json.Done());
    context_.Print(line.Done() + "\n");
  } else if (context_.format() == Format::kJson) {
    items_.push_back(json.Done());
  } else if (!context_.globals.quiet) {
    items_.push_back(text);
  }
}

void Batch::Fail(const std::string& name, const absl::Status& status) {
  failures_.push_back(status);
  if (told_.size() < 20) told_.push_back(absl::StrCat(name, ": ", status.message()));
}

void Batch::Put(const absl::StatusOr<client::PutResult>& result, const std::string& name,
                client::WaitFor wait) {
  if (!result.ok()) return Fail(name, result.status());
  ++done_;
  bytes_ += result->size;
  transactions_ += result->transactions;
  if (const auto sum = cost_.Plus(result->quote.total)) cost_ = *sum;
  if (wait == client::WaitFor::kDurable && !result->durable && !result->object.empty()) {
    ++not_durable_;
    if (first_missing_.empty()) {
      first_missing_ = absl::StrJoin(
          result->missing, "; ", [](std::string* out, const client::MissingPart& part) {
            absl::StrAppend(out, "position ", part.position, " (", base::ToText(part.provider),
                            "): ", part.why);
          });
    }
  }
  Show(PutJson(*result), PutText(*result));
}

void Batch::Done(const std::string& name, uint64_t bytes, const absl::Status& status) {
  if (!status.ok()) return Fail(name, status);
  ++done_;
  bytes_ += bytes;
  Json json;
  json.Text("path", name).Number("size_bytes", bytes);
  Show(json, absl::StrCat(app::Printable(name), "  ", HumanBytes(bytes), "\n"));
}

void SaySpent(const Context& context) {
  base::Amount paid, fees;
  uint64_t bytes = 0;
  const std::vector<client::Spending> spent = context.Spent();
  for (const client::Spending& spending : spent) {
    paid = paid.Plus(spending.paid).value_or(paid);
    fees = fees.Plus(spending.open_fee).value_or(fees);
    bytes += spending.bytes;
  }
  if (spent.empty()) return;
  context.Say(absl::StrCat("paid ", Usdc(paid), " for ", HumanBytes(bytes), " over ", spent.size(),
                           spent.size() == 1 ? " channel" : " channels", ", ", Usdc(fees),
                           " for opening; they stay open: storectl channel ls"));
}

std::vector<std::string> SpentJson(const Context& context) {
  std::vector<std::string> out;
  for (const client::Spending& spending : context.Spent()) {
    out.push_back(Json()
                      .Text("channel", spending.channel.ToHexString())
                      .Text("provider", base::ToText(spending.provider))
                      .Number("bytes", spending.bytes)
                      .Usdc("paid", spending.paid)
                      .Usdc("open_fee", spending.open_fee)
                      .Done());
  }
  return out;
}

void ItemsAndSpent(const Context& context, absl::string_view name,
                   const std::vector<std::string>& items, const Table& table) {
  const std::vector<std::string> spent = SpentJson(context);
  if (spent.empty() || context.format() == Format::kCsv) return context.Items(name, items, table);
  if (context.format() == Format::kJson) {
    return context.Print(Json().List(name, items).List("spent", spent).Done() + "\n");
  }
  context.Items(name, items, table);
  if (context.text()) return SaySpent(context);
  context.Print(Json().List("spent", spent).Done() + "\n");
}

absl::Status Batch::Finish() {
  const size_t all = done_ + failures_.size();
  Json summary;
  summary.Number("done", done_)
      .Number("failed", failures_.size())
      .Number("bytes", bytes_)
      .Small("transactions", transactions_)
      .Number("not_durable", not_durable_)
      .Crn("cost", cost_);
  const std::vector<std::string> spent = SpentJson(context_);
  if (!spent.empty()) summary.List("spent", spent);
  if (context_.text()) SaySpent(context_);
  if (context_.format() == Format::kJsonl) {
    context_.Print(Json().Text("type", "summary").Raw("summary", summary.Done()).Done() + "\n");
  } else if (context_.format() == Format::kJson) {
    if (done_ > 0)
      context_.Print(Json().List("items", items_).Raw("summary", summary.Done()).Done() + "\n");
  } else if (items_.size() <= 20) {
    for (const std::string& item : items_) context_.Print(item);
  } else {
    context_.Print(absl::StrCat(done_, " files ", verb_, ", ", HumanBytes(bytes_), ", ",
                                transactions_, " transactions\n"));
  }
  if (all == 1 && failures_.size() == 1) return failures_.front();
  for (const std::string& line : told_) context_.Say(line);
  if (!failures_.empty()) {
    if (app::ExitOf(failures_.front()) == app::Exit::kInterrupted) return failures_.front();
    const bool same =
        std::all_of(failures_.begin(), failures_.end(), [&](const absl::Status& status) {
          return base::ReasonOf(status) == base::ReasonOf(failures_.front());
        });
    if (done_ == 0 && same) return failures_.front();
    return base::Error(absl::StatusCode::kUnknown, "PARTIAL",
                       absl::StrCat(failures_.size(), " of ", all, " failed"),
                       "run the same command again",
                       {{"first", std::string(failures_.front().message())}});
  }
  if (not_durable_ == 0) return absl::OkStatus();
  return base::Error(absl::StatusCode::kUnknown, "PARTIAL",
                     absl::StrCat(not_durable_, " of ", all, " are available but not durable yet"),
                     "storectl provider replace-holder, or put again later",
                     {{"missing", first_missing_}});
}

}  // namespace cairn::storectl
