#include "apps/client/paying_channel.h"

#include "absl/strings/str_cat.h"
#include "apps/client/channel_facts.h"
#include "apps/client/pool_facts.h"
#include "apps/client/purse.h"
#include "apps/client/session.h"
#include "apps/common/key_file.h"
#include "cairn/base/charge.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/payment/payee.h"
#include "cairn/payment/settlement.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

constexpr uint64_t kStoreBytes = 64 << 20;  // address space of one channel's store
constexpr uint64_t kJournalBytes = 128 << 10;
constexpr absl::Duration kStream = absl::Hours(12);
constexpr absl::Duration kReconnect = absl::Milliseconds(300);
constexpr int kAttempts = 4;
constexpr int kMaxRefusals = 3;

std::string ClaimField(const base::Claim& claim) {
  const base::Bytes encoded = base::EncodeClaim(claim);
  return base::ToString(encoded);
}

rpc::v1::PayRequest RequestFor(const payment::Payment& payment) {
  rpc::v1::PayRequest request;
  rpc::v1::Payment& field = *request.mutable_payment();
  if (payment.voucher) field.set_voucher(ClaimField(base::ClaimOf(*payment.voucher)));
  if (payment.tick) {
    field.set_epoch(chain::ToField(payment.tick->epoch));
    field.set_tick(payment.tick->tick);
    field.set_preimage(chain::ToField(payment.tick->x));
  }
  return request;
}

absl::StatusOr<payment::ChannelFacts> AskFacts(Client& client, const base::ChannelId& id) {
  pb::QueryRequest query;
  query.set_channel(chain::ToField(id));
  ASSIGN_OR_RETURN(const pb::QueryResponse answer, client.Query(query));
  if (answer.channels().empty()) {
    return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_CHANNEL",
                       absl::StrCat("no channel ", id.ToHexString()), "storectl channel ls");
  }
  return FactsOf(client.chain_id(), answer.channels(0));
}

}  // namespace

absl::StatusOr<PayerStore> OpenPayerStore(const std::string& folder) {
  PayerStore out;
  if (folder.empty()) {
    out.kv = base::NewMemoryKv();
  } else {
    RETURN_IF_ERROR(app::MakeFolders(folder));
    // Every payment waits until what was signed is in the store.
    ASSIGN_OR_RETURN(out.kv, base::OpenLmdb(folder, {.map_bytes = kStoreBytes, .journal_bytes = kJournalBytes}));
  }
  ASSIGN_OR_RETURN(out.claims, payment::OpenClaimStore(*out.kv));
  return out;
}

PayingChannel::PayingChannel(Client& client, Purse& purse, const ProviderAddress& holder,
                             PayerStore store, payment::Payer payer, Grant grant)
    : client_(client),
      purse_(purse),
      id_(payer.facts().id),
      holder_(holder),
      grant_(std::move(grant)),
      store_(std::move(store)),
      payer_(std::move(payer)) {}

absl::StatusOr<std::shared_ptr<PayingChannel>> PayingChannel::Open(
    Client& client, Purse& purse, const ProviderAddress& holder,
    const payment::ChannelFacts& facts, PayerStore store, base::Price max_rate, Grant grant) {
  ASSIGN_OR_RETURN(const auto last, store.claims->Find(facts.id));
  const payment::PayerLimits limits{.max_rate = max_rate, .max_total = base::Amount::Max()};
  ASSIGN_OR_RETURN(payment::Payer payer,
                   payment::Payer::Reopen(facts, limits, client.keys().signing, client.entropy(),
                                          last));
  std::shared_ptr<PayingChannel> channel(
      new PayingChannel(client, purse, holder, std::move(store), std::move(payer),
                        std::move(grant)));
  RETURN_IF_ERROR(channel->Meet(/*first=*/true));
  return channel;
}

// What is booked may come to more at another rate: the purse is asked first.
absl::Status PayingChannel::Agree(base::Price asked) {
  const base::Amount before = base::TransferCost(rate_, booked_);
  const base::Amount more = base::TransferCost(asked, booked_).MinusOrZero(before);
  RETURN_IF_ERROR(purse_.Reserve(more));
  const absl::Status agreed = payer_.Agree(asked);
  if (!agreed.ok()) {
    purse_.Return(more);
    return agreed;
  }
  rate_ = asked;
  return absl::OkStatus();
}

