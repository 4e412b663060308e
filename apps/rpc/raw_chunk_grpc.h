// RawMessage as a gRPC message: slices of the transport become Cord chunks and back, without a copy
// of the payload.
#pragma once

#include <grpcpp/impl/codegen/serialization_traits.h>
#include <grpcpp/support/byte_buffer.h>

#include <vector>

#include "absl/strings/cord.h"
#include "apps/rpc/raw_chunk.h"
#include "apps/rpc/status_map.h"

namespace grpc {

template <>
class SerializationTraits<cairn::rpc::RawMessage> {
 public:
  static Status Serialize(const cairn::rpc::RawMessage& message, ByteBuffer* buffer,
                          bool* own_buffer) {
    std::vector<Slice> slices;
    slices.emplace_back(cairn::rpc::EncodeRawPrefix(message));
    for (absl::string_view chunk : message.data.Chunks())
      slices.push_back(Share(message.data, chunk));
    *buffer = ByteBuffer(slices.data(), slices.size());
    *own_buffer = true;
    return Status::OK;
  }

  static Status Deserialize(ByteBuffer* buffer, cairn::rpc::RawMessage* message) {
    std::vector<Slice> slices;
    if (!buffer->Dump(&slices).ok()) return Status(StatusCode::INTERNAL, "unreadable message");
    buffer->Clear();
    absl::Cord wire;
    for (Slice& slice : slices) {
      absl::string_view view(reinterpret_cast<const char*>(slice.begin()), slice.size());
      // Small pieces are cheaper copied than kept alive one by one.
      if (view.size() < kCopyBelow) {
        wire.Append(view);
      } else {
        wire.Append(absl::MakeCordFromExternal(view, [kept = slice] {}));
      }
    }
    return cairn::rpc::ToGrpc(cairn::rpc::DecodeRaw(wire, message));
  }

 private:
  static constexpr size_t kCopyBelow = 512;

  // A slice over memory of the cord, which a copy of the cord keeps alive.
  static Slice Share(const absl::Cord& data, absl::string_view chunk) {
    if (chunk.size() < kCopyBelow) return Slice(chunk.data(), chunk.size());
    auto* kept = new absl::Cord(data);
    return Slice(
        const_cast<char*>(chunk.data()), chunk.size(),
        [](void* cord) { delete static_cast<absl::Cord*>(cord); }, kept);
  }
};

}  // namespace grpc
