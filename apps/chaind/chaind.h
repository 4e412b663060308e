// The program that hosts a ledger: the embedded engine on LMDB behind gRPC, with an admin page
// beside it.
//
//   chaind init --account cairn1...=1000:50   makes genesis, the engine's key and the node
//   certificate chaind                                    serves
//
// Files in node.data_dir: genesis.pb (the record), engine.key (0600), tls.key, tls.crt, ledger/
// (LMDB).
#pragma once

#include "apps/common/daemon.h"

namespace cairn::chaind {

app::DaemonSpec Spec();

// `chaind init`: genesis from the genesis.* keys and from --account ACCOUNT=CRN[:USDC] and --param
// NAME=VALUE. AlreadyExists (reason ALREADY_INITIALISED) when the folder holds a genesis.
app::Command InitCommand();

// `chaind` itself.
absl::Status Run(app::DaemonContext& context);

std::string GenesisPath(const app::Config& config);
std::string EngineKeyPath(const app::Config& config);

}  // namespace cairn::chaind
