#include "fake_network.h"

#include <algorithm>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "cairn/base/claim.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/genesis.h"
#include "cairn/chain/transaction.h"
#include "cairn/chain/verdict.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::client {

namespace pb = chain::pb;

namespace {

base::Amount Crn(uint64_t whole) { return base::Amount(absl::uint128(whole) * base::kPriceScale); }

void MustBeOk(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(std::string(status.message()));
}

absl::Status Refuse(absl::StatusCode code, absl::string_view reason) {
  return base::Error(code, reason, reason);
}

}  // namespace

FakeProvider::FakeProvider(FakeNetwork& network, int index)
    : network_(network),
      index_(index),
      key_(base::SigningKey::Generate(network.entropy)),
      node_(base::SigningKey::Generate(network.entropy)),
      store_(network.entropy.Draw<base::StoreId>()) {}

ProviderAddress FakeProvider::Address() const {
  return {.account = account(),
          .node_key = node_.public_key(),
          .tls_pin = {},
          .endpoint = absl::StrCat("fake", index_, ":1")};
}

absl::Status FakeProvider::Gone() const {
  return dead ? Refuse(absl::StatusCode::kUnavailable, "UNREACHABLE") : absl::OkStatus();
}

std::vector<std::string> FakeProvider::PartTexts() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [id, bytes] : parts_) out.push_back(bytes);
  return out;
}

absl::Status FakeProvider::Do(const pb::Operation& operation) { return sender_->Send({operation}).status(); }

void FakeProvider::Wipe() {
  std::lock_guard<std::mutex> lock(mutex_);
  parts_.clear();
}

absl::StatusOr<pb::Object> FakeProvider::Record(const std::string& id) const {
  pb::QueryRequest request;
  request.set_object(id);
  ASSIGN_OR_RETURN(pb::QueryResponse answer, network_.chain_->Query(request));
  return answer.objects(0);
}

absl::StatusOr<pb::Receipt> FakeProvider::Sign(uint32_t position,
                                               std::vector<std::string> objects) {
  std::vector<pb::Object> records;
  for (const std::string& id : objects) {
    ASSIGN_OR_RETURN(pb::Object record, Record(id));
    records.push_back(std::move(record));
  }
  pb::QueryRequest request;
  request.set_group(records.front().group());
  ASSIGN_OR_RETURN(pb::QueryResponse answer, network_.chain_->Query(request));
  base::HolderReceipt claim =
      chain::BuildReceipt(network_.chain_id(), answer.groups(0), position, records);
  claim.store = store_;
  base::Signature signature = node_.Sign(base::SigningDigest(claim));
  if (wrong_receipt) signature.value[3] ^= 1;
  pb::Receipt receipt;
  receipt.set_position(position);
  receipt.set_store_id(chain::ToField(store_));
  receipt.set_signature(chain::ToField(signature));
  return receipt;
}

