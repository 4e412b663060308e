// A chaind and six storaged on loopback, driven by hand through their clients.
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "apps/rpc/chain_client.h"
#include "apps/rpc/provider_client.h"
#include "apps/rpc/provider_service.h"
#include "cairn/base/blake3_tree.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "cairn/chain/verdict.h"
#include "cairn/rpc/v1/provider.pb.h"
#include "cairn/storage/bucket_keys.h"
#include "cairn/storage/encode.h"
#include "cairn/storage/manifest.h"
#include "catch.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace cairn {
namespace {

namespace pb = chain::pb;

constexpr size_t kProviders = 6;

base::Bytes Pattern(size_t size, uint8_t seed) {
  base::Bytes bytes(size);
  uint32_t state = 0x9e3779b9u * (seed + 1u);
  for (uint8_t& byte : bytes)
    byte = static_cast<uint8_t>((state = state * 1664525u + 1013904223u) >> 24);
  return bytes;
}

// "name   value" rows, as init prints them.
std::string Row(const std::string& text, const std::string& name) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::StartsWith(line, absl::StrCat(name, " "))) continue;
    return std::string(absl::StripAsciiWhitespace(line.substr(name.size())));
  }
  return "";
}

int FreePort() {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  bind(fd, reinterpret_cast<sockaddr*>(&address), length);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  close(fd);
  return ntohs(address.sin_port);
}

struct Stored {
  base::ObjectId id;
  pb::Object record;
  storage::VersionLayout layout;
  std::vector<base::Bytes> shards;
};

class Network {
 public:
  Network() {
    base::SystemEntropy entropy;
    owner_ = base::SigningKey::Generate(entropy);
    std::vector<std::string> init = {CAIRN_CHAIND, "--node.data_dir=" + Folder("chain"), "init",
                                     "--account", base::ToText(owner_->account()) + "=100000"};
    for (size_t i = 0; i < kProviders; ++i) {
      ports_.push_back(FreePort());
      admin_ports_.push_back(FreePort());
      std::ofstream(Folder("pass")) << "correct horse\n";
      std::string out;
      REQUIRE(Run(i, {"init", "--work-factor", "4"}, &out) == 0);
      accounts_.push_back(Row(out, "account"));
      init.insert(init.end(), {"--account", accounts_.back() + "=10000"});
    }
    Process made(init, Folder("init"), false);
    INFO(made.err());
    REQUIRE(made.Wait() == 0);
    chaind_ = std::make_unique<Process>(
        std::vector<std::string>{CAIRN_CHAIND, "--node.data_dir=" + Folder("chain"),
                                 "--net.listen=127.0.0.1:0", "--net.tls=false",
                                 "--http.listen=off"},
        Folder("chaind"), true);
    chain_endpoint_ = Field(chaind_->WaitReady(), "grpc");
    REQUIRE_FALSE(chain_endpoint_.empty());
    client_ = *rpc::ConnectChain(chain_endpoint_, rpc::PeerPin::Plaintext());
    daemons_.resize(kProviders);
    for (size_t i = 0; i < kProviders; ++i) {
      std::string err;
      int code = Run(i, {"register"}, nullptr, &err);
      INFO(err);
      REQUIRE(code == 0);
      Start(i);
    }
  }

