#include "cairn/base/codec.h"

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "check.h"

namespace cairn::base {
namespace {

template <class Integer>
void PutLittleEndian(Bytes& out, Integer v) {
  for (size_t i = 0; i < sizeof(v); ++i) out.push_back(static_cast<uint8_t>(v >> (8 * i)));
}

// Zero when `raw` is short: the reader has failed already.
template <class Integer>
Integer GetLittleEndian(ByteView raw) {
  Integer v = 0;
  for (size_t i = 0; i < raw.size(); ++i) {
    v = static_cast<Integer>(v | static_cast<Integer>(raw[i]) << (8 * i));
  }
  return v;
}

}  // namespace

void Writer::U16(uint16_t v) { PutLittleEndian(out_, v); }
void Writer::U32(uint32_t v) { PutLittleEndian(out_, v); }
void Writer::U64(uint64_t v) { PutLittleEndian(out_, v); }

void Writer::Raw(ByteView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }

void Writer::Var(ByteView bytes) {
  Require(bytes.size() <= UINT32_MAX);
  U32(static_cast<uint32_t>(bytes.size()));
  Raw(bytes);
}

uint8_t Reader::U8() { return GetLittleEndian<uint8_t>(Raw(1)); }
uint16_t Reader::U16() { return GetLittleEndian<uint16_t>(Raw(2)); }
uint32_t Reader::U32() { return GetLittleEndian<uint32_t>(Raw(4)); }
uint64_t Reader::U64() { return GetLittleEndian<uint64_t>(Raw(8)); }

ByteView Reader::Raw(size_t n) {
  if (n > in_.size()) {
    Fail(absl::StrCat("expected ", n, " more bytes, found ", in_.size()));
    return {};
  }
  const ByteView bytes = in_.subspan(0, n);
  in_.remove_prefix(n);
  return bytes;
}

ByteView Reader::Var(size_t limit) {
  const uint32_t length = U32();
  if (length > limit) {
    Fail(absl::StrCat("a field of ", length, " bytes, allowed are ", limit));
    return {};
  }
  return Raw(length);
}

void Reader::Fail(absl::string_view why) {
  if (!status_.ok()) return;
  status_ = Error(absl::StatusCode::kInvalidArgument, "MALFORMED", why);
  // Every later field is zero then, and a decoder may ask once at the end.
  in_ = {};
}

absl::Status Reader::Finish() const {
  if (!status_.ok() || in_.empty()) return status_;
  return Error(absl::StatusCode::kInvalidArgument, "MALFORMED",
               absl::StrCat(in_.size(), " bytes too many"));
}

}  // namespace cairn::base
