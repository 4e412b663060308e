#include "apps/storaged/read_channels.h"

#include "absl/strings/str_cat.h"
#include "apps/client/channel_facts.h"
#include "apps/common/log.h"
#include "cairn/chain/convert.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::storaged {
namespace {

using payment::Reject;
using payment::SendDecision;

constexpr size_t kMaxLines = 4096;  // of one answer
constexpr auto kLook = std::chrono::milliseconds(20);
constexpr absl::Duration kPatience = absl::Seconds(30);  // for what another channel of the payer owes

absl::Status Malformed(absl::string_view what) {
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_REQUEST",
                     absl::StrCat("the payer sent ", what), "use a current version of the program");
}

absl::StatusOr<base::ChannelId> ChannelField(const std::string& field) {
  const auto id = chain::FromField<base::ChannelId>(field);
  if (!id) return Malformed("no channel id");
  return *id;
}

std::string ClaimField(const base::Claim& claim) {
  const base::Bytes encoded = base::EncodeClaim(claim);
  return base::ToString(encoded);
}

absl::Status NoLanes() {
  return base::Error(absl::StatusCode::kUnimplemented, "NO_CHANNELS",
                     "this provider takes no payments from pools", "use a channel of your own");
}

// A pool pays what its lanes show; nobody closes one.
absl::Status NotAChannel(const base::ChannelId& lane) {
  return base::Error(absl::StatusCode::kFailedPrecondition, "NOT_A_CHANNEL",
                     "that is the lane of a pool: it ends with its capability",
                     "storectl pool revoke, or pool close", {{"channel", lane.ToHexString()}});
}

// Why nothing is sent any more; OK when there is something to wait for.
absl::Status RefusalOf(SendDecision decision) {
  switch (decision) {
    case SendDecision::kTopUp:
      return payment::ToStatus(Reject::kInsufficientDeposit);
    case SendDecision::kRefused:
      return payment::ToStatus(Reject::kRetryLater);
    case SendDecision::kEnded:
      return payment::ToStatus(Reject::kExpired);
    default:
      return absl::OkStatus();
  }
}

}  // namespace

// One read: what it was given leave to send, and what of it left.
class ReadChannels::Read final : public PaidRead {
 public:
  Read(ReadChannels& channels, const base::ChannelId& id) : channels_(channels), id_(id) {}
  ~Read() override {
    const Lock lock(channels_.mutex_);
    payment::Payee* payee = channels_.book_.Find(id_);
    if (payee == nullptr) return;
    payee->OnNotSent(admitted_ - sent_);
    payee->OnReaderGone();
  }

  bool MustWait(uint64_t bytes) override {
    const Lock lock(channels_.mutex_);
    return channels_.book_.MaySend(id_, bytes, channels_.env_.clock.Now()) != SendDecision::kSend;
  }

  absl::Status Admit(uint64_t bytes, const std::function<bool()>& gone) override {
    const absl::Duration until = channels_.env_.clock.Monotonic() + kPatience;
    Lock lock(channels_.mutex_);
    while (true) {
      const SendDecision decision =
          channels_.book_.MaySend(id_, bytes, channels_.env_.clock.Now());
      if (decision == SendDecision::kSend) break;
      RETURN_IF_ERROR(RefusalOf(decision));
      if (channels_.env_.clock.Monotonic() > until) return payment::ToStatus(Reject::kRetryLater);
      if (gone() || channels_.env_.stopping()) return absl::CancelledError("the reader went away");
      // Looked at again now and then: other readers and time make room as well, and tell nobody.
      channels_.changed_.wait_for(lock, kLook);
    }
    channels_.book_.OnSent(id_, bytes);
    admitted_ += bytes;
    return absl::OkStatus();
  }
  void Sent(uint64_t bytes) override { sent_ = std::min(admitted_, sent_ + bytes); }

 private:
  ReadChannels& channels_;
  const base::ChannelId id_;
  uint64_t admitted_ = 0;
  uint64_t sent_ = 0;
};

