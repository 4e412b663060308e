// Answers about one state.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"
#include "cairn/chain/genesis.h"
#include "cairn/chain/ledger.h"
#include "cairn/chain/transaction.h"
#include "domain/object_records.h"

namespace cairn::chain {
namespace {

constexpr uint32_t kDefaultLimit = 100;
constexpr uint32_t kMaxLimit = 1000;
// Entries looked at for one page: a page may come back short, or empty, with a cursor to go on from.
constexpr uint32_t kMaxVisited = 10'000;
constexpr size_t kMaxKeyBytes = 480;
constexpr size_t kMaxBucketName = 63;
// A page ends early rather than outgrow one message: the records stand in it twice when proofs are asked for.
constexpr size_t kMaxPageBytes = 3 << 19;
constexpr size_t kProofBytes = 700;

absl::Status NotFound(absl::string_view what) {
  return base::Error(absl::StatusCode::kNotFound, "NOT_FOUND", absl::StrCat("no such ", what), "check the name or id");
}

absl::Status BadQuery(absl::string_view what) {
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_QUERY", what, "correct the question");
}

size_t SizeOf(const google::protobuf::MessageLite& record) { return record.ByteSizeLong(); }
size_t SizeOf(const Raw& record) { return record.bytes.size(); }

class Answer {
 public:
  Answer(const ReadView& view, const pb::QueryRequest& request, std::vector<std::string>* shown)
      : view_(view), request_(request), shown_(shown) {
    const uint32_t limit = request.page().limit();
    limit_ = limit == 0 ? kDefaultLimit : std::min(limit, kMaxLimit);
  }

  absl::StatusOr<pb::QueryResponse> Run();

 private:
  // A record, remembered for the proofs. `out` stays as it was when absent.
  template <class R>
  bool Show(const Key<R>& key, R* out) {
    Remember(key.bytes);
    const auto record = view_.Find(key);
    if (!record) return false;
    bytes_ += SizeOf(*record) + kProofBytes;
    *out = *record;
    return true;
  }
  void Remember(const std::string& key) {
    if (shown_ != nullptr) shown_->push_back(key);
  }
  // An entry of an index that led to a result.
  void Listed(const std::string& key) {
    Remember(key);
    bytes_ += kProofBytes;
  }
  // NotFound, unless its absence is to be proven.
  absl::Status Missing(absl::string_view what) const {
    return request_.prove() ? absl::OkStatus() : NotFound(what);
  }
  template <class R>
  absl::Status One(const Key<R>& key, google::protobuf::RepeatedPtrField<R>* list, absl::string_view what) {
    R record;
    if (!Show(key, &record)) return Missing(what);
    *list->Add() = std::move(record);
    return absl::OkStatus();
  }
  // Visits entries of a prefix from the cursor on. `visit` returns how many results it added.
  template <class F>
  void Page(const std::string& prefix, const std::string& from, F visit);
  absl::StatusOr<base::AccountId> Id(const std::string& field) const {
    const auto id = FromField<base::AccountId>(field);
    if (!id) return BadQuery("an account id has 20 bytes");
    return *id;
  }

  absl::Status Question();
  absl::Status Foundations();  // parameters, genesis, supply
  absl::Status AccountOrLane();
  absl::Status Providers();
  absl::Status Groups();
  absl::Status Buckets();
  absl::Status ObjectById();
  absl::Status ObjectsById();
  absl::Status ObjectByName();
  absl::Status Objects();
  absl::Status GroupObjects();
  absl::Status Streams();
  absl::Status PaymentAccounts();
  absl::Status Bills();
  absl::Status Sponsorships();
  absl::Status Consents();
  absl::Status Prices();
  absl::Status JournalAnchors();
  absl::Status Channels();
  absl::Status Pools();
  absl::Status StateKey();
  void ShowObject(const std::string& id);

