// Every number the rules use, and the bounds compiled in for it. One table per network class.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cairn/base/amount.h"
#include "cairn/chain/pb.h"

namespace cairn::chain {

// Sensible values of a class; within its bounds.
pb::Params DefaultParams(pb::NetworkClass network_class);

struct ParamBound {
  std::string name;  // the field's name in Params
  base::Amount min;  // numbers and amounts alike
  base::Amount max;
};
// In the order of the fields; every field has one.
const std::vector<ParamBound>& Bounds(pb::NetworkClass network_class);
base::Amount GetParam(const pb::Params& params, const std::string& name);
void SetParam(pb::Params* params, const std::string& name, base::Amount value);

// InvalidArgument (reason PARAM_OUT_OF_BOUNDS) names the first parameter outside its bounds, or the shares that together
// leave operators less than base::kOperatorFloorPpm (CD-27).
absl::Status CheckParams(const pb::Params& params, pb::NetworkClass network_class);

}  // namespace cairn::chain
