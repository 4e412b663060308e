// One unary call with deadline, metadata and error mapping. Internal to the clients here.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "apps/rpc/call_auth.h"
#include "apps/rpc/status_map.h"

namespace cairn::rpc {

inline void SetDeadline(grpc::ClientContext& context, absl::Duration timeout) {
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout));
}

inline void AddMetadata(grpc::ClientContext& context, const CallMetadata& metadata) {
  for (const auto& [name, value] : metadata) context.AddMetadata(name, value);
}

// `method` is a pointer to the stub's blocking call: Call(*stub, &Stub::Query, request, timeout).
template <class Stub, class Request, class Response>
absl::StatusOr<Response> Call(
    Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
    const Request& request, absl::Duration timeout, const CallMetadata& metadata = {}) {
  grpc::ClientContext context;
  SetDeadline(context, timeout);
  AddMetadata(context, metadata);
  Response response;
  grpc::Status status = (stub.*method)(&context, request, &response);
  if (!status.ok()) return FromGrpc(status);
  return response;
}

}  // namespace cairn::rpc
