#include "apps/client/create.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "apps/client/holders.h"
#include "apps/client/prepare.h"
#include "apps/client/primary.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/keys.h"
#include "cairn/chain/transaction.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

constexpr int kAttempts = 8;
constexpr absl::Duration kPendingPatience = absl::Seconds(5);

payment::RateCard CardOf(const pb::ProviderPrices& prices) {
  return {.storage_primary = chain::FromProto(prices.primary_storage()),
          .storage_holder = chain::FromProto(prices.holder_storage()),
          .ingress = chain::FromProto(prices.ingress()),
          .egress = chain::FromProto(prices.egress())};
}

uint32_t Copies(const base::Redundancy& policy) {
  return policy.kind == base::LayoutKind::kShards ? policy.parity + 1 : policy.copies;
}

pb::Operation OperationOf(const Bucket& bucket, const std::vector<pb::NewObject>& objects,
                          base::Amount max_lock) {
  pb::Operation operation;
  pb::CreateObjects* create = operation.mutable_create_objects();
  create->set_bucket(bucket.id().value);
  for (const pb::NewObject& object : objects) *create->add_objects() = object;
  *create->mutable_max_lock() = chain::ToProto(max_lock);
  return operation;
}

absl::Status Consent(Client& client, pb::Group& group, pb::Operation& operation,
                     uint32_t* transactions) {
  std::vector<base::AccountId> refused;
  while (true) {
    const base::AccountId primary = chain::AccountOf(group.primary());
    const absl::Status consent = Approve(client, primary, operation);
    if (consent.ok() || !BlamesPrimary(consent) || refused.size() >= 3) return consent;
    refused.push_back(primary);
    const auto appointed = ReplacePrimary(client, group.id(), refused);
    if (!appointed.ok()) return base::Annotate(consent, "and no other provider takes over");
    ++*transactions;
    ASSIGN_OR_RETURN(group, client.Group(group.id()));
  }
}

// What the ledger will record, worked out here so that a batch needs no further questions.
pb::Object RecordOf(Client& client, const Bucket& bucket, const pb::Group& group,
                    const pb::NewObject& object, const base::ObjectId& id,
                    const std::vector<base::AccountId>& operators) {
  pb::Object record;
  record.set_id(chain::ToField(id));
  record.set_bucket(bucket.id().value);
  record.set_name(object.name());
  record.set_version(object.after_version() + 1);
  record.set_owner(chain::ToField(client.account()));
  record.set_group(group.id());
  record.set_stored_size(object.stored_size());
  record.set_content_id(object.content_id());
  record.set_layout_root(object.layout_root());
  record.set_layout(object.layout());
  record.set_manifest(object.manifest());
  record.set_manifest_id(object.manifest_id());
  record.set_state(pb::OBJECT_STATE_CREATED);
  if (object.stored_size() == 0) return record;  // sealed at once: there is nothing to keep
  if (object.layout() == pb::LAYOUT_KIND_SHARDS) {
    for (int position = 0; position < group.positions_size(); ++position)
      record.add_positions(position);
  } else {
    for (uint32_t position : base::CopyPositions(id, Copies(bucket.policy()), operators))
      record.add_positions(position);
  }
  return record;
}

// The first record as the ledger has it must be what was worked out; then the others are. A copy
// stands where its source does, which only the ledger's record says.
absl::Status CheckFirst(Client& client, bool copy, pb::Object& expected) {
  pb::QueryRequest request;
  request.set_object(expected.id());
  ASSIGN_OR_RETURN(pb::QueryResponse answer, client.Query(request));
  if (copy && answer.objects_size() == 1) {
    expected = answer.objects(0);
    return absl::OkStatus();
  }
  const bool same =
      answer.objects_size() == 1 && answer.objects(0).version() == expected.version() &&
      answer.objects(0).group() == expected.group() &&
      std::equal(answer.objects(0).positions().begin(), answer.objects(0).positions().end(),
                 expected.positions().begin(), expected.positions().end());
  if (same) return absl::OkStatus();
  return base::Error(absl::StatusCode::kInternal, "LEDGER_DIFFERS",
                     "the ledger's record is not the one this program works out",
                     "use a newer version of storectl");
}