class FakePut final : public PutStream {
 public:
  explicit FakePut(FakeProvider& to) : to_(to) {}
  ~FakePut() override {
    if (!is_open_ || skip_ || !to_.forgets) return;
    std::lock_guard<std::mutex> lock(to_.mutex_);
    to_.partial_[open_.part()].resize(kept_);
  }
  void Cancel() override { cancelled_ = true; }
  absl::Status Open(const rpc::v1::PutOpen& part) override {
    RETURN_IF_ERROR(Check());
    RETURN_IF_ERROR(Close());
    ASSIGN_OR_RETURN(pb::Object record, to_.Record(part.object()));
    std::vector<base::Digest> path;
    for (const std::string& sibling : part.path())
      path.push_back(chain::Trusted<base::Digest>(sibling));
    const base::ContentId id{chain::Trusted<base::Digest>(part.part())};
    if (!part.manifest() &&
        !base::CheckLayoutPath(chain::Trusted<base::Digest>(record.layout_root()), id, part.leaf(),
                               part.leaves(), path)) {
      return Refuse(absl::StatusCode::kInvalidArgument, "BAD_LAYOUT_PATH");
    }
    if (part.manifest() && part.part() != record.manifest_id())
      return Refuse(absl::StatusCode::kInvalidArgument, "BAD_REQUEST");
    std::lock_guard<std::mutex> lock(to_.mutex_);
    const bool held = to_.parts_.contains(part.part());
    std::string& partial = to_.partial_[part.part()];
    if (!held && partial.size() < part.from_offset())
      return Refuse(absl::StatusCode::kFailedPrecondition, "GAP");
    if (!held) partial.resize(part.from_offset());
    open_ = part;
    skip_ = held;
    got_ = kept_ = part.from_offset();
    objects_.push_back(part.object());
    position_ = part.position();
    is_open_ = true;
    return absl::OkStatus();
  }
  absl::Status Send(base::ByteView bytes) override {
    RETURN_IF_ERROR(Check());
    std::lock_guard<std::mutex> lock(to_.mutex_);
    to_.received_ += bytes.size();
    if (to_.received_ >= to_.dies_after) {
      to_.dies_after = UINT64_MAX;
      broken_ = true;
      return Refuse(absl::StatusCode::kUnavailable, "UNREACHABLE");
    }
    got_ += bytes.size();
    if (!skip_) to_.partial_[open_.part()].append(base::AsText(bytes).data(), bytes.size());
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> WaitHeld(uint64_t at_least) override {
    RETURN_IF_ERROR(Check());
    if (!open_.report() || got_ < at_least)
      return Refuse(absl::StatusCode::kDeadlineExceeded, "NEVER_TOLD");
    kept_ = std::max(kept_, at_least);
    return kept_;
  }
  absl::StatusOr<pb::Receipt> Commit(absl::Span<const base::ObjectId> objects) override {
    RETURN_IF_ERROR(Check());
    RETURN_IF_ERROR(Close());
    std::sort(objects_.begin(), objects_.end());
    objects_.erase(std::unique(objects_.begin(), objects_.end()), objects_.end());
    std::vector<std::string> asked;
    for (const base::ObjectId& id : objects) asked.push_back(chain::ToField(id));
    if (asked != objects_) return Refuse(absl::StatusCode::kInvalidArgument, "BAD_REQUEST");
    return to_.Sign(position_, std::exchange(objects_, {}));
  }

 private:
  absl::Status Check() const {
    if (cancelled_) return absl::CancelledError("cancelled");
    if (broken_) return Refuse(absl::StatusCode::kUnavailable, "UNREACHABLE");
    return to_.Gone();
  }
  absl::Status Close() {
    if (!std::exchange(is_open_, false)) return absl::OkStatus();
    std::lock_guard<std::mutex> lock(to_.mutex_);
    if (got_ != open_.size()) return Refuse(absl::StatusCode::kInvalidArgument, "SIZE_MISMATCH");
    if (skip_) return absl::OkStatus();
    std::string bytes = std::move(to_.partial_[open_.part()]);
    to_.partial_.erase(open_.part());
    if (chain::ToField(base::Blake3(base::AsBytes(bytes))) != open_.part())
      return Refuse(absl::StatusCode::kDataLoss, "HASH_MISMATCH");
    to_.parts_[open_.part()] = std::move(bytes);
    return absl::OkStatus();
  }

  FakeProvider& to_;
  std::atomic<bool> cancelled_{false};
  bool broken_ = false;
  bool is_open_ = false;
  bool skip_ = false;
  uint64_t got_ = 0;
  uint64_t kept_ = 0;
  uint32_t position_ = 0;
  rpc::v1::PutOpen open_;
  std::vector<std::string> objects_;
};

class FakeGet final : public GetStream {
 public:
  FakeGet(FakeProvider& from, const GetPart& what) : from_(from), what_(what) {}
  void Cancel() override { cancelled_ = true; }
  absl::Status Run(const std::function<absl::Status(base::ByteView)>& sink) override {
    RETURN_IF_ERROR(from_.Gone());
    std::string bytes;
    {
      std::lock_guard<std::mutex> lock(from_.mutex_);
      const auto found = from_.parts_.find(chain::ToField(what_.part.digest));
      if (found == from_.parts_.end()) return Refuse(absl::StatusCode::kNotFound, "NO_SUCH_PART");
      bytes = found->second;
    }
    base::TreeBuilder tree;
    tree.Update(base::AsBytes(bytes));
    const auto built = std::move(tree).Finish();
    const base::BlobReadFn read = [&](uint64_t offset, base::MutableByteView out) {
      std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
      return absl::OkStatus();
    };
    return base::EncodeSlice(built.root, bytes.size(), built.outboard, what_.range, read,
                             [&](base::ByteView piece) {
                               if (cancelled_) return absl::CancelledError("cancelled");
                               RETURN_IF_ERROR(from_.Gone());
                               if (!from_.wrong_bytes) return sink(piece);
                               base::Bytes damaged = base::ToBytes(piece);
                               damaged.back() ^= 1;
                               return sink(damaged);
                             });
  }

 private:
  FakeProvider& from_;
  const GetPart what_;
  std::atomic<bool> cancelled_{false};
};

class FakeTransport final : public Transport {
 public:
  explicit FakeTransport(FakeNetwork& network) : network_(network) {}

