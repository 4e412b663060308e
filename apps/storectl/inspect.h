// What `bucket ls` and `bucket stat` share with `ls` and `stat`.
#pragma once

#include <string>

#include "apps/client/list.h"
#include "apps/storectl/context.h"

namespace cairn::storectl {

absl::Status ListBucketsCommand(Context& context);
absl::Status StatCommand(Context& context, const std::string& ref, uint64_t version);

// When the source was changed last; when the object was made where that is not known.
absl::Time Modified(const client::ObjectInfo& object);
Json ObjectJson(const client::ObjectInfo& object);

}  // namespace cairn::storectl