// Both sides say what they hold. Called by one thread, while nothing is sent.
absl::Status PayingChannel::Meet(bool first) {
  ASSIGN_OR_RETURN(stream_, client_.transport().Pay(holder_, kStream));
  rpc::v1::PayRequest request;
  rpc::v1::PayHello& hello = *request.mutable_hello();
  hello.set_channel(chain::ToField(id_));
  hello.set_generation(store_.claims->generation());
  ASSIGN_OR_RETURN(const uint64_t seen, store_.claims->PeerGeneration(id_));
  hello.set_seen(seen);
  if (grant_ != nullptr) *hello.mutable_grant() = *grant_;
  {
    const Lock lock(mutex_);
    if (payer_.last()) hello.set_claim(ClaimField(*payer_.last()));
  }
  ASSIGN_OR_RETURN(const rpc::v1::PayResponse response, stream_->Exchange(request));
  Lock lock(mutex_);
  RETURN_IF_ERROR(Agree(chain::FromProto(response.terms().rate())));
  if (!response.best().empty()) {
    ASSIGN_OR_RETURN(const base::Claim best, base::DecodeClaim(base::AsBytes(response.best())));
    RETURN_IF_ERROR(payer_.Adopt(best));
  }
  if (payer_.last()) store_.claims->Stage(*payer_.last());
  if (response.generation() > seen) {
    store_.claims->StagePeerGeneration(id_, response.generation());
  }
  RETURN_IF_ERROR(store_.claims->Commit().status());
  if (!first) return absl::OkStatus();
  started_bytes_ = payer_.promised_bytes();
  started_ = payer_.promised();
  const uint64_t sent = response.sent_bytes();
  if (sent < started_bytes_) payer_.ResumeAt(sent);
  const uint64_t window = payment::CreditWindow(started_bytes_, payment::kMaxWindowBytes);
  if (sent <= started_bytes_ || sent - started_bytes_ <= window / 2) return absl::OkStatus();
  return base::Error(absl::StatusCode::kFailedPrecondition, "CHANNEL_BEHIND",
                     absl::StrCat("reads that broke off left ", sent - started_bytes_,
                                  " bytes of this channel unpaid"),
                     grant_ != nullptr
                         ? "ask the pool's owner for a capability for another key"
                         : "close the channel; another one is opened for the next read",
                     {{"channel", id_.ToHexString()}});
}

absl::Status PayingChannel::Begin(uint64_t bytes) {
  Lock lock(mutex_);
  RETURN_IF_ERROR(status_);
  const base::Amount before = base::TransferCost(rate_, booked_);
  RETURN_IF_ERROR(
      purse_.Reserve(base::TransferCost(rate_, booked_ + bytes).MinusOrZero(before)));
  booked_ += bytes;
  payer_.Want(bytes);
  Wake(lock);
  return absl::OkStatus();
}

void PayingChannel::Verified(uint64_t bytes) {
  Lock lock(mutex_);
  payer_.OnVerified(bytes);
  Wake(lock);
}

void PayingChannel::End(uint64_t missing) {
  if (missing == 0) return;
  Lock lock(mutex_);
  payer_.Forgo(missing);
  const base::Amount before = base::TransferCost(rate_, booked_);
  booked_ -= std::min(booked_, missing);
  purse_.Return(before.MinusOrZero(base::TransferCost(rate_, booked_)));
}

absl::Status PayingChannel::Settle() {
  Lock lock(mutex_);
  Wake(lock);
  idle_.wait(lock, [this] { return !pumping_; });
  return status_;
}

absl::Status PayingChannel::status() const {
  const Lock lock(mutex_);
  return status_;
}

uint64_t PayingChannel::paid_bytes() const {
  const Lock lock(mutex_);
  return payer_.promised_bytes() - started_bytes_;
}

base::Amount PayingChannel::paid() const {
  const Lock lock(mutex_);
  return payer_.promised().MinusOrZero(started_);
}

payment::ChannelFacts PayingChannel::facts() const {
  const Lock lock(mutex_);
  return payer_.facts();
}

base::Price PayingChannel::rate() const {
  const Lock lock(mutex_);
  return rate_;
}

void PayingChannel::Wake(Lock&) {
  if (pumping_ || !status_.ok()) return;
  pumping_ = true;
  purse_.PumpBegins();
  client_.executor().Post([self = shared_from_this(), &purse = purse_]() mutable {
    self->Pump();
    self.reset();  // its store may be opened again as soon as the purse is gone
    purse.PumpEnded();
  });
}

