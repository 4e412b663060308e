// The generated messages of proto/cairn/chain/v1 under a short name: `cairn::chain::pb`.
#pragma once

#include "cairn/chain/v1/query.pb.h"

namespace cairn::chain {
namespace pb = ::cairn::chain::v1;
}  // namespace cairn::chain
