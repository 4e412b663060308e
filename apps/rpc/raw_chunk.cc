#include "apps/rpc/raw_chunk.h"

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::rpc {
namespace {

constexpr char kHeaderTag = 0x0a;  // field 1, length-delimited
constexpr char kDataTag = 0x12;    // field 2, length-delimited

absl::Status Malformed(absl::string_view why) {
  return base::Error(absl::StatusCode::kInvalidArgument, "MALFORMED",
                     absl::StrCat("a bulk message ", why),
                     "send { header = 1; data = 2 } with at most 2 MiB of data");
}

void AppendVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

// A minimal varint at the front of `wire`, at most 2^32. False when there is none.
bool TakeVarint(absl::Cord& wire, uint64_t& value) {
  value = 0;
  size_t used = 0;
  for (char c : wire.Chars()) {
    auto byte = static_cast<unsigned char>(c);
    value |= static_cast<uint64_t>(byte & 0x7f) << (7 * used);
    ++used;
    if (byte < 0x80) {
      // One encoding for one length, as everywhere.
      bool minimal = used == 1 || byte != 0;
      wire.RemovePrefix(used);
      return minimal;
    }
    if (used == 5) return false;
  }
  return false;
}

}  // namespace

absl::Cord CordOf(base::Bytes bytes) {
  auto owned = std::make_shared<const base::Bytes>(std::move(bytes));
  absl::string_view view = base::AsText(*owned);
  if (view.empty()) return absl::Cord();
  return absl::MakeCordFromExternal(view, [owned] {});
}

absl::Status DecodeRaw(const absl::Cord& wire, RawMessage* out) {
  *out = RawMessage();
  bool has_data = false;
  absl::Cord rest = wire;
  while (!rest.empty()) {
    char tag = *rest.char_begin();
    rest.RemovePrefix(1);
    uint64_t size = 0;
    if (tag != kHeaderTag && tag != kDataTag) return Malformed("with an unknown field");
    if (!TakeVarint(rest, size)) return Malformed("with a bad length");
    bool header = tag == kHeaderTag;
    if (size > (header ? kMaxRawHeaderBytes : kMaxRawDataBytes))
      return Malformed("whose field is too long");
    if (size > rest.size()) return Malformed("that ends early");
    if (header ? out->has_header || has_data : has_data)
      return Malformed("whose fields are repeated or out of order");
    absl::Cord field = rest.Subcord(0, size);
    rest.RemovePrefix(size);
    if (header) {
      out->header = std::string(field);
      out->has_header = true;
    } else {
      out->data = std::move(field);
      has_data = true;
    }
  }
  return absl::OkStatus();
}

std::string EncodeRawPrefix(const RawMessage& message) {
  std::string out;
  if (message.has_header || !message.header.empty()) {
    out += kHeaderTag;
    AppendVarint(out, message.header.size());
    out += message.header;
  }
  if (!message.data.empty()) {
    out += kDataTag;
    AppendVarint(out, message.data.size());
  }
  return out;
}

}  // namespace cairn::rpc
