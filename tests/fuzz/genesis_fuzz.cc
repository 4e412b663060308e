// The genesis record of a network as a stranger may hand it over. A first byte that is not 0 puts the fields of a sound
// one below those of the input, so that its checks are reached. What passes makes a ledger whose state recounts.
#include "cairn/base/entropy.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/genesis.h"
#include "cairn/chain/invariants.h"
#include "cairn/chain/ledger.h"
#include "cairn/chain/params.h"
#include "quiet_protobuf.h"

namespace cairn {
namespace {

using chain::pb::Genesis;

const Genesis& Sound() {
  static const Genesis genesis = [] {
    base::SeededEntropy entropy(42);
    chain::GenesisOptions options;
    options.time = absl::FromUnixSeconds(1'700'000'000);
    options.engine_key = base::SigningKey::Generate(entropy).public_key();
    return chain::MakeGenesis(options, entropy);
  }();
  return genesis;
}

}  // namespace

void FuzzOne(base::ByteView input) {
  QuietProtobuf();
  if (input.empty()) return;
  Genesis genesis;
  if (input[0] != 0) genesis = Sound();
  if (!genesis.MergeFromString(base::ToString(input.subspan(1)))) return;
  const absl::Status sound = chain::CheckGenesis(genesis);
  auto ledger = chain::Ledger::Create(genesis);
  FUZZ_CHECK(ledger.ok() == sound.ok());
  if (!sound.ok()) return;
  FUZZ_CHECK(ledger->chain_id() == chain::ChainIdOf(genesis));
  chain::MapView state;
  state.Merge(ledger->GenesisState());
  FUZZ_CHECK(chain::Recount(state).ok());
  for (const chain::ParamBound& bound : chain::Bounds(genesis.network_class())) {
    const base::Amount value = chain::GetParam(genesis.params(), bound.name);
    FUZZ_CHECK(!(value < bound.min) && !(bound.max < value));
  }
}

}  // namespace cairn
