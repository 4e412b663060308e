// chaind's services over the embedded engine.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace grpc {
class Service;
}
namespace cairn::app {
class Metrics;
}
namespace cairn::chain {
class EmbeddedEngine;
}

namespace cairn::rpc {

// cairn.rpc.v1.Chain. Somebody must drive the engine (RunOnce). Follow streams end within half a
// second once `stopping` says so or their client has gone; each holds a thread of the server, so
// that more than `max_followers` at a time are refused (Unavailable, TOO_BUSY). Outcomes are
// counted as cairn_chain_transactions_total{verdict}; `metrics` may be null. All must outlive the
// server.
std::shared_ptr<grpc::Service> MakeChainService(chain::EmbeddedEngine& engine,
                                                app::Metrics* metrics,
                                                std::function<bool()> stopping,
                                                int max_followers = 64);

// cairn.rpc.v1.ChainDev, for networks of class test only: `advance` moves the clock and returns the
// new time.
std::shared_ptr<grpc::Service> MakeChainDevService(
    std::function<absl::StatusOr<absl::Time>(absl::Duration)> advance);

}  // namespace cairn::rpc