void PayingChannel::Pump() {
  Lock lock(mutex_);
  bool sent = true;
  while (sent && status_.ok()) status_ = PumpOne(lock, &sent);
  pumping_ = false;
  idle_.notify_all();
}

// One payment, when one is due: to the disk, then to the payee.
absl::Status PayingChannel::PumpOne(Lock& lock, bool* sent) {
  *sent = false;
  auto due = payer_.Due(client_.LedgerTime());
  if (!due.ok()) {
    if (base::ReasonOf(due.status()) != "CHANNEL_DEPOSIT") return due.status();
    *sent = true;
    return TopUp(lock);
  }
  if (due->empty()) return absl::OkStatus();
  *sent = true;
  store_.claims->Stage(*payer_.last());
  lock.unlock();
  absl::Status status = store_.claims->Commit().status();
  if (status.ok()) status = Send(*due);
  if (!lock.owns_lock()) lock.lock();
  return status;
}

// Sends it, over a new stream when the old one broke: a hello repeats everything that was promised.
absl::Status PayingChannel::Send(const payment::Payment& payment) {
  absl::StatusOr<rpc::v1::PayResponse> response = absl::UnknownError("not sent");
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (stream_ == nullptr) {
      client_.clock().Sleep(kReconnect * attempt);
      const absl::Status met = Meet(/*first=*/false);
      if (met.ok()) return absl::OkStatus();
      response = met;
    } else {
      response = stream_->Exchange(RequestFor(payment));
    }
    if (response.ok()) break;
    stream_ = nullptr;
    if (!absl::IsUnavailable(response.status())) return response.status();
    RETURN_IF_ERROR(client_.CheckStop());
  }
  RETURN_IF_ERROR(response.status());
  Lock lock(mutex_);
  if (response->reject() != 0) return OnReject(lock, *response);
  refusals_ = 0;
  return absl::OkStatus();
}

absl::Status PayingChannel::OnReject(Lock& lock, const rpc::v1::PayResponse& response) {
  const auto reject = static_cast<payment::Reject>(response.reject());
  if (++refusals_ > kMaxRefusals) return payment::ToStatus(reject);
  switch (reject) {
    case payment::Reject::kRateFloorRaised:
      return Agree(chain::FromProto(response.terms().rate()));
    case payment::Reject::kStaleNonce:
    case payment::Reject::kAmountRegression:
    case payment::Reject::kBytesRegression: {
      ASSIGN_OR_RETURN(const base::Claim best, base::DecodeClaim(base::AsBytes(response.best())));
      return payer_.Adopt(best);
    }
    case payment::Reject::kInsufficientDeposit:
      return TopUp(lock);
    default:
      return payment::ToStatus(reject);
  }
}

// Of a pool only its owner adds to it: what was added since then may do.
absl::StatusOr<payment::ChannelFacts> PayingChannel::AddToDeposit(base::Amount amount,
                                                                  base::Amount needed) {
  if (grant_ != nullptr) {
    ASSIGN_OR_RETURN(const PoolLaneView lane, purse_.LaneTo(holder_.account));
    if (lane.channel().deposit >= needed) return lane.channel();
    return PoolShort(lane, needed);
  }
  pb::Operation operation;
  operation.mutable_top_up_channel()->set_channel(chain::ToField(id_));
  *operation.mutable_top_up_channel()->mutable_amount() = chain::ToProto(amount);
  RETURN_IF_ERROR(client_.sender().Send({operation}).status());
  return AskFacts(client_, id_);
}

absl::Status PayingChannel::TopUp(Lock& lock) {
  if (++refusals_ > kMaxRefusals) return payment::ToStatus(payment::Reject::kInsufficientDeposit);
  const base::Amount left = base::TransferCost(rate_, Unpromised());
  const base::Amount amount = grant_ != nullptr ? left : std::max(purse_.options_.deposit, left);
  const base::Amount needed = payer_.promised().Plus(amount).value_or(base::Amount::Max());
  lock.unlock();
  const absl::StatusOr<payment::ChannelFacts> facts = AddToDeposit(amount, needed);
  lock.lock();
  RETURN_IF_ERROR(facts.status());
  payer_.OnFacts(*facts);
  stream_ = nullptr;  // the next hello makes the payee look at the ledger
  return absl::OkStatus();
}

uint64_t PayingChannel::Unpromised() const {
  return payer_.wanted_bytes() - std::min(payer_.wanted_bytes(), payer_.promised_bytes());
}

}  // namespace cairn::client
