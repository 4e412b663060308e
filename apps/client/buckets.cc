#include "apps/client/buckets.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "apps/client/primary.h"
#include "apps/client/reference.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

constexpr uint64_t kFirstEpoch = 1;
constexpr uint64_t kDefaultByteCap = uint64_t{1} << 50;
constexpr uint64_t kMinRoom = 64 << 20;  // that a holder must have to be chosen

bool Live(const rpc::v1::GetInfoResponse& info) {
  constexpr uint64_t kProofLife = 24 * 3600 * 1000;
  if (!info.accepting() || info.loss_reported()) return false;
  const uint64_t scrubbed = info.scrub().finished_ms();
  return scrubbed == 0 || scrubbed + kProofLife >= info.time_ms();
}

absl::StatusOr<pb::Operation> NewBucketOperation(Client& client, const std::string& name,
                                                 const CreateBucketOptions& options,
                                                 const base::Redundancy& policy,
                                                 const storage::Placement& placement) {
  pb::Operation operation;
  pb::CreateBucket* create = operation.mutable_create_bucket();
  create->set_name(name);
  create->set_public_read(options.public_read);
  *create->mutable_policy() = chain::ToProto(policy);
  const auto nonce = client.entropy().Draw<base::Nonce16>();
  create->set_nonce(chain::ToField(nonce));
  create->set_keep_versions(options.keep_versions);
  pb::NewGroup* group = create->mutable_new_group();
  group->set_primary(chain::ToField(placement.primary));
  for (const base::AccountId& holder : placement.holders)
    group->add_holders(chain::ToField(holder));
  group->set_byte_cap(options.byte_cap != 0 ? options.byte_cap : kDefaultByteCap);
  if (!options.public_read) {
    const storage::KeyScope scope{
        .chain = client.chain_id(), .bucket = nonce, .epoch = kFirstEpoch};
    const storage::BucketKeys keys = storage::BucketKeys::Draw(client.entropy());
    ASSIGN_OR_RETURN(base::Bytes wrapped, storage::WrapBucketKeys(client.entropy(), scope, keys,
                                                                  client.keys().wrap.public_key()));
    pb::KeyWrap* wrap = create->add_wraps();
    wrap->set_member(chain::ToField(client.account()));
    wrap->set_key_epoch(kFirstEpoch);
    wrap->set_wrapped(base::ToString(wrapped));
  }
  return operation;
}

// Live providers that hold no position, those of an operator of their own first, then by price.
std::vector<base::AccountId> Outsiders(std::vector<storage::Candidate> candidates,
                                       const storage::Placement& placement) {
  std::set<base::AccountId> operators;
  const auto holds = [&](const storage::Candidate& candidate) {
    return std::find(placement.holders.begin(), placement.holders.end(), candidate.account) !=
           placement.holders.end();
  };
  for (const storage::Candidate& candidate : candidates) {
    if (holds(candidate)) operators.insert(candidate.operator_id);
  }
  std::erase_if(candidates, [&](const auto& candidate) { return !candidate.live || holds(candidate); });
  std::stable_sort(candidates.begin(), candidates.end(), [&](const auto& a, const auto& b) {
    const bool shared_a = operators.contains(a.operator_id), shared_b = operators.contains(b.operator_id);
    if (shared_a != shared_b) return shared_b;
    return a.primary_price.per_unit_e18 < b.primary_price.per_unit_e18;
  });
  std::vector<base::AccountId> out;
  for (const storage::Candidate& candidate : candidates) out.push_back(candidate.account);
  return out;
}

}  // namespace

base::Redundancy PolicyOf(const pb::Group& group) { return chain::FromProto(group.policy()); }

