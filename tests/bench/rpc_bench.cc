// B12 and B17: bulk transfers over loopback, without TLS on either side.
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>

#include "apps/rpc/provider_client.h"
#include "apps/rpc/raw_chunk.h"
#include "apps/rpc/server.h"
#include "bench.h"
#include "cairn/base/blake3_tree.h"
#include "cairn/base/entropy.h"
#include "cairn/base/observer.h"
#include "cairn/rpc/v1/provider.grpc.pb.h"
#include "cairn/storage/disk_blob_store.h"
#include "child.h"
#include "folder.h"
#include "support/fake_provider.h"

namespace cairn::bench {
namespace {

constexpr absl::Duration kLong = absl::Minutes(5);

void MustBe(const absl::Status& status) {
  if (!status.ok()) Die(status.ToString());
}

// Serves from a blob store as storaged does, or bytes from memory; takes what comes and forgets it.
class Provider final : public rpc::FakeProvider {
 public:
  storage::BlobStore* store = nullptr;
  base::Bytes memory;
  uint64_t times = 0;  // how often `memory` is sent

  absl::Status Get(const rpc::Caller&, const rpc::v1::GetRequest& request, rpc::ChunkWriter& writer) override {
    if (request.part().empty()) {
      for (uint64_t i = 0; i < times; ++i) RETURN_IF_ERROR(writer.Write(memory));
      return absl::OkStatus();
    }
    base::ContentId id;
    std::copy(request.part().begin(), request.part().end(), id.digest.value.begin());
    writer.SetSize(store->Stat(id)->size);
    return store->ReadSlice(id, {request.offset(), request.length()},
                            [&](base::ByteView piece) { return writer.Write(piece); });
  }
  absl::Status Put(const rpc::Caller&, rpc::PutReader& reader) override {
    for (;;) {
      ASSIGN_OR_RETURN(rpc::PutReader::Step step, reader.Next());
      if (std::holds_alternative<rpc::PutReader::End>(step)) return absl::OkStatus();
      if (std::holds_alternative<std::shared_ptr<const rpc::v1::PutCommit>>(step)) {
        rpc::v1::PutResponse response;
        response.mutable_receipt();  // what a client waits for after its commit
        RETURN_IF_ERROR(reader.Respond(response));
      }
    }
  }
};

struct Ours {
  Provider provider;
  std::unique_ptr<rpc::Server> server;
  std::unique_ptr<rpc::ProviderClient> client;
  Ours() {
    server = *rpc::Server::Start(
        {.listen = "127.0.0.1:0", .services = {rpc::MakeProviderService(provider, provider.verifier)}});
    client = *rpc::ProviderClient::Connect({.endpoint = server->endpoint()});
  }
};

double Rate(uint64_t bytes, double seconds) { return static_cast<double>(bytes) * 1e-9 / seconds; }

// ---- B12 ----

// From the store's packs over the provider's stream; every group of 16 KiB proven before it counts.
double VerifiedGet(Ours& ours, const base::ContentId& id, uint64_t size) {
  rpc::v1::GetRequest request;
  request.set_part(base::ToString(id.digest.view()));
  request.set_length(size);
  const double seconds = WallSeconds([&] {
    base::SliceDecoder decoder(id.digest, {0, size}, size);
    uint64_t proven = 0;
    const auto take = [&](uint64_t, base::ByteView bytes) {
      proven += bytes.size();
      return absl::OkStatus();
    };
    MustBe(ours.client->Get(request, kLong, [&](base::ByteView bytes) { return decoder.Feed(bytes, take); }).status());
    MustBe(decoder.Finish().status());
    Must(proven == size, "all bytes proven");
  });
  return Rate(size, seconds);
}

class Nginx {
 public:
  Nginx(const Folder& folder, base::ByteView content) : port_(FreePort()) {
    const std::string& path = folder.path();
    std::ofstream(path + "/blob", std::ios::binary).write(reinterpret_cast<const char*>(content.data()),
                                                          static_cast<std::streamsize>(content.size()));
    std::ofstream(path + "/nginx.conf")
        << (geteuid() == 0 ? "user root;\n" : "") << "daemon off;\nworker_processes 1;\npid " << path
        << "/nginx.pid;\nerror_log " << path << "/error.log;\nevents {}\nhttp {\n  sendfile on;\n  tcp_nopush on;\n"
        << "  sendfile_max_chunk 0;\n  access_log off;\n  server {\n    listen 127.0.0.1:" << port_ << ";\n    root "
        << path << ";\n  }\n}\n";
    child_.emplace(std::vector<std::string>{"nginx", "-p", path, "-c", path + "/nginx.conf"});
  }

  // One GET, received and thrown away.
  double Get(uint64_t size) {
    const int fd = ConnectTo(port_);
    const std::string request = "GET /blob HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    base::Bytes buffer(1 << 20);
    uint64_t got = 0;
    const double seconds = WallSeconds([&] {
      Must(send(fd, request.data(), request.size(), 0) == static_cast<ssize_t>(request.size()), "send");
      for (ssize_t n = 1; n > 0; got += static_cast<uint64_t>(n)) {
        n = recv(fd, buffer.data(), buffer.size(), 0);
        Must(n >= 0, "recv");
      }
    });
    close(fd);
    Must(got > size, "the whole file");
    return Rate(size, seconds);
  }

