#include "apps/rpc/provider_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "apps/rpc/provider_service.h"
#include "apps/rpc/raw_chunk.h"
#include "apps/rpc/server.h"
#include "cairn/base/status.h"
#include "cairn/rpc/v1/provider.grpc.pb.h"
#include "catch.h"
#include "support/fake_provider.h"

namespace cairn::rpc {
namespace {

struct Pair {
  FakeProvider provider;
  base::SigningKey user = base::SigningKey::Generate(provider.entropy);
  std::unique_ptr<Server> server;
  std::unique_ptr<ProviderClient> client;

  explicit Pair(const StallLimits& limits = {}) {
    server = *Server::Start({.listen = "127.0.0.1:0",
                             .services = {MakeProviderService(provider, provider.verifier, limits)}});
    client = *ProviderClient::Connect({.endpoint = server->endpoint(),
                                       .chain = provider.chain,
                                       .node_key = provider.node_key.public_key(),
                                       .caller = user.Clone(),
                                       .clock = &provider.clock});
  }
  absl::StatusOr<std::string> Fetch(const std::string& part, CallControl* control = nullptr) {
    v1::GetRequest request;
    request.set_part(part);
    std::string out;
    auto size = client->Get(
        request, absl::Seconds(10),
        [&](base::ByteView bytes) {
          out += base::ToString(bytes);
          return absl::OkStatus();
        },
        control);
    if (!size.ok()) return size.status();
    if (*size != out.size()) return absl::DataLossError("size");
    return out;
  }
};

std::string Pattern(size_t size) {
  std::string out(size, '\0');
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 7 + i / 251);
  return out;
}

}  // namespace

TEST_CASE("parts go up and come back equal, several in one stream, one receipt a commit") {
  Pair pair;
  auto stream = *pair.client->Put(absl::Seconds(20));
  base::SeededEntropy entropy(5);
  std::vector<base::ObjectId> objects;
  for (size_t size : {0u, 1u, 600u, 262'144u, 262'145u, 3'000'000u}) {
    v1::PutOpen open;
    open.set_part(absl::StrCat("part", size));
    open.set_size(size);
    REQUIRE(stream->Open(open).ok());
    std::string bytes = Pattern(size);
    REQUIRE(stream->Write(CordOf(base::ToBytes(base::AsBytes(bytes)))).ok());
    objects.push_back(entropy.Draw<base::ObjectId>());
    if (objects.size() == 3) {
      CHECK(stream->Commit(objects)->position() == 3);
    }
  }
  CHECK(stream->Commit(objects)->position() == 6);
  stream.reset();
  CHECK(pair.provider.last_caller == pair.user.public_key());
  for (size_t size : {0u, 1u, 600u, 262'144u, 262'145u, 3'000'000u}) {
    auto back = pair.Fetch(absl::StrCat("part", size));
    REQUIRE(back.ok());
    CHECK(*back == Pattern(size));
  }
}

TEST_CASE(
    "a refusal arrives with reason, hint and evidence, in unary calls and in the middle of an "
    "upload") {
  Pair pair;
  absl::Status refused = pair.client->Approve({}).status();
  CHECK(base::ReasonOf(refused) == "FULL");
  CHECK(base::DetailOf(refused).hint == "ask another provider");
  CHECK(base::DetailOf(refused).evidence.at(0).second == "0");
  CHECK(pair.provider.last_caller == pair.user.public_key());
  CHECK(pair.client->SubmitReceipts({})->sealed_height() == 42);
  CHECK(base::ReasonOf(pair.Fetch("none").status()) == "NO_SUCH_PART");

  pair.provider.refuse_put = true;
  auto stream = *pair.client->Put(absl::Seconds(20));
  absl::Status status = stream->Open({});
  for (int i = 0; i < 1000 && status.ok(); ++i)
    status = stream->Write(CordOf(base::Bytes(1 << 20)));
  CHECK(base::ReasonOf(status) == "DISK_FULL");
  CHECK(base::ReasonOf(stream->Commit({}).status()) == "DISK_FULL");
}