  absl::StatusOr<rpc::v1::GetInfoResponse> GetInfo(const ProviderAddress& to,
                                                   absl::Duration) override {
    ASSIGN_OR_RETURN(FakeProvider * provider, Reach(to));
    rpc::v1::GetInfoResponse out;
    out.set_chain_id(chain::ToField(network_.chain_id()));
    out.set_account(chain::ToField(provider->account()));
    out.set_store_id(chain::ToField(provider->store_));
    out.set_accepting(true);
    out.set_free_bytes(uint64_t{1} << 40);
    return out;
  }
  absl::StatusOr<pb::Approval> Approve(const ProviderAddress& to,
                                       const rpc::v1::ApproveRequest& request,
                                       absl::Duration) override {
    ASSIGN_OR_RETURN(FakeProvider * provider, Reach(to));
    pb::Operation operation = request.operation();
    pb::Approval* approval =
        operation.has_create_bucket()     ? operation.mutable_create_bucket()->mutable_approval()
        : operation.has_replace_primary() ? operation.mutable_replace_primary()->mutable_approval()
        : operation.has_assign_successor()
            ? operation.mutable_assign_successor()->mutable_approval()
            : operation.mutable_create_objects()->mutable_approval();
    approval->set_nonce(chain::ToField(network_.entropy.Draw<base::Nonce16>()));
    chain::SignApproval(network_.chain_id(), provider->node_,
                        chain::AccountOf(request.owner()), &operation);
    return *chain::ApprovalOf(operation);
  }
  absl::StatusOr<rpc::v1::QueryUploadResponse> QueryUpload(const ProviderAddress& to,
                                                           const base::ObjectId&, uint32_t,
                                                           const base::ContentId& part,
                                                           absl::Duration) override {
    ASSIGN_OR_RETURN(FakeProvider * provider, Reach(to));
    std::lock_guard<std::mutex> lock(provider->mutex_);
    rpc::v1::QueryUploadResponse out;
    const std::string id = chain::ToField(part.digest);
    if (const auto whole = provider->parts_.find(id); whole != provider->parts_.end()) {
      out.set_complete(true);
      out.set_held_bytes(whole->second.size());
    } else if (const auto begun = provider->partial_.find(id); begun != provider->partial_.end()) {
      out.set_held_bytes(begun->second.size());
    }
    return out;
  }
  absl::StatusOr<std::unique_ptr<PutStream>> Put(const ProviderAddress& to,
                                                 absl::Duration) override {
    ASSIGN_OR_RETURN(FakeProvider * provider, Reach(to));
    return std::make_unique<FakePut>(*provider);
  }
  absl::StatusOr<std::unique_ptr<GetStream>> Get(const ProviderAddress& to, const GetPart& what,
                                                 absl::Duration) override {
    ASSIGN_OR_RETURN(FakeProvider * provider, Reach(to));
    if (network_.on_get) network_.on_get(what);
    return std::make_unique<FakeGet>(*provider, what);
  }
  absl::StatusOr<rpc::v1::SubmitReceiptsResponse> SubmitReceipts(
      const ProviderAddress& to, const rpc::v1::SubmitReceiptsRequest& request,
      absl::Duration) override {
    ASSIGN_OR_RETURN(FakeProvider * provider, Reach(to));
    rpc::v1::SubmitReceiptsResponse out;
    if (provider->refuses_seal) return out;
    pb::Operation operation;
    pb::SealObjects* seal = operation.mutable_seal_objects();
    seal->set_group(request.group());
    *seal->mutable_objects() = request.objects();
    *seal->mutable_receipts() = request.receipts();
    ASSIGN_OR_RETURN(pb::TransactionReceipt receipt, provider->sender_->Send({operation}));
    out.set_sealed_height(receipt.height());
    return out;
  }
  absl::StatusOr<rpc::v1::ListReadsResponse> ListReads(const ProviderAddress& to,
                                                       const rpc::v1::ListReadsRequest& request,
                                                       absl::Duration) override {
    ASSIGN_OR_RETURN(FakeProvider * provider, Reach(to));
    if (!provider->list_reads) return Refuse(absl::StatusCode::kUnimplemented, "NO_JOURNAL");
    return provider->list_reads(request);
  }