  std::string Folder(const std::string& name) const { return folder_.path() + "/" + name; }
  static std::string Field(const std::string& line, const std::string& name) {
    for (absl::string_view field : absl::StrSplit(line, ' ')) {
      if (absl::StartsWith(field, name + "=")) return std::string(field.substr(name.size() + 1));
    }
    return "";
  }
  std::vector<std::string> Command(size_t i) const {
    std::vector<std::string> command = {CAIRN_STORAGED,
                                        "--node.data_dir=" + Folder(absl::StrCat("p", i)),
                                        absl::StrCat("--net.listen=127.0.0.1:", ports_[i]),
                                        absl::StrCat("--admin.listen=127.0.0.1:", admin_ports_[i]),
                                        "--http.listen=off",
                                        "--chain.endpoint=" + chain_endpoint_,
                                        "--storage.size=1GB",
                                        "--storage.reserve=1MiB",
                                        "--key.passphrase_file=" + Folder("pass"),
                                        "--market.deposit=100",
                                        "--repair.interval=1s",
                                        "--repair.grace=1s",
                                        "--scrub.interval=1s"};
    if (i % 3 < accounts_.size()) command.push_back("--provider.operator=" + accounts_[i % 3]);
    return command;
  }
  int Run(size_t i, std::vector<std::string> more, std::string* out = nullptr,
          std::string* err = nullptr) const {
    std::vector<std::string> all = Command(i);
    all.insert(all.end(), more.begin(), more.end());
    Process process(all, Folder("run"), false);
    int code = process.Wait(60);
    if (out != nullptr) *out = process.out();
    if (err != nullptr) *err = process.err();
    return code;
  }
  void Start(size_t i, const std::vector<std::string>& more = {}) {
    std::vector<std::string> command = Command(i);
    command.insert(command.end(), more.begin(), more.end());
    daemons_[i] = std::make_unique<Process>(command, Folder(absl::StrCat("daemon", i)), true);
    std::string line = daemons_[i]->WaitReady();
    INFO(daemons_[i]->err());
    REQUIRE_FALSE(line.empty());
    admin_[i] = *rpc::ProviderAdminClient::Connect(Field(line, "admin"));
  }
  void Kill(size_t i) {
    daemons_[i]->Signal(SIGKILL);
    daemons_[i]->Wait();
  }
  int Stop(size_t i) {
    daemons_[i]->Signal(SIGTERM);
    return daemons_[i]->Wait();
  }
  Process& daemon(size_t i) { return *daemons_[i]; }
  rpc::ProviderAdminClient& admin(size_t i) { return *admin_[i]; }
  base::AccountId account(size_t i) const { return *base::ParseAccountId(accounts_[i]); }

  pb::Provider Registered(size_t i) const {
    pb::QueryRequest request;
    request.set_provider(chain::ToField(account(i)));
    return client_->Query(request)->providers(0);
  }
  std::unique_ptr<rpc::ProviderClient> Connect(size_t i, bool as_owner) const {
    pb::Provider record = Registered(i);
    rpc::ProviderClientOptions options;
    options.endpoint = record.endpoint();
    options.pin = *rpc::PeerPin::FromBytes(base::AsBytes(record.tls_pin()));
    options.chain = ChainId();
    options.node_key = *base::PublicKey::Decode(base::AsBytes(record.node_key()));
    if (as_owner) options.caller = owner_->Clone();
    options.clock = &clock_;
    return *rpc::ProviderClient::Connect(std::move(options));
  }
  base::ChainId ChainId() const {
    pb::QueryRequest request;
    request.set_status(true);
    return *base::ChainId::From(base::AsBytes(client_->Query(request)->status().chain_id()));
  }

