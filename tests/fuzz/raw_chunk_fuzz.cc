// A bulk message, in two pieces, as a transport hands it over. What decodes is written back to a
// message that decodes to the same.
#include "apps/rpc/raw_chunk.h"
#include "fuzz.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  size_t half = input.size() / 2;
  absl::Cord wire = rpc::CordOf(base::ToBytes(input.subspan(0, half)));
  wire.Append(rpc::CordOf(base::ToBytes(input.subspan(half))));
  rpc::RawMessage message;
  if (!rpc::DecodeRaw(wire, &message).ok()) return;
  FUZZ_CHECK(message.header.size() + message.data.size() <= input.size());

  absl::Cord again(rpc::EncodeRawPrefix(message));
  again.Append(message.data);
  rpc::RawMessage back;
  FUZZ_CHECK(rpc::DecodeRaw(again, &back).ok());
  FUZZ_CHECK(back.header == message.header && back.data == message.data &&
             back.has_header == message.has_header);
}

}  // namespace cairn