TEST_CASE("a holder that was asked to tells how much it keeps, and only that is waited for") {
  Pair pair;
  auto stream = *pair.client->Put(absl::Seconds(20));
  v1::PutOpen open;
  open.set_part("told");
  open.set_size(3'000'000);
  open.set_report(true);
  REQUIRE(stream->Open(open).ok());
  const std::string bytes = Pattern(3'000'000);
  REQUIRE(stream->Write(CordOf(base::ToBytes(base::AsBytes(bytes).first(1'000'000)))).ok());
  auto held = stream->WaitHeld(1);
  REQUIRE(held.ok());
  CHECK(*held >= 1);
  CHECK(*held <= 1'000'000);
  CHECK(*stream->WaitHeld(1'000'000) == 1'000'000);
  CHECK(*stream->WaitHeld(5) == 1'000'000);  // known already
  REQUIRE(stream->Write(CordOf(base::ToBytes(base::AsBytes(bytes).subspan(1'000'000)))).ok());
  CHECK(stream->Commit({base::ObjectId{}})->position() == 1);  // reports before the receipt are passed over
  stream.reset();
  CHECK(*pair.Fetch("told") == bytes);

  pair.provider.refuse_put = true;
  auto refused = *pair.client->Put(absl::Seconds(20));
  (void)refused->Open(open);
  (void)refused->Write(CordOf(base::Bytes(1000)));
  CHECK(base::ReasonOf(refused->WaitHeld(1000).status()) == "DISK_FULL");
}

TEST_CASE("a client that moves nothing loses its place, and one that is slow but steady keeps it") {
  Pair pair({.patience = absl::Milliseconds(400), .least_bytes_per_second = 1000});
  pair.provider.parts["big"] = Pattern(32 << 20);
  v1::PutOpen open;
  open.set_part("never");
  open.set_size(1000);
  open.set_report(true);
  // An upload that says what will come and sends nothing.
  auto idle = *pair.client->Put(absl::Seconds(60));
  REQUIRE(idle->Open(open).ok());
  CHECK(absl::IsCancelled(idle->WaitHeld(1).status()));
  CHECK(pair.Fetch("big").ok());  // for which the provider needs the lock that the upload held

  // A reader that does not read.
  auto channel = *Connect(pair.server->endpoint(), PeerPin::Plaintext());
  auto stub = v1::Provider::NewStub(channel);
  {
    grpc::ClientContext context;
    v1::GetRequest request;
    request.set_part("big");
    auto reader = stub->Get(&context, request);
    std::this_thread::sleep_for(std::chrono::seconds(2));
    v1::Chunk chunk;
    uint64_t got = 0;
    while (reader->Read(&chunk)) got += chunk.data().size();
    CHECK(reader->Finish().error_code() == grpc::StatusCode::CANCELLED);
    CHECK(got < 32u << 20);
  }

  // Twice the least rate for four times the patience.
  auto steady = *pair.client->Put(absl::Seconds(60));
  open.set_part("steady");
  open.set_size(3200);
  REQUIRE(steady->Open(open).ok());
  for (uint64_t sent = 100; sent <= 3200; sent += 100) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    REQUIRE(steady->Write(CordOf(base::Bytes(100))).ok());
    REQUIRE(steady->WaitHeld(sent).ok());
  }
  CHECK(steady->Commit({base::ObjectId{}}).ok());
}

TEST_CASE("a payer that says nothing loses its place; one that has begun may be quiet") {
  Pair pair({.patience = absl::Milliseconds(400), .least_bytes_per_second = 1000});
  auto channel = *Connect(pair.server->endpoint(), PeerPin::Plaintext());
  auto stub = v1::Provider::NewStub(channel);
  grpc::ClientContext silent_context, quiet_context;
  auto silent = stub->Pay(&silent_context), quiet = stub->Pay(&quiet_context);
  v1::PayRequest request;
  v1::PayResponse response;
  REQUIRE(quiet->Write(request));
  REQUIRE(quiet->Read(&response));
  CHECK_FALSE(silent->Read(&response));
  CHECK(silent->Finish().error_code() == grpc::StatusCode::CANCELLED);
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  REQUIRE(quiet->Write(request));
  REQUIRE(quiet->Read(&response));
  CHECK(response.sent_bytes() == 2);
  quiet->WritesDone();
  CHECK(quiet->Finish().ok());
}