  pb::TransactionReceipt Do(const pb::Operation& operation) {
    pb::TransactionBody body;
    body.set_chain_id(chain::ToField(ChainId()));
    body.set_number(++number_);
    body.set_valid_until_ms(absl::ToUnixMillis(clock_.Now() + absl::Minutes(5)));
    *body.add_operations() = operation;
    auto receipt =
        client_->Submit(chain::SignTransaction(body, *owner_), chain::WaitFor::kCommitted);
    REQUIRE(receipt.ok());
    INFO(chain::ToStatus(*receipt).ToString());
    REQUIRE(chain::ToStatus(*receipt).ok());
    return *receipt;
  }
  pb::Approval Approve(size_t i, const pb::Operation& operation) const {
    rpc::v1::ApproveRequest request;
    *request.mutable_operation() = operation;
    request.set_owner(chain::ToField(owner_->account()));
    auto approved = Connect(i, false)->Approve(request);
    INFO(approved.status().ToString());
    REQUIRE(approved.ok());
    return approved->approval();
  }
  void MakeBucket(const std::string& policy_text, bool is_public) {
    base::SystemEntropy entropy;
    policy_ = *base::Redundancy::Parse(policy_text);
    pb::Operation operation;
    pb::CreateBucket& create = *operation.mutable_create_bucket();
    create.set_name(absl::StrCat("bucket-", number_));
    create.set_public_read(is_public);
    *create.mutable_policy() = chain::ToProto(policy_);
    create.set_nonce(chain::ToField(entropy.Draw<base::Nonce16>()));
    create.set_keep_versions(1);
    if (!is_public) {
      pb::KeyWrap& wrap = *create.add_wraps();
      wrap.set_member(chain::ToField(owner_->account()));
      wrap.set_key_epoch(1);
      wrap.set_wrapped("wrapped");
    }
    create.mutable_new_group()->set_primary(chain::ToField(account(0)));
    create.mutable_new_group()->set_byte_cap(uint64_t{1} << 40);
    for (uint32_t i = 0; i < policy_.width(); ++i) {
      create.mutable_new_group()->add_holders(chain::ToField(account(i)));
    }
    create.mutable_approval()->set_provider(chain::ToField(account(0)));
    *create.mutable_approval() = Approve(0, operation);
    Do(operation);
    pb::QueryRequest query;
    query.mutable_bucket_by_name()->set_owner(chain::ToField(owner_->account()));
    query.mutable_bucket_by_name()->set_name(create.name());
    bucket_ = client_->Query(query)->buckets(0);
  }

