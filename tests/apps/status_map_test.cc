#include "apps/rpc/status_map.h"

#include <grpcpp/support/status.h>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "catch.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace cairn::rpc {

TEST_CASE("code, message, reason, hint and evidence survive the wire") {
  for (int code = 1; code <= 16; ++code) {
    absl::Status sent = base::Error(static_cast<absl::StatusCode>(code), "NO_ROOM",
                                    "wanted 5, have 3", "free 2", {{"have", "3"}, {"want", "5"}});
    absl::Status got = FromGrpc(ToGrpc(sent));
    CHECK(got.code() == sent.code());
    CHECK(got.message() == "wanted 5, have 3");
    CHECK(base::DetailOf(got).reason == "NO_ROOM");
    CHECK(base::DetailOf(got).hint == "free 2");
    CHECK(base::DetailOf(got).evidence == base::DetailOf(sent).evidence);
  }
  CHECK(ToGrpc(absl::OkStatus()).ok());
  CHECK(FromGrpc(grpc::Status::OK).ok());
}

TEST_CASE("a status of a stranger gets the reason of its code") {
  CHECK(base::ReasonOf(FromGrpc({grpc::StatusCode::UNAVAILABLE, "connect failed"})) ==
        "UNREACHABLE");
  CHECK(base::ReasonOf(FromGrpc({grpc::StatusCode::DEADLINE_EXCEEDED, ""})) == "DEADLINE");
  CHECK(base::ReasonOf(FromGrpc({grpc::StatusCode::UNIMPLEMENTED, ""})) == "INCOMPATIBLE_VERSION");
  CHECK(base::ReasonOf(FromGrpc({grpc::StatusCode::INTERNAL, "x", "not a protobuf"})) ==
        "TRANSPORT");
  CHECK(absl::IsUnknown(FromGrpc({static_cast<grpc::StatusCode>(99), "x"})));
}

TEST_CASE("a broken connection is told in plain words, and what the transport traced stands in the evidence") {
  const std::string trace =
      "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to remote host: "
      "Connection refused";
  const absl::Status refused = FromGrpc({grpc::StatusCode::UNAVAILABLE, trace});
  CHECK(refused.message() == "nothing listens at the address");
  CHECK(base::DetailOf(refused).evidence == base::Evidence{{"transport", trace}});
  CHECK(FromGrpc({grpc::StatusCode::UNAVAILABLE, "Socket closed"}).message() == "the connection broke");
  CHECK(FromGrpc({grpc::StatusCode::UNAVAILABLE, "something new"}).message() == "no connection");
  CHECK(base::DetailOf(FromGrpc({grpc::StatusCode::UNAVAILABLE, ""})).evidence.empty());
}

TEST_CASE("hostile details are bounded and cannot name a reason that is none") {
  google::rpc::ErrorInfo info;
  info.set_reason("NOT\nA REASON");
  info.set_domain("cairn");
  auto pack = [&] {
    google::rpc::Status wire;
    wire.set_code(9);
    wire.add_details()->PackFrom(info);
    return FromGrpc(
        {grpc::StatusCode::FAILED_PRECONDITION, std::string(5000, 'm'), wire.SerializeAsString()});
  };
  CHECK(base::ReasonOf(pack()) == "TRANSPORT");
  info.set_reason("GOOD");
  for (int i = 0; i < 100; ++i) (*info.mutable_metadata())[absl::StrCat("k", i)] = "v";
  CHECK(base::DetailOf(pack()).evidence.size() == 32);
  CHECK(pack().message().size() == 1024);
  info.set_domain("other");
  CHECK(base::ReasonOf(pack()) == "TRANSPORT");
}

TEST_CASE("long evidence is cut before it travels") {
  base::Evidence evidence;
  for (int i = 0; i < 200; ++i)
    evidence.emplace_back(absl::StrCat("key", i), std::string(5000, 'x'));
  grpc::Status wire = ToGrpc(base::Error(absl::StatusCode::kInternal, "BIG", "m", "h", evidence));
  CHECK(wire.error_details().size() < 8000);
  CHECK(base::DetailOf(FromGrpc(wire)).hint == "h");
}

}  // namespace cairn::rpc
