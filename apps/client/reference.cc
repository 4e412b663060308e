#include "apps/client/reference.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cairn/base/status.h"
#include "cairn/storage/names.h"

namespace cairn::client {
namespace {

bool LowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// Messages never carry more of a hostile name than a line shows.
std::string Shown(absl::string_view text) {
  return text.size() <= 80 ? std::string(text) : absl::StrCat(text.substr(0, 77), "...");
}

// SimpleAtoi would take a sign and spaces as well.
bool ParseDigits(absl::string_view text, uint64_t& number) {
  return std::all_of(text.begin(), text.end(), absl::ascii_isdigit) && absl::SimpleAtoi(text, &number);
}

}  // namespace

std::string Reference::ToText() const { return absl::StrCat(kScheme, bucket, "/", key); }

Reference Reference::Child(absl::string_view name) const {
  Reference out = *this;
  if (!folder()) out.key += '/';
  out.key.append(name.data(), name.size());
  return out;
}

bool IsReference(absl::string_view text) { return absl::StartsWith(text, kScheme); }

absl::Status CheckBucketName(absl::string_view name) {
  bool sound = name.size() >= 3 && name.size() <= 63 && LowerOrDigit(name.front()) &&
               LowerOrDigit(name.back());
  for (char c : name) sound = sound && (LowerOrDigit(c) || c == '-' || c == '.');
  if (sound) return absl::OkStatus();
  return base::Error(
      absl::StatusCode::kInvalidArgument, "BAD_BUCKET_NAME",
      absl::StrCat("\"", Shown(name), "\" is no bucket name"),
      "use 3 to 63 characters a-z 0-9 - . that begin and end with a letter or digit");
}

absl::StatusOr<Reference> ParseReference(absl::string_view text) {
  absl::string_view rest = text;
  if (!absl::ConsumePrefix(&rest, kScheme)) {
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_REFERENCE",
                       absl::StrCat("\"", Shown(text), "\" is no reference"),
                       "write cairn://bucket/key");
  }
  Reference out;
  const size_t slash = rest.find('/');
  out.bucket = std::string(rest.substr(0, slash));
  if (slash != absl::string_view::npos) out.key = std::string(rest.substr(slash + 1));
  RETURN_IF_ERROR(CheckBucketName(out.bucket));
  absl::string_view name = out.key;
  absl::ConsumeSuffix(&name, "/");
  if (!out.key.empty()) RETURN_IF_ERROR(storage::CheckName(name));
  return out;
}

absl::StatusOr<base::ByteRange> ParseByteRange(absl::string_view text) {
  const size_t dash = text.find('-');
  uint64_t first = 0, last = UINT64_MAX;
  const bool sound = dash != absl::string_view::npos && ParseDigits(text.substr(0, dash), first) &&
                     (dash + 1 == text.size() || ParseDigits(text.substr(dash + 1), last)) &&
                     first <= last;
  if (!sound) {
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_RANGE",
                       absl::StrCat("\"", Shown(text), "\" is no range"),
                       "--range FIRST-LAST, counted from 0");
  }
  const uint64_t more = last - first;
  // 2^64 bytes are one more than a length can say; no object has as many.
  return base::ByteRange{first, more + (more < UINT64_MAX ? 1 : 0)};
}

std::string BaseName(absl::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  return std::string(slash == absl::string_view::npos ? path : path.substr(slash + 1));
}

}  // namespace cairn::client
