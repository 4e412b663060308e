// Statements as files: what one side writes the other one reads, and a difference is named down to its voucher.
#include "apps/client/statement.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "cairn/base/status.h"
#include "catch.h"
#include "payment/channel_rig.h"

namespace cairn::client {
namespace {

// Three vouchers of one channel: eight ticks, five ticks, none.
struct Written {
  payment::Ends ends;
  payment::ChannelFacts facts = ends.Facts();
  Statement lines{Under(0, 8), Under(8 * base::kTickBytes, 5), Under(13 * base::kTickBytes + 77, 0)};

  base::Claim Under(uint64_t opened_at, uint32_t ticks) {
    const base::Voucher voucher = ends.Voucher(facts, opened_at, ticks);
    if (ticks == 0) return base::ClaimOf(voucher);
    return {voucher, ticks, payment::Ends::Chain(voucher).At(ticks)};
  }
};

std::string ReasonOf(const std::string& text) { return base::ReasonOf(ParseStatement(text).status()); }

// The text with the first `from` at or after voucher 1 replaced.
std::string Changed(std::string text, const std::string& from, const std::string& to) {
  const size_t second = text.find("\n1,") != std::string::npos ? text.find("\n1,") : text.find("\"number\":\"1\"");
  const size_t at = text.find(from, second);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST_CASE("a statement is read back from its CSV and its JSON, and both sides write the same [CD-09][JS-15]") {
  const Written w;
  for (const std::string& text : {StatementCsv(w.lines), StatementJson(w.lines)}) {
    const auto read = ParseStatement(text);
    INFO(text << "\n" << read.status().ToString());
    REQUIRE(read.ok());
    CHECK(*read == w.lines);
    CHECK(CompareStatements(*read, w.lines).ok());
  }
  const std::vector<std::string> rows = absl::StrSplit(StatementCsv(w.lines), '\n');
  REQUIRE(rows.size() == 5);
  CHECK(rows[0] == "number,epoch,rate,opened_at_bytes,ticks,bytes,amount,claim");
  // 13 ticks of 65,536 bytes at 160 units for 2^20 bytes.
  const std::string epoch = w.lines[1].voucher.epoch.ToHexString();
  CHECK(absl::StartsWith(rows[2], absl::StrCat("1,", epoch, ",160000000000000000000,524288,5,851968,0.00013,")));
  CHECK(StatementCsv({}) == rows[0] + "\n");
  CHECK(ParseStatement(StatementCsv({})).value().empty());
  CHECK(ParseStatement(StatementJson({})).value().empty());
}

TEST_CASE("JSON that was laid out again and CSV of another system's line ends are the same statement") {
  const Written w;
  const std::string spread =
      absl::StrReplaceAll(StatementJson(w.lines), {{",", " ,\n\t"}, {":", " : "}, {"{", "{\n"}});
  CHECK(*ParseStatement(spread) == w.lines);
  CHECK(*ParseStatement(absl::StrReplaceAll(StatementCsv(w.lines), {{"\n", "\r\n"}})) == w.lines);
}

TEST_CASE("a line that says something else than its claim is refused with its number") {
  const Written w;
  const std::string csv = StatementCsv(w.lines), json = StatementJson(w.lines);
  for (const std::string& text : {Changed(csv, "851968", "851969"), Changed(csv, "0.00013", "0.00012"),
                                  Changed(csv, "524288", "524289"), Changed(csv, "\n1,", "\n2,"),
                                  Changed(json, "851968", "851969"), Changed(json, "0.00013", "0.00012"),
                                  Changed(json, "usdc", "crn"), Changed(json, "\"ticks\":5", "\"ticks\":6"),
                                  Changed(json, "claim", "clain"), Changed(json, "},{", "}{"),
                                  Changed(csv, base::ToHex(base::EncodeClaim(w.lines[1])), "00"),
                                  Changed(csv, ",160", ",1 60")}) {
    const auto read = ParseStatement(text);
    INFO(text << "\n" << read.status().ToString());
    CHECK(base::ReasonOf(read.status()) == "BAD_STATEMENT");
    CHECK(absl::StrContains(read.status().message(), "voucher "));
  }
}

TEST_CASE("what is no statement is refused, however long it is") {
  const Written w;
  const std::string csv = StatementCsv(w.lines), json = StatementJson(w.lines);
  for (const std::string& text : std::vector<std::string>{
           "", "\n", "{", "{}", "[]", "{\"vouchers\":[", "{\"vouchers\":[,]}", "{\"vouchers\":[{}]}", "a,b,c",
           csv.substr(csv.find('\n') + 1), csv + csv, json + json, csv + "3", json.substr(0, json.size() - 1),
           csv.substr(0, csv.size() - 2)}) {
    INFO(text);
    CHECK(ReasonOf(text) == "BAD_STATEMENT");
  }
  CHECK(ReasonOf(std::string(kMaxStatementText + 1, ' ')) == "BAD_STATEMENT");
  CHECK(ReasonOf("{\"vouchers\":[" + std::string(1 << 20, '[') + "]}") == "BAD_STATEMENT");
}

TEST_CASE("the first voucher that differs is named with both sides of it, also where one side ends [JS-15]") {
  const Written w;
  Statement other = w.lines;
  other[1].tick = 4;
  other[1].preimage = payment::Ends::Chain(other[1].voucher).At(4);
  CHECK(FirstDifference(w.lines, other) == 1);
  const absl::Status differ = CompareStatements(w.lines, other);
  CHECK(absl::IsDataLoss(differ));
  CHECK(base::ReasonOf(differ) == "STATEMENTS_DIFFER");
  const base::ErrorDetail detail = base::DetailOf(differ);
  const base::Evidence expected{
      {"voucher", "1"},
      {"ours", absl::StrCat("epoch ", w.lines[1].voucher.epoch.ToHexString(), ", 5 ticks, 851968 bytes, 0.00013 usdc")},
      {"theirs", absl::StrCat("epoch ", w.lines[1].voucher.epoch.ToHexString(), ", 4 ticks, 786432 bytes, 0.00012 usdc")}};
  CHECK(detail.evidence == expected);
  const Statement shorter{w.lines.begin(), w.lines.end() - 1};
  CHECK(FirstDifference(shorter, w.lines) == 2);
  CHECK(base::DetailOf(CompareStatements(shorter, w.lines)).evidence[1].second == "no such voucher");
  CHECK_FALSE(FirstDifference(w.lines, w.lines).has_value());
  CHECK(CompareStatements({}, {}).ok());
}

TEST_CASE("a statement that somebody else signed, or for another channel, is forged; what the deposit covers does not "
          "matter [CD-40][JS-15]") {
  Written w;
  CHECK(CheckStatement(w.facts, w.lines).ok());
  payment::ChannelFacts drained = w.facts;
  drained.deposit = base::Amount();
  CHECK(CheckStatement(drained, w.lines).ok());
  payment::ChannelFacts another = w.ends.Facts();
  CHECK(base::ReasonOf(CheckStatement(another, w.lines)) == "FORGED_CLAIM");
  payment::ChannelFacts stranger = w.facts;
  stranger.signer = w.ends.payee_key.public_key();
  CHECK(base::ReasonOf(CheckStatement(stranger, w.lines)) == "FORGED_CLAIM");
  w.lines[1].tick = 4;  // with the preimage of five
  const absl::Status forged = CheckStatement(w.facts, w.lines);
  CHECK(base::ReasonOf(forged) == "FORGED_CLAIM");
  CHECK(absl::StrContains(forged.message(), "voucher 1"));
}

}  // namespace
}  // namespace cairn::client
