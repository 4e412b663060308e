#include "apps/client/transport.h"

#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::client {
namespace {

absl::Status NoPayments() { return absl::UnimplementedError("this transport carries no payments"); }

}  // namespace

absl::StatusOr<std::unique_ptr<PayStream>> Transport::Pay(const ProviderAddress&, absl::Duration) {
  return NoPayments();
}

absl::StatusOr<rpc::v1::AgreeToCloseResponse> Transport::AgreeToClose(
    const ProviderAddress&, const rpc::v1::AgreeToCloseRequest&, absl::Duration) {
  return NoPayments();
}

absl::StatusOr<rpc::v1::ChannelStatementResponse> Transport::ChannelStatement(
    const ProviderAddress&, const rpc::v1::ChannelStatementRequest&, absl::Duration) {
  return NoPayments();
}

}  // namespace cairn::client
