#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/impl/codegen/rpc_method.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "apps/rpc/chain_client.h"
#include "apps/rpc/tls.h"
#include "cairn/base/key.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "cairn/chain/verdict.h"
#include "catch.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace cairn {
namespace {

namespace pb = chain::pb;
namespace reflection = grpc::reflection::v1;

// A network of one chaind in a folder of its own.
struct Network {
  TempDir folder;
  base::SeededEntropy entropy{21};
  base::SigningKey alice = base::SigningKey::Generate(entropy);
  base::SigningKey bob = base::SigningKey::Generate(entropy);
  std::string endpoint, http;
  std::unique_ptr<Process> daemon;

  std::vector<std::string> Command(std::vector<std::string> more) const {
    std::vector<std::string> all = {CAIRN_CHAIND,
                                    absl::StrCat("--node.data_dir=", folder.path(), "/node")};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  // Runs to its end and returns the exit code.
  int Run(std::vector<std::string> arguments, std::string* err = nullptr,
          std::string* out = nullptr) const {
    Process process(Command(std::move(arguments)), folder.path() + "/run", false);
    int code = process.Wait();
    if (err != nullptr) *err = process.err();
    if (out != nullptr) *out = process.out();
    return code;
  }
  void Init() {
    REQUIRE(Run({"init", "--account", absl::StrCat(base::ToText(alice.account()), "=1000:50")}) ==
            0);
  }
  void Start(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"--net.listen=127.0.0.1:0", "--http.listen=127.0.0.1:0"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    daemon = std::make_unique<Process>(Command(arguments), folder.path() + "/daemon", true);
    std::string line = daemon->WaitReady();
    INFO(daemon->err());
    REQUIRE(absl::StartsWith(line, "grpc="));
    std::vector<std::string> parts = absl::StrSplit(line, ' ');
    endpoint = parts[0].substr(5);
    http = parts[1].substr(5);
  }
  int Stop() {
    daemon->Signal(SIGTERM);
    return daemon->Wait();
  }
  rpc::PeerPin Pin() const {
    auto certificate = rpc::LoadOrMakeNodeCertificate(folder.path() + "/node", "");
    return rpc::PeerPin::Of(certificate->pin);
  }
  std::unique_ptr<chain::Client> Client() const { return *rpc::ConnectChain(endpoint, Pin()); }

  pb::SignedTransaction Transfer(chain::Client& client, uint64_t number, uint64_t units) {
    pb::QueryRequest status;
    status.set_status(true);
    auto answer = client.Query(status);
    REQUIRE(answer.ok());
    pb::TransactionBody body;
    body.set_chain_id(answer->status().chain_id());
    body.set_number(number);
    body.set_valid_until_ms(answer->status().time_ms() + 3'600'000);
    auto* transfer = body.add_operations()->mutable_transfer();
    transfer->set_to(chain::ToField(bob.account()));
    transfer->set_asset(pb::ASSET_USDC);
    *transfer->mutable_amount() = chain::ToProto(base::Amount(units));
    return chain::SignTransaction(body, alice);
  }
  base::Amount BobHas(chain::Client& client) {
    pb::QueryRequest request;
    request.set_account(chain::ToField(bob.account()));
    auto answer = client.Query(request);
    return answer.ok() ? chain::FromProto(answer->account().usdc()) : base::Amount();
  }
};

// Asks a reflection service of either version: the messages are the same on the wire.
std::vector<std::string> ServicesBy(const std::string& service,
                                    const std::shared_ptr<grpc::Channel>& channel) {
  std::string name = absl::StrCat("/", service, "/ServerReflectionInfo");
  grpc::internal::RpcMethod method(name.c_str(), grpc::internal::RpcMethod::BIDI_STREAMING,
                                   channel);
  grpc::ClientContext context;
  using Factory = grpc::internal::ClientReaderWriterFactory<reflection::ServerReflectionRequest,
                                                            reflection::ServerReflectionResponse>;
  std::unique_ptr<grpc::ClientReaderWriter<reflection::ServerReflectionRequest,
                                           reflection::ServerReflectionResponse>>
      stream(Factory::Create(channel.get(), method, &context));
  reflection::ServerReflectionRequest request;
  reflection::ServerReflectionResponse response;
  request.set_list_services("");
  stream->Write(request);
  std::vector<std::string> names;
  if (stream->Read(&response)) {
    for (const auto& entry : response.list_services_response().service())
      names.push_back(entry.name());
  }
  request.set_file_containing_symbol("cairn.rpc.v1.Chain");
  stream->Write(request);
  if (stream->Read(&response) &&
      response.file_descriptor_response().file_descriptor_proto_size() > 1) {
    names.push_back("descriptors");
  }
  stream->WritesDone();
  (void)stream->Finish();
  return names;
}

bool Has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

TEST_CASE("chaind says what it offers: health by service, reflection in both versions") {
  Network network;
  network.Init();
  auto begin = std::chrono::steady_clock::now();
  network.Start();
  std::chrono::duration<double, std::milli> start = std::chrono::steady_clock::now() - begin;
  UNSCOPED_INFO("ready after " << start.count() << " ms");
  CHECK(start < std::chrono::seconds(5));
  auto channel = *rpc::Connect(network.endpoint, network.Pin());
  for (const char* version :
       {"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}) {
    std::vector<std::string> names = ServicesBy(version, channel);
    INFO(version);
    CHECK(Has(names, "cairn.rpc.v1.Chain"));
    CHECK(Has(names, "cairn.rpc.v1.ChainDev"));
    CHECK(Has(names, "descriptors"));
  }
  auto health = grpc::health::v1::Health::NewStub(channel);
  for (const char* service : {"", "cairn.rpc.v1.Chain"}) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    grpc::health::v1::HealthCheckResponse response;
    request.set_service(service);
    REQUIRE(health->Check(&context, request, &response).ok());
    CHECK(response.status() == grpc::health::v1::HealthCheckResponse::SERVING);
  }
  CHECK(network.Stop() == 0);
}

TEST_CASE("what a transaction did is there after a restart, and the same bytes do it once") {
  Network network;
  network.Init();
  network.Start();
  pb::SignedTransaction transaction;
  {
    auto client = network.Client();
    transaction = network.Transfer(*client, 1, 7);
    CHECK(chain::ToStatus(*client->Simulate(transaction)).ok());
    auto receipt = client->Submit(transaction, chain::WaitFor::kCommitted);
    REQUIRE(receipt.ok());
    CHECK(chain::ToStatus(*receipt).ok());
    CHECK(receipt->height() > 0);
    auto again = client->Submit(transaction, chain::WaitFor::kCommitted);
    REQUIRE(again.ok());
    CHECK(again->height() == receipt->height());
    CHECK(network.BobHas(*client) == base::Amount(7));
    auto refused =
        client->Submit(network.Transfer(*client, 2, 1'000'000'000), chain::WaitFor::kCommitted);
    REQUIRE(refused.ok());
    CHECK(base::ReasonOf(chain::ToStatus(*refused)) == "VERDICT_NO_FUNDS");
    auto accepted = client->Submit(network.Transfer(*client, 3, 1), chain::WaitFor::kAccepted);
    REQUIRE(accepted.ok());
    CHECK(accepted->transaction().size() == 32);
  }
  CHECK(network.Stop() == 0);
  network.Start();
  auto client = network.Client();
  CHECK(network.BobHas(*client) == base::Amount(8));
  CHECK(client->Submit(transaction, chain::WaitFor::kCommitted)->height() > 0);
  CHECK(network.BobHas(*client) == base::Amount(8));
  network.daemon->Signal(SIGKILL);
  network.daemon->Wait();
  network.Start();
  CHECK(network.BobHas(*network.Client()) == base::Amount(8));
}

TEST_CASE("blocks are followed from any height, and a quiet follower does not hold up the stop") {
  Network network;
  network.Init();
  network.Start();
  auto client = network.Client();
  for (uint64_t number : {1u, 2u, 3u}) {
    REQUIRE(client->Submit(network.Transfer(*client, number, 1), chain::WaitFor::kCommitted).ok());
  }
  std::vector<uint64_t> heights;
  REQUIRE(client
              ->Follow(2,
                       [&](const pb::Block& block) {
                         pb::BlockHeader header;
                         REQUIRE(header.ParseFromString(block.header()));
                         heights.push_back(header.height());
                         return heights.size() < 2;
                       })
              .ok());
  CHECK(heights == std::vector<uint64_t>{2, 3});

  absl::Status ended;
  std::thread follower([&] { ended = client->Follow(0, [](const pb::Block&) { return true; }); });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  auto begin = std::chrono::steady_clock::now();
  CHECK(network.Stop() == 0);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
  follower.join();
  CHECK(absl::IsUnavailable(ended));
}

TEST_CASE("admin pages show the ledger, and a reload takes up what it can") {
  Network network;
  network.Init();
  std::string config = network.folder.path() + "/chaind.toml";
  std::ofstream(config) << "[log]\nlevel = \"info\"\n";
  network.Start({"--config", config});
  auto client = network.Client();
  REQUIRE(client->Submit(network.Transfer(*client, 1, 1), chain::WaitFor::kCommitted).ok());
  auto fetch = [&](const std::string& path) {
    Process curl({"/usr/bin/curl", "-s", absl::StrCat("http://", network.http, path)},
                 network.folder.path() + "/curl", false);
    REQUIRE(curl.Wait() == 0);
    return curl.out();
  };
  CHECK(fetch("/readyz") == "ready\n");
  std::string metrics = fetch("/metrics");
  CHECK(absl::StrContains(metrics, "cairn_chain_height 1"));
  CHECK(absl::StrContains(metrics, "cairn_chain_transactions_total{verdict=\"OK\"} 1"));
  CHECK(absl::StrContains(metrics, "method=\"Submit\",service=\"cairn.rpc.v1.Chain\""));
  CHECK(absl::StrContains(fetch("/"), "<th scope=\"row\">height</th><td>1</td>"));

  std::ofstream(config) << "[log]\nlevel = \"warning\"\n[net]\ntls = false\n";
  network.daemon->Signal(SIGHUP);
  for (int i = 0; i < 200 && !absl::StrContains(network.daemon->err(), "config.needs_restart");
       ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  CHECK(absl::StrContains(network.daemon->err(), "\"keys\":\"net.tls\""));
  CHECK(network.Stop() == 0);
  CHECK_FALSE(absl::StrContains(network.daemon->err(), "chaind.stopped"));  // level warning by now
}

TEST_CASE("a test network's clock moves on request") {
  Network network;
  network.Init();
  network.Start();
  auto before = rpc::AdvanceChain(network.endpoint, network.Pin(), absl::ZeroDuration());
  auto after = rpc::AdvanceChain(network.endpoint, network.Pin(), absl::Hours(24 * 30));
  REQUIRE(before.ok());
  REQUIRE(after.ok());
  CHECK(*after - *before >= absl::Hours(24 * 30));
  CHECK(*after - *before < absl::Hours(24 * 30) + absl::Minutes(5));
}

TEST_CASE("what is wrong at the start is one error with its exit code") {
  Network network;
  std::string err, out;
  CHECK(network.Run({}, &err) == 6);
  CHECK(absl::StrContains(err, "[NO_GENESIS]"));
  CHECK(network.Run({"--net.lisen=x"}, &err) == 2);
  CHECK(absl::StrContains(err, "[UNKNOWN_CONFIG_KEY]"));
  CHECK(absl::StrContains(err, "did you mean \"net.listen\"?"));
  CHECK(network.Run({"--net.tls=maybe", "config", "check", "-o", "json"}, &err) == 2);
  CHECK(absl::StrContains(err, "\"code\":\"BAD_CONFIG_VALUE\",\"exit\":2"));
  CHECK(network.Run({"--http.listen=0.0.0.0:1"}, &err) == 2);
  CHECK(absl::StrContains(err, "[ADMIN_NOT_LOOPBACK]"));
  CHECK(network.Run({"--limits.memory=15MiB", "config", "check"}, &err) == 2);
  CHECK(absl::StrContains(err, "limits.memory must be at least 16 MiB"));
  CHECK(network.Run({"init", "--account", "nonsense"}, &err) == 2);
  CHECK(network.Run({"frobnicate"}, &err) == 2);
  CHECK(network.Run({"config", "check"}, &err, &out) == 0);
  CHECK(network.Run({"config", "explain", "net.listen"}, &err, &out) == 0);
  CHECK(absl::StrContains(out, "built-in  \"127.0.0.1:4853\""));
  CHECK(network.Run({"config", "print-default"}, &err, &out) == 0);
  CHECK(absl::StrContains(out, "[net]\n"));
  CHECK(network.Run({"version"}, &err, &out) == 0);

  network.Init();
  CHECK(network.Run({"init"}, &err) == 6);
  CHECK(absl::StrContains(err, "[ALREADY_INITIALISED]"));
  CHECK(network.Run({"--net.tls=false", "--net.listen=0.0.0.0:0"}, &err) == 6);
  CHECK(absl::StrContains(err, "[PLAINTEXT_NOT_LOOPBACK]"));

  network.Start();
  CHECK(network.Run({"--net.listen=127.0.0.1:0", "--http.listen=off"}, &err) == 15);
  CHECK(absl::StrContains(err, "[STORE_LOCKED]"));
  Network other;
  other.Init();
  CHECK(other.Run({absl::StrCat("--net.listen=", network.endpoint), "--http.listen=off"}, &err) ==
        15);
  CHECK(absl::StrContains(err, "[PORT_TAKEN]"));
  CHECK(other.Run({"--net.listen=127.0.0.1:0", absl::StrCat("--http.listen=", network.http)},
                  &err) == 15);
  CHECK(absl::StrContains(err, "[PORT_TAKEN]"));
}

}  // namespace cairn
