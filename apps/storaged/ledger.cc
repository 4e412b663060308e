#include "apps/storaged/ledger.h"

#include "absl/strings/str_cat.h"
#include "cairn/chain/convert.h"

namespace cairn::storaged {
namespace {

constexpr uint32_t kPage = 1000;

absl::Status Absent(absl::string_view reason, absl::string_view what, std::string id) {
  return base::Error(absl::StatusCode::kNotFound, reason,
                     absl::StrCat("the ledger has no ", what, " ", id),
                     "check the id, and that the transaction which makes it was committed",
                     {{std::string(what), std::move(id)}});
}

}  // namespace

Ledger::Ledger(chain::Client& client, const base::Clock& clock, const LedgerOptions& options)
    : client_(client),
      clock_(clock),
      options_(options),
      objects_(options.objects),
      groups_(options.others),
      buckets_(options.others),
      providers_(options.others),
      streams_(options.others),
      params_(1) {}

template <class K, class R, class Ask>
absl::StatusOr<Record<R>> Ledger::Get(RecordCache<K, R>& cache, const K& key, Freshness freshness,
                                      Ask ask) {
  absl::Duration now = clock_.Monotonic();
  uint64_t forgotten = 0;
  {
    std::lock_guard lock(mutex_);
    forgotten = forgotten_;
    if (freshness == Freshness::kCached) {
      if (Record<R> found = cache.Find(key, now, options_.lifetime)) return found;
    }
  }
  absl::StatusOr<R> answer = ask();
  std::lock_guard lock(mutex_);
  if (!answer.ok()) {
    cache.Forget(key);
    return answer.status();
  }
  auto record = std::make_shared<const R>(*std::move(answer));
  // A block that came while the ledger was asked may be newer than the answer.
  if (forgotten == forgotten_) cache.Put(key, record, now);
  return Record<R>(record);
}

absl::StatusOr<Record<pb::Object>> Ledger::Object(const base::ObjectId& id, Freshness freshness) {
  return Get(objects_, id, freshness, [&]() -> absl::StatusOr<pb::Object> {
    pb::QueryRequest request;
    request.set_object(chain::ToField(id));
    auto answer = client_.Query(request);
    if (absl::IsNotFound(answer.status()) || (answer.ok() && answer->objects_size() != 1)) {
      return Absent("NO_SUCH_OBJECT", "object", id.ToHexString());
    }
    RETURN_IF_ERROR(answer.status());
    return std::move(*answer->mutable_objects(0));
  });
}

absl::StatusOr<std::vector<Record<pb::Object>>> Ledger::Objects(
    absl::Span<const base::ObjectId> ids, Freshness freshness) {
  std::vector<Record<pb::Object>> found(ids.size());
  pb::QueryRequest request;
  absl::Duration now = clock_.Monotonic();
  uint64_t forgotten = 0;
  {
    std::lock_guard lock(mutex_);
    forgotten = forgotten_;
    for (size_t i = 0; i < ids.size(); ++i) {
      if (freshness == Freshness::kCached) found[i] = objects_.Find(ids[i], now, options_.lifetime);
      if (found[i] == nullptr) request.mutable_objects_by_id()->add_ids(chain::ToField(ids[i]));
    }
  }
  if (!request.has_objects_by_id()) return found;
  ASSIGN_OR_RETURN(pb::QueryResponse answer, client_.Query(request));
  absl::flat_hash_map<base::ObjectId, Record<pb::Object>> asked;
  std::lock_guard lock(mutex_);
  for (pb::Object& object : *answer.mutable_objects()) {
    auto id = chain::Trusted<base::ObjectId>(object.id());
    auto record = std::make_shared<const pb::Object>(std::move(object));
    if (forgotten == forgotten_) objects_.Put(id, record, now);
    asked[id] = record;
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    if (found[i] != nullptr) continue;
    auto it = asked.find(ids[i]);
    if (it == asked.end()) {
      objects_.Forget(ids[i]);
    } else {
      found[i] = it->second;
    }
  }
  return found;
}

absl::StatusOr<Record<pb::Group>> Ledger::Group(base::GroupId id, Freshness freshness) {
  return Get(groups_, id, freshness, [&]() -> absl::StatusOr<pb::Group> {
    pb::QueryRequest request;
    request.set_group(id.value);
    auto answer = client_.Query(request);
    if (absl::IsNotFound(answer.status()) || (answer.ok() && answer->groups_size() != 1)) {
      return Absent("NO_SUCH_GROUP", "group", absl::StrCat(id.value));
    }
    RETURN_IF_ERROR(answer.status());
    return std::move(*answer->mutable_groups(0));
  });
}

absl::StatusOr<Record<pb::Bucket>> Ledger::Bucket(base::BucketId id, Freshness freshness) {
  return Get(buckets_, id, freshness, [&]() -> absl::StatusOr<pb::Bucket> {
    pb::QueryRequest request;
    request.set_bucket(id.value);
    auto answer = client_.Query(request);
    if (absl::IsNotFound(answer.status()) || (answer.ok() && answer->buckets_size() != 1)) {
      return Absent("NO_SUCH_BUCKET", "bucket", absl::StrCat(id.value));
    }
    RETURN_IF_ERROR(answer.status());
    return std::move(*answer->mutable_buckets(0));
  });
}

absl::StatusOr<Record<pb::Provider>> Ledger::Provider(const base::AccountId& id,
                                                      Freshness freshness) {
  return Get(providers_, id, freshness, [&]() -> absl::StatusOr<pb::Provider> {
    pb::QueryRequest request;
    request.set_provider(chain::ToField(id));
    auto answer = client_.Query(request);
    if (absl::IsNotFound(answer.status()) || (answer.ok() && answer->providers_size() != 1)) {
      return Absent("NO_SUCH_PROVIDER", "provider", base::ToText(id));
    }
    RETURN_IF_ERROR(answer.status());
    return std::move(*answer->mutable_providers(0));
  });
}

absl::StatusOr<Record<pb::StreamAccount>> Ledger::Stream(const base::AccountId& account,
                                                         Freshness freshness) {
  return Get(streams_, account, freshness, [&]() -> absl::StatusOr<pb::StreamAccount> {
    pb::QueryRequest request;
    request.set_stream(chain::ToField(account));
    auto answer = client_.Query(request);
    if (absl::IsNotFound(answer.status())) return pb::StreamAccount();
    RETURN_IF_ERROR(answer.status());
    return std::move(*answer->mutable_stream());
  });
}

Record<pb::StreamAccount> Ledger::KnownStream(const base::AccountId& account) {
  std::lock_guard lock(mutex_);
  return streams_.Find(account, clock_.Monotonic(), absl::InfiniteDuration());
}

absl::StatusOr<pb::JournalAnchors> Ledger::JournalAnchors(const base::AccountId& provider) {
  pb::QueryRequest request;
  request.set_journal_anchors(chain::ToField(provider));
  ASSIGN_OR_RETURN(pb::QueryResponse answer, client_.Query(request));
  return std::move(*answer.mutable_journal_anchors());
}

absl::StatusOr<std::vector<pb::Provider>> Ledger::Providers() {
  std::vector<pb::Provider> providers;
  pb::QueryRequest request;
  request.set_providers(true);
  request.mutable_page()->set_limit(kPage);
  while (true) {
    ASSIGN_OR_RETURN(pb::QueryResponse answer, client_.Query(request));
    for (pb::Provider& provider : *answer.mutable_providers()) {
      providers.push_back(std::move(provider));
    }
    if (answer.next_cursor().empty()) return providers;
    request.mutable_page()->set_cursor(answer.next_cursor());
  }
}

absl::StatusOr<Record<pb::Params>> Ledger::Params() {
  return Get(params_, 0, Freshness::kCached, [&]() -> absl::StatusOr<pb::Params> {
    pb::QueryRequest request;
    request.set_params(true);
    ASSIGN_OR_RETURN(pb::QueryResponse answer, client_.Query(request));
    return std::move(*answer.mutable_params());
  });
}

absl::StatusOr<pb::ChainStatus> Ledger::Status() {
  pb::QueryRequest request;
  request.set_status(true);
  ASSIGN_OR_RETURN(pb::QueryResponse answer, client_.Query(request));
  return std::move(*answer.mutable_status());
}

absl::StatusOr<pb::Channel> Ledger::Channel(const base::ChannelId& id) {
  pb::QueryRequest request;
  request.set_channel(chain::ToField(id));
  auto answer = client_.Query(request);
  if (absl::IsNotFound(answer.status()) || (answer.ok() && answer->channels_size() != 1)) {
    return Absent("NO_SUCH_CHANNEL", "channel", id.ToHexString());
  }
  RETURN_IF_ERROR(answer.status());
  return std::move(*answer->mutable_channels(0));
}

absl::StatusOr<client::PoolRecords> Ledger::Pool(const base::ChannelId& pool,
                                                 const std::string& signer,
                                                 const base::AccountId& payee) {
  return client::AskPool(client_, pool, signer, payee);
}

absl::StatusOr<std::vector<pb::Channel>> Ledger::ChannelsOfPayee(const base::AccountId& payee) {
  std::vector<pb::Channel> channels;
  pb::QueryRequest request;
  request.set_channels_of_payee(chain::ToField(payee));
  request.mutable_page()->set_limit(kPage);
  while (true) {
    ASSIGN_OR_RETURN(pb::QueryResponse answer, client_.Query(request));
    for (pb::Channel& channel : *answer.mutable_channels()) channels.push_back(std::move(channel));
    if (answer.next_cursor().empty()) return channels;
    request.mutable_page()->set_cursor(answer.next_cursor());
  }
}

absl::StatusOr<std::vector<pb::Group>> Ledger::GroupsOf(const base::AccountId& provider) {
  std::vector<pb::Group> groups;
  pb::QueryRequest request;
  request.set_groups_of_provider(chain::ToField(provider));
  request.mutable_page()->set_limit(kPage);
  while (true) {
    ASSIGN_OR_RETURN(pb::QueryResponse answer, client_.Query(request));
    for (pb::Group& group : *answer.mutable_groups()) groups.push_back(std::move(group));
    if (answer.next_cursor().empty()) return groups;
    request.mutable_page()->set_cursor(answer.next_cursor());
  }
}

absl::StatusOr<std::vector<pb::Object>> Ledger::GroupObjects(base::GroupId group, int32_t position,
                                                             std::string& cursor) {
  pb::QueryRequest request;
  request.mutable_group_objects()->set_group(group.value);
  request.mutable_group_objects()->set_missing_position(position);
  request.mutable_page()->set_limit(kPage);
  request.mutable_page()->set_cursor(cursor);
  ASSIGN_OR_RETURN(pb::QueryResponse answer, client_.Query(request));
  cursor = answer.next_cursor();
  return std::vector<pb::Object>(std::make_move_iterator(answer.mutable_objects()->begin()),
                                 std::make_move_iterator(answer.mutable_objects()->end()));
}

void Ledger::Forget(const base::ObjectId& id) {
  std::lock_guard lock(mutex_);
  ++forgotten_;
  objects_.Forget(id);
}
void Ledger::Forget(base::GroupId id) {
  std::lock_guard lock(mutex_);
  ++forgotten_;
  groups_.Forget(id);
}
void Ledger::Forget(base::BucketId id) {
  std::lock_guard lock(mutex_);
  ++forgotten_;
  buckets_.Forget(id);
}
void Ledger::Forget(const base::AccountId& provider) {
  std::lock_guard lock(mutex_);
  ++forgotten_;
  providers_.Forget(provider);
}
void Ledger::ForgetStream(const base::AccountId& account) {
  std::lock_guard lock(mutex_);
  ++forgotten_;
  streams_.Forget(account);
}
void Ledger::ForgetAll() {
  std::lock_guard lock(mutex_);
  ++forgotten_;
  objects_.Clear();
  groups_.Clear();
  buckets_.Clear();
  providers_.Clear();
  streams_.Clear();
  params_.Clear();
}

}  // namespace cairn::storaged
