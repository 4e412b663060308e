// Bulk messages whose payload is never copied into a protobuf string.
//
// rpc.v1.PutRequest and rpc.v1.Chunk look alike: { header = 1; bytes data = 2; }. RawMessage is
// that shape with the header as its serialised bytes and the payload as a Cord over the transport's
// own slices. Wire compatible with the generated types both ways; `raw_chunk_grpc.h` plugs it into
// gRPC.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "cairn/base/bytes.h"

namespace cairn::rpc {

inline constexpr size_t kMaxRawHeaderBytes = 16 * 1024;
inline constexpr size_t kMaxRawDataBytes = 1 << 20;
inline constexpr size_t kBulkMessageBytes = 256 * 1024;  // what our own senders fill

struct RawMessage {
  std::string header;       // serialised; empty: absent
  bool has_header = false;  // an empty header may still be present
  absl::Cord data;
};

// A Cord that takes over the bytes.
absl::Cord CordOf(base::Bytes bytes);

// Total: any input gives a message or InvalidArgument (reason MALFORMED). Refuses unknown fields,
// repeated fields, overlong varints, lengths beyond the limits and truncation. The payload shares
// memory with `wire`.
absl::Status DecodeRaw(const absl::Cord& wire, RawMessage* out);
// Everything before the payload: header field, then tag and length of the data.
std::string EncodeRawPrefix(const RawMessage& message);

}  // namespace cairn::rpc