// Makes room for a name whose upload was left unfinished: by another process a moment ago (then
// wait), or for good.
absl::Status SettlePending(Client& client, const base::ObjectId& object) {
  const absl::Duration begin = client.clock().Monotonic();
  while (client.clock().Monotonic() - begin < kPendingPatience) {
    RETURN_IF_ERROR(client.CheckStop());
    pb::QueryRequest request;
    request.set_object(chain::ToField(object));
    auto answer = client.Query(request);
    if (absl::IsNotFound(answer.status())) return absl::OkStatus();
    RETURN_IF_ERROR(answer.status());
    if (answer->objects().empty() || answer->objects(0).state() != pb::OBJECT_STATE_CREATED)
      return absl::OkStatus();
    const absl::Time created =
        absl::FromUnixMillis(static_cast<int64_t>(answer->objects(0).created_ms()));
    if (client.LedgerTime() - created > kPendingPatience) break;
    client.clock().Sleep(absl::Milliseconds(200));
  }
  const absl::Status cancelled = CancelObject(client, object);
  if (base::ReasonOf(cancelled) == "VERDICT_NOT_CREATED" ||
      base::ReasonOf(cancelled) == "VERDICT_UNKNOWN_OBJECT") {
    return absl::OkStatus();
  }
  return cancelled;
}

absl::Status ReadVersions(Client& client, const Bucket& bucket, const PutOptions& options,
                          std::vector<pb::NewObject>& objects) {
  std::vector<absl::Status> statuses(objects.size());
  std::vector<std::function<void()>> tasks;
  for (size_t i = 0; i < objects.size(); ++i) {
    tasks.push_back([&, i] {
      auto state = LookUpName(client, bucket, objects[i].name());
      if (state.ok() && !state->pending.empty()) {
        statuses[i] = SettlePending(client, state->pending);
        if (statuses[i].ok()) state = LookUpName(client, bucket, objects[i].name());
      }
      if (!state.ok()) {
        statuses[i] = state.status();
      } else if (options.must_be_new && state->last_version != 0) {
        statuses[i] = base::Error(absl::StatusCode::kAlreadyExists, "NAME_EXISTS",
                                  "the name has a version already",
                                  "leave out --no-overwrite, or choose another name");
      } else {
        objects[i].set_after_version(state->last_version);
      }
    });
  }
  client.RunAll(std::move(tasks));
  for (const absl::Status& status : statuses) RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

enum class Next { kGiveUp, kReadVersions, kAgain, kRequote };
Next AfterRefusal(const absl::Status& status) {
  const std::string reason = base::ReasonOf(status);
  if (reason == "VERDICT_VERSION_MISMATCH" || reason == "VERDICT_NAME_EXISTS" ||
      reason == "VERDICT_UPLOAD_PENDING" || reason == "VERDICT_UNKNOWN_NAME") {
    return Next::kReadVersions;
  }
  if (reason == "VERDICT_PRICE_CHANGED") return Next::kRequote;
  if (reason == "VERDICT_APPROVAL_EXPIRED" || reason == "VERDICT_APPROVAL_USED" ||
      reason == "VERDICT_WRONG_APPROVER" || reason == "VERDICT_APPROVAL_TOO_LONG" ||
      reason == "VERDICT_OBJECT_EXISTS") {
    return Next::kAgain;
  }
  return Next::kGiveUp;
}

}  // namespace

absl::StatusOr<NameState> LookUpName(Client& client, const Bucket& bucket,
                                     const std::string& stored_name) {
  pb::QueryRequest request;
  request.set_state_key(chain::keys::Name(bucket.id().value, stored_name).bytes);
  auto answer = client.Query(request);
  if (absl::IsNotFound(answer.status())) return NameState{};
  RETURN_IF_ERROR(answer.status());
  if (answer->proofs().empty() || !answer->proofs(0).present()) return NameState{};
  pb::Name record;
  if (!record.ParseFromString(answer->proofs(0).value())) {
    return base::Error(absl::StatusCode::kDataLoss, "BAD_RECORD",
                       "the ledger's record of the name does not parse");
  }
  return NameState{record.last_version(), chain::Trusted<base::ObjectId>(record.pending())};
}

absl::Status CheckPrice(const payment::Quote& quote, const std::optional<base::Amount>& max_cost) {
  if (!max_cost || payment::CheckMaxCost(quote, *max_cost).ok()) return absl::OkStatus();
  const auto crn = [](base::Amount amount) {
    return amount.ToDecimal(base::kCrnDecimals) + " crn";
  };
  return base::Error(
      absl::StatusCode::kFailedPrecondition, "PRICE_GUARD",
      absl::StrCat("quote ", crn(quote.total), " exceeds --max-cost ", crn(*max_cost)),
      "raise --max-cost, or store less",
      {{"lock", crn(quote.lock)},
       {"bond", crn(quote.bond)},
       {"fee", crn(quote.fee)},
       {"per_month", crn(quote.per_month)}});
}

