// The record a ledger begins with. Its hash is the chain id, so a reset network refuses everything signed before.
#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cairn/base/amount.h"
#include "cairn/base/entropy.h"
#include "cairn/base/key.h"
#include "cairn/chain/pb.h"

namespace cairn::chain {

struct GenesisOptions {
  pb::NetworkClass network_class = pb::NETWORK_CLASS_TEST;
  std::string network = "dev";
  absl::Time time;
  base::PublicKey engine_key;
  std::vector<pb::GenesisAccount> accounts;
  std::vector<base::PublicKey> oracles = {};  // who may sign prices; in any order
};

// With the default parameters of the class and a fresh salt.
pb::Genesis MakeGenesis(const GenesisOptions& options, base::Entropy& entropy);
pb::GenesisAccount MakeGenesisAccount(const base::AccountId& id, base::Amount crn, base::Amount usdc = {});

// InvalidArgument (reason BAD_GENESIS) names the first thing wrong: lengths, parameters out of bounds, repeated or
// unsorted accounts, sums that overflow.
absl::Status CheckGenesis(const pb::Genesis& genesis);
base::ChainId ChainIdOf(const pb::Genesis& genesis);

}  // namespace cairn::chain
