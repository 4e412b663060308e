// bill: what was read of your buckets, who paid for it, and whether providers wrote down the truth.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "apps/client/bill.h"
#include "apps/client/buckets.h"
#include "apps/client/reference.h"
#include "apps/storectl/commands.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/payment/quota.h"

namespace cairn::storectl {
namespace {

namespace pb = chain::pb;

struct Flags {
  std::string bucket;
  std::string month;
  bool reads = false;
};

struct BucketBill {
  pb::Bucket record;
  client::PackageFee package;
  std::vector<client::ProviderReads> providers;
};

absl::StatusOr<int64_t> MonthAsked(const std::string& text, absl::Time now) {
  if (text.empty()) return payment::MonthOf(now);
  absl::CivilMonth month;
  if (absl::ParseCivilTime(text, &month)) return month - absl::CivilMonth(1970, 1);
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_MONTH", absl::StrCat("\"", text, "\" is no month"),
                     "--month 2026-11");
}

std::string MonthText(int64_t month) { return absl::FormatCivilTime(absl::CivilMonth(1970, 1) + month); }

// Everybody who may have served the group's objects.
std::vector<base::AccountId> ProvidersOf(const pb::Group& group) {
  std::vector<base::AccountId> out;
  const auto add = [&](const std::string& field) {
    const base::AccountId id = chain::AccountOf(field);
    if (!field.empty() && std::find(out.begin(), out.end(), id) == out.end()) out.push_back(id);
  };
  add(group.primary());
  for (const pb::GroupPosition& position : group.positions()) {
    add(position.provider());
    add(position.previous_provider());
  }
  return out;
}

absl::StatusOr<BucketBill> Collect(client::Client& client, const pb::Bucket& record, const Flags& flags, int64_t month) {
  BucketBill bill;
  bill.record = record;
  ASSIGN_OR_RETURN(pb::Group group, client.Group(record.group()));
  const std::vector<base::AccountId> providers = ProvidersOf(group);
  bill.providers.resize(providers.size());
  std::vector<std::function<void()>> tasks;
  for (size_t i = 0; i < providers.size(); ++i) {
    tasks.push_back([&, i] {
      bill.providers[i] = client::AuditProvider(client, record, group, providers[i], {month, flags.reads});
    });
  }
  client.RunAll(std::move(tasks));
  const absl::Time from = absl::FromCivil(absl::CivilMonth(1970, 1) + month, absl::UTCTimeZone());
  ASSIGN_OR_RETURN(bill.package, client::CountPackage(client, record, from, payment::EndOfMonth(month)));
  return bill;
}

payment::ReadMonth MonthIn(const client::ProviderReads& reads, int64_t month) {
  const auto found = reads.months.find(month);
  return found == reads.months.end() ? payment::ReadMonth() : found->second;
}

Json& AddSums(const payment::ReadMonth& sums, Json& json) {
  return json.Number("reads", sums.records)
      .Number("bytes", sums.sent)
      .Number("free_bytes", sums.free_bytes)
      .Number("package_bytes", sums.package_bytes)
      .Number("channel_bytes", sums.channel_bytes)
      .Number("unpaid_bytes", sums.unpaid_bytes);
}

std::string RecordJson(const payment::ReadRecord& record) {
  Json json;
  json.Number("record", record.sequence)
      .Time("time", absl::FromUnixMillis(static_cast<int64_t>(record.time_ms)))
      .Text("object", record.object.ToHexString())
      .Text("part", record.part.ToText())
      .Number("offset", record.offset)
      .Number("length", record.length)
      .Number("sent", record.sent)
      .Small("weight", record.weight)
      .Text("paid_by", payment::Name(record.payer))
      .Number("free_bytes", record.free_bytes)
      .Number("package_bytes", record.package_bytes)
      .Text("channel", base::ToHex(base::AsBytes(record.channel)))
      .Text("reader", record.call.has_value() ? base::ToText(record.call->reader.Account()) : "");
  return json.Done();
}

std::string FindingJson(const payment::ReadFinding& finding) {
  Json json;
  json.Text("fault", payment::Name(finding.fault))
      .Number("record", finding.sequence)
      .Text("why", payment::Explain(finding.fault))
      .Text("detail", finding.detail);
  return json.Done();
}

