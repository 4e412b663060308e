#include "apps/storectl/output.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "apps/common/errors.h"

namespace cairn::storectl {

void Json::Name(absl::string_view name) {
  if (!text_.empty()) text_ += ',';
  absl::StrAppend(&text_, app::JsonQuote(name), ":");
}
Json& Json::Text(absl::string_view name, absl::string_view value) {
  return Raw(name, app::JsonQuote(value));
}
Json& Json::Number(absl::string_view name, uint64_t value) {
  return Raw(name, absl::StrCat("\"", value, "\""));
}
Json& Json::Small(absl::string_view name, int64_t value) { return Raw(name, absl::StrCat(value)); }
Json& Json::Real(absl::string_view name, double value) {
  return Raw(name, absl::StrFormat("%.6g", value));
}
Json& Json::Bool(absl::string_view name, bool value) { return Raw(name, value ? "true" : "false"); }
Json& Json::Time(absl::string_view name, absl::Time value) { return Text(name, Rfc3339(value)); }
Json& Json::Crn(absl::string_view name, base::Amount value) {
  return Raw(
      name, Json().Text("amount", value.ToDecimal(base::kCrnDecimals)).Text("asset", "crn").Done());
}
Json& Json::Raw(absl::string_view name, absl::string_view json) {
  Name(name);
  absl::StrAppend(&text_, json);
  return *this;
}
Json& Json::List(absl::string_view name, const std::vector<std::string>& values) {
  return Raw(name, JsonList(values));
}
Json& Json::Texts(absl::string_view name, const std::vector<std::string>& values) {
  std::vector<std::string> quoted;
  for (const std::string& value : values) quoted.push_back(app::JsonQuote(value));
  return List(name, quoted);
}

std::string JsonList(const std::vector<std::string>& values) {
  return absl::StrCat("[", absl::StrJoin(values, ","), "]");
}

Table::Table(std::vector<std::string> header, std::vector<bool> right)
    : header_(std::move(header)), right_(std::move(right)) {
  right_.resize(header_.size());
}

void Table::Row(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = app::Printable(cell);
  cells.resize(header_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::Done(bool header) const {
  std::vector<const std::vector<std::string>*> lines;
  if (header) lines.push_back(&header_);
  for (const auto& row : rows_) lines.push_back(&row);
  std::vector<size_t> widths(header_.size());
  for (const auto* line : lines) {
    for (size_t i = 0; i < line->size(); ++i) widths[i] = std::max(widths[i], (*line)[i].size());
  }
  std::string out;
  for (const auto* line : lines) {
    std::string text;
    for (size_t i = 0; i < line->size(); ++i) {
      const std::string pad(widths[i] - (*line)[i].size(), ' ');
      if (i > 0) text += "  ";
      text += right_[i] ? pad + (*line)[i] : (*line)[i] + pad;
    }
    while (!text.empty() && text.back() == ' ') text.pop_back();
    out += text + "\n";
  }
  return out;
}

std::string Table::Csv() const {
  const auto line = [](const std::vector<std::string>& cells) {
    return absl::StrCat(absl::StrJoin(cells, ",",
                                      [](std::string* out, const std::string& cell) {
                                        if (cell.find_first_of(",\"\n\r") == std::string::npos) {
                                          *out += cell;
                                        } else {
                                          absl::StrAppend(out, "\"", absl::StrReplaceAll(cell, {{"\"", "\"\""}}), "\"");
                                        }
                                      }),
                        "\r\n");
  };
  std::string out = line(header_);
  for (const auto& row : rows_) out += line(row);
  return out;
}

std::string HumanBytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 999.5 && unit < 6) {
    value /= 1000;
    ++unit;
  }
  if (unit == 0) return absl::StrCat(bytes, " B");
  return absl::StrFormat(value < 9.995   ? "%.2f %s"
                         : value < 99.95 ? "%.1f %s"
                                         : "%.0f %s",
                         value, kUnits[unit]);
}

std::string HumanDuration(absl::Duration duration) {
  const int64_t seconds = absl::ToInt64Seconds(duration);
  if (seconds < 60) return absl::StrCat(seconds, " s");
  if (seconds < 3600) return absl::StrCat(seconds / 60, " min ", seconds % 60, " s");
  return absl::StrCat(seconds / 3600, " h ", seconds % 3600 / 60, " min");
}

std::string HumanTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M", time, absl::LocalTimeZone());
}
std::string AboutCrn(base::Amount amount) {
  absl::uint128 scale = 1;
  while (amount.units() / scale >= 1'000'000) scale *= 10;
  const auto up = amount.Plus(base::Amount(scale / 2)).value_or(amount);
  return Crn(base::Amount(up.units() / scale * scale));
}
std::string Crn(base::Amount amount) { return amount.ToDecimal(base::kCrnDecimals) + " crn"; }
std::string Rfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

}  // namespace cairn::storectl
