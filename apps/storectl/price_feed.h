// price oracle-key, sign, post, refresh: how a quorum of oracles moves the price.
#pragma once

#include "apps/storectl/context.h"

namespace CLI {
class App;
}

namespace cairn::storectl {

void AddPriceFeedCommands(CLI::App& price, Context& context);

}  // namespace cairn::storectl