std::string ProviderJson(const client::ProviderReads& reads, int64_t month, bool with_reads) {
  Json json;
  json.Text("provider", base::ToText(reads.provider)).Text("endpoint", reads.endpoint).Bool("answers", reads.answer.ok());
  if (!reads.answer.ok()) json.Text("why", reads.answer.message());
  AddSums(MonthIn(reads, month), json);
  json.Number("records", reads.sequence)
      .Number("dropped_records", reads.start)
      .Number("anchored_records", reads.anchored)
      .Number("quota_free_bytes", reads.free_bytes)
      .Number("quota_free_used", reads.free_used)
      .Number("quota_package_bytes", reads.package_bytes)
      .Number("quota_package_used", reads.package_used)
      .Number("faults", reads.faults);
  std::vector<std::string> findings, records;
  for (const payment::ReadFinding& finding : reads.findings) findings.push_back(FindingJson(finding));
  json.List("findings", findings);
  if (with_reads) {
    for (const payment::ReadRecord& record : reads.records) records.push_back(RecordJson(record));
    json.List("records_read", records);
  }
  return json.Done();
}

std::string PeriodJson(const client::PackagePeriod& period) {
  Json json;
  json.Number("from_second", period.from)
      .Number("to_second", period.to)
      .Number("bytes_per_month", period.bytes_per_month)
      .Crn("rate", period.rate)
      .Crn("fee", period.fee);
  return json.Done();
}

std::string BucketJson(const BucketBill& bill, int64_t month, bool with_reads) {
  Json json;
  const std::string& payer = bill.record.payer().empty() ? bill.record.owner() : bill.record.payer();
  json.Text("bucket", bill.record.name())
      .Number("id", bill.record.id())
      .Text("month", MonthText(month))
      .Text("payer", base::ToText(chain::AccountOf(payer)))
      .Crn("package_fee", bill.package.fee)
      .Bool("package_fee_complete", bill.package.complete);
  std::vector<std::string> periods, providers;
  for (const client::PackagePeriod& period : bill.package.periods) periods.push_back(PeriodJson(period));
  json.List("package_periods", periods);
  payment::ReadMonth sums;
  for (const client::ProviderReads& reads : bill.providers) {
    const payment::ReadMonth one = MonthIn(reads, month);
    sums.records += one.records;
    sums.sent += one.sent;
    sums.free_bytes += one.free_bytes;
    sums.package_bytes += one.package_bytes;
    sums.channel_bytes += one.channel_bytes;
    sums.unpaid_bytes += one.unpaid_bytes;
    providers.push_back(ProviderJson(reads, month, with_reads));
  }
  return AddSums(sums, json).List("providers", providers).Done();
}

std::string StateText(const client::ProviderReads& reads) {
  if (!reads.answer.ok()) return absl::StrCat("no answer: ", reads.answer.message());
  return reads.faults == 0 ? "agrees" : absl::StrCat(reads.faults, " findings");
}

Table SumsTable(const std::vector<BucketBill>& bills, int64_t month) {
  Table table({"BUCKET", "PROVIDER", "READS", "BYTES", "FREE", "PACKAGE", "CHANNEL", "UNPAID", "ANCHORED", "JOURNAL"},
              {false, false, true, true, true, true, true, true, true, false});
  for (const BucketBill& bill : bills) {
    for (const client::ProviderReads& reads : bill.providers) {
      const payment::ReadMonth sums = MonthIn(reads, month);
      table.Row({bill.record.name(), base::ToText(reads.provider), absl::StrCat(sums.records), absl::StrCat(sums.sent),
                 absl::StrCat(sums.free_bytes), absl::StrCat(sums.package_bytes), absl::StrCat(sums.channel_bytes),
                 absl::StrCat(sums.unpaid_bytes), absl::StrCat(reads.anchored, "/", reads.sequence), StateText(reads)});
    }
  }
  return table;
}

