// The whole copy that a primary keeps under +primary.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "apps/common/log.h"
#include "apps/storaged/puller.h"
#include "cairn/chain/convert.h"
#include "cairn/storage/erasure.h"
#include "cairn/storage/stripe.h"

namespace cairn::storaged {

void Puller::AddWhole(const base::ObjectId& object) {
  std::lock_guard lock(mutex_);
  wholes_.insert(object);
}

bool Puller::KeepsWhole(const pb::Group& group) const {
  return group.policy().whole_at_primary() && group.primary() == chain::ToField(env_.identity.id());
}

absl::Status Puller::RunWholes(const std::vector<pb::Group>& groups,
                               const std::function<bool()>& stopping) {
  for (const pb::Group& group : groups) {
    if (!KeepsWhole(group)) {
      whole_epochs_.erase(group.id());
      continue;
    }
    const auto looked = whole_epochs_.find(group.id());
    if (looked != whole_epochs_.end() && looked->second == group.epoch()) continue;
    absl::Status kept = KeepGroupWhole(group, stopping);
    if (!kept.ok()) app::LogError("pull.whole", kept, {{"group", absl::StrCat(group.id())}});
    if (kept.ok() && !stopping()) whole_epochs_[group.id()] = group.epoch();
  }
  std::set<base::ObjectId> asked;
  {
    std::lock_guard lock(mutex_);
    asked.swap(wholes_);
  }
  for (const base::ObjectId& id : asked) {
    auto object = env_.ledger.Object(id, Freshness::kFresh);
    if (absl::IsNotFound(object.status())) continue;
    absl::Status kept = object.status();
    if (object.ok()) {
      auto group = env_.ledger.Group({(*object)->group()});
      kept = group.ok() ? KeepWhole(**group, {*object, id}) : group.status();
    }
    if (kept.ok()) continue;
    app::LogError("pull.whole", kept, {{"object", id.ToHexString()}});
    AddWhole(id);
  }
  return absl::OkStatus();
}

absl::Status Puller::KeepGroupWhole(const pb::Group& group, const std::function<bool()>& stopping) {
  std::string cursor;
  absl::Status last;
  do {
    ASSIGN_OR_RETURN(std::vector<pb::Object> page,
                     env_.ledger.GroupObjects({group.id()}, -1, cursor));
    for (pb::Object& object : page) {
      if (stopping()) return absl::OkStatus();
      if (object.state() != pb::OBJECT_STATE_SEALED) continue;
      const auto id = chain::Trusted<base::ObjectId>(object.id());
      absl::Status kept =
          KeepWhole(group, {std::make_shared<const pb::Object>(std::move(object)), id});
      if (!kept.ok()) last = kept;
    }
  } while (!cursor.empty() && !stopping());
  return last;
}

absl::Status Puller::KeepWhole(const pb::Group& group, const Wanted& wanted) {
  const pb::Object& object = *wanted.object;
  if (!KeepsWhole(group) || object.stored_size() == 0) return absl::OkStatus();
  const auto kept = [&](const std::string& field) -> absl::StatusOr<bool> {
    const base::ContentId id{chain::Trusted<base::Digest>(field)};
    ASSIGN_OR_RETURN(const auto part, env_.index.Find(wanted.source, id));
    return part.has_value() && env_.blobs.Stat(id).ok();
  };
  ASSIGN_OR_RETURN(const bool bytes, kept(object.content_id()));
  bool manifest = object.manifest_id().empty();
  if (!manifest) {
    ASSIGN_OR_RETURN(manifest, kept(object.manifest_id()));
  }
  if (bytes && manifest) return absl::OkStatus();
  Gathered gathered;
  ASSIGN_OR_RETURN(std::vector<Part> parts, Obtain({group, kWholeAtPrimary}, wanted, gathered));
  // A blob that we keep as a holder anyway stays recorded as that.
  std::vector<Part> fresh;
  for (Part& part : parts) {
    ASSIGN_OR_RETURN(const auto known, env_.index.Find(part.object, part.id));
    if (!known) fresh.push_back(std::move(part));
  }
  RETURN_IF_ERROR(Store(gathered, fresh));
  ++pulled_;
  return absl::OkStatus();
}

absl::Status Puller::Assemble(const Target& target, const Wanted& wanted, const Part& part,
                              const std::vector<base::ContentId>& shard_ids, uint64_t offset,
                              const storage::ByteSink& sink) {
  const base::Redundancy policy = chain::FromProto(target.group.policy());
  const storage::StripeMap map(part.size, base::LayoutKind::kShards, policy.data);
  ASSIGN_OR_RETURN(const auto coder, storage::NewCoder(policy, base::LayoutKind::kShards));
  std::vector<Holder> holders = HoldersOf(target, *wanted.object, /*same_bytes=*/false);
  for (uint32_t p : wanted.object->positions()) {
    const std::string& provider = target.group.positions(static_cast<int>(p)).provider();
    if (provider != chain::ToField(env_.identity.id())) continue;
    holders.insert(holders.begin(), Holder{env_.identity.id(), p});
  }
  const uint64_t window =
      std::max<uint64_t>(1, options_.window_bytes / (map.unit() * policy.data));
  for (uint64_t first = map.IndexOfStored(offset); first < map.count(); first += window) {
    const uint64_t last = std::min(first + window, map.count()) - 1;
    const uint64_t begin = map.At(first).shard_offset;
    const base::ByteRange range{begin, map.At(last).shard_offset + map.At(last).unit - begin};
    ASSIGN_OR_RETURN(auto have, ReadShards(holders, wanted, shard_ids, range, policy.data));
    RETURN_IF_ERROR(FillData(*coder, range.length, have));
    for (uint64_t index = first; index <= last; ++index) {
      const storage::StripeMap::Stripe stripe = map.At(index);
      for (uint32_t shard = 0; shard < policy.data; ++shard) {
        const uint64_t at = stripe.stored_offset + shard * stripe.unit;
        const uint64_t end = std::min(at + stripe.unit, stripe.stored_offset + stripe.stored_bytes);
        const uint64_t from = std::max(at, offset);  // what an interrupted copy has already
        if (from >= end) continue;
        const uint64_t in_shard = stripe.shard_offset - begin + from - at;
        RETURN_IF_ERROR(sink(base::ByteView(have[shard]).subspan(in_shard, end - from)));
      }
    }
  }
  return absl::OkStatus();
}

// Computes the data shards that are missing from those there are.
absl::Status Puller::FillData(const storage::Coder& coder, uint64_t length,
                              std::map<uint32_t, base::Bytes>& have) {
  std::vector<storage::Coder::Unit> units;
  for (const auto& [index, bytes] : have) units.push_back({index, bytes});
  std::map<uint32_t, base::Bytes> computed;
  std::vector<storage::Coder::Missing> missing;
  for (uint32_t shard = 0; shard < coder.data(); ++shard) {
    if (have.count(shard) > 0) continue;
    base::Bytes& out = computed[shard];
    out.resize(length);
    missing.push_back({shard, absl::MakeSpan(out)});
  }
  if (!missing.empty()) RETURN_IF_ERROR(coder.Reconstruct(units, missing));
  have.merge(computed);
  return absl::OkStatus();
}

}  // namespace cairn::storaged