absl::Status CancelObject(Client& client, const base::ObjectId& object) {
  pb::Operation operation;
  operation.mutable_cancel_objects()->add_objects(chain::ToField(object));
  return client.sender().Send({operation}).status();
}

absl::StatusOr<payment::Quote> QuoteObjects(Client& client, const Bucket& bucket,
                                            const pb::Group& group,
                                            const std::vector<pb::NewObject>& objects) {
  ASSIGN_OR_RETURN(pb::Params params, client.Params());
  payment::QuoteRequest request;
  request.policy = bucket.policy();
  ASSIGN_OR_RETURN(pb::PriceRecord price, client.Price());
  request.primary = CardOf(price.prices());
  request.holders.assign(group.positions_size(), request.primary);
  // The network's price is one for all: which positions keep the copies does not matter.
  std::vector<uint32_t> copies(std::min<size_t>(request.holders.size(), Copies(request.policy)));
  std::iota(copies.begin(), copies.end(), 0);
  for (const pb::NewObject& object : objects) {
    request.objects.push_back(
        {.stored_size = object.stored_size(),
         .copy_positions = object.stored_size() == 0 ? std::vector<uint32_t>{} : copies,
         .copied = !object.copy_of().empty()});
  }
  pb::TransactionBody body;
  *body.add_operations() = OperationOf(bucket, objects, base::Amount::Max());
  request.terms = {.tax_ppm = params.tax_ppm(),
                   .reserve_seconds = params.reserve_seconds(),
                   .min_charge_bytes = params.min_charge_bytes(),
                   .fee_per_weight = chain::FromProto(params.fee_per_weight()),
                   .weight = chain::Weight(body),
                   .object_bond = chain::FromProto(params.object_bond())};
  return payment::MakeQuote(request);
}

absl::StatusOr<payment::Quote> QuotePut(Client& client, const Bucket& bucket,
                                        const std::vector<uint64_t>& sizes) {
  ASSIGN_OR_RETURN(pb::Group group, client.Group(bucket.record().group()));
  std::vector<pb::NewObject> objects(sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) {
    objects[i].set_name("name");
    objects[i].set_stored_size(StoredSize(bucket, sizes[i]));
    objects[i].set_layout(
        chain::ToProto(base::LayoutFor(bucket.policy(), objects[i].stored_size())));
  }
  return QuoteObjects(client, bucket, group, objects);
}

absl::StatusOr<CreateOutcome> CreateObjects(Client& client, const Bucket& bucket,
                                            std::vector<pb::NewObject> objects,
                                            const PutOptions& options, bool versions_known,
                                            const OnSigned& on_signed) {
  CreateOutcome out;
  if (!versions_known) RETURN_IF_ERROR(ReadVersions(client, bucket, options, objects));
  absl::Status last;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    RETURN_IF_ERROR(client.CheckStop());
    ASSIGN_OR_RETURN(out.group, client.Group(bucket.record().group()));
    ASSIGN_OR_RETURN(out.quote, QuoteObjects(client, bucket, out.group, objects));
    RETURN_IF_ERROR(CheckPrice(out.quote, options.max_cost));
    pb::Operation operation = OperationOf(bucket, objects, out.quote.lock);
    RETURN_IF_ERROR(Consent(client, out.group, operation, &out.transactions));
    ASSIGN_OR_RETURN(std::vector<base::AccountId> operators, OperatorsOf(client, out.group));
    const auto nonce = chain::Trusted<base::Nonce16>(operation.create_objects().approval().nonce());
    std::vector<base::ObjectId> ids;
    out.records.clear();
    for (uint32_t i = 0; i < objects.size(); ++i) {
      ids.push_back(base::ObjectIdFor(client.chain_id(), bucket.id(), nonce, i));
      out.records.push_back(RecordOf(client, bucket, out.group, objects[i], ids.back(), operators));
    }
    ASSIGN_OR_RETURN(auto prepared, client.sender().Prepare({operation}));
    if (on_signed) RETURN_IF_ERROR(on_signed(prepared->transaction(), ids));
    last = client.sender().Send(std::move(prepared)).status();
    ++out.transactions;
    if (last.ok()) {
      RETURN_IF_ERROR(CheckFirst(client, !objects.front().copy_of().empty(), out.records.front()));
      return out;
    }
    switch (AfterRefusal(last)) {
      case Next::kGiveUp:
        return last;
      case Next::kReadVersions:
        RETURN_IF_ERROR(ReadVersions(client, bucket, options, objects));
        break;
      case Next::kRequote:
        break;  // every attempt reads the price anew
      case Next::kAgain:
        RETURN_IF_ERROR(client.ReadClock());
        break;
    }
  }
  return last;
}

}  // namespace cairn::client