  std::vector<Stored> Create(const std::vector<base::Bytes>& contents,
                             const storage::VersionKey* key = nullptr) {
    std::vector<Stored> stored(contents.size());
    pb::Operation operation;
    pb::CreateObjects& create = *operation.mutable_create_objects();
    create.set_bucket(bucket_.id());
    for (size_t i = 0; i < contents.size(); ++i) {
      stored[i].shards.resize(policy_.width());
      storage::EncodeOptions options;
      options.policy = policy_;
      options.key = key;
      auto encoder = *storage::ObjectEncoder::Create(
          options, contents[i].size(), [&](uint32_t j, base::ByteView piece) {
            stored[i].shards[j].insert(stored[i].shards[j].end(), piece.begin(), piece.end());
            return absl::OkStatus();
          });
      REQUIRE(encoder->Feed(contents[i]).ok());
      storage::EncodedObject encoded = *encoder->Finish();
      stored[i].layout = encoded.stored;
      storage::Manifest manifest;
      manifest.head.stored = encoded.stored;
      manifest.plaintext_size = contents[i].size();
      if (key != nullptr)
        manifest.head.seal = storage::SealInfo{storage::KeyIdOf(*key), 1,
                                               base::Bytes(storage::kWrappedVersionKeyBytes)};
      pb::NewObject& object = *create.add_objects();
      object.set_name(absl::StrCat("object-", number_, "-", i));
      object.set_stored_size(encoded.stored.stored_size);
      object.set_content_id(chain::ToField(encoded.stored.content_id.digest));
      object.set_layout_root(chain::ToField(encoded.layout_root));
      object.set_layout(chain::ToProto(encoded.stored.layout));
      auto bytes = storage::EncodeManifest(manifest, key);
      INFO(bytes.status().ToString());
      REQUIRE(bytes.ok());
      object.set_manifest(base::ToString(*bytes));
    }
    *create.mutable_max_lock() = chain::ToProto(base::Amount::Max());
    create.mutable_approval()->set_provider(chain::ToField(account(0)));
    *create.mutable_approval() = Approve(0, operation);
    Do(operation);
    auto nonce = chain::Trusted<base::Nonce16>(create.approval().nonce());
    for (size_t i = 0; i < stored.size(); ++i) {
      stored[i].id = base::ObjectIdFor(ChainId(), {bucket_.id()}, nonce, static_cast<uint32_t>(i));
      stored[i].record = Look(stored[i].id).value();
    }
    return stored;
  }
  std::optional<pb::Object> Look(const base::ObjectId& id) const {
    pb::QueryRequest request;
    request.set_object(chain::ToField(id));
    auto answer = client_->Query(request);
    if (!answer.ok()) return std::nullopt;
    return answer->objects(0);
  }
  rpc::v1::PutOpen OpenOf(const Stored& object, uint32_t position) const {
    bool shards = object.layout.layout == base::LayoutKind::kShards;
    std::vector<base::ContentId> leaves =
        shards ? object.layout.shard_ids : std::vector<base::ContentId>{object.layout.content_id};
    uint32_t leaf = shards ? position : 0;
    rpc::v1::PutOpen open;
    open.set_object(chain::ToField(object.id));
    open.set_position(position);
    open.set_part(chain::ToField(leaves[leaf].digest));
    open.set_size(object.shards[leaf].size());
    open.set_leaf(leaf);
    open.set_leaves(static_cast<uint32_t>(leaves.size()));
    for (const base::Digest& sibling : base::LayoutPath(leaves, leaf))
      open.add_path(chain::ToField(sibling));
    return open;
  }
  // All of these objects that the position keeps, in one stream, one receipt.
  absl::StatusOr<pb::Receipt> Put(const std::vector<Stored>& objects, uint32_t position) const {
    auto client = Connect(position, true);
    ASSIGN_OR_RETURN(auto stream, client->Put(absl::Seconds(60)));
    std::vector<base::ObjectId> ids;
    for (const Stored& object : objects) {
      const auto& kept = object.record.positions();
      if (std::find(kept.begin(), kept.end(), position) == kept.end()) continue;
      rpc::v1::PutOpen open = OpenOf(object, position);
      RETURN_IF_ERROR(stream->Open(open));
      RETURN_IF_ERROR(stream->Write(absl::Cord(base::ToString(object.shards[open.leaf()]))));
      ids.push_back(object.id);
    }
    std::sort(ids.begin(), ids.end());
    return stream->Commit(ids);
  }
  absl::StatusOr<rpc::v1::SubmitReceiptsResponse> Submit(
      const std::vector<Stored>& objects, const std::vector<pb::Receipt>& receipts) const {
    rpc::v1::SubmitReceiptsRequest request;
    request.set_group(bucket_.group());
    std::vector<base::ObjectId> ids;
    for (const Stored& object : objects) ids.push_back(object.id);
    std::sort(ids.begin(), ids.end());
    for (const base::ObjectId& id : ids) request.add_objects(chain::ToField(id));
    for (const pb::Receipt& receipt : receipts) *request.add_receipts() = receipt;
    request.set_wait_sealed(true);
    return Connect(0, true)->SubmitReceipts(request);
  }
  void Store(std::vector<Stored>& objects) {
    std::vector<pb::Receipt> receipts;
    for (uint32_t position = 0; position < policy_.width(); ++position) {
      bool keeps = std::any_of(objects.begin(), objects.end(), [&](const Stored& object) {
        const auto& kept = object.record.positions();
        return std::find(kept.begin(), kept.end(), position) != kept.end();
      });
      if (!keeps) continue;
      auto receipt = Put(objects, position);
      INFO(receipt.status().ToString());
      REQUIRE(receipt.ok());
      receipts.push_back(*receipt);
    }
    auto sealed = Submit(objects, receipts);
    INFO(sealed.status().ToString());
    REQUIRE(sealed.ok());
    CHECK(sealed->sealed_height() > 0);
  }
  // Verified bytes of a whole part.
  absl::StatusOr<base::Bytes> Get(const Stored& object, uint32_t position, bool as_owner) const {
    rpc::v1::PutOpen open = OpenOf(object, position);
    rpc::v1::GetRequest request;
    request.set_object(open.object());
    request.set_part(open.part());
    request.set_length(open.size());
    base::Bytes bytes;
    base::SliceDecoder decoder(chain::Trusted<base::Digest>(open.part()), {0, open.size()});
    RETURN_IF_ERROR(Connect(position, as_owner)
                        ->Get(request, absl::Seconds(30),
                              [&](base::ByteView piece) {
                                return decoder.Feed(piece, [&](uint64_t, base::ByteView proven) {
                                  bytes.insert(bytes.end(), proven.begin(), proven.end());
                                  return absl::OkStatus();
                                });
                              })
                        .status());
    RETURN_IF_ERROR(decoder.Finish().status());
    return bytes;
  }
  // An upload whose opening says something else than it should.
  absl::Status PutSaying(const Stored& object, uint32_t position,
                         const std::function<void(rpc::v1::PutOpen&)>& lie) const {
    rpc::v1::PutOpen open = OpenOf(object, position);
    const base::Bytes& shard = object.shards[open.leaf()];
    lie(open);
    auto client = Connect(position, true);
    ASSIGN_OR_RETURN(auto stream, client->Put(absl::Seconds(20)));
    const absl::Status opened = stream->Open(open);
    if (opened.ok()) (void)stream->Write(absl::Cord(base::ToString(shard)));
    return stream->Commit({object.id}).status();
  }
  // What the primary and the ledger say to a new object of this name.
  absl::Status TryName(const std::string& name) const {
    pb::Operation operation;
    pb::CreateObjects& create = *operation.mutable_create_objects();
    create.set_bucket(bucket_.id());
    create.add_objects()->set_name(name);
    create.mutable_approval()->set_provider(chain::ToField(account(0)));
    rpc::v1::ApproveRequest request;
    *request.mutable_operation() = operation;
    request.set_owner(chain::ToField(owner_->account()));
    const absl::Status approved = Connect(0, false)->Approve(request).status();
    pb::TransactionBody body;
    body.set_chain_id(chain::ToField(ChainId()));
    body.set_number(number_ + 1);
    body.set_valid_until_ms(absl::ToUnixMillis(clock_.Now() + absl::Minutes(5)));
    *body.add_operations() = operation;
    auto receipt =
        client_->Submit(chain::SignTransaction(body, *owner_), chain::WaitFor::kCommitted);
    const absl::Status taken = receipt.ok() ? chain::ToStatus(*receipt) : receipt.status();
    return approved.ok() ? approved : taken;
  }
  void Delete(const Stored& object) {
    pb::Operation operation;
    operation.mutable_delete_objects()->set_bucket(bucket_.id());
    operation.mutable_delete_objects()->add_names(object.record.name());
    Do(operation);
  }
  rpc::v1::GetStatusResponse Status(size_t i) { return *admin_[i]->GetStatus(absl::Seconds(10)); }

