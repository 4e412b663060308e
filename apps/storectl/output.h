// What commands print: aligned text, or JSON with stable snake_case names, 64-bit numbers and money
// as strings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cairn/base/amount.h"

namespace cairn::storectl {

// An object under construction; fields in the order added.
class Json {
 public:
  Json& Text(absl::string_view name, absl::string_view value);
  Json& Number(absl::string_view name, uint64_t value);  // a string, as proto3 JSON writes 64 bits
  Json& Small(absl::string_view name, int64_t value);    // up to 32 bits
  Json& Real(absl::string_view name, double value);
  Json& Bool(absl::string_view name, bool value);
  Json& Time(absl::string_view name, absl::Time value);   // RFC 3339, UTC
  Json& Crn(absl::string_view name, base::Amount value);  // {"amount": "1.5", "asset": "crn"}
  Json& Raw(absl::string_view name, absl::string_view json);
  Json& List(absl::string_view name, const std::vector<std::string>& values);  // of JSON texts
  Json& Texts(absl::string_view name, const std::vector<std::string>& values);
  std::string Done() const { return "{" + text_ + "}"; }

 private:
  void Name(absl::string_view name);
  std::string text_;
};
std::string JsonList(const std::vector<std::string>& values);

// Columns padded to their widest cell; numbers right-aligned by choice of the caller.
class Table {
 public:
  explicit Table(std::vector<std::string> header, std::vector<bool> right = {});
  void Row(std::vector<std::string> cells);
  // `header` false: rows alone (not a terminal).
  std::string Done(bool header) const;
  // Comma-separated, header first; a cell with a comma, quote or line feed is quoted.
  std::string Csv() const;
  bool empty() const { return rows_.empty(); }

 private:
  std::vector<std::string> header_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

std::string HumanBytes(uint64_t bytes);              // base 10: "1.56 GB"
std::string HumanDuration(absl::Duration duration);  // "1 min 5 s"
std::string HumanTime(absl::Time time);              // local, to the minute
std::string Crn(base::Amount amount);                // "1.5 crn", to the unit
std::string AboutCrn(base::Amount amount);           // rounded to six digits: for rates, not sums
std::string Rfc3339(absl::Time time);

}  // namespace cairn::storectl