Table ReadsTable(const std::vector<BucketBill>& bills) {
  Table table({"BUCKET", "PROVIDER", "RECORD", "TIME", "OBJECT", "OFFSET", "SENT", "PAID BY", "FREE", "PACKAGE", "READER"},
              {false, false, true, false, false, true, true, false, true, true, false});
  for (const BucketBill& bill : bills) {
    for (const client::ProviderReads& reads : bill.providers) {
      for (const payment::ReadRecord& record : reads.records) {
        table.Row({bill.record.name(), base::ToText(reads.provider), absl::StrCat(record.sequence),
                   Rfc3339(absl::FromUnixMillis(static_cast<int64_t>(record.time_ms))), record.object.ToHexString(),
                   absl::StrCat(record.offset), absl::StrCat(record.sent), std::string(payment::Name(record.payer)),
                   absl::StrCat(record.free_bytes), absl::StrCat(record.package_bytes),
                   record.call.has_value() ? base::ToText(record.call->reader.Account()) : "nobody signed"});
      }
    }
  }
  return table;
}

// The status of the whole: what providers wrote down wrongly comes before who did not answer.
absl::Status Judge(Context& context, const std::vector<BucketBill>& bills) {
  uint64_t faults = 0, silent = 0;
  std::string first;
  for (const BucketBill& bill : bills) {
    if (!bill.package.fee.zero())
      context.Say(absl::StrCat(bill.record.name(), ": the package cost ", Crn(bill.package.fee)));
    for (const client::ProviderReads& reads : bill.providers) {
      faults += reads.faults;
      if (!reads.answer.ok()) ++silent;
      for (const payment::ReadFinding& finding : reads.findings) {
        const std::string text =
            absl::StrCat(bill.record.name(), " ", base::ToText(reads.provider), " record ", finding.sequence, ": ",
                         payment::Name(finding.fault), ", ", payment::Explain(finding.fault),
                         finding.detail.empty() ? "" : absl::StrCat(" (", finding.detail, ")"));
        context.Say(text);
        if (first.empty()) first = text;
      }
    }
  }
  if (faults != 0) {
    return base::Error(absl::StatusCode::kDataLoss, "JOURNAL_FORGED",
                       absl::StrCat(faults, " records or sums do not agree, the first: ", first),
                       "keep the output as evidence; `storectl provider replace-primary` leaves a provider");
  }
  if (silent == 0) return absl::OkStatus();
  return base::Error(absl::StatusCode::kUnknown, "PARTIAL", absl::StrCat(silent, " providers did not answer"),
                     "run the command again when they do");
}

absl::Status Bill(Context& context, const Flags& flags) {
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  RETURN_IF_ERROR(client->ReadClock());
  ASSIGN_OR_RETURN(const int64_t month, MonthAsked(flags.month, client->LedgerTime()));
  std::vector<pb::Bucket> buckets;
  if (flags.bucket.empty()) {
    ASSIGN_OR_RETURN(buckets, client::ListBuckets(*client));
  } else {
    std::string name = flags.bucket;
    if (client::IsReference(name)) {
      ASSIGN_OR_RETURN(client::Reference ref, client::ParseReference(name));
      name = ref.bucket;
    }
    ASSIGN_OR_RETURN(pb::Bucket record, client::FindBucket(*client, name));
    buckets.push_back(std::move(record));
  }
  std::vector<BucketBill> bills;
  std::vector<std::string> items;
  for (const pb::Bucket& bucket : buckets) {
    ASSIGN_OR_RETURN(BucketBill bill, Collect(*client, bucket, flags, month));
    items.push_back(BucketJson(bill, month, flags.reads));
    bills.push_back(std::move(bill));
  }
  context.Items("buckets", items, flags.reads ? ReadsTable(bills) : SumsTable(bills, month));
  return Judge(context, bills);
}

}  // namespace

void AddBillCommands(CLI::App& app, Context& context) {
  auto flags = std::make_shared<Flags>();
  CLI::App* bill = app.add_subcommand("bill", "what was read of your buckets, who paid, and whether journals are true");
  bill->add_option("bucket", flags->bucket, "one bucket; all of yours when not given");
  bill->add_option("--month", flags->month, "YYYY-MM, UTC; this month when not given");
  bill->add_flag("--reads", flags->reads, "every read of the month");
  bill->callback([&context, flags] { context.action = [&context, flags] { return Bill(context, *flags); }; });
}

}  // namespace cairn::storectl