rpc::v1::ReadTerms ReadChannels::terms() const {
  rpc::v1::ReadTerms terms;
  terms.set_asset(chain::pb::ASSET_USDC);
  *terms.mutable_rate() = chain::ToProto(terms_.rate);
  *terms.mutable_min_deposit() = chain::ToProto(terms_.min_deposit);
  return terms;
}

absl::StatusOr<payment::ChannelFacts> ReadChannels::FactsOf(const base::ChannelId& channel) {
  if (env_.lanes != nullptr && env_.lanes->Has(channel)) {
    ASSIGN_OR_RETURN(const client::PoolLaneView lane, env_.lanes->Look(channel));
    return lane.channel();
  }
  ASSIGN_OR_RETURN(const pb::Channel record, env_.ledger.Channel(channel));
  return client::FactsOf(env_.identity.chain, record);
}

// The channel, when it pays us and the caller may speak for it.
absl::StatusOr<payment::ChannelFacts> ReadChannels::Ask(const base::ChannelId& channel,
                                                        const rpc::Caller& caller) {
  ASSIGN_OR_RETURN(payment::ChannelFacts facts, FactsOf(channel));
  const bool ours = facts.payee == env_.identity.id() && facts.asset == base::Asset::kUsdc;
  const bool theirs = caller && (*caller == facts.signer || caller->Account() == facts.payer);
  if (ours && theirs) return facts;
  return base::Error(absl::StatusCode::kPermissionDenied, "NOT_YOUR_CHANNEL",
                     ours ? "the call is not signed by the channel's payer or signer"
                          : "the channel pays somebody else, or in another asset",
                     "open a channel to this provider in usdc, and sign with its key",
                     {{"channel", channel.ToHexString()}});
}

absl::Status ReadChannels::OpenFor(const base::ChannelId& channel, const rpc::Caller& caller) {
  {
    const Lock lock(mutex_);
    payment::Payee* payee = book_.Find(channel);
    // No read asks the ledger about a channel that is open here: the settler's rounds bring its news.
    const bool known = payee != nullptr && caller &&
                       (*caller == payee->facts().signer ||
                        caller->Account() == payee->facts().payer);
    if (known) return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const payment::ChannelFacts facts, Ask(channel, caller));
  const Lock lock(mutex_);
  return book_.Open(facts, env_.clock.Now());
}

absl::StatusOr<std::unique_ptr<PaidRead>> ReadChannels::Begin(const ReadFacts& facts) {
  ASSIGN_OR_RETURN(const base::ChannelId id, ChannelField(facts.channel));
  RETURN_IF_ERROR(OpenFor(id, facts.caller));
  return std::make_unique<Read>(*this, id);
}

rpc::v1::PayResponse ReadChannels::Answer(const base::ChannelId& channel, Reject reject,
                                          bool best) {
  rpc::v1::PayResponse response;
  response.set_reject(static_cast<uint32_t>(reject));
  *response.mutable_terms() = terms();
  const payment::Payee* payee = book_.Find(channel);
  if (payee == nullptr) return response;
  response.set_paid_bytes(payee->durable_bytes());
  response.set_sent_bytes(payee->sent_bytes());
  if (best && payee->best()) response.set_best(ClaimField(*payee->best()));
  return response;
}

// One thread commits what all of them staged; the others wait for it.
absl::Status ReadChannels::MakeDurable(Lock& lock) {
  const uint64_t mine = ++accepted_;
  while (committed_ < mine) {
    if (committing_) {
      changed_.wait(lock);
      continue;
    }
    committing_ = true;
    const uint64_t up_to = accepted_;
    lock.unlock();
    const auto durable = env_.store.Commit();
    lock.lock();
    committing_ = false;
    changed_.notify_all();
    if (!durable.ok()) {
      env_.failed(durable.status());
      return durable.status();
    }
    committed_ = std::max(committed_, up_to);
    book_.OnCommitted(*durable);
  }
  return absl::OkStatus();
}