 private:
  TempDir folder_;
  base::RealClock clock_;
  std::optional<base::SigningKey> owner_;
  std::vector<int> ports_;
  std::vector<int> admin_ports_;
  std::vector<std::string> accounts_;
  std::string chain_endpoint_ = "127.0.0.1:1";
  std::unique_ptr<Process> chaind_;
  std::vector<std::unique_ptr<Process>> daemons_;
  std::map<size_t, std::unique_ptr<rpc::ProviderAdminClient>> admin_;
  std::unique_ptr<chain::Client> client_;
  uint64_t number_ = 0;
  base::Redundancy policy_;
  pb::Bucket bucket_;
};

// Asks again until it holds; false after `seconds`.
bool Eventually(const std::function<bool()>& holds, int seconds = 20) {
  for (int i = 0; i < seconds * 20; ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

TEST_CASE("files go to real providers, survive kill -9, and their parts go when they are deleted",
          "[GF-23][GF-25][GF-109][JS-07]") {
  Network network;
  network.MakeBucket("rs:4+2", true);
  auto large = network.Create({Pattern(5'000'000, 1)});
  network.Store(large);
  std::vector<base::Bytes> contents;
  for (uint8_t i = 0; i < 50; ++i) contents.push_back(Pattern(1000u + i, i));
  auto small = network.Create(contents);
  network.Store(small);
  CHECK(network.Look(large[0].id)->state() == pb::OBJECT_STATE_SEALED);

  for (size_t i = 0; i < kProviders; ++i) network.Kill(i);
  for (size_t i = 0; i < kProviders; ++i) network.Start(i);
  for (uint32_t position = 0; position < kProviders; ++position) {
    REQUIRE(Eventually([&] { return network.Get(large[0], position, false).ok(); }));
    CHECK(network.Get(large[0], position, false).value() == large[0].shards[position]);
  }
  for (const Stored& object : small) {
    CHECK(network.Get(object, object.record.positions(0), false).value() == object.shards[0]);
    uint32_t unused = 0;
    const auto& kept = object.record.positions();
    while (std::find(kept.begin(), kept.end(), unused) != kept.end()) ++unused;
    CHECK(base::ReasonOf(network.Get(object, unused, false).status()) == "NO_SUCH_PART");
  }
  network.Delete(large[0]);
  for (const Stored& object : small) network.Delete(object);
  for (size_t i = 0; i < kProviders; ++i)
    CHECK(Eventually([&] { return network.Status(i).blobs() == 0; }));
  for (size_t i = 0; i < kProviders; ++i) CHECK(network.Stop(i) == 0);
}

TEST_CASE("a private object is given to nobody who may not read it", "[GF-43]") {
  Network network;
  network.MakeBucket("rs:4+2", false);
  base::SystemEntropy entropy;
  storage::VersionKey key = entropy.DrawSecret<32>();
  auto objects = network.Create({Pattern(5000, 1)}, &key);
  network.Store(objects);
  uint32_t position = objects[0].record.positions(1);
  CHECK(base::ReasonOf(network.Get(objects[0], position, false).status()) == "ACCESS_DENIED");
  CHECK(network.Get(objects[0], position, true).value() == objects[0].shards[0]);
}

TEST_CASE("a store that was wiped is reported and filled from the others", "[JS-24][GF-24]") {
  Network network;
  network.MakeBucket("rs:4+2", true);
  auto objects = network.Create({Pattern(5'000'000, 1), Pattern(2000, 2), {}});
  std::vector<Stored> full(objects.begin(), objects.begin() + 2);
  if (objects[2].record.state() == pb::OBJECT_STATE_CREATED) full.push_back(objects[2]);
  network.Store(full);
  network.Kill(2);
  std::filesystem::remove_all(network.Folder("p2/store"));
  std::filesystem::remove_all(network.Folder("p2/index"));
  network.Start(2);
  CHECK(Eventually([&] {
    auto bytes = network.Get(objects[0], 2, false);
    return bytes.ok() && *bytes == objects[0].shards[2];
  }));
  CHECK(Eventually([&] {
    return network.Status(2).pulls_due() == 0 && !network.Status(2).info().loss_reported();
  }));
}

TEST_CASE("wrong passphrase, taken port, wrong key and a full disk are one error each", "[GF-20]") {
  Network network;
  std::string err;
  {
    std::ofstream(network.Folder("wrong")) << "battery staple\n";
    CHECK(network.Run(1, {"--key.passphrase_file=" + network.Folder("wrong"), "doctor"}) != 0);
    network.Kill(1);
    CHECK(network.Run(1, {"--key.passphrase_file=" + network.Folder("wrong")}, nullptr, &err) == 5);
    CHECK(absl::StrContains(err, "WRONG_PASSPHRASE"));
    network.Start(1);
  }
  CHECK(network.Run(1, {}, nullptr, &err) == 15);
  CHECK(absl::StrContains(err, "STORE_LOCKED"));
  CHECK(network.Run(1, {"--net.lisen=1"}, nullptr, &err) == 2);
  CHECK(absl::StrContains(err, "net.listen"));
  CHECK(network.Run(1, {"--node.data_dir=" + network.Folder("fresh"), "init", "--plain-keys"}) ==
        0);
  CHECK(network.Run(1, {"--node.data_dir=" + network.Folder("fresh")}, nullptr, &err) != 0);
  CHECK(absl::StrContains(err, "PORT_TAKEN"));
  std::string out;
  CHECK(network.Run(0, {"doctor"}, &out) == 0);
  INFO(out);
  CHECK(absl::StrContains(out, "ok    registration"));

  CHECK(network.Stop(1) == 0);
  network.Start(1, {"--storage.size=6MB"});  // the ledger thinks that it has more
  network.MakeBucket("replicate:3", true);
  auto kept = network.Create({Pattern(4'000'000, 1)});
  network.Store(kept);
  auto large = network.Create({Pattern(3'000'000, 2)});
  auto small = network.Create({Pattern(400'000, 3)});
  CHECK(base::ReasonOf(network.Put(large, 1).status()) == "NO_SPACE");
  CHECK(network.Put(small, 1).ok());
  CHECK(network.Get(kept[0], 1, false).value() == kept[0].shards[0]);
}

// One client, one holder after the other: what the providers and the ledger cost alone.
void StoreSmallFiles(int batches) {
  Network network;
  network.MakeBucket("rs:4+2", true);
  auto begin = std::chrono::steady_clock::now();
  for (int batch = 0; batch < batches; ++batch) {
    std::vector<base::Bytes> contents;
    for (int i = 0; i < 250; ++i) {
      contents.push_back(Pattern(4000 + i, static_cast<uint8_t>(batch)));
    }
    auto objects = network.Create(contents);
    network.Store(objects);
  }
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  WARN(250 * batches << " files x 3 copies in " << seconds << " s");
  CHECK(seconds < 60);
  uint64_t blobs = 0;
  for (size_t i = 0; i < kProviders; ++i) blobs += network.Status(i).blobs();
  CHECK(blobs == 750u * batches);
}

TEST_CASE("a client that lies about size, place or root is refused, and nothing of it is kept",
          "[GF-20]") {
  Network network;
  network.MakeBucket("rs:2+1", true);
  auto objects = network.Create({Pattern(2'000'000, 4), Pattern(3'000'000, 5)});
  const auto before = network.Status(1);
  using Open = rpc::v1::PutOpen;
  const std::vector<std::function<void(Open&)>> lies = {
      [](Open& open) { open.set_size(open.size() - 1); },
      [](Open& open) { open.set_size(open.size() + 1); },
      [](Open& open) { open.set_size(0); },
      [](Open& open) { open.set_size(uint64_t{1} << 62); },
      [](Open& open) { open.set_part(std::string(32, 'p')); },
      [](Open& open) { open.set_part("short"); },
      [](Open& open) { open.set_leaf(open.leaf() + 1); },
      [](Open& open) { open.set_leaves(1'000'000'000); },
      [](Open& open) { open.mutable_path(0)->at(0) ^= 1; },
      [](Open& open) { open.clear_path(); },
      [](Open& open) { open.add_path(std::string(32, 'x')); },
      [](Open& open) { open.set_position(open.position() + 1); },
      [](Open& open) { open.set_from_offset(open.size() + 1); },
      [](Open& open) { open.set_object(std::string(32, 'o')); },
      [&](Open& open) { open.set_object(chain::ToField(objects[1].id)); },
  };
  for (size_t i = 0; i < lies.size(); ++i) {
    const absl::Status refused = network.PutSaying(objects[0], 1, lies[i]);
    INFO("lie " << i << ": " << refused.ToString());
    CHECK_FALSE(refused.ok());
    CHECK_FALSE(base::ReasonOf(refused).empty());
    CHECK(base::ReasonOf(refused) != "INTERNAL");
  }
  CHECK(network.Status(1).blobs() == before.blobs());
  CHECK(network.Status(1).live_bytes() == before.live_bytes());
  network.Store(objects);
  CHECK(network.Get(objects[0], 1, false).ok());
}

TEST_CASE("a name of ten mebibytes is refused by its length, a long one by the rules") {
  Network network;
  network.MakeBucket("replicate:2", true);
  for (size_t length : {size_t{4097}, size_t{900'000}, size_t{10} << 20}) {
    const absl::Status refused = network.TryName(std::string(length, 'n'));
    INFO(length << ": " << refused.ToString().substr(0, 500));
    CHECK_FALSE(refused.ok());
    CHECK(refused.message().size() < 1000);
    CHECK(absl::IsResourceExhausted(refused) == (length > size_t{1} << 20));
  }
  auto objects = network.Create({Pattern(1000, 6)});
  network.Store(objects);
}

TEST_CASE("a thousand small files are taken at the pace of batches, not of single files") {
  StoreSmallFiles(4);
}

TEST_CASE("ten thousand small files", "[.soak]") { StoreSmallFiles(40); }

}  // namespace
}  // namespace cairn