 private:
  int port_;
  std::optional<Child> child_;
};

void Verified(Program& program) {
  const uint64_t size = program.full() ? uint64_t{1} << 30 : uint64_t{256} << 20;
  const base::Bytes content = Noise(size, 12);
  const base::ContentId id = base::ContentId::Of(content);
  const Folder folder(program.dir()), packs(program.dir());
  static base::SystemEntropy entropy;
  auto store = storage::DiskBlobStore::OpenAt(packs.path(), entropy, base::NullObserver());
  MustBe(store.status());
  MustBe((*store)->Put(id, content).status());
  Ours ours;
  ours.provider.store = store->get();
  Nginx nginx(folder, content);
  program.Note("B12: one blob from the store's packs in the page cache over the provider's gRPC stream, each 16 KiB proven by "
               "the receiver; peer: " + FirstLine("nginx -v 2>&1") +
               ", one worker, sendfile, to a bare recv loop that proves nothing; no TLS on both sides");
  program.Compare({"B12", "get_verified", "GB/s", 0.30, 0.50}, [&] { return VerifiedGet(ours, id, size); },
                  [&] { return nginx.Get(size); });
}

// ---- B17 ----

// What grpc_cpp_plugin makes of the same messages.
class Bare final : public rpc::v1::Provider::Service {
 public:
  std::string data = std::string(rpc::kBulkMessageBytes, 'x');
  uint64_t times = 0;
  grpc::Status Get(grpc::ServerContext*, const rpc::v1::GetRequest*,
                   grpc::ServerWriter<rpc::v1::Chunk>* writer) override {
    rpc::v1::Chunk chunk;
    chunk.set_data(data);
    for (uint64_t i = 0; i < times; ++i) Must(writer->Write(chunk), "write");
    return grpc::Status::OK;
  }
  grpc::Status Put(grpc::ServerContext*,
                   grpc::ServerReaderWriter<rpc::v1::PutResponse, rpc::v1::PutRequest>* stream) override {
    rpc::v1::PutRequest request;
    while (stream->Read(&request)) {
      if (request.has_header()) stream->Write({});
    }
    return grpc::Status::OK;
  }
};

struct Peer {
  Bare service;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<rpc::v1::Provider::Stub> stub;
  Peer() {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service);
    server = builder.BuildAndStart();
    stub = rpc::v1::Provider::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  }
};

double BareGet(Peer& peer, uint64_t size) {
  peer.service.times = size / rpc::kBulkMessageBytes;
  const double seconds = WallSeconds([&] {
    grpc::ClientContext context;
    auto reader = peer.stub->Get(&context, {});
    rpc::v1::Chunk chunk;
    uint64_t got = 0;
    while (reader->Read(&chunk)) got += chunk.data().size();
    Must(reader->Finish().ok() && got == size, "bare get");
  });
  return Rate(size, seconds);
}

double OurGet(Ours& ours, uint64_t size) {
  ours.provider.times = size / ours.provider.memory.size();
  const double seconds = WallSeconds([&] {
    uint64_t got = 0;
    MustBe(ours.client->Get({}, kLong, [&](base::ByteView bytes) {
                         got += bytes.size();
                         return absl::OkStatus();
                       }).status());
    Must(got == size, "get");
  });
  return Rate(size, seconds);
}

double BarePut(Peer& peer, uint64_t size) {
  rpc::v1::PutRequest request;
  request.set_data(std::string(rpc::kBulkMessageBytes, 'x'));
  const double seconds = WallSeconds([&] {
    grpc::ClientContext context;
    auto stream = peer.stub->Put(&context);
    for (uint64_t at = 0; at < size; at += rpc::kBulkMessageBytes) Must(stream->Write(request), "bare put");
    rpc::v1::PutRequest commit;
    commit.mutable_header()->mutable_commit();
    rpc::v1::PutResponse response;
    Must(stream->Write(commit) && stream->Read(&response), "bare commit");
    stream->WritesDone();
    Must(stream->Finish().ok(), "bare put");
  });
  return Rate(size, seconds);
}

double OurPut(Ours& ours, uint64_t size) {
  const absl::Cord piece = rpc::CordOf(base::Bytes(rpc::kBulkMessageBytes, 'x'));
  const double seconds = WallSeconds([&] {
    auto stream = ours.client->Put(kLong);
    MustBe(stream.status());
    rpc::v1::PutOpen open;
    open.set_size(size);
    MustBe((*stream)->Open(open));
    for (uint64_t at = 0; at < size; at += piece.size()) MustBe((*stream)->Write(piece));
    MustBe((*stream)->Commit({}).status());
  });
  return Rate(size, seconds);
}

void Streams(Program& program) {
  const uint64_t size = program.full() ? uint64_t{2} << 30 : uint64_t{256} << 20;
  Ours ours;
  ours.provider.memory.assign(64 << 10, 'x');
  Peer peer;
  program.Note("B17: the provider's Get and Put, bytes from memory and dropped at the end; peer: the generated service and stub "
               "with the same messages of 256 KiB, gRPC " + grpc::Version() + "; no TLS on both sides");
  program.Compare({"B17", "grpc_get", "GB/s", 0.85, 0.95}, [&] { return OurGet(ours, size); },
                  [&] { return BareGet(peer, size); });
  program.Compare({"B17", "grpc_put", "GB/s", 0.85, 0.95}, [&] { return OurPut(ours, size); },
                  [&] { return BarePut(peer, size); });
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  cairn::bench::Program program(argc, argv);
  if (program.Wants("B12")) cairn::bench::Verified(program);
  if (program.Wants("B17")) cairn::bench::Streams(program);
  return program.Finish();
}
