#include "cairn/chain/genesis.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/params.h"
#include "cairn/chain/transaction.h"

namespace cairn::chain {
namespace {

constexpr size_t kSaltBytes = 16;
constexpr size_t kMaxNetworkName = 64;
constexpr int kMaxAccounts = 100'000;
constexpr int kMaxOracles = 100;
// No sum of the ledger can wrap below it.
constexpr base::Amount kMaxSupply = base::Amount::Parts(uint64_t{1} << 48, 0);

absl::Status Bad(absl::string_view what) {
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_GENESIS", what, "correct the genesis record");
}

absl::Status CheckAccounts(const pb::Genesis& genesis) {
  base::Amount crn, usdc;
  const std::string* before = nullptr;
  for (const pb::GenesisAccount& account : genesis.accounts()) {
    if (account.id().size() != base::AccountId::kSize) return Bad("an account id must have 20 bytes");
    if (before != nullptr && !(*before < account.id())) return Bad("accounts must be sorted and distinct");
    before = &account.id();
    const auto crn_sum = crn.Plus(FromProto(account.crn()));
    const auto usdc_sum = usdc.Plus(FromProto(account.usdc()));
    if (!crn_sum || !usdc_sum || *crn_sum > kMaxSupply || *usdc_sum > kMaxSupply) {
      return Bad("the supply of an asset is above its limit");
    }
    crn = *crn_sum;
    usdc = *usdc_sum;
  }
  return absl::OkStatus();
}

}  // namespace

pb::GenesisAccount MakeGenesisAccount(const base::AccountId& id, base::Amount crn, base::Amount usdc) {
  pb::GenesisAccount account;
  account.set_id(ToField(id));
  *account.mutable_crn() = ToProto(crn);
  *account.mutable_usdc() = ToProto(usdc);
  return account;
}

pb::Genesis MakeGenesis(const GenesisOptions& options, base::Entropy& entropy) {
  pb::Genesis genesis;
  genesis.set_network_class(options.network_class);
  genesis.set_network(options.network);
  genesis.set_salt(ToField(entropy.Draw<base::Nonce16>()));
  genesis.set_time_ms(absl::ToUnixMillis(options.time));
  genesis.set_engine_key(base::ToString(options.engine_key.Encode()));
  *genesis.mutable_params() = DefaultParams(options.network_class);
  auto accounts = options.accounts;
  std::sort(accounts.begin(), accounts.end(), [](const auto& a, const auto& b) { return a.id() < b.id(); });
  for (auto& account : accounts) *genesis.add_accounts() = std::move(account);
  std::vector<std::string> oracles;
  for (const base::PublicKey& oracle : options.oracles) oracles.push_back(base::ToString(oracle.Encode()));
  std::sort(oracles.begin(), oracles.end());
  for (std::string& oracle : oracles) genesis.add_oracles(std::move(oracle));
  return genesis;
}

absl::Status CheckGenesis(const pb::Genesis& genesis) {
  if (genesis.network_class() != pb::NETWORK_CLASS_MAIN && genesis.network_class() != pb::NETWORK_CLASS_TEST) {
    return Bad("network_class must be MAIN or TEST");
  }
  if (genesis.network().empty() || genesis.network().size() > kMaxNetworkName) {
    return Bad("the network's name must have 1 to 64 bytes");
  }
  if (genesis.salt().size() != kSaltBytes) return Bad("the salt must have 16 bytes");
  // So far below the largest number that no time with a span added to it wraps.
  if (genesis.time_ms() == 0 || genesis.time_ms() >> 48 != 0) return Bad("the time is out of range");
  if (!base::PublicKey::Decode(base::AsBytes(genesis.engine_key())).ok()) return Bad("the engine's key is malformed");
  if (genesis.accounts_size() > kMaxAccounts) return Bad("too many accounts");
  for (int i = 0; i < genesis.oracles_size(); ++i) {
    if (!base::PublicKey::Decode(base::AsBytes(genesis.oracles(i))).ok()) return Bad("an oracle's key is malformed");
    if (i > 0 && !(genesis.oracles(i - 1) < genesis.oracles(i))) return Bad("oracles must be sorted and distinct");
  }
  if (genesis.oracles_size() > kMaxOracles) return Bad("too many oracles");
  RETURN_IF_ERROR(CheckParams(genesis.params(), genesis.network_class()));
  return CheckAccounts(genesis);
}

base::ChainId ChainIdOf(const pb::Genesis& genesis) {
  const base::Digest digest =
      base::Hasher::DeriveKey("cairn v1 genesis").Field(Canonical(genesis)).Finish();
  base::ChainId id;
  id.value = digest.value;
  return id;
}

}  // namespace cairn::chain