absl::StatusOr<rpc::v1::PayResponse> ReadChannels::Meet(const rpc::Caller& caller,
                                                        const rpc::v1::PayHello& hello) {
  ASSIGN_OR_RETURN(const base::ChannelId channel, ChannelField(hello.channel()));
  if (hello.has_grant()) {
    if (env_.lanes == nullptr) return NoLanes();
    RETURN_IF_ERROR(env_.lanes->Meet(channel, hello.grant()).status());
  }
  ASSIGN_OR_RETURN(const payment::ChannelFacts facts, Ask(channel, caller));
  ASSIGN_OR_RETURN(const uint64_t seen, env_.store.PeerGeneration(channel));
  std::optional<base::Claim> claim;
  if (!hello.claim().empty()) {
    ASSIGN_OR_RETURN(claim, base::DecodeClaim(base::AsBytes(hello.claim())));
  }
  Lock lock(mutex_);
  RETURN_IF_ERROR(book_.Open(facts, env_.clock.Now()));
  const bool first = met_.insert(channel).second;
  const payment::StoreHello ours{env_.store.generation(), seen};
  if (first && payment::StoreWasRestored(ours, {hello.generation(), hello.seen()})) {
    app::LogWarning("channel.store_restored",
                    "a payer has seen a later state of the claim store than this one",
                    {{"channel", channel.ToHexString()}, {"generation", absl::StrCat(hello.seen())}});
  }
  // Taken or not, the answer tells what is held: from that the payer goes on.
  if (claim) (void)book_.Adopt(*claim, env_.clock.Now());
  // With the answer below: a generation that we said we had seen must not be forgotten by a crash.
  if (hello.generation() > seen) env_.store.StagePeerGeneration(channel, hello.generation());
  RETURN_IF_ERROR(MakeDurable(lock));
  rpc::v1::PayResponse response = Answer(channel, Reject::kNone, true);
  response.set_generation(ours.generation);
  response.set_seen(seen);
  return response;
}

Reject ReadChannels::Judge(payment::Payee& payee, const rpc::v1::Payment& payment) {
  const base::ChannelId& channel = payee.facts().id;
  const absl::Time now = env_.clock.Now();
  if (!payment.voucher().empty()) {
    const auto claim = base::DecodeClaim(base::AsBytes(payment.voucher()));
    if (!claim.ok() || claim->tick != 0) return Reject::kMalformed;
    if (claim->voucher.channel != channel) return Reject::kWrongChannel;
    const Reject reject = book_.OnVoucher(claim->voucher, payee.facts().signer, now);
    if (reject != Reject::kNone) return reject;
  }
  if (payment.tick() == 0) return payment.voucher().empty() ? Reject::kMalformed : Reject::kNone;
  const auto epoch = chain::FromField<base::Nonce16>(payment.epoch());
  const auto preimage = chain::FromField<base::Tick>(payment.preimage());
  if (!epoch || !preimage) return Reject::kMalformed;
  return book_.OnTick(channel, *epoch, payment.tick(), *preimage, now);
}

absl::StatusOr<rpc::v1::PayResponse> ReadChannels::Take(const base::ChannelId& channel,
                                                        const rpc::v1::Payment& payment) {
  Lock lock(mutex_);
  payment::Payee* payee = book_.Find(channel);
  if (payee == nullptr) return Answer(channel, Reject::kWrongChannel, false);
  const Reject reject = Judge(*payee, payment);
  // A voucher may have been taken before its tick was refused.
  RETURN_IF_ERROR(MakeDurable(lock));
  changed_.notify_all();
  return Answer(channel, reject, reject != Reject::kNone);
}

absl::Status ReadChannels::Serve(const rpc::Caller& caller, rpc::PayPeer& peer) {
  std::optional<base::ChannelId> channel;
  while (!env_.stopping()) {
    ASSIGN_OR_RETURN(const auto request, peer.Next());
    if (request == nullptr) return absl::OkStatus();
    rpc::v1::PayResponse response;
    if (request->has_hello()) {
      ASSIGN_OR_RETURN(response, Meet(caller, request->hello()));
      channel = chain::Trusted<base::ChannelId>(request->hello().channel());
    } else if (channel && request->has_payment()) {
      ASSIGN_OR_RETURN(response, Take(*channel, request->payment()));
    } else {
      return Malformed("a payment before a hello");
    }
    RETURN_IF_ERROR(peer.Answer(response));
  }
  return absl::CancelledError("the provider stops");
}

