// A status as a peer may send it: u8 code, u8 length of the message, the message, then the details. What comes out is
// bounded and survives the way there and back.
#include <grpcpp/support/status.h>

#include "apps/rpc/status_map.h"
#include "cairn/base/codec.h"
#include "cairn/base/status.h"
#include "quiet_protobuf.h"

namespace cairn {
namespace {

void CheckBounds(const base::ErrorDetail& detail) {
  FUZZ_CHECK(!detail.reason.empty() && detail.reason.size() <= 64);
  FUZZ_CHECK(detail.hint.size() <= 1024 && detail.evidence.size() <= 32);
  for (const auto& [key, value] : detail.evidence) FUZZ_CHECK(key.size() <= 1024 && value.size() <= 1024);
}

}  // namespace

void FuzzOne(base::ByteView input) {
  QuietProtobuf();
  base::Reader reader(input);
  const int code = reader.U8() % 32;  // what fits the enumeration
  const std::string message(base::AsText(reader.Raw(reader.U8())));
  const std::string details(base::AsText(reader.Raw(reader.remaining())));
  if (!reader.ok()) return;
  const absl::Status status =
      rpc::FromGrpc(grpc::Status(static_cast<grpc::StatusCode>(code), message, details));
  FUZZ_CHECK(status.ok() == (code == 0));
  if (status.ok()) return;
  const base::ErrorDetail detail = base::DetailOf(status);
  CheckBounds(detail);
  const absl::Status again = rpc::FromGrpc(rpc::ToGrpc(status));
  FUZZ_CHECK(again.code() == status.code() && base::ReasonOf(again) == detail.reason);
}

}  // namespace cairn
