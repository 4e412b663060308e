#include "apps/rpc/raw_chunk.h"

#include "cairn/base/status.h"
#include "cairn/rpc/v1/provider.pb.h"
#include "catch.h"

namespace cairn::rpc {
namespace {

// The wire form as the transport hands it over: in pieces of any size.
absl::Cord Pieces(const std::string& wire, size_t size) {
  absl::Cord cord;
  for (size_t at = 0; at < wire.size(); at += size) {
    std::string piece = wire.substr(at, size);
    cord.Append(CordOf(base::ToBytes(base::AsBytes(piece))));
  }
  return cord;
}

std::string Reason(const std::string& wire) {
  RawMessage message;
  absl::Status status = DecodeRaw(Pieces(wire, 3), &message);
  return status.ok() ? "OK" : base::ReasonOf(status);
}

}  // namespace

TEST_CASE("a raw message is the generated message on the wire, both ways") {
  for (size_t size : {0u, 1u, 127u, 128u, 70'000u}) {
    v1::PutRequest generated;
    generated.mutable_header()->mutable_open()->set_size(size);
    generated.set_data(std::string(size, 'x'));
    RawMessage message;
    REQUIRE(DecodeRaw(Pieces(generated.SerializeAsString(), 1000), &message).ok());
    CHECK(message.has_header);
    CHECK(message.header == generated.header().SerializeAsString());
    CHECK(message.data == generated.data());

    v1::PutRequest parsed;
    REQUIRE(parsed.ParseFromString(EncodeRawPrefix(message) + std::string(message.data)));
    CHECK(parsed.SerializeAsString() == generated.SerializeAsString());
  }
}

TEST_CASE("the payload shares memory with the message it came in") {
  v1::Chunk generated;
  generated.set_data(std::string(100'000, 'y'));
  std::string wire = generated.SerializeAsString();
  absl::Cord cord = absl::MakeCordFromExternal(wire, [] {});
  RawMessage message;
  REQUIRE(DecodeRaw(cord, &message).ok());
  absl::string_view first = *message.data.chunk_begin();
  CHECK(first.data() >= wire.data());
  CHECK(first.data() < wire.data() + wire.size());
}

TEST_CASE("anything but header then data, once each and in bounds, is refused") {
  const std::string header("\x0a\x01h", 3), data(
                                                "\x12\x01"
                                                "d",
                                                3);
  CHECK(Reason("") == "OK");
  CHECK(Reason(header + data) == "OK");
  CHECK(Reason(std::string("\x0a\x00", 2)) == "OK");
  CHECK(Reason(data + header) == "MALFORMED");
  CHECK(Reason(header + header) == "MALFORMED");
  CHECK(Reason(data + data) == "MALFORMED");
  CHECK(Reason(data + std::string("\x12\x00", 2)) == "MALFORMED");
  CHECK(Reason(std::string("\x1a\x01x", 3)) == "MALFORMED");  // unknown field
  CHECK(Reason(std::string("\x08\x01", 2)) == "MALFORMED");   // wrong wire type
  CHECK(Reason(std::string("\x12\x81\x00x", 4)) ==
        "MALFORMED");  // length in more bytes than it needs
  CHECK(Reason(std::string("\x12\xff\xff\xff\xff\xff\xff", 7)) == "MALFORMED");
  CHECK(Reason("\x12") == "MALFORMED");
  CHECK(Reason("\x12\x05"
               "abc") == "MALFORMED");
  v1::Chunk big;
  big.set_data(std::string(kMaxRawDataBytes, 'z'));
  RawMessage message;
  CHECK(DecodeRaw(absl::Cord(big.SerializeAsString()), &message).ok());
  big.mutable_data()->push_back('z');
  CHECK_FALSE(DecodeRaw(absl::Cord(big.SerializeAsString()), &message).ok());
}

}  // namespace cairn::rpc