absl::Status ReadChannels::AgreeToClose(const rpc::Caller& caller,
                                        const rpc::v1::AgreeToCloseRequest& request,
                                        rpc::v1::AgreeToCloseResponse& response) {
  ASSIGN_OR_RETURN(const base::ChannelId channel, ChannelField(request.channel()));
  ASSIGN_OR_RETURN(const payment::ChannelFacts facts, Ask(channel, caller));
  if (env_.lanes != nullptr && env_.lanes->Has(channel)) return NotAChannel(channel);
  const absl::Time now = env_.clock.Now();
  const absl::Time expires = absl::FromUnixMillis(static_cast<int64_t>(request.expires_ms()));
  const Lock lock(mutex_);
  RETURN_IF_ERROR(book_.Open(facts, now));
  ASSIGN_OR_RETURN(
      const base::CooperativeClose close,
      book_.AgreeToClose(channel, chain::FromProto(request.amount()), expires, now));
  response.set_payee_key(base::ToString(env_.identity.account.public_key().Encode()));
  response.set_signature(chain::ToField(env_.identity.account.Sign(base::SigningDigest(close))));
  return absl::OkStatus();
}

absl::Status ReadChannels::Statement(const rpc::Caller& caller,
                                     const rpc::v1::ChannelStatementRequest& request,
                                     rpc::v1::ChannelStatementResponse& response) {
  ASSIGN_OR_RETURN(const base::ChannelId channel, ChannelField(request.channel()));
  RETURN_IF_ERROR(Ask(channel, caller).status());
  return AddLines(channel, request.from(), response);
}

absl::Status ReadChannels::OwnStatement(const rpc::v1::ChannelStatementRequest& request,
                                        rpc::v1::ChannelStatementResponse& response) {
  if (request.channel().empty()) {
    ASSIGN_OR_RETURN(const auto claims, env_.store.All());
    const size_t from = std::min<size_t>(request.from(), claims.size());
    const size_t to = std::min(claims.size(), from + kMaxLines);
    for (size_t i = from; i < to; ++i) response.add_claims(ClaimField(claims[i]));
    response.set_complete(to == claims.size());
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const base::ChannelId channel, ChannelField(request.channel()));
  RETURN_IF_ERROR(AddLines(channel, request.from(), response));
  if (request.from() != 0 || !response.claims().empty()) return absl::OkStatus();
  return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_CHANNEL",
                     absl::StrCat("nothing was ever promised to this provider over ", channel.ToHexString()),
                     "storaged statement, without a channel, shows them all");
}

absl::Status ReadChannels::AddLines(const base::ChannelId& channel, uint32_t from,
                                    rpc::v1::ChannelStatementResponse& response) {
  ASSIGN_OR_RETURN(const auto lines, env_.store.Statement(channel, from, kMaxLines));
  for (const base::Claim& line : lines) response.add_claims(ClaimField(line));
  if (lines.size() == kMaxLines) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto newest, env_.store.Find(channel));
  if (newest) response.add_claims(ClaimField(*newest));
  response.set_complete(true);
  return absl::OkStatus();
}

void ReadChannels::OnFacts(const payment::ChannelFacts& facts) {
  const Lock lock(mutex_);
  if (payment::Payee* payee = book_.Find(facts.id)) payee->OnFacts(facts);
  changed_.notify_all();
}

void ReadChannels::Forget(const base::ChannelId& channel) {
  const Lock lock(mutex_);
  book_.Forget(channel);
  met_.erase(channel);
}

uint64_t ReadChannels::payers() const {
  const Lock lock(mutex_);
  return met_.size();
}

uint64_t ReadChannels::acknowledged() const {
  const Lock lock(mutex_);
  return committed_;
}

}  // namespace cairn::storaged
