#include "support/ledger_harness.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/genesis.h"
#include "cairn/chain/invariants.h"
#include "cairn/chain/view.h"
#include "catch.h"

namespace cairn::chain {
namespace {

const absl::Duration kValid = absl::Hours(1);
const absl::Duration kApprovalLife = absl::Minutes(10);

std::vector<std::string> Sorted(std::vector<std::string> ids) {
  std::sort(ids.begin(), ids.end());
  return ids;
}

// 10^-18 units: about 1 crn for a GiB-month.
pb::ProviderPrices TestPrices() {
  pb::ProviderPrices prices;
  *prices.mutable_primary_storage() = ToProto(base::Price{*base::Amount(120).Times(base::kPriceScale)});
  *prices.mutable_holder_storage() = ToProto(base::Price{*base::Amount(360).Times(base::kPriceScale)});
  return prices;
}

}  // namespace

LedgerHarness::LedgerHarness(Options options) : options_(std::move(options)) {
  if (options_.kv == nullptr) owned_kv_ = base::NewMemoryKv();
  kv_ = options_.kv != nullptr ? options_.kv : owned_kv_.get();
  GenesisOptions genesis;
  genesis.time = clock_.Now();
  genesis.engine_key = Key("engine").public_key();
  genesis.accounts = {MakeGenesisAccount(Id("faucet"), Crn(1'000'000'000), base::Amount(1'000'000'000'000))};
  genesis_ = MakeGenesis(genesis, entropy_);
  if (options_.params) options_.params(*genesis_.mutable_params());
  std::vector<std::string> oracles;
  for (const std::string& who : options_.oracles) oracles.push_back(base::ToString(Key(who).public_key().Encode()));
  for (const std::string& key : Sorted(oracles)) genesis_.add_oracles(key);
  Open();
}

LedgerHarness::~LedgerHarness() = default;

void LedgerHarness::Open() {
  EngineOptions options;
  options.hooks = options_.hooks;
  auto engine = EmbeddedEngine::Open(*kv_, clock_, Key("engine").Clone(), genesis_, base::NullObserver(), options);
  INFO(engine.status().ToString());
  REQUIRE(engine.ok());
  engine_ = *std::move(engine);
}

void LedgerHarness::Restart(absl::Duration down) {
  engine_.reset();
  clock_.Advance(down);
  Open();
}

const base::SigningKey& LedgerHarness::Key(const std::string& who) {
  auto found = keys_.find(who);
  if (found == keys_.end()) found = keys_.emplace(who, base::SigningKey::Generate(entropy_)).first;
  return found->second;
}

const base::SigningKey& LedgerHarness::NodeKey(const std::string& provider) {
  auto found = node_keys_.find(provider);
  if (found == node_keys_.end()) found = node_keys_.emplace(provider, base::SigningKey::Generate(entropy_)).first;
  return found->second;
}

void LedgerHarness::Fund(const std::string& who, uint64_t crn) { Do("faucet", Transfer(who, crn)); }

pb::TransactionBody LedgerHarness::Body(const std::string& who, std::vector<pb::Operation> operations, uint32_t lane) {
  pb::QueryRequest question;
  question.mutable_lane()->set_account(Field(who));
  question.mutable_lane()->set_lane(lane);
  pb::TransactionBody body;
  body.set_chain_id(ToField(engine().chain_id()));
  body.set_signer(base::ToString(Key(who).public_key().Encode()));
  body.set_lane(lane);
  body.set_number(Ask(question).lane().last_number() + 1);
  body.set_valid_until_ms(NowMs() + absl::ToInt64Milliseconds(kValid));
  for (pb::Operation& operation : operations) *body.add_operations() = std::move(operation);
  return body;
}

pb::SignedTransaction LedgerHarness::Sign(const std::string& who, const pb::TransactionBody& body) {
  return SignTransaction(body, Key(who));
}

pb::TransactionReceipt LedgerHarness::Submit(const pb::SignedTransaction& transaction) {
  absl::StatusOr<pb::TransactionReceipt> answer = absl::UnknownError("no answer");
  engine().Submit(transaction, [&](const absl::StatusOr<pb::TransactionReceipt>& receipt) { answer = receipt; });
  Run();
  INFO(answer.status().ToString());
  REQUIRE(answer.ok());
  return *answer;
}

pb::TransactionReceipt LedgerHarness::Expect(Verdict verdict, const std::string& who,
                                             std::vector<pb::Operation> operations) {
  const pb::TransactionReceipt receipt = Submit(Sign(who, Body(who, std::move(operations))));
  INFO("verdict " << std::string(Name(VerdictOf(receipt))) << " " << receipt.detail() << ", expected "
                  << std::string(Name(verdict)));
  REQUIRE(VerdictOf(receipt) == verdict);
  return receipt;
}

pb::Operation LedgerHarness::Transfer(const std::string& to, uint64_t crn) { return TransferUnits(to, Crn(crn)); }

pb::Operation LedgerHarness::TransferUnits(const std::string& to, base::Amount units, pb::Asset asset) {
  pb::Operation operation;
  pb::Transfer& transfer = *operation.mutable_transfer();
  transfer.set_to(Field(to));
  transfer.set_asset(asset);
  *transfer.mutable_amount() = ToProto(units);
  return operation;
}

pb::Operation LedgerHarness::Register(const std::string& provider, const std::string& operator_name,
                                      uint64_t deposit_crn) {
  pb::Operation operation;
  pb::RegisterProvider& op = *operation.mutable_register_provider();
  op.set_operator_(Field(operator_name));
  op.set_node_key(base::ToString(NodeKey(provider).public_key().Encode()));
  op.set_node_signature(ToField(
      NodeKey(provider).Sign(RegistrationDigest(engine().chain_id(), Id(provider), Id(operator_name)))));
  op.set_tls_pin(std::string(32, 'p'));
  op.set_endpoint(absl::StrCat(provider, ".example:4856"));
  op.set_network("AS64500");
  op.set_region("north");
  op.set_capacity_bytes(uint64_t{1} << 40);
  *op.mutable_prices() = options_.prices.value_or(TestPrices());
  *op.mutable_deposit() = ToProto(Crn(deposit_crn));
  op.set_store_id(ToField(entropy_.Draw<base::StoreId>()));
  return operation;
}

void LedgerHarness::Approve(const std::string& provider, pb::Operation* operation, const std::string& signer) {
  pb::Approval* approval = nullptr;
  if (operation->has_create_bucket()) approval = operation->mutable_create_bucket()->mutable_approval();
  if (operation->has_create_objects()) approval = operation->mutable_create_objects()->mutable_approval();
  if (operation->has_assign_successor()) approval = operation->mutable_assign_successor()->mutable_approval();
  if (operation->has_replace_primary()) approval = operation->mutable_replace_primary()->mutable_approval();
  REQUIRE(approval != nullptr);
  approval->set_provider(Field(provider));
  approval->set_nonce(ToField(entropy_.Draw<base::Nonce16>()));
  approval->set_expires_ms(NowMs() + absl::ToInt64Milliseconds(kApprovalLife));
  SignApproval(engine().chain_id(), NodeKey(provider), Id(signer), operation);
}

pb::Operation LedgerHarness::NewBucket(const std::string& name, const std::string& policy, const std::string& primary,
                                       const std::vector<std::string>& holders, const std::string& owner) {
  pb::Operation operation;
  pb::CreateBucket& op = *operation.mutable_create_bucket();
  op.set_name(name);
  *op.mutable_policy() = ToProto(*base::Redundancy::Parse(policy));
  op.set_nonce(ToField(entropy_.Draw<base::Nonce16>()));
  op.mutable_new_group()->set_primary(Field(primary));
  for (const std::string& holder : holders) op.mutable_new_group()->add_holders(Field(holder));
  pb::KeyWrap& wrap = *op.add_wraps();
  wrap.set_member(Field(owner));
  wrap.set_key_epoch(1);
  wrap.set_wrapped("wrapped");
  Approve(primary, &operation, owner);
  return operation;
}

pb::Operation LedgerHarness::Create(uint64_t bucket_id, const std::vector<Upload>& uploads) {
  const pb::Bucket bucket = GetBucket(bucket_id);
  const pb::Group group = Group(bucket.group());
  pb::Operation operation;
  pb::CreateObjects& op = *operation.mutable_create_objects();
  op.set_bucket(bucket_id);
  for (const Upload& upload : uploads) {
    pb::NewObject& object = *op.add_objects();
    object.set_name(upload.name);
    object.set_stored_size(upload.size);
    const std::string content = upload.size == 0 ? "" : upload.seed.empty() ? upload.name : upload.seed;
    object.set_content_id(ToField(base::Blake3(base::AsBytes(content))));
    object.set_layout_root(ToField(base::Blake3(base::AsBytes("root of " + content))));
    object.set_layout(ToProto(base::LayoutFor(FromProto(bucket.policy()), upload.size)));
    object.set_manifest("manifest");
    object.set_after_version(upload.after_version);
    object.set_copy_of(upload.copy_of);
  }
  *op.mutable_max_lock() = ToProto(Crn(1'000'000));
  std::string primary;
  for (const auto& [name, key] : keys_) {
    if (ToField(key.account()) == group.primary()) primary = name;
  }
  Approve(primary, &operation);
  return operation;
}

namespace {

template <class Op>
void FillReceipts(LedgerHarness& h, const std::map<std::string, base::SigningKey>& keys,
                  const std::vector<std::string>& ids, const std::vector<uint32_t>& positions, Op* op) {
  std::vector<pb::Object> objects;
  for (const std::string& id : Sorted(ids)) {
    op->add_objects(id);
    objects.push_back(h.Object(id));
  }
  const pb::Group group = h.Group(objects.front().group());
  op->set_group(group.id());
  for (const uint32_t position : positions) {
    const std::string& provider = group.positions(position).provider();
    for (const auto& [name, key] : keys) {
      if (ToField(key.account()) != provider) continue;
      const base::HolderReceipt claim = BuildReceipt(h.engine().chain_id(), group, position, objects);
      pb::Receipt& receipt = *op->add_receipts();
      receipt.set_position(position);
      receipt.set_store_id(group.positions(position).store_id());
      receipt.set_signature(ToField(h.NodeKey(name).Sign(base::SigningDigest(claim))));
    }
  }
}

}  // namespace

pb::Operation LedgerHarness::Seal(const std::vector<std::string>& objects, const std::vector<uint32_t>& positions) {
  pb::Operation operation;
  FillReceipts(*this, keys_, objects, positions, operation.mutable_seal_objects());
  return operation;
}

pb::Operation LedgerHarness::Post(const std::vector<std::string>& objects, const std::vector<uint32_t>& positions) {
  pb::Operation operation;
  FillReceipts(*this, keys_, objects, positions, operation.mutable_post_receipts());
  return operation;
}

pb::Operation LedgerHarness::Reject(const std::vector<std::string>& objects) {
  pb::Operation operation;
  for (const std::string& id : Sorted(objects)) operation.mutable_reject_objects()->add_objects(id);
  operation.mutable_reject_objects()->set_reason("no-space");
  return operation;
}

pb::Operation LedgerHarness::Cancel(const std::vector<std::string>& objects) {
  pb::Operation operation;
  for (const std::string& id : Sorted(objects)) operation.mutable_cancel_objects()->add_objects(id);
  return operation;
}

pb::Operation LedgerHarness::DeleteNames(uint64_t bucket, const std::vector<std::string>& names) {
  pb::Operation operation;
  operation.mutable_delete_objects()->set_bucket(bucket);
  for (const std::string& name : names) operation.mutable_delete_objects()->add_names(name);
  return operation;
}

pb::Operation LedgerHarness::DeleteVersions(uint64_t bucket, const std::vector<std::string>& objects) {
  pb::Operation operation;
  operation.mutable_delete_objects()->set_bucket(bucket);
  for (const std::string& id : objects) operation.mutable_delete_objects()->add_versions(id);
  return operation;
}

pb::Operation LedgerHarness::ClaimFine(const std::string& primary, const std::vector<pb::Object>& objects) {
  const base::UploadReceipt receipt = BuildUploadReceipt(engine().chain_id(), Id(primary), objects);
  pb::Operation operation;
  pb::ClaimFine& op = *operation.mutable_claim_fine();
  for (const base::ReceiptEntry& entry : receipt.entries) op.add_objects(ToField(entry.object));
  op.set_signature(ToField(NodeKey(primary).Sign(base::SigningDigest(receipt))));
  return operation;
}

pb::Operation LedgerHarness::Successor(uint64_t group, uint32_t position, const std::string& provider,
                                       const std::string& signer) {
  pb::Operation operation;
  pb::AssignSuccessor& op = *operation.mutable_assign_successor();
  op.set_group(group);
  op.set_position(position);
  op.set_provider(Field(provider));
  Approve(provider, &operation, signer);
  return operation;
}

void LedgerHarness::Providers(int count, int operators) {
  for (int i = 0; i < count; ++i) {
    const std::string name = absl::StrCat("p", i);
    Fund(name, 100);
    Do(name, Register(name, absl::StrCat("operator", i % operators)));
  }
}

std::vector<std::string> LedgerHarness::Holders(int count, int from) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back(absl::StrCat("p", from + i));
  return names;
}

uint64_t LedgerHarness::Bucket(const std::string& policy, const std::string& name) {
  const auto parsed = *base::Redundancy::Parse(policy);
  const int width = static_cast<int>(parsed.width());
  if (node_keys_.empty()) Providers(width + 3, std::max(3, width / 2));
  Fund("alice", 1000);
  const auto receipt = Do("alice", NewBucket(name, policy, "p0", Holders(width)));
  return NumberFromField(receipt.created(0));
}

std::string LedgerHarness::CreateOne(uint64_t bucket, const Upload& upload) {
  return Do("alice", Create(bucket, {upload})).created(0);
}

std::string LedgerHarness::Store(uint64_t bucket, const Upload& upload) {
  const std::string id = CreateOne(bucket, upload);
  const pb::Object object = Object(id);
  Do("p0", Seal({id}, {object.positions().begin(), object.positions().end()}));
  return id;
}

pb::QueryResponse LedgerHarness::Ask(const pb::QueryRequest& request) {
  auto response = engine().Query(request);
  INFO(response.status().ToString());
  REQUIRE(response.ok());
  return *std::move(response);
}

pb::Account LedgerHarness::Account(const std::string& who) {
  pb::QueryRequest request;
  request.set_account(Field(who));
  return Ask(request).account();
}

pb::Provider LedgerHarness::Provider(const std::string& who) {
  pb::QueryRequest request;
  request.set_provider(Field(who));
  return Ask(request).providers(0);
}

pb::Bucket LedgerHarness::GetBucket(uint64_t id) {
  pb::QueryRequest request;
  request.set_bucket(id);
  return Ask(request).buckets(0);
}

pb::Group LedgerHarness::Group(uint64_t id) {
  pb::QueryRequest request;
  request.set_group(id);
  return Ask(request).groups(0);
}

pb::Object LedgerHarness::Object(const std::string& id) {
  pb::QueryRequest request;
  request.set_object(id);
  return Ask(request).objects(0);
}

bool LedgerHarness::ObjectExists(const std::string& id) {
  pb::QueryRequest request;
  request.set_object(id);
  return engine().Query(request).ok();
}

pb::Params LedgerHarness::Params() {
  pb::QueryRequest request;
  request.set_params(true);
  return Ask(request).params();
}

base::Amount LedgerHarness::FeeFor(const std::vector<pb::Operation>& operations) {
  pb::TransactionBody body;
  for (const pb::Operation& operation : operations) *body.add_operations() = operation;
  return *FromProto(Params().fee_per_weight()).Times(Weight(body));
}

pb::Block LedgerHarness::NewestBlock() {
  return **engine().NextBlock(engine().height(), absl::ZeroDuration());
}

std::multiset<std::string> LedgerHarness::Events() {
  std::multiset<std::string> types;
  const pb::Block block = NewestBlock();
  for (const pb::Event& event : block.events()) types.insert(event.type());
  return types;
}

void LedgerHarness::Run() {
  do {
    while (engine().RunOnce() == absl::ZeroDuration()) {
    }
  } while (engine().Health().ok() && engine().RunOnce() == absl::ZeroDuration());
  if (options_.recount) Recount();
}

void LedgerHarness::Recount() {
  const absl::Status sound = chain::Recount(KvView(*kv_, "s"));
  INFO(sound.ToString());
  REQUIRE(sound.ok());
}

void LedgerHarness::Advance(absl::Duration by) {
  clock_.Advance(by);
  Run();
}

}  // namespace cairn::chain