absl::StatusOr<std::vector<storage::Candidate>> FindCandidates(Client& client,
                                                               absl::Duration timeout) {
  ASSIGN_OR_RETURN(std::vector<pb::Provider> providers, client.Providers());
  std::vector<storage::Candidate> out(providers.size());
  std::vector<std::function<void()>> tasks;
  for (size_t i = 0; i < providers.size(); ++i) {
    const pb::Provider& record = providers[i];
    storage::Candidate& candidate = out[i];
    candidate.account = chain::AccountOf(record.account());
    candidate.operator_id = chain::AccountOf(record.operator_());
    candidate.network = record.network();
    candidate.region = record.region();
    candidate.holder_price = chain::FromProto(record.prices().holder_storage());
    candidate.primary_price = chain::FromProto(record.prices().primary_storage());
    candidate.live = false;
    if (record.state() != pb::PROVIDER_STATE_ACTIVE) continue;
    tasks.push_back([&client, &candidate, &record, timeout] {
      auto address = client.Address(candidate.account);
      if (!address.ok()) return;
      auto info = client.transport().GetInfo(*address, timeout);
      if (!info.ok() || info->chain_id() != chain::ToField(client.chain_id())) return;
      const uint64_t left = record.capacity_bytes() > record.committed_bytes()
                                ? record.capacity_bytes() - record.committed_bytes()
                                : 0;
      candidate.free_bytes = std::min(left, info->free_bytes());
      candidate.live = Live(*info) && info->store_id() == record.store_id();
    });
  }
  client.RunAll(std::move(tasks));
  return out;
}

absl::StatusOr<BucketCreated> CreateBucket(Client& client, const std::string& name,
                                           const CreateBucketOptions& options) {
  RETURN_IF_ERROR(CheckBucketName(name));
  if (auto found = FindBucket(client, name); found.ok()) {
    return base::Error(absl::StatusCode::kAlreadyExists, "BUCKET_EXISTS",
                       absl::StrCat("you have a bucket \"", name, "\""), "choose another name");
  } else if (!absl::IsNotFound(found.status())) {
    return found.status();
  }
  base::Redundancy policy;
  if (options.policy) {
    policy = *options.policy;
  } else {
    ASSIGN_OR_RETURN(policy,
                     base::Redundancy::Parse(options.public_read ? "replicate:3" : "rs:4+2"));
  }
  ASSIGN_OR_RETURN(std::vector<storage::Candidate> candidates,
                   FindCandidates(client, absl::Seconds(2)));
  storage::PlacementRequest request;
  request.policy = policy;
  request.bytes_per_holder = kMinRoom;
  request.seed = client.entropy().DrawNumber();
  ASSIGN_OR_RETURN(storage::Placement placement, storage::PlaceGroup(request, candidates));
  ASSIGN_OR_RETURN(pb::Operation operation,
                   NewBucketOperation(client, name, options, policy, placement));
  // Any holder may be primary: the cheapest first, the others when it does not consent. One that keeps the whole blob
  // is better none of them: what it keeps is then lost with nothing else.
  std::vector<base::AccountId> primaries;
  if (policy.whole_at_primary) primaries = Outsiders(candidates, placement);
  primaries.push_back(placement.primary);
  for (const base::AccountId& holder : placement.holders) {
    if (holder != placement.primary) primaries.push_back(holder);
  }
  absl::Status consent;
  for (const base::AccountId& primary : primaries) {
    operation.mutable_create_bucket()->mutable_new_group()->set_primary(chain::ToField(primary));
    placement.primary = primary;
    consent = Approve(client, primary, operation);
    if (consent.ok() || !BlamesPrimary(consent)) break;
  }
  RETURN_IF_ERROR(consent);
  ASSIGN_OR_RETURN(pb::TransactionReceipt receipt, client.sender().Send({operation}));
  ASSIGN_OR_RETURN(pb::Bucket record, FindBucket(client, name));
  return BucketCreated{.id = base::BucketId{record.id()}, .placement = std::move(placement)};
}

absl::StatusOr<pb::Bucket> FindBucket(Client& client, const std::string& name) {
  RETURN_IF_ERROR(CheckBucketName(name));
  pb::QueryRequest request;
  request.mutable_bucket_by_name()->set_owner(chain::ToField(client.account()));
  request.mutable_bucket_by_name()->set_name(name);
  auto answer = client.Query(request);
  if (absl::IsNotFound(answer.status()) || (answer.ok() && answer->buckets().empty())) {
    return base::Error(
        absl::StatusCode::kNotFound, "NO_SUCH_BUCKET", absl::StrCat("no bucket \"", name, "\""),
        absl::StrCat("storectl bucket create ", name), {{"owner", base::ToText(client.account())}});
  }
  RETURN_IF_ERROR(answer.status());
  return answer->buckets(0);
}

