// chaind's services over a chain::Client (in practice the embedded engine's own).
#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace grpc {
class Service;
}
namespace cairn::chain {
class Client;
}

namespace cairn::rpc {

// cairn.rpc.v1.Chain. `client` must outlive the server. Follow streams end when `stopping` says so.
std::shared_ptr<grpc::Service> MakeChainService(chain::Client& client, std::function<bool()> stopping);

// cairn.rpc.v1.ChainDev, for networks of class test only: `advance` moves the clock and returns the new time.
std::shared_ptr<grpc::Service> MakeChainDevService(std::function<absl::StatusOr<absl::Time>(absl::Duration)> advance);

}  // namespace cairn::rpc
