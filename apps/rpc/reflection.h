// grpc.reflection.v1 over the generated descriptors, and the names of what a server offers.
// Internal to server.cc.
#pragma once

#include <grpcpp/impl/server_builder_option.h>

#include <memory>
#include <string>
#include <vector>

namespace cairn::rpc {

using ServiceNames = std::shared_ptr<std::vector<std::string>>;

// Adds the v1 service to the server being built and fills `names` with every service of it.
std::unique_ptr<grpc::ServerBuilderOption> ReflectionOption(ServiceNames names);

}  // namespace cairn::rpc
