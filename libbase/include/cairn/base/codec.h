// The one binary encoding of Cairn's own formats: little-endian fixed integers and length-prefixed byte strings.
//
// Canonical by construction: a value has one encoding. A `Reader` bounds every length against what is left and against
// the caller's limit before it allocates, and `Finish` refuses trailing bytes; the first failure sticks, so a decoder
// may read all fields and check once.
//
//   Writer w;  w.U32(7);  w.Var("name");  Bytes out = std::move(w).Take();
//   Reader r(in);  uint32_t n = r.U32();  std::string s = r.Text(256);  RETURN_IF_ERROR(r.Finish());
#pragma once

#include "absl/status/status.h"
#include "cairn/base/bytes.h"

namespace cairn::base {

class Writer {
 public:
  void U8(uint8_t v) { out_.push_back(v); }
  void U16(uint16_t v);
  void U32(uint32_t v);
  void U64(uint64_t v);
  void Raw(ByteView bytes);                             // no prefix: the reader knows the length
  void Var(ByteView bytes);                             // u32 length, then the bytes
  void Var(absl::string_view text) { Var(AsBytes(text)); }
  size_t size() const { return out_.size(); }
  ByteView view() const { return out_; }
  Bytes Take() && { return std::move(out_); }

 private:
  Bytes out_;
};

class Reader {
 public:
  explicit Reader(ByteView in) : in_(in) {}
  uint8_t U8();
  uint16_t U16();
  uint32_t U32();
  uint64_t U64();
  ByteView Raw(size_t n);                               // borrowed from the input
  ByteView Var(size_t limit);                           // borrowed; fails above `limit`
  std::string Text(size_t limit) { return ToString(Var(limit)); }
  template <class F>
  F Fixed() {                                           // a FixedBytes
    F out;
    ByteView raw = Raw(F::kSize);
    if (raw.size() == F::kSize) std::copy(raw.begin(), raw.end(), out.value.begin());
    return out;
  }
  // Marks the input as wrong for a reason the caller found.
  void Fail(absl::string_view why);
  bool ok() const { return status_.ok(); }
  size_t remaining() const { return in_.size(); }
  // The first failure, or InvalidArgument when bytes are left over. Reason MALFORMED.
  absl::Status Finish() const;

 private:
  ByteView in_;
  absl::Status status_;
};

}  // namespace cairn::base
