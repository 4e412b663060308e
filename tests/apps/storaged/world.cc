#include "apps/storaged/world.h"

#include <algorithm>
#include <stdexcept>

#include "cairn/chain/convert.h"
#include "cairn/chain/genesis.h"
#include "cairn/chain/transaction.h"
#include "cairn/storage/bucket_keys.h"
#include "cairn/storage/manifest.h"
#include "cairn/storage/memory_blob_store.h"

namespace cairn::storaged::testing {
namespace {

void Must(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}
template <class T>
T Must(absl::StatusOr<T> value) {
  Must(value.status());
  return *std::move(value);
}

base::Amount Crn(uint64_t whole) {
  return base::Amount(absl::uint128(whole) * 1'000'000'000'000'000'000u);
}

}  // namespace

base::Bytes Pattern(size_t size, uint8_t seed) {
  base::Bytes bytes(size);
  uint32_t state = 0x9e3779b9u * (seed + 1u);
  for (uint8_t& byte : bytes)
    byte = static_cast<uint8_t>((state = state * 1664525u + 1013904223u) >> 24);
  return bytes;
}

absl::Status WorldSource::Fetch(const base::AccountId& provider, const base::ObjectId& object,
                                const base::ContentId& part, base::ByteRange range,
                                const storage::ByteSink& sink) {
  TestProvider* peer = world_.Find(provider);
  if (peer == nullptr || peer->off) return absl::UnavailableError("nobody answers");
  auto kept = (*peer)->index.Find(object, part);
  if (!kept.ok() || !kept->has_value()) return absl::NotFoundError("not kept there");
  base::SliceDecoder decoder(part.digest, range);
  bool first = true;
  absl::Status read = peer->blobs->ReadSlice(part, range, [&](base::ByteView piece) {
    base::Bytes copy = base::ToBytes(piece);
    if (peer->lies && !first) copy.back() ^= 1;
    first = false;
    return decoder.Feed(copy, [&](uint64_t, base::ByteView proven) { return sink(proven); });
  });
  if (!read.ok()) return read;
  return decoder.Finish().status();
}

TestProvider::Parts::Parts(TestProvider& p)
    : writes(*p.kv),
      index(writes, *p.blobs),
      ledger(*p.world.client, p.world.clock),
      seal_lane(*p.world.client, p.identity, p.world.clock, 1),
      pull_lane(*p.world.client, p.identity, p.world.clock, 2),
      approver(p.identity, ledger, p.world.entropy, p.world.clock, {.max_object_bytes = 1 << 30},
               [&p] { return p.quota - std::min(p.quota, p.blobs->Usage().disk_bytes); }),
      ingest({p.identity, ledger, index, *p.blobs, faults}),
      sealer({p.identity, ledger, writes, seal_lane, p.world.clock, faults}),
      puller(
          {p.identity, ledger, index, *p.blobs, ingest, sealer, pull_lane, p.source, p.world.clock},
          {.grace = absl::Seconds(5)}),
      scrubber({p.identity, *p.blobs, writes, p.world.clock,
                [this](const auto& id) { puller.AddDamaged(id); }}),
      follower({p.identity, ledger, index, writes, sealer, puller, [] { return absl::OkStatus(); },
                [] {}}) {
  pull_lane.Start();  // Puller waits for its transactions
  Must(follower.Load());
  Must(scrubber.Load());
}

TestProvider::Parts::~Parts() {
  seal_lane.Stop();
  pull_lane.Stop();
}

TestProvider::TestProvider(World& w, base::SigningKey account, base::SigningKey node,
                           base::Entropy& entropy, uint64_t quota_bytes)
    : world(w),
      identity{w.engine->chain_id(), std::move(account), std::move(node)},
      quota(quota_bytes),
      kv(base::NewMemoryKv()),
      memory(storage::NewMemoryBlobStore(entropy.Draw<base::StoreId>(), quota)),
      blobs(std::make_unique<storage::FaultyBlobStore>(*memory)),
      source(w),
      parts(std::make_unique<Parts>(*this)) {}

void TestProvider::Restart() {
  parts = nullptr;
  parts = std::make_unique<Parts>(*this);
  Must(parts->sealer.Resume());
}

void TestProvider::LoseStore() {
  parts = nullptr;
  kv = base::NewMemoryKv();
  memory = storage::NewMemoryBlobStore(world.entropy.Draw<base::StoreId>(), quota);
  blobs = std::make_unique<storage::FaultyBlobStore>(*memory);
  parts = std::make_unique<Parts>(*this);
  parts->follower.Skip(world.engine->height());
  pb::Operation report;
  report.mutable_report_new_store()->set_store_id(chain::ToField(blobs->store_id()));
  Must(parts->pull_lane.Run(std::move(report)));
  parts->puller.SetLost();
}

void TestProvider::CatchUp() {
  bool moved = true;
  while (moved) {
    moved = parts->seal_lane.RunOnce();
    while (parts->follower.height() < world.engine->height()) {
      uint64_t next = parts->follower.height() + 1;
      auto block = Must(world.engine->NextBlock(next, absl::ZeroDuration()));
      if (!block.has_value()) break;
      Must(parts->follower.OnBlock(*block, next));
      moved = true;
    }
  }
}

World::World(size_t providers, uint64_t quota, const std::function<void(pb::Params&)>& params,
             base::Amount storage_price)
    : storage_price_(storage_price), owner_(base::SigningKey::Generate(entropy)), ledger_kv_(base::NewMemoryKv()) {
  chain::GenesisOptions options;
  base::SigningKey engine_key = base::SigningKey::Generate(entropy);
  options.time = clock.Now();
  options.engine_key = engine_key.public_key();
  options.accounts = {chain::MakeGenesisAccount(owner_.account(), Crn(1'000'000),
                                                base::Amount(uint64_t{1'000'000'000}))};
  std::vector<base::SigningKey> accounts;
  for (size_t i = 0; i < providers; ++i) {
    accounts.push_back(base::SigningKey::Generate(entropy));
    options.accounts.push_back(chain::MakeGenesisAccount(accounts.back().account(), Crn(100'000)));
  }
  std::sort(options.accounts.begin(), options.accounts.end(),
            [](const auto& a, const auto& b) { return a.id() < b.id(); });
  pb::Genesis genesis = chain::MakeGenesis(options, entropy);
  params(*genesis.mutable_params());
  engine = Must(chain::EmbeddedEngine::Open(*ledger_kv_, clock, std::move(engine_key), genesis));
  ledger_client_ = chain::NewInProcessClient(*engine);
  client = std::make_unique<CutClient>(*ledger_client_);
  std::vector<base::SigningKey> operators;
  for (size_t i = 0; i < std::max<size_t>(3, providers / 2); ++i)
    operators.push_back(base::SigningKey::Generate(entropy));
  for (size_t i = 0; i < providers; ++i) {
    providers_.push_back(std::make_unique<TestProvider>(
        *this, std::move(accounts[i]), base::SigningKey::Generate(entropy), entropy, quota));
    Register(*providers_.back(), operators[i % operators.size()]);
  }
}

World::~World() = default;

TestProvider* World::Find(const base::AccountId& id) {
  for (auto& provider : providers_) {
    if (provider->id() == id) return provider.get();
  }
  return nullptr;
}

void World::Register(TestProvider& provider, const base::SigningKey& operator_key) {
  pb::Operation operation;
  pb::RegisterProvider& record = *operation.mutable_register_provider();
  record.set_operator_(chain::ToField(operator_key.account()));
  record.set_node_key(base::ToString(provider.identity.node.public_key().Encode()));
  record.set_node_signature(chain::ToField(provider.identity.node.Sign(
      chain::RegistrationDigest(engine->chain_id(), provider.id(), operator_key.account()))));
  record.set_tls_pin(chain::ToField(base::Blake3(base::AsBytes("pin"))));
  record.set_endpoint("127.0.0.1:1");
  record.set_network("net");
  record.set_region("region");
  record.set_capacity_bytes(uint64_t{1}
                            << 40);  // more than there is: the store refuses, not the ledger
  *record.mutable_prices()->mutable_primary_storage() =
      chain::ToProto(base::Price{storage_price_});
  *record.mutable_prices()->mutable_holder_storage() =
      chain::ToProto(base::Price{storage_price_});
  *record.mutable_prices()->mutable_egress() = chain::ToProto(base::Price{base::Amount(1)});
  *record.mutable_prices()->mutable_ingress() = chain::ToProto(base::Price{base::Amount(1)});
  *record.mutable_deposit() = chain::ToProto(Crn(1000));
  record.set_store_id(chain::ToField(provider.blobs->store_id()));
  Must(chain::ToStatus(Submit(provider.identity.account, operation)));
  provider->follower.Skip(engine->height());
}

pb::TransactionReceipt World::Submit(const base::SigningKey& signer, const pb::Operation& operation,
                                     uint32_t lane) {
  pb::QueryRequest query;
  query.mutable_lane()->set_account(chain::ToField(signer.account()));
  query.mutable_lane()->set_lane(lane);
  auto known = client->Query(query);
  pb::TransactionBody body;
  body.set_chain_id(chain::ToField(engine->chain_id()));
  body.set_lane(lane);
  body.set_number((known.ok() ? known->lane().last_number() : 0) + 1);
  body.set_valid_until_ms(absl::ToUnixMillis(engine->Now() + absl::Minutes(5)));
  *body.add_operations() = operation;
  ++transactions_;
  return Must(client->Submit(chain::SignTransaction(body, signer), chain::WaitFor::kCommitted));
}

void World::Do(const pb::Operation& operation) { Must(chain::ToStatus(Submit(owner_, operation))); }

TestBucket World::MakeBucket(const std::string& policy_text, bool is_public,
                             size_t first_provider) {
  TestBucket bucket;
  bucket.policy = Must(base::Redundancy::Parse(policy_text));
  bucket.is_public = is_public;
  bucket.primary = &provider(first_provider);
  pb::Operation operation;
  pb::CreateBucket& create = *operation.mutable_create_bucket();
  create.set_name("bucket-" + std::to_string(engine->height()));
  create.set_public_read(is_public);
  *create.mutable_policy() = chain::ToProto(bucket.policy);
  create.set_nonce(chain::ToField(entropy.Draw<base::Nonce16>()));
  create.set_keep_versions(1);
  pb::NewGroup& group = *create.mutable_new_group();
  group.set_primary(chain::ToField(bucket.primary->id()));
  group.set_byte_cap(uint64_t{1} << 40);
  for (uint32_t i = 0; i < bucket.policy.width(); ++i) {
    bucket.holders.push_back(&provider((first_provider + i) % size()));
    group.add_holders(chain::ToField(bucket.holders.back()->id()));
  }
  if (!is_public) {
    pb::KeyWrap& wrap = *create.add_wraps();
    wrap.set_member(chain::ToField(owner_.account()));
    wrap.set_key_epoch(1);
    wrap.set_wrapped("wrapped");
  }
  create.mutable_approval()->set_provider(chain::ToField(bucket.primary->id()));
  *create.mutable_approval() =
      Must((*bucket.primary)->approver.Decide(operation, owner_.account()));
  pb::TransactionReceipt receipt = Submit(owner_, operation);
  Must(chain::ToStatus(receipt));
  for (const std::string& id : receipt.created()) {
    (bucket.id == 0 ? bucket.id : bucket.group) = chain::NumberFromField(id);
  }
  pb::QueryRequest query;
  query.mutable_bucket_by_name()->set_owner(chain::ToField(owner_.account()));
  query.mutable_bucket_by_name()->set_name(create.name());
  pb::Bucket record = Must(client->Query(query)).buckets(0);
  bucket.id = record.id();
  bucket.group = record.group();
  return bucket;
}

TestObject World::Create(const TestBucket& bucket, const std::string& name,
                         base::ByteView plaintext, const storage::VersionKey* key,
                         const base::ObjectId& copy_of) {
  TestObject object;
  object.shards.resize(bucket.policy.width());
  storage::EncodeOptions options;
  options.policy = bucket.policy;
  options.key = key;
  auto encoder = Must(storage::ObjectEncoder::Create(
      options, plaintext.size(), [&](uint32_t shard, base::ByteView piece) {
        object.shards[shard].insert(object.shards[shard].end(), piece.begin(), piece.end());
        return absl::OkStatus();
      }));
  Must(encoder->Feed(plaintext));
  storage::EncodedObject encoded = Must(encoder->Finish());
  object.layout = encoded.stored;
  storage::Manifest manifest;
  manifest.head.stored = encoded.stored;
  manifest.plaintext_size = plaintext.size();
  if (key != nullptr) {
    manifest.head.seal =
        storage::SealInfo{storage::KeyIdOf(*key), 1, base::Bytes(storage::kWrappedVersionKeyBytes)};
  }
  auto encoded_manifest = storage::EncodeManifest(manifest, key);
  if (encoded_manifest.ok()) object.manifest = *encoded_manifest;

  pb::Operation operation;
  pb::CreateObjects& create = *operation.mutable_create_objects();
  create.set_bucket(bucket.id);
  pb::NewObject& fresh = *create.add_objects();
  fresh.set_name(name);
  fresh.set_stored_size(encoded.stored.stored_size);
  fresh.set_content_id(chain::ToField(encoded.stored.content_id.digest));
  fresh.set_layout_root(chain::ToField(encoded.layout_root));
  fresh.set_layout(chain::ToProto(encoded.stored.layout));
  if (object.manifest.size() > storage::kInlineManifestBytes) {
    fresh.set_manifest_id(chain::ToField(base::ContentId::Of(object.manifest).digest));
  } else {
    fresh.set_manifest(base::ToString(object.manifest));
  }
  if (!copy_of.empty()) fresh.set_copy_of(chain::ToField(copy_of));
  *create.mutable_max_lock() = chain::ToProto(Crn(1000));
  create.mutable_approval()->set_provider(chain::ToField(bucket.primary->id()));
  *create.mutable_approval() =
      Must((*bucket.primary)->approver.Decide(operation, owner_.account()));
  object.id = base::ObjectIdFor(engine->chain_id(), {bucket.id},
                                chain::Trusted<base::Nonce16>(create.approval().nonce()), 0);
  Do(operation);
  object.record = *Look(object.id);
  return object;
}

rpc::v1::PutOpen World::OpenOf(const TestObject& object, uint32_t position) const {
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

absl::StatusOr<pb::Receipt> World::Put(const TestBucket& bucket, const TestObject& object,
                                       uint32_t position) {
  Ingest::Session session((*bucket.holders[position])->ingest);
  if (!object.record.manifest_id().empty()) {
    rpc::v1::PutOpen open;
    open.set_object(chain::ToField(object.id));
    open.set_position(position);
    open.set_part(object.record.manifest_id());
    open.set_size(object.manifest.size());
    open.set_manifest(true);
    RETURN_IF_ERROR(session.Open(open));
    RETURN_IF_ERROR(session.Data(absl::Cord(base::ToString(object.manifest))));
  }
  rpc::v1::PutOpen open = OpenOf(object, position);
  RETURN_IF_ERROR(session.Open(open));
  RETURN_IF_ERROR(session.Data(absl::Cord(base::ToString(object.shards[open.leaf()]))));
  rpc::v1::PutCommit commit;
  commit.add_objects(chain::ToField(object.id));
  return session.Commit(commit);
}

rpc::v1::SubmitReceiptsRequest World::Submission(const TestBucket& bucket, const TestObject& object,
                                                 const std::vector<pb::Receipt>& receipts) const {
  rpc::v1::SubmitReceiptsRequest request;
  request.set_group(bucket.group);
  request.add_objects(chain::ToField(object.id));
  for (const pb::Receipt& receipt : receipts) *request.add_receipts() = receipt;
  return request;
}

void World::Store(const TestBucket& bucket, TestObject& object) {
  std::vector<pb::Receipt> receipts;
  for (uint32_t position : object.record.positions())
    receipts.push_back(Must(Put(bucket, object, position)));
  Must(
      (*bucket.primary)->sealer.Accept(Submission(bucket, object, receipts), absl::ZeroDuration()));
  CatchUp();
  object.record = *Look(object.id);
}

void World::Delete(const TestBucket& bucket, const TestObject& object) {
  pb::Operation operation;
  operation.mutable_delete_objects()->set_bucket(bucket.id);
  operation.mutable_delete_objects()->add_names(object.record.name());
  Do(operation);
  CatchUp();
}

Record<pb::Object> World::Look(const base::ObjectId& id) {
  Ledger ledger(*client, clock);
  auto found = ledger.Object(id);
  return found.ok() ? *found : nullptr;
}

pb::Group World::Group(uint64_t id) {
  Ledger ledger(*client, clock);
  return *Must(ledger.Group({id}));
}

void World::CatchUp() {
  uint64_t height = 0;
  while (height != engine->height()) {
    height = engine->height();
    for (auto& provider : providers_) provider->CatchUp();
  }
}

void World::Advance(absl::Duration by) {
  clock.Advance(by);
  while (engine->RunOnce() == absl::ZeroDuration()) {
  }
  CatchUp();
}

}  // namespace cairn::storaged::testing
