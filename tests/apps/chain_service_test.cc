// chaind's service and its client over a real connection.
#include "apps/rpc/chain_service.h"

#include <thread>

#include "apps/rpc/chain_client.h"
#include "apps/rpc/server.h"
#include "cairn/base/entropy.h"
#include "cairn/base/kv.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/engine.h"
#include "cairn/chain/genesis.h"
#include "cairn/chain/transaction.h"
#include "catch.h"

namespace cairn::rpc {
namespace {

namespace pb = chain::pb;

struct Served {
  explicit Served(int max_followers) {
    chain::GenesisOptions options{.time = clock.Now(), .engine_key = key.public_key(), .accounts = {}};
    options.accounts = {chain::MakeGenesisAccount(rich.account(), base::Amount(absl::uint128{1} << 80))};
    engine = *chain::EmbeddedEngine::Open(*kv, clock, key.Clone(), chain::MakeGenesis(options, entropy));
    server = *Server::Start({.listen = "127.0.0.1:0",
                             .services = {MakeChainService(*engine, nullptr, [this] { return stopping.load(); },
                                                           max_followers)}});
    client = *ConnectChain(server->endpoint(), PeerPin::Plaintext(), {});
  }
  ~Served() {
    stopping = true;
    server->Stop(absl::Seconds(1));
  }

  base::SimClock clock;
  base::SeededEntropy entropy{3};
  base::SigningKey key = base::SigningKey::Generate(entropy), rich = base::SigningKey::Generate(entropy);
  std::unique_ptr<base::Kv> kv = base::NewMemoryKv();
  std::unique_ptr<chain::EmbeddedEngine> engine;
  std::atomic<bool> stopping{false};
  std::unique_ptr<Server> server;
  std::unique_ptr<chain::Client> client;
};

}  // namespace

TEST_CASE("a block that with its events outgrows a message reaches followers whole") {
  Served served(4);
  pb::TransactionBody body;
  body.set_chain_id(chain::ToField(served.engine->chain_id()));
  body.set_valid_until_ms(absl::ToUnixMillis(served.clock.Now() + absl::Minutes(5)));
  pb::Operation pay;
  pay.mutable_transfer()->set_to(std::string(base::AccountId::kSize, 'x'));
  pay.mutable_transfer()->set_asset(pb::ASSET_CRN);
  pay.mutable_transfer()->mutable_amount()->set_low(1);
  for (int i = 0; i < chain::kMaxOperations; ++i) *body.add_operations() = pay;
  int taken = 0;
  for (int number = 1; number <= 110; ++number) {
    body.set_number(number);
    served.engine->Submit(chain::SignTransaction(body, served.rich),
                          [&](const absl::StatusOr<pb::TransactionReceipt>& receipt) {
                            taken += receipt.ok() && receipt->verdict() == 0;
                          });
  }
  served.engine->RunOnce();
  REQUIRE(taken == 110);
  REQUIRE(served.engine->height() == 1);
  const pb::Block block = **served.engine->NextBlock(1, absl::ZeroDuration());
  REQUIRE(block.ByteSizeLong() > static_cast<size_t>(kMaxMessageBytes));
  pb::Block followed;
  REQUIRE(served.client
              ->Follow(1,
                       [&](const pb::Block& one) {
                         followed = one;
                         return false;
                       })
              .ok());
  CHECK(followed.SerializeAsString() == block.SerializeAsString());
}

TEST_CASE("followers beyond the limit are refused, and a place that is left is free again") {
  Served served(1);
  auto make_block = [&, number = uint64_t{0}]() mutable {
    pb::TransactionBody body;
    body.set_chain_id(chain::ToField(served.engine->chain_id()));
    body.set_number(++number);
    body.set_valid_until_ms(absl::ToUnixMillis(served.engine->Now() + absl::Minutes(5)));
    body.add_operations()->mutable_set_root_pointer();
    served.engine->Submit(chain::SignTransaction(body, served.rich),
                          [](const absl::StatusOr<pb::TransactionReceipt>&) {});
    served.engine->RunOnce();
  };
  make_block();
  std::atomic<int> seen{0};
  absl::Status ended;
  std::thread first([&] { ended = served.client->Follow(1, [&](const pb::Block&) { return ++seen < 2; }); });
  while (seen == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const auto other = *ConnectChain(served.server->endpoint(), PeerPin::Plaintext(), {});
  const auto follow = [&] { return other->Follow(1, [](const pb::Block&) { return false; }); };
  CHECK(base::ReasonOf(follow()) == "TOO_BUSY");
  make_block();
  first.join();
  CHECK(ended.ok());
  absl::Status again = follow();
  while (base::ReasonOf(again) == "TOO_BUSY") {  // the server sees a moment later that its client went
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    again = follow();
  }
  CHECK(again.ok());
}

}  // namespace cairn::rpc