TEST_CASE("a plain stub speaks the same bulk messages") {
  Pair pair;
  auto channel = *Connect(pair.server->endpoint(), PeerPin::Plaintext());
  auto stub = v1::Provider::NewStub(channel);
  grpc::ClientContext put_context;
  auto put = stub->Put(&put_context);
  v1::PutRequest request;
  request.mutable_header()->mutable_open()->set_part("plain");
  request.set_data(Pattern(1000));
  REQUIRE(put->Write(request));
  request.clear_header();
  request.set_data("tail");
  REQUIRE(put->Write(request));
  request.Clear();
  request.mutable_header()->mutable_commit()->add_objects("o");
  REQUIRE(put->Write(request));
  v1::PutResponse response;
  REQUIRE(put->Read(&response));
  put->WritesDone();
  CHECK(put->Finish().ok());

  grpc::ClientContext get_context;
  v1::GetRequest get;
  get.set_part("plain");
  auto reader = stub->Get(&get_context, get);
  v1::Chunk chunk;
  std::string back;
  while (reader->Read(&chunk)) back += chunk.data();
  CHECK(reader->Finish().ok());
  CHECK(back == Pattern(1000) + "tail");
}

TEST_CASE("a call ends when it is cancelled, when its sink fails and when its time is over") {
  Pair pair;
  pair.provider.parts["big"] = Pattern(64 << 20);
  CallControl before;
  before.Cancel();
  CHECK(absl::IsCancelled(pair.Fetch("big", &before).status()));

  v1::GetRequest request;
  request.set_part("big");
  CallControl during;
  auto cancelled = pair.client->Get(
      request, absl::Seconds(20),
      [&](base::ByteView) {
        during.Cancel();
        return absl::OkStatus();
      },
      &during);
  CHECK(absl::IsCancelled(cancelled.status()));
  auto failed = pair.client->Get(request, absl::Seconds(20),
                                 [](base::ByteView) { return absl::DataLossError("mine"); });
  CHECK(failed.status().message() == "mine");
  auto late = pair.client->Get(request, absl::Milliseconds(50), [](base::ByteView) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return absl::OkStatus();
  });
  CHECK(base::ReasonOf(late.status()) == "DEADLINE");
}

TEST_CASE("nobody there is an error within the call's time, and says where") {
  auto client =
      *ProviderClient::Connect({.endpoint = "127.0.0.1:1", .call_timeout = absl::Seconds(2)});
  absl::Status status = client->GetInfo().status();
  CHECK(absl::IsUnavailable(status));
  CHECK(base::ReasonOf(status) == "UNREACHABLE");
  CHECK(status.message().find("127.0.0.1:1") != absl::string_view::npos);
}

TEST_CASE("a bulk payload crosses TLS at hundreds of megabytes a second", "[.bench]") {
  Pair pair;
  auto certificate = MakeNodeCertificate("x");
  auto secure =
      *Server::Start({.listen = "127.0.0.1:0",
                      .certificate = &*certificate,
                      .services = {MakeProviderService(pair.provider, pair.provider.verifier)}});
  auto client = *ProviderClient::Connect(
      {.endpoint = secure->endpoint(), .pin = PeerPin::Of(certificate->pin)});
  pair.provider.parts["big"] = Pattern(512 << 20);
  for (ProviderClient* with : {pair.client.get(), client.get()}) {
    v1::GetRequest request;
    request.set_part("big");
    auto begin = std::chrono::steady_clock::now();
    uint64_t total = 0;
    REQUIRE(with->Get(request, absl::Seconds(60),
                      [&](base::ByteView bytes) {
                        total += bytes.size();
                        return absl::OkStatus();
                      })
                .ok());
    double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    WARN(static_cast<double>(total) / 1e6 / seconds << " MB/s down");
    CHECK(total == 512u << 20);
  }
}

}  // namespace cairn::rpc
