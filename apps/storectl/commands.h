// The one list of commands. A file of commands adds itself here: a function that hangs its
// subcommands below `app` and stores what they do in `context.action`.
//
//   void AddWalletCommands(CLI::App& app, Context& context) {
//     CLI::App* balance = app.add_subcommand("balance", "...");
//     balance->callback([&context] { context.action = [&context]() -> absl::Status { ... }; });
//   }
#pragma once

#include "apps/storectl/context.h"

namespace CLI {
class App;
}

namespace cairn::storectl {

void AddFileCommands(CLI::App& app, Context& context);     // cp get put cat mv sync
void AddInspectCommands(CLI::App& app, Context& context);  // ls stat du rm verify
void AddBucketCommands(CLI::App& app, Context& context);
void AddWalletCommands(CLI::App& app, Context& context);
void AddBillCommands(CLI::App& app, Context& context);
void AddAccountCommands(CLI::App& app, Context& context);
void AddSponsorCommands(CLI::App& app, Context& context);
void AddPriceCommands(CLI::App& app, Context& context);
void AddQuotaCommands(CLI::App& app, Context& context);
void AddChannelCommands(CLI::App& app, Context& context);
void AddPoolCommands(CLI::App& app, Context& context);
void AddProviderCommands(CLI::App& app, Context& context);
void AddChainCommands(CLI::App& app, Context& context);
void AddConfigCommands(CLI::App& app, Context& context);  // config completion man version
void AddDevCommands(CLI::App& app, Context& context);     // dev networks, in dev/

using AddCommands = void (*)(CLI::App&, Context&);
inline constexpr AddCommands kCommandFiles[] = {
    AddFileCommands,     AddInspectCommands, AddBucketCommands, AddWalletCommands,
    AddAccountCommands,  AddSponsorCommands, AddPriceCommands,  AddQuotaCommands,
    AddChannelCommands,  AddPoolCommands,    AddBillCommands,   AddProviderCommands,
    AddChainCommands,    AddConfigCommands,  AddDevCommands,
};

}  // namespace cairn::storectl