absl::StatusOr<std::vector<pb::Bucket>> ListBuckets(Client& client) {
  std::vector<pb::Bucket> out;
  pb::QueryRequest request;
  request.set_buckets_of(chain::ToField(client.account()));
  request.mutable_page()->set_limit(1000);
  do {
    ASSIGN_OR_RETURN(pb::QueryResponse answer, client.Query(request));
    for (const pb::Bucket& bucket : answer.buckets()) out.push_back(bucket);
    request.mutable_page()->set_cursor(answer.next_cursor());
  } while (!request.page().cursor().empty());
  std::sort(out.begin(), out.end(),
            [](const pb::Bucket& a, const pb::Bucket& b) { return a.name() < b.name(); });
  return out;
}

absl::Status DeleteBucket(Client& client, const std::string& name) {
  ASSIGN_OR_RETURN(pb::Bucket record, FindBucket(client, name));
  if (record.objects() != 0) {
    return base::Error(
        absl::StatusCode::kFailedPrecondition, "BUCKET_NOT_EMPTY",
        absl::StrCat("bucket \"", name, "\" has ", record.objects(), " objects or open uploads"),
        absl::StrCat("storectl rm -r cairn://", name, "/"));
  }
  pb::Operation operation;
  operation.mutable_delete_bucket()->set_bucket(record.id());
  return client.sender().Send({operation}).status();
}

Bucket::Bucket() = default;
Bucket::~Bucket() = default;

base::BucketId Bucket::id() const { return base::BucketId{record_->id()}; }
base::Redundancy Bucket::policy() const { return chain::FromProto(record_->policy()); }

storage::KeyScope Bucket::scope() const {
  return {.chain = chain_,
          .bucket = chain::Trusted<base::Nonce16>(record_->nonce()),
          .epoch = record_->key_epoch()};
}

absl::StatusOr<std::string> Bucket::StoredName(absl::string_view name) const {
  RETURN_IF_ERROR(storage::CheckName(name));
  if (!cipher_) return std::string(name);
  std::lock_guard<std::mutex> lock(mutex_);
  return cipher_->Encrypt(name);
}

absl::StatusOr<std::string> Bucket::PlainName(absl::string_view stored) const {
  if (!cipher_) {
    RETURN_IF_ERROR(storage::CheckName(stored));
    return std::string(stored);
  }
  std::lock_guard<std::mutex> lock(mutex_);
  return cipher_->Decrypt(stored);
}

absl::StatusOr<storage::ListPrefix> Bucket::Prefix(absl::string_view prefix) const {
  if (!cipher_) return storage::PlainListPrefix(prefix);
  std::lock_guard<std::mutex> lock(mutex_);
  return cipher_->Prefix(prefix);
}

absl::StatusOr<storage::VersionKey> Bucket::OpenVersionKey(uint64_t epoch,
                                                           const storage::KeyId& key_id,
                                                           base::ByteView wrapped) const {
  if (!keys_ || epoch != record_->key_epoch()) {
    return base::Error(absl::StatusCode::kPermissionDenied, "NO_BUCKET_KEY",
                       absl::StrCat("no key of epoch ", epoch, " of bucket ", record_->name()));
  }
  return storage::UnwrapVersionKey(scope(), keys_->epoch_key, key_id, wrapped);
}

absl::StatusOr<std::shared_ptr<Bucket>> OpenBucket(Client& client, const std::string& name) {
  ASSIGN_OR_RETURN(pb::Bucket record, FindBucket(client, name));
  std::shared_ptr<Bucket> out(new Bucket());
  out->chain_ = client.chain_id();
  out->record_ = std::make_unique<pb::Bucket>(std::move(record));
  if (out->record_->wraps().empty()) return out;
  for (const pb::KeyWrap& wrap : out->record_->wraps()) {
    if (wrap.member() != chain::ToField(client.account()) ||
        wrap.key_epoch() != out->record_->key_epoch())
      continue;
    ASSIGN_OR_RETURN(
        storage::BucketKeys keys,
        storage::UnwrapBucketKeys(out->scope(), base::AsBytes(wrap.wrapped()), client.keys().wrap));
    out->cipher_.emplace(keys.name_key, out->scope().bucket);
    out->keys_ = std::move(keys);
    return out;
  }
  return base::Error(
      absl::StatusCode::kPermissionDenied, "NO_BUCKET_KEY",
      absl::StrCat("the keys of bucket \"", name, "\" are not wrapped to this account"),
      "ask its owner for a grant");
}

}  // namespace cairn::client