 private:
  absl::StatusOr<FakeProvider*> Reach(const ProviderAddress& to) {
    FakeProvider* provider = network_.Find(to.account);
    if (provider == nullptr) return absl::NotFoundError("no such fake");
    RETURN_IF_ERROR(provider->Gone());
    return provider;
  }
  FakeNetwork& network_;
};

FakeNetwork::FakeNetwork(int providers) : seed_(entropy.DrawSecret<32>()) {
  for (int i = 0; i < providers; ++i)
    providers_.push_back(std::make_unique<FakeProvider>(*this, i));
  const base::SigningKey engine_key = base::SigningKey::Generate(entropy);
  std::vector<pb::GenesisAccount> accounts{chain::MakeGenesisAccount(
      base::AccountKeys::FromSeed(seed_).signing.account(), Crn(1'000'000))};
  for (const auto& provider : providers_)
    accounts.push_back(chain::MakeGenesisAccount(provider->account(), Crn(100'000)));
  std::sort(accounts.begin(), accounts.end(),
            [](const auto& a, const auto& b) { return a.id() < b.id(); });
  kv_ = base::NewMemoryKv();
  auto engine = chain::EmbeddedEngine::Open(
      *kv_, clock, engine_key.Clone(),
      chain::MakeGenesis(
          {.time = clock.Now(), .engine_key = engine_key.public_key(), .accounts = accounts},
          entropy));
  MustBeOk(engine.status());
  engine_ = *std::move(engine);
  chain_ = chain::NewInProcessClient(*engine_);
  executor_ = std::make_unique<base::ThreadExecutor>(64);
  transport_ = std::make_shared<FakeTransport>(*this);
  for (int i = 0; i < providers; ++i) {
    FakeProvider& provider = *providers_[i];
    provider.sender_ =
        std::make_unique<Sender>(*chain_, provider.key_, clock, entropy,
                                 SenderOptions{.chain_id = chain_id(), .lane_folder = ""});
    const base::AccountId operator_id = providers_[i % 4]->account();
    pb::Operation operation;
    pb::RegisterProvider* registration = operation.mutable_register_provider();
    registration->set_operator_(chain::ToField(operator_id));
    registration->set_node_key(base::ToString(provider.node_.public_key().Encode()));
    registration->set_node_signature(chain::ToField(provider.node_.Sign(
        chain::RegistrationDigest(chain_id(), provider.account(), operator_id))));
    registration->set_tls_pin(std::string(32, 'p'));
    registration->set_endpoint(absl::StrCat("fake", i, ".example:1"));
    registration->set_network(absl::StrCat("net", i % 4));
    registration->set_region(absl::StrCat("region", i % 3));
    registration->set_capacity_bytes(uint64_t{1} << 40);
    const pb::Price price = chain::ToProto(base::Price{base::Amount(1'000'000'000'000)});
    *registration->mutable_prices()->mutable_primary_storage() = price;
    *registration->mutable_prices()->mutable_holder_storage() = price;
    *registration->mutable_deposit() = chain::ToProto(Crn(10'000));
    registration->set_store_id(chain::ToField(provider.store_));
    MustBeOk(provider.sender_->Send({operation}).status());
  }
}

FakeNetwork::~FakeNetwork() { executor_.reset(); }

FakeProvider* FakeNetwork::Find(const base::AccountId& account) {
  for (const auto& provider : providers_) {
    if (provider->account() == account) return provider.get();
  }
  return nullptr;
}

std::vector<std::string> FakeNetwork::LedgerTexts() {
  std::vector<std::string> out;
  const auto snapshot = kv_->Snapshot();
  const auto cursor = snapshot->NewCursor();
  for (cursor->Seek(""); cursor->Valid(); cursor->Next()) out.push_back(absl::StrCat(cursor->key(), cursor->value()));
  return out;
}

std::unique_ptr<Client> FakeNetwork::NewClient(const std::string& folder, const StopFlag* stop,
                                               const PayOptions& pay) {
  ClientOptions options{.chain = chain_,
                        .transport = transport_,
                        .keys = base::AccountKeys::FromSeed(seed_),
                        .chain_id = chain_id(),
                        .clock = &clock,
                        .entropy = &entropy,
                        .executor = executor_.get(),
                        .transfer_folder = folder,
                        .lane_folder = "",
                        .channel_folder = "",
                        .pay = pay,
                        .progress = nullptr,
                        .stop = stop};
  auto client = Client::Open(std::move(options));
  MustBeOk(client.status());
  return *std::move(client);
}

uint64_t FakeNetwork::Transactions() {
  pb::QueryRequest ask;
  ask.set_status(true);
  const uint64_t height = chain_->Query(ask)->status().height();
  uint64_t out = 0;
  for (uint64_t h = 1; h <= height; ++h) {
    pb::QueryRequest request;
    request.set_block(h);
    auto answer = chain_->Query(request);
    if (answer.ok()) out += static_cast<uint64_t>(answer->block().transactions_size());
  }
  return out;
}

}  // namespace cairn::client
