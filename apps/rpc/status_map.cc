#include "apps/rpc/status_map.h"

#include <grpcpp/support/status.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/base/utf8.h"
#include "cairn/chain/transaction.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace cairn::rpc {
namespace {

constexpr char kDomain[] = "cairn";
constexpr char kHintKey[] = "hint";
constexpr size_t kMaxDetailsBytes = 16 * 1024;  // trailers travel as headers: keep them small
constexpr size_t kMaxPairs = 32;
constexpr size_t kMaxTextBytes = 1024;

// The codes of both worlds have the same numbers, by design of both.
grpc::StatusCode ToGrpcCode(absl::StatusCode code) {
  return static_cast<grpc::StatusCode>(static_cast<int>(code));
}

absl::StatusCode FromGrpcCode(grpc::StatusCode code) {
  int number = static_cast<int>(code);
  return number >= 0 && number <= 16 ? static_cast<absl::StatusCode>(number)
                                     : absl::StatusCode::kUnknown;
}

// Text that may stand in a header or a protobuf string, of bounded length, not cut inside a
// character.
std::string Bounded(absl::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = base::Utf8SequenceLength(text);
    const absl::string_view next = length == 0 ? "\xef\xbf\xbd" : text.substr(0, length);
    if (out.size() + next.size() > kMaxTextBytes) break;
    absl::StrAppend(&out, next);
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return out;
}

bool IsReason(const std::string& text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

struct Transport {
  const char* reason;
  const char* hint;
  const char* message = "the call failed";
};

// What the transport's trace of a broken connection says, in words for who waits for it.
const char* BrokenConnection(absl::string_view trace) {
  constexpr std::pair<const char*, const char*> kCauses[] = {
      {"Connection refused", "nothing listens at the address"},
      {"DNS resolution failed", "the address names no host"},
      {"No route to host", "there is no way to the address"},
      {"Network is unreachable", "there is no way to the address"},
      {"Socket closed", "the connection broke"},
      {"Connection reset", "the connection broke"},
      {"Broken pipe", "the connection broke"},
      {"GOAWAY", "the other side ended the connection"},
  };
  for (const auto& [said, means] : kCauses) {
    if (absl::StrContains(trace, said)) return means;
  }
  return "no connection";
}

// What a status means that no program of ours wrote.
Transport TransportDetail(const grpc::Status& status) {
  if (absl::StrContains(status.error_message(), kPinMismatch)) {
    return {kPinMismatch,
            "do not trust it; look its entry up again, or take the network's profile anew",
            "another server answers there: its key is not the one that is known"};
  }
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return {"UNREACHABLE", "check that it runs and that the address is right",
              BrokenConnection(status.error_message())};
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return {"DEADLINE", "try again, or allow more time", "no answer in time"};
    case grpc::StatusCode::CANCELLED:
      return {"CANCELLED", "", "the call was cancelled"};
    case grpc::StatusCode::UNIMPLEMENTED:
      return {"INCOMPATIBLE_VERSION", "use programs of one version on both sides",
              "the other side does not offer this call"};
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return {"TOO_MUCH", "send less at once, or try again later",
              "the message is too large or the server is busy"};
    default:
      return {"TRANSPORT", ""};
  }
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  base::ErrorDetail detail = base::DetailOf(status);
  google::rpc::ErrorInfo info;
  info.set_reason(detail.reason);
  info.set_domain(kDomain);
  if (!detail.hint.empty()) (*info.mutable_metadata())[kHintKey] = Bounded(detail.hint);
  for (const auto& [key, value] : detail.evidence) {
    if (static_cast<size_t>(info.metadata_size()) >= kMaxPairs ||
        info.ByteSizeLong() > kMaxDetailsBytes / 4)
      break;
    if (key != kHintKey) (*info.mutable_metadata())[Bounded(key)] = Bounded(value);
  }
  std::string message = Bounded(status.message());
  google::rpc::Status wire;
  wire.set_code(static_cast<int>(status.code()));
  wire.set_message(message);
  auto* any = wire.add_details();
  any->PackFrom(info);
  any->set_value(chain::Canonical(info));  // the same error, the same bytes: maps have no order of their own
  return grpc::Status(ToGrpcCode(status.code()), message, wire.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::StatusCode code = FromGrpcCode(status.error_code());
  if (code == absl::StatusCode::kOk) code = absl::StatusCode::kUnknown;
  std::string message = Bounded(status.error_message());
  google::rpc::Status wire;
  google::rpc::ErrorInfo info;
  const std::string& details = status.error_details();
  // Without such a detail it is the word of the transport or of a proxy, which know no reasons.
  bool ours = !details.empty() && details.size() <= kMaxDetailsBytes &&
              wire.ParseFromString(details) && wire.details_size() > 0 &&
              wire.details(0).UnpackTo(&info) && info.domain() == kDomain &&
              IsReason(info.reason());
  if (!ours) {
    Transport transport = TransportDetail(status);
    // What the transport says itself is its own trace, for the evidence.
    base::Evidence trace;
    if (!message.empty()) trace.emplace_back("transport", message);
    return base::Error(code, transport.reason, transport.message, transport.hint, std::move(trace));
  }
  base::Evidence evidence;
  std::string hint;
  for (const auto& [key, value] : info.metadata()) {
    if (key == kHintKey) {
      hint = Bounded(value);
    } else if (evidence.size() < kMaxPairs) {
      evidence.emplace_back(Bounded(key), Bounded(value));
    }
  }
  std::sort(evidence.begin(), evidence.end());
  return base::Error(code, info.reason(), message, hint, std::move(evidence));
}

}  // namespace cairn::rpc