  const ReadView& view_;
  const pb::QueryRequest& request_;
  std::vector<std::string>* shown_;
  uint32_t limit_ = kDefaultLimit;
  size_t bytes_ = 0;  // of the answer so far
  pb::QueryResponse response_;
};

template <class F>
void Answer::Page(const std::string& prefix, const std::string& from, F visit) {
  const std::string& cursor = request_.page().cursor();
  uint32_t added = 0, visited = 0;
  view_.Scan(prefix, std::max(from, cursor), [&](const std::string& key, const Record& record) {
    if (added >= limit_ || visited++ >= kMaxVisited || bytes_ >= kMaxPageBytes) {
      response_.set_next_cursor(key);
      return false;
    }
    added += visit(key, record);
    return true;
  });
}

void Answer::ShowObject(const std::string& id) {
  pb::Object object;
  if (!id.empty() && Show(keys::Object(id), &object)) *response_.add_objects() = std::move(object);
}

absl::Status Answer::AccountOrLane() {
  if (request_.question_case() == pb::QueryRequest::kAccount) {
    ASSIGN_OR_RETURN(const base::AccountId id, Id(request_.account()));
    pb::Account account;
    if (!Show(keys::Account(id), &account)) return Missing("account");
    *response_.mutable_account() = std::move(account);
    return absl::OkStatus();
  }
  // A lane without a record is one whose first number is 1.
  ASSIGN_OR_RETURN(const base::AccountId id, Id(request_.lane().account()));
  Show(keys::Lane(id, request_.lane().lane()), response_.mutable_lane());
  return absl::OkStatus();
}

absl::Status Answer::Providers() {
  if (request_.question_case() == pb::QueryRequest::kProvider) {
    ASSIGN_OR_RETURN(const base::AccountId id, Id(request_.provider()));
    return One(keys::Provider(id), response_.mutable_providers(), "provider");
  }
  Page(keys::ProviderPrefix(), "", [&](const std::string& key, const Record&) {
    Show(Key<pb::Provider>{key}, response_.add_providers());
    return 1;
  });
  return absl::OkStatus();
}

absl::Status Answer::Groups() {
  if (request_.question_case() == pb::QueryRequest::kGroup) {
    return One(keys::Group(request_.group()), response_.mutable_groups(), "group");
  }
  ASSIGN_OR_RETURN(const base::AccountId id, Id(request_.groups_of_provider()));
  const std::string prefix = keys::ProviderGroupPrefix(id);
  Page(prefix, "", [&](const std::string& key, const Record&) {
    const uint64_t group = NumberFromField(absl::string_view(key).substr(prefix.size()));
    Listed(key);
    Show(keys::Group(group), response_.add_groups());
    return 1;
  });
  return absl::OkStatus();
}

absl::Status Answer::Buckets() {
  if (request_.question_case() == pb::QueryRequest::kBucket) {
    return One(keys::Bucket(request_.bucket()), response_.mutable_buckets(), "bucket");
  }
  if (request_.question_case() == pb::QueryRequest::kBucketByName) {
    ASSIGN_OR_RETURN(const base::AccountId owner, Id(request_.bucket_by_name().owner()));
    Raw id;
    if (request_.bucket_by_name().name().size() > kMaxBucketName) return NotFound("bucket");
    if (!Show(keys::BucketName(owner, request_.bucket_by_name().name()), &id)) return Missing("bucket");
    return One(keys::Bucket(NumberFromField(id.bytes)), response_.mutable_buckets(), "bucket");
  }
  ASSIGN_OR_RETURN(const base::AccountId owner, Id(request_.buckets_of()));
  Page(keys::BucketNamePrefix(owner), "", [&](const std::string& key, const Record& record) {
    Listed(key);
    Show(keys::Bucket(NumberFromField(record.bytes())), response_.add_buckets());
    return 1;
  });
  return absl::OkStatus();
}

absl::Status Answer::ObjectById() {
  if (request_.object().size() != base::ObjectId::kSize) return BadQuery("an object id has 16 bytes");
  return One(keys::Object(request_.object()), response_.mutable_objects(), "object");
}

absl::Status Answer::ObjectsById() {
  const auto& ids = request_.objects_by_id().ids();
  if (ids.empty() || ids.size() > static_cast<int>(kMaxLimit)) return BadQuery("1 to 1,000 object ids are asked for");
  for (const std::string& id : ids) {
    if (id.size() != base::ObjectId::kSize) return BadQuery("an object id has 16 bytes");
    ShowObject(id);
  }
  return absl::OkStatus();
}

absl::Status Answer::ObjectByName() {
  const auto& question = request_.object_by_name();
  if (question.name().size() > kMaxNameBytes) return BadQuery("a name has at most 4,096 bytes");
  pb::Name name;
  if (!Show(keys::Name(question.bucket(), question.name()), &name)) return Missing("object");
  ShowObject(name.current());
  ShowObject(name.pending());
  return absl::OkStatus();
}

absl::Status Answer::Objects() {
  const auto& question = request_.objects();
  if (question.prefix().size() > kMaxNameBytes || question.start_after().size() > kMaxNameBytes) {
    return BadQuery("a name has at most 4,096 bytes");
  }
  pb::Bucket bucket;
  if (!Show(keys::Bucket(question.bucket()), &bucket)) return Missing("bucket");
  const std::string table = keys::NamePrefix(question.bucket());
  // Only as much of a prefix is in the key as the key has of a name; the record tells the rest.
  const std::string prefix = table + question.prefix().substr(0, 400);
  std::string from = prefix;
  if (!question.start_after().empty()) {
    from = std::max(from, keys::Name(question.bucket(), question.start_after()).bytes + '\0');
  }
  Page(prefix, from, [&](const std::string& key, const Record& record) {
    const auto* name = record.As<pb::Name>();
    const bool wanted = name != nullptr && absl::string_view(name->name()).substr(0, question.prefix().size()) ==
                                               question.prefix();
    if (!wanted) return 0;
    const int before = response_.objects_size();
    if (question.versions()) {
      for (const std::string& id : VersionsOf(*name, view_)) ShowObject(id);
    } else {
      ShowObject(name->current());
    }
    if (question.pending()) ShowObject(name->pending());
    if (response_.objects_size() != before) Listed(key);
    return response_.objects_size() - before;
  });
  return absl::OkStatus();
}

absl::Status Answer::GroupObjects() {
  const auto& question = request_.group_objects();
  pb::Group group;
  if (!Show(keys::Group(question.group()), &group)) return Missing("group");
  if (question.missing_position() >= group.positions_size()) return BadQuery("the group has no such position");
  const std::string prefix = keys::GroupObjectPrefix(question.group());
  Page(prefix, "", [&](const std::string& key, const Record&) {
    const std::string id = key.substr(prefix.size());
    if (question.missing_position() >= 0) {
      const auto object = view_.Find(keys::Object(id));
      if (!object) return 0;
      const std::vector<uint32_t> missing = MissingPositions(*object, group);
      const auto position = static_cast<uint32_t>(question.missing_position());
      if (std::find(missing.begin(), missing.end(), position) == missing.end()) return 0;
    }
    Listed(key);
    ShowObject(id);
    return 1;
  });
  return absl::OkStatus();
}

absl::Status Answer::Streams() {
  if (request_.question_case() == pb::QueryRequest::kStream) {
    ASSIGN_OR_RETURN(const base::AccountId id, Id(request_.stream()));
    // An account without a record has no streams.
    Show(keys::Stream(id), response_.mutable_stream());
    pb::StreamClock clock;
    if (Show(keys::StreamClock(), &clock)) response_.set_stopped_ms(clock.stopped_ms());
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const base::AccountId payer, Id(request_.flows_from()));
  const std::string prefix = keys::FlowPrefix(payer);
  Page(prefix, "", [&](const std::string& key, const Record&) {
    auto* entry = response_.add_flows();
    entry->set_receiver(key.substr(prefix.size()));
    Show(Key<pb::Flow>{key}, entry->mutable_flow());
    return 1;
  });
  return absl::OkStatus();
}

absl::Status Answer::Channels() {
  if (request_.question_case() == pb::QueryRequest::kChannel) {
    if (request_.channel().size() != base::ChannelId::kSize) return BadQuery("a channel id has 16 bytes");
    return One(keys::Channel(request_.channel()), response_.mutable_channels(), "channel");
  }
  const bool payer = request_.question_case() == pb::QueryRequest::kChannelsOfPayer;
  ASSIGN_OR_RETURN(const base::AccountId id, Id(payer ? request_.channels_of_payer() : request_.channels_of_payee()));
  const std::string prefix = payer ? keys::PayerChannelPrefix(id) : keys::PayeeChannelPrefix(id);
  Page(prefix, "", [&](const std::string& key, const Record&) {
    Listed(key);
    Show(keys::Channel(key.substr(prefix.size())), response_.add_channels());
    return 1;
  });
  return absl::OkStatus();
}

absl::Status Answer::PaymentAccounts() {
  if (request_.question_case() == pb::QueryRequest::kPaymentAccount) {
    ASSIGN_OR_RETURN(const base::AccountId id, Id(request_.payment_account()));
    return One(keys::PaymentAccount(id), response_.mutable_payment_accounts(), "payment account");
  }
  ASSIGN_OR_RETURN(const base::AccountId owner, Id(request_.payment_accounts_of()));
  pb::Account account;
  Show(keys::Account(owner), &account);
  // There is no table of them to go on in: their ids follow from the owner and how many it made.
  const uint64_t from = NumberFromField(request_.page().cursor());
  for (uint64_t number = from; number < account.payment_accounts(); ++number) {
    if (number - from == limit_) {
      response_.set_next_cursor(NumberField(number));
      break;
    }
    Show(keys::PaymentAccount(PaymentAccountId(owner, number)), response_.add_payment_accounts());
  }
  return absl::OkStatus();
}

absl::Status Answer::Bills() {
  pb::Bucket bucket;
  if (!Show(keys::Bucket(request_.bills_of()), &bucket)) return Missing("bucket");
  Page(keys::Bill(bucket.group(), bucket.id(), "").bytes, "", [&](const std::string& key, const Record&) {
    Show(Key<pb::Bill>{key}, response_.add_bills());
    return 1;
  });
  return absl::OkStatus();
}

absl::Status Answer::Sponsorships() {
  ASSIGN_OR_RETURN(const base::AccountId sponsor, Id(request_.sponsorships_of()));
  const std::string prefix = keys::SponsorshipPrefix(sponsor);
  Page(prefix, "", [&](const std::string& key, const Record&) {
    auto* entry = response_.add_sponsorships();
    entry->set_account(key.substr(prefix.size()));
    Show(Key<pb::Sponsorship>{key}, entry->mutable_sponsorship());
    return 1;
  });
  return absl::OkStatus();
}

absl::Status Answer::Consents() {
  ASSIGN_OR_RETURN(const base::AccountId account, Id(request_.consents_of()));
  const std::string prefix = keys::ConsentPrefix(account);
  Page(prefix, "", [&](const std::string& key, const Record&) {
    auto* entry = response_.add_consents();
    entry->set_bucket(NumberFromField(absl::string_view(key).substr(prefix.size())));
    Show(Key<pb::PaymentConsent>{key}, entry->mutable_consent());
    return 1;
  });
  return absl::OkStatus();
}

absl::Status Answer::Prices() {
  if (request_.question_case() == pb::QueryRequest::kPrice) {
    Show(keys::PriceState(), response_.mutable_price());
    return absl::OkStatus();
  }
  Page(keys::PricePrefix(), "", [&](const std::string& key, const Record&) {
    Show(Key<pb::PriceRecord>{key}, response_.add_prices());
    return 1;
  });
  return absl::OkStatus();
}

absl::Status Answer::JournalAnchors() {
  ASSIGN_OR_RETURN(const base::AccountId provider, Id(request_.journal_anchors()));
  Show(keys::JournalAnchors(provider), response_.mutable_journal_anchors());
  return absl::OkStatus();
}

absl::Status Answer::Pools() {
  if (request_.question_case() == pb::QueryRequest::kPool) {
    if (request_.pool().size() != base::ChannelId::kSize) return BadQuery("a pool id has 16 bytes");
    return One(keys::Pool(request_.pool()), response_.mutable_pools(), "pool");
  }
  if (request_.question_case() == pb::QueryRequest::kPoolLane) {
    const auto& question = request_.pool_lane();
    const auto pool = FromField<base::ChannelId>(question.pool());
    const auto signer = base::PublicKey::Decode(base::AsBytes(question.signer()));
    if (!pool || !signer.ok()) return BadQuery("a lane is named by pool, signer and payee");
    ASSIGN_OR_RETURN(const base::AccountId payee, Id(question.payee()));
    pb::Genesis genesis;
    Show(keys::Genesis(), &genesis);
    const base::ChainId chain = ChainIdOf(genesis);
    const std::string lane = ToField(base::LaneIdFor(chain, *pool, *signer, payee));
    Show(keys::PoolLane(question.pool(), lane), response_.mutable_pool_lane());
    Show(keys::PoolSigner(question.pool(), question.signer()), response_.mutable_pool_signer());
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const base::AccountId owner, Id(request_.pools_of()));
  const std::string prefix = keys::OwnerPoolPrefix(owner);
  Page(prefix, "", [&](const std::string& key, const Record&) {
    Listed(key);
    Show(keys::Pool(key.substr(prefix.size())), response_.add_pools());
    return 1;
  });
  return absl::OkStatus();
}

absl::Status Answer::Foundations() {
  if (request_.question_case() == pb::QueryRequest::kParams) {
    Show(keys::Params(), response_.mutable_params());
  } else if (request_.question_case() == pb::QueryRequest::kGenesis) {
    Show(keys::Genesis(), response_.mutable_genesis());
  } else {
    for (const pb::Asset asset : {pb::ASSET_CRN, pb::ASSET_USDC}) Show(keys::Supply(asset), response_.add_supply());
  }
  return absl::OkStatus();
}

absl::Status Answer::StateKey() {
  if (request_.state_key().empty() || request_.state_key().size() > kMaxKeyBytes) {
    return BadQuery("a state key has 1 to 480 bytes");
  }
  Remember(request_.state_key());
  return absl::OkStatus();
}

absl::Status Answer::Question() {
  switch (request_.question_case()) {
    case pb::QueryRequest::kParams:
    case pb::QueryRequest::kGenesis:
    case pb::QueryRequest::kSupply:
      return Foundations();
    case pb::QueryRequest::kAccount:
    case pb::QueryRequest::kLane:
      return AccountOrLane();
    case pb::QueryRequest::kProvider:
    case pb::QueryRequest::kProviders:
      return Providers();
    case pb::QueryRequest::kGroup:
    case pb::QueryRequest::kGroupsOfProvider:
      return Groups();
    case pb::QueryRequest::kBucket:
    case pb::QueryRequest::kBucketByName:
    case pb::QueryRequest::kBucketsOf:
      return Buckets();
    case pb::QueryRequest::kObject:
      return ObjectById();
    case pb::QueryRequest::kObjectsById:
      return ObjectsById();
    case pb::QueryRequest::kObjectByName:
      return ObjectByName();
    case pb::QueryRequest::kObjects:
      return Objects();
    case pb::QueryRequest::kGroupObjects:
      return GroupObjects();
    case pb::QueryRequest::kStateKey:
      return StateKey();
    case pb::QueryRequest::kStatus:
    case pb::QueryRequest::kTransaction:
    case pb::QueryRequest::kBlock:
      return absl::OkStatus();
    case pb::QueryRequest::kStream:
    case pb::QueryRequest::kFlowsFrom:
      return Streams();
    case pb::QueryRequest::kPaymentAccount:
    case pb::QueryRequest::kPaymentAccountsOf:
      return PaymentAccounts();
    case pb::QueryRequest::kBillsOf:
      return Bills();
    case pb::QueryRequest::kJournalAnchors:
      return JournalAnchors();
    case pb::QueryRequest::kSponsorshipsOf:
      return Sponsorships();
    case pb::QueryRequest::kConsentsOf:
      return Consents();
    case pb::QueryRequest::kPrice:
    case pb::QueryRequest::kPrices:
      return Prices();
    case pb::QueryRequest::kChannel:
    case pb::QueryRequest::kChannelsOfPayer:
    case pb::QueryRequest::kChannelsOfPayee:
      return Channels();
    case pb::QueryRequest::kPool:
    case pb::QueryRequest::kPoolsOf:
    case pb::QueryRequest::kPoolLane:
      return Pools();
    case pb::QueryRequest::QUESTION_NOT_SET:
      break;
  }
  return BadQuery("a query asks one question");
}

absl::StatusOr<pb::QueryResponse> Answer::Run() {
  if (request_.page().cursor().size() > kMaxKeyBytes) return BadQuery("a cursor is one from an earlier answer");
  RETURN_IF_ERROR(Question());
  RETURN_IF_ERROR(view_.health());
  return std::move(response_);
}

}  // namespace

absl::StatusOr<pb::QueryResponse> AnswerQuery(const ReadView& view, const pb::QueryRequest& request,
                                              std::vector<std::string>* keys_shown) {
  return Answer(view, request, keys_shown).Run();
}

}  // namespace cairn::chain
