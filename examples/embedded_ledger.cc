// A ledger inside a program: no daemon, no socket, state in memory (or a folder, with base::OpenLmdb).
#include <iostream>

#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/engine.h"
#include "cairn/chain/genesis.h"
#include "cairn/chain/transaction.h"
#include "cairn/chain/verdict.h"

namespace {

using namespace cairn;

absl::Status Run() {
  base::SystemEntropy entropy;
  base::RealClock clock;
  const auto engine_key = base::SigningKey::Generate(entropy);
  const auto alice = base::SigningKey::Generate(entropy);
  const auto bob = base::SigningKey::Generate(entropy);
  const auto genesis = chain::MakeGenesis(
      {.time = clock.Now(),
       .engine_key = engine_key.public_key(),
       .accounts = {chain::MakeGenesisAccount(alice.account(), base::Amount(base::kPriceScale))}},
      entropy);

  const auto store = base::NewMemoryKv();
  ASSIGN_OR_RETURN(const auto engine, chain::EmbeddedEngine::Open(*store, clock, engine_key.Clone(), genesis));
  const auto client = chain::NewInProcessClient(*engine);

  chain::pb::TransactionBody body;
  body.set_chain_id(chain::ToField(engine->chain_id()));
  body.set_number(1);
  body.set_valid_until_ms(absl::ToUnixMillis(clock.Now() + absl::Minutes(1)));
  auto& transfer = *body.add_operations()->mutable_transfer();
  transfer.set_to(chain::ToField(bob.account()));
  transfer.set_asset(chain::pb::ASSET_CRN);
  *transfer.mutable_amount() = chain::ToProto(base::Amount(base::kPriceScale / 4));
  ASSIGN_OR_RETURN(const auto receipt,
                   client->Submit(chain::SignTransaction(body, alice), chain::WaitFor::kCommitted));
  RETURN_IF_ERROR(chain::ToStatus(receipt));

  chain::pb::QueryRequest question;
  question.set_account(chain::ToField(bob.account()));
  ASSIGN_OR_RETURN(const auto answer, client->Query(question));
  std::cout << base::ToText(bob.account()) << " has "
            << chain::FromProto(answer.account().crn()).ToDecimal(base::kCrnDecimals) << " crn at height "
            << answer.status().height() << ", root " << base::ToHex(base::AsBytes(answer.status().state_root()))
            << "\n";
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
