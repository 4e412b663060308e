#include "apps/storaged/puller.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "apps/common/log.h"
#include "cairn/chain/convert.h"
#include "cairn/storage/erasure.h"
#include "cairn/storage/manifest.h"

namespace cairn::storaged {
namespace {

constexpr size_t kBatch = chain::kMaxObjectsPerOperation;

bool IsHeld(storage::BlobStore& blobs, const base::ContentId& id) { return blobs.Stat(id).ok(); }

}  // namespace

void Puller::AddCopies(base::GroupId group, std::vector<Copy> copies) {
  std::lock_guard lock(mutex_);
  copies_.emplace_back(group, std::move(copies));
}

void Puller::AddDamaged(const base::ContentId& id) {
  std::lock_guard lock(mutex_);
  damaged_.insert(id);
}

absl::Status Puller::RunOnce(const std::function<bool()>& stopping) {
  RETURN_IF_ERROR(RunCopies());
  RETURN_IF_ERROR(RunDamaged());
  ASSIGN_OR_RETURN(std::vector<pb::Group> groups, env_.ledger.GroupsOf(env_.identity.id()));
  std::string self = chain::ToField(env_.identity.id());
  uint64_t missing = 0;
  for (const pb::Group& group : groups) {
    for (const pb::GroupPosition& position : group.positions()) {
      if (position.provider() == self) missing += position.should_hold() - position.receipted();
    }
  }
  due_ = missing;
  if (missing == 0) rebuilding_ = false;
  for (const pb::Group& group : groups) {
    if (stopping()) return absl::OkStatus();
    absl::Status status = CheckGroup(group, stopping);
    if (absl::IsAborted(status)) return status;
    if (!status.ok()) app::LogError("pull.group", status, {{"group", absl::StrCat(group.id())}});
  }
  return RunWholes(groups, stopping);
}

absl::Status Puller::RunCopies() {
  std::deque<CopyBatch> batches;
  {
    std::lock_guard lock(mutex_);
    batches.swap(copies_);
  }
  for (; !batches.empty(); batches.pop_front()) {
    absl::StatusOr<CopyBatch> left = PullCopies(batches.front());
    std::lock_guard lock(mutex_);
    if (!left.ok()) {
      copies_.insert(copies_.begin(), batches.begin(), batches.end());
      return left.status();
    }
    if (!left->second.empty()) copies_.push_back(*std::move(left));
  }
  return absl::OkStatus();
}

// Nobody uploads a copy, so nobody else brings what fails here: what is still awaited comes back
// for the next round, until the ledger has our receipt or the object is gone.
absl::StatusOr<Puller::CopyBatch> Puller::PullCopies(const CopyBatch& batch) {
  ASSIGN_OR_RETURN(Record<pb::Group> group, env_.ledger.Group(batch.first, Freshness::kFresh));
  std::vector<base::ObjectId> ids;
  for (const Copy& copy : batch.second) ids.push_back(copy.object);
  ASSIGN_OR_RETURN(std::vector<Record<pb::Object>> objects,
                   env_.ledger.Objects(ids, Freshness::kFresh));
  std::set<size_t> awaited;
  for (int position = 0; position < group->positions_size(); ++position) {
    if (group->positions(position).provider() != chain::ToField(env_.identity.id())) continue;
    Target target{*group, static_cast<uint32_t>(position)};
    std::vector<Wanted> wanted;
    for (size_t i = 0; i < objects.size(); ++i) {
      if (objects[i] == nullptr) continue;
      std::vector<uint32_t> missing = chain::MissingPositions(*objects[i], *group);
      if (std::find(missing.begin(), missing.end(), target.position) == missing.end()) continue;
      awaited.insert(i);
      wanted.push_back({objects[i], batch.second[i].source});
    }
    absl::Status status = PullBatch(target, wanted);
    if (absl::IsAborted(status)) return status;
    if (!status.ok()) app::LogError("pull.copies", status, {{"group", absl::StrCat(group->id())}});
  }
  CopyBatch left{batch.first, {}};
  for (size_t i : awaited) left.second.push_back(batch.second[i]);
  return left;
}

absl::Status Puller::RunDamaged() {
  std::set<base::ContentId> damaged;
  {
    std::lock_guard lock(mutex_);
    damaged.swap(damaged_);
  }
  for (const base::ContentId& id : damaged) {
    if (IsHeld(env_.blobs, id)) continue;
    absl::Status repaired = absl::NotFoundError("no object uses the blob");
    ASSIGN_OR_RETURN(std::vector<Part> users, env_.index.UsersOf(id));
    for (const Part& user : users) {
      auto object = env_.ledger.Object(user.object);
      if (absl::IsNotFound(object.status())) continue;
      auto group = env_.ledger.Group(user.group);
      if (!object.ok() || !group.ok()) continue;
      Gathered gathered;
      auto parts = Obtain({**group, user.position}, {*object, user.object}, gathered);
      repaired = parts.ok() ? Store(gathered, *parts) : parts.status();
      if (repaired.ok()) break;
    }
    if (repaired.ok()) {
      ++pulled_;
      app::LogInfo("blob.repaired", "a damaged part was fetched again", {{"part", id.ToText()}});
    } else if (!users.empty()) {
      app::LogError("blob.repair", repaired, {{"part", id.ToText()}});
      AddDamaged(id);
    }
  }
  return absl::OkStatus();
}

absl::Status Puller::CheckGroup(const pb::Group& group, const std::function<bool()>& stopping) {
  for (int i = 0; i < group.positions_size(); ++i) {
    const pb::GroupPosition& position = group.positions(i);
    if (position.provider() != chain::ToField(env_.identity.id())) continue;
    auto key = std::make_pair(group.id(), static_cast<uint32_t>(i));
    if (position.should_hold() == position.receipted()) {
      missing_since_.erase(key);
      if (!position.rebuilding()) continue;
      pb::Operation operation;
      operation.mutable_complete_succession()->set_group(group.id());
      operation.mutable_complete_succession()->set_position(static_cast<uint32_t>(i));
      absl::Status completed = env_.submitter.Run(std::move(operation)).status();
      if (!completed.ok()) app::LogError("succession.complete", completed);
      continue;
    }
    absl::Duration now = env_.clock.Monotonic();
    auto [since, first] = missing_since_.emplace(key, now);
    bool at_once = position.rebuilding() || rebuilding_;
    if (position.rebuilding()) rebuilding_ = true;
    if (!at_once && now - since->second < options_.grace) continue;
    RETURN_IF_ERROR(PullMissing({group, static_cast<uint32_t>(i)}, stopping));
  }
  return absl::OkStatus();
}

absl::Status Puller::PullMissing(const Target& target, const std::function<bool()>& stopping) {
  std::string cursor;
  uint64_t now_ms = absl::ToUnixMillis(env_.clock.Now());
  uint64_t grace_ms = absl::ToInt64Milliseconds(options_.grace);
  bool rebuilding =
      target.group.positions(static_cast<int>(target.position)).rebuilding() || rebuilding_;
  do {
    ASSIGN_OR_RETURN(std::vector<pb::Object> page,
                     env_.ledger.GroupObjects({target.group.id()},
                                              static_cast<int32_t>(target.position), cursor));
    std::vector<Wanted> wanted;
    for (pb::Object& object : page) {
      if (stopping()) return absl::OkStatus();
      if (object.state() != pb::OBJECT_STATE_SEALED) continue;
      if (!rebuilding && object.sealed_ms() + grace_ms > now_ms) continue;
      auto id = chain::Trusted<base::ObjectId>(object.id());
      wanted.push_back({std::make_shared<const pb::Object>(std::move(object)), id});
      if (wanted.size() == kBatch) RETURN_IF_ERROR(PullBatch(target, std::exchange(wanted, {})));
    }
    if (!wanted.empty()) RETURN_IF_ERROR(PullBatch(target, wanted));
  } while (!cursor.empty() && !stopping());
  return absl::OkStatus();
}

absl::Status Puller::PullBatch(const Target& target, const std::vector<Wanted>& wanted) {
  Gathered gathered;
  std::vector<Part> parts;
  std::vector<Record<pb::Object>> objects;
  for (const Wanted& one : wanted) {
    const auto& positions = one.object->positions();
    if (std::find(positions.begin(), positions.end(), target.position) == positions.end()) continue;
    auto obtained = Obtain(target, one, gathered);
    if (absl::IsCancelled(obtained.status())) return obtained.status();
    if (!obtained.ok()) {
      app::LogError("pull.object", obtained.status(),
                    {{"object", chain::Trusted<base::ObjectId>(one.object->id()).ToHexString()}});
      continue;
    }
    parts.insert(parts.end(), obtained->begin(), obtained->end());
    objects.push_back(one.object);
  }
  if (objects.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(Store(gathered, parts));
  pulled_ += objects.size();

  std::sort(objects.begin(), objects.end(),
            [](const auto& a, const auto& b) { return a->id() < b->id(); });
  // A receipt names the group's epoch, which may have changed while the parts were fetched.
  ASSIGN_OR_RETURN(Record<pb::Group> group,
                   env_.ledger.Group({target.group.id()}, Freshness::kFresh));
  ASSIGN_OR_RETURN(pb::Receipt receipt, env_.ingest.Sign(*group, target.position, objects));
  pb::Operation operation;
  pb::PostReceipts& post = *operation.mutable_post_receipts();
  post.set_group(group->id());
  for (const Record<pb::Object>& object : objects) post.add_objects(object->id());
  *post.add_receipts() = receipt;
  absl::Status posted = env_.submitter.Run(std::move(operation)).status();
  for (const Record<pb::Object>& object : objects) {
    env_.ledger.Forget(chain::Trusted<base::ObjectId>(object->id()));
  }
  return posted;
}

absl::Status Puller::Store(Gathered& gathered, const std::vector<Part>& parts) {
  std::vector<PartIndex::Hold> holds;
  for (const Part& part : parts) holds.push_back(env_.index.HoldBlob(part.id));
  std::vector<std::pair<base::ContentId, base::ByteView>> blobs;
  for (const auto& [id, bytes] : gathered) blobs.emplace_back(id, bytes);
  if (!blobs.empty()) RETURN_IF_ERROR(ToSpaceError(env_.blobs.PutMany(blobs).status()));
  return env_.index.Add(parts);
}

std::vector<Puller::Holder> Puller::HoldersOf(const Target& target, const pb::Object& object,
                                              bool same_bytes) const {
  base::AccountId self = env_.identity.id();
  std::vector<Holder> sound;
  std::vector<Holder> doubtful;  // no current receipt
  std::vector<uint32_t> missing = chain::MissingPositions(object, target.group);
  for (uint32_t p : object.positions()) {
    const pb::GroupPosition& position = target.group.positions(static_cast<int>(p));
    bool fits = same_bytes ? object.layout() == pb::LAYOUT_KIND_COPIES || p == target.position
                           : p != target.position;
    if (!fits) continue;
    bool receipted = std::find(missing.begin(), missing.end(), p) == missing.end();
    base::AccountId provider = chain::AccountOf(position.provider());
    if (provider != self) (receipted ? sound : doubtful).push_back({provider, p});
    base::AccountId previous = chain::AccountOf(position.previous_provider());
    if (!position.previous_provider().empty() && previous != self)
      doubtful.push_back({previous, p});
  }
  sound.insert(sound.end(), doubtful.begin(), doubtful.end());
  return sound;
}

absl::StatusOr<base::Bytes> Puller::ObtainManifest(const Target& target, const Wanted& wanted,
                                                   Part* part, Gathered& gathered) {
  const pb::Object& object = *wanted.object;
  if (object.manifest_id().empty()) return base::ToBytes(base::AsBytes(object.manifest()));
  base::ContentId id{chain::Trusted<base::Digest>(object.manifest_id())};
  base::Bytes bytes;
  auto held = env_.blobs.Read(id, storage::kMaxManifestBytes);
  if (held.ok()) {
    bytes = *std::move(held);
  } else {
    absl::Status last = absl::UnavailableError("no holder has the manifest");
    std::vector<Holder> holders = HoldersOf(target, object, /*same_bytes=*/false);
    for (const Holder& holder : HoldersOf(target, object, /*same_bytes=*/true))
      holders.push_back(holder);
    for (const Holder& holder : holders) {
      bytes.clear();
      last = env_.source.Fetch(holder.provider, wanted.source, id, {0, storage::kMaxManifestBytes},
                               [&](base::ByteView piece) {
                                 bytes.insert(bytes.end(), piece.begin(), piece.end());
                                 return absl::OkStatus();
                               });
      if (last.ok()) break;
    }
    RETURN_IF_ERROR(last);
    gathered.emplace_back(id, bytes);
  }
  *part = {.object = chain::Trusted<base::ObjectId>(object.id()),
           .id = id,
           .size = bytes.size(),
           .group = {object.group()},
           .position = target.position,
           .manifest = true};
  return bytes;
}

absl::StatusOr<std::vector<Part>> Puller::Obtain(const Target& target, const Wanted& wanted,
                                                 Gathered& gathered) {
  const pb::Object& object = *wanted.object;
  std::vector<Part> parts;
  Part manifest;
  Part part{.object = chain::Trusted<base::ObjectId>(object.id()),
            .group = {object.group()},
            .position = target.position};
  std::vector<base::ContentId> shard_ids;
  bool shards = object.layout() == pb::LAYOUT_KIND_SHARDS;
  if (shards || !object.manifest_id().empty()) {
    ASSIGN_OR_RETURN(base::Bytes bytes, ObtainManifest(target, wanted, &manifest, gathered));
    if (manifest.manifest) parts.push_back(manifest);
    if (shards) {
      ASSIGN_OR_RETURN(storage::ManifestHead head, storage::DecodeManifestHead(bytes));
      RETURN_IF_ERROR(storage::CheckAgainstLedger(
          head, {chain::Trusted<base::Digest>(object.content_id())},
          chain::Trusted<base::Digest>(object.layout_root()), object.stored_size()));
      shard_ids = head.stored.shard_ids;
    }
  }
  if (target.position == kWholeAtPrimary) {
    part.id = {chain::Trusted<base::Digest>(object.content_id())};
    part.size = object.stored_size();
  } else if (shards) {
    if (target.position >= shard_ids.size())
      return absl::DataLossError("the manifest lists too few shards");
    part.id = shard_ids[target.position];
    part.leaf = target.position;
    part.leaves = static_cast<uint32_t>(shard_ids.size());
    part.path = base::LayoutPath(shard_ids, target.position);
    part.size = base::ShardSize(object.stored_size(), target.group.policy().data());
  } else {
    part.id = {chain::Trusted<base::Digest>(object.content_id())};
    part.leaves = 1;
    part.size = object.stored_size();
  }
  if (!IsHeld(env_.blobs, part.id))
    RETURN_IF_ERROR(FetchPart(target, wanted, part, shard_ids, gathered));
  parts.push_back(std::move(part));
  return parts;
}

absl::Status Puller::FetchPart(const Target& target, const Wanted& wanted, const Part& part,
                               const std::vector<base::ContentId>& shard_ids, Gathered& gathered) {
  PartIndex::Hold hold = env_.index.HoldBlob(part.id);
  base::Bytes bytes;
  std::unique_ptr<storage::BlobWriter> writer;
  uint64_t offset = 0;
  if (part.size > kSmallPartBytes) {
    auto begun = env_.blobs.Begin(part.id, part.size);
    if (!begun.ok()) return ToSpaceError(begun.status());
    writer = *std::move(begun);
    offset = writer->offset();
  }
  storage::ByteSink sink = [&](base::ByteView piece) {
    if (writer != nullptr) return ToSpaceError(writer->Append(piece));
    bytes.insert(bytes.end(), piece.begin(), piece.end());
    return absl::OkStatus();
  };
  if (part.size > 0) {
    absl::Status copied = CopyFrom(HoldersOf(target, *wanted.object, /*same_bytes=*/true), wanted,
                                   part, offset, sink);
    if (!copied.ok() && shard_ids.empty()) return copied;
    if (!copied.ok()) {
      RETURN_IF_ERROR(target.position == kWholeAtPrimary
                          ? Assemble(target, wanted, part, shard_ids, offset, sink)
                          : Compute(target, wanted, part, shard_ids, offset, sink));
    }
  }
  if (writer != nullptr) return ToSpaceError(writer->Commit().status());
  // Each shard was proven by itself; that they belong together is the word of whoever encoded them.
  if (base::ContentId::Of(bytes) != part.id) {
    return base::Error(absl::StatusCode::kDataLoss, "CONTENT_MISMATCH",
                       "the other shards do not give the bytes that are named", "",
                       {{"part", part.id.ToText()}});
  }
  gathered.emplace_back(part.id, std::move(bytes));
  return absl::OkStatus();
}

absl::Status Puller::CopyFrom(const std::vector<Holder>& holders, const Wanted& wanted,
                              const Part& part, uint64_t& offset, const storage::ByteSink& sink) {
  absl::Status last = base::Error(absl::StatusCode::kUnavailable, "NOT_ENOUGH_SHARDS",
                                  "no other holder has the part");
  for (const Holder& holder : holders) {
    absl::Status local;
    last = env_.source.Fetch(holder.provider, wanted.source, part.id, {offset, part.size - offset},
                             [&](base::ByteView piece) {
                               local = sink(piece);
                               offset += piece.size();
                               return local;
                             });
    RETURN_IF_ERROR(local);
    // The next holder goes on where this one stopped: what came was proven piece by piece.
    if (last.ok() || absl::IsCancelled(last)) return last;
  }
  return last;
}

absl::StatusOr<std::map<uint32_t, base::Bytes>> Puller::ReadShards(
    std::vector<Holder>& holders, const Wanted& wanted,
    const std::vector<base::ContentId>& shard_ids, base::ByteRange range, uint32_t count) {
  std::map<uint32_t, base::Bytes> have;
  absl::Status last;
  for (auto holder = holders.begin(); holder != holders.end() && have.size() < count;) {
    if (have.count(holder->position) > 0) {
      ++holder;
      continue;
    }
    base::Bytes bytes;
    const storage::ByteSink sink = [&](base::ByteView piece) {
      bytes.insert(bytes.end(), piece.begin(), piece.end());
      return absl::OkStatus();
    };
    const base::ContentId& id = shard_ids[holder->position];
    const bool ours = holder->provider == env_.identity.id();
    absl::Status fetched =
        ours ? env_.blobs.ReadRange(id, range, sink)
             : env_.source.Fetch(holder->provider, wanted.source, id, range, sink);
    if (absl::IsCancelled(fetched)) return fetched;
    if (fetched.ok() && bytes.size() == range.length) {
      have.emplace(holder->position, std::move(bytes));
      ++holder;
    } else {
      last = fetched;
      holder = holders.erase(holder);
    }
  }
  if (have.size() == count) return have;
  return base::Error(absl::StatusCode::kUnavailable, "NOT_ENOUGH_SHARDS",
                     absl::StrCat(have.size(), " of ", count, " shards can be read"),
                     "bring other holders of the group back",
                     {{"object", wanted.source.ToHexString()},
                      {"last", std::string(last.message())}});
}

absl::Status Puller::Compute(const Target& target, const Wanted& wanted, const Part& part,
                             const std::vector<base::ContentId>& shard_ids, uint64_t offset,
                             const storage::ByteSink& sink) {
  base::Redundancy policy = chain::FromProto(target.group.policy());
  ASSIGN_OR_RETURN(std::unique_ptr<storage::Coder> coder,
                   storage::NewCoder(policy, base::LayoutKind::kShards));
  std::vector<Holder> holders = HoldersOf(target, *wanted.object, /*same_bytes=*/false);
  uint64_t window =
      std::max<uint64_t>(options_.window_bytes / policy.data / base::kTreeGroupBytes, 1) *
      base::kTreeGroupBytes;
  while (offset < part.size) {
    base::ByteRange range{offset, std::min(window, part.size - offset)};
    ASSIGN_OR_RETURN(const auto have,
                     ReadShards(holders, wanted, shard_ids, range, policy.data));
    std::vector<storage::Coder::Unit> units;
    for (const auto& [index, bytes] : have) units.push_back({index, bytes});
    base::Bytes out(range.length);
    storage::Coder::Missing missing{target.position, absl::MakeSpan(out)};
    RETURN_IF_ERROR(coder->Reconstruct(units, absl::MakeConstSpan(&missing, 1)));
    RETURN_IF_ERROR(sink(out));
    offset += range.length;
  }
  return absl::OkStatus();
}

}  // namespace cairn::storaged
