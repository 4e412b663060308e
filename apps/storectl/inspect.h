// What `bucket ls` and `bucket stat` share with `ls` and `stat`.
#pragma once

#include <string>

#include "apps/storectl/context.h"

namespace cairn::storectl {

absl::Status ListBucketsCommand(Context& context);
absl::Status StatCommand(Context& context, const std::string& ref, uint64_t version);

}  // namespace cairn::storectl
