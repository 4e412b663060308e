#include "cairn/base/status.h"

#include <optional>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "cairn/base/codec.h"

namespace cairn::base {
namespace {

constexpr char kPayloadUrl[] = "cairn.dev/error";

absl::Cord Encode(absl::string_view reason, absl::string_view hint, const Evidence& evidence) {
  Writer writer;
  writer.Var(reason);
  writer.Var(hint);
  writer.U32(static_cast<uint32_t>(evidence.size()));
  for (const auto& [key, value] : evidence) {
    writer.Var(key);
    writer.Var(value);
  }
  return absl::Cord(AsText(writer.view()));
}

std::optional<ErrorDetail> Decode(const absl::Cord& payload) {
  const std::string text(payload);
  Reader reader(AsBytes(text));
  ErrorDetail detail;
  detail.reason = reader.Text(text.size());
  detail.hint = reader.Text(text.size());
  const uint32_t count = reader.U32();
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    std::string key = reader.Text(text.size());
    std::string value = reader.Text(text.size());
    detail.evidence.emplace_back(std::move(key), std::move(value));
  }
  if (!reader.Finish().ok()) return std::nullopt;
  return detail;
}

}  // namespace

absl::Status Error(absl::StatusCode code, absl::string_view reason, absl::string_view message,
                   absl::string_view hint, Evidence evidence) {
  absl::Status status(code, message);
  status.SetPayload(kPayloadUrl, Encode(reason, hint, evidence));
  return status;
}

ErrorDetail DetailOf(const absl::Status& status) {
  if (auto payload = status.GetPayload(kPayloadUrl)) {
    if (auto detail = Decode(*payload)) return *std::move(detail);
  }
  return {.reason = absl::StatusCodeToString(status.code()), .hint = "", .evidence = {}};
}

absl::Status Annotate(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(), absl::StrCat(context, ": ", status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    annotated.SetPayload(url, payload);
  });
  return annotated;
}

}  // namespace cairn::base
