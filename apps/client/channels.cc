#include "apps/client/channels.h"

#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "apps/client/channel_facts.h"
#include "apps/client/paying_channel.h"
#include "apps/client/pools.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/convert.h"
#include "cairn/payment/settlement.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

constexpr absl::Duration kAsk = absl::Seconds(10);
constexpr absl::Duration kTermsLast = absl::Minutes(5);

absl::Status Do(Client& client, pb::Operation operation) {
  return client.sender().Send({std::move(operation)}).status();
}

absl::StatusOr<std::vector<pb::Channel>> AskList(chain::Client& chain, pb::QueryRequest request) {
  std::vector<pb::Channel> out;
  do {
    ASSIGN_OR_RETURN(pb::QueryResponse answer, chain.Query(request));
    for (pb::Channel& channel : *answer.mutable_channels()) out.push_back(std::move(channel));
    request.mutable_page()->set_cursor(answer.next_cursor());
  } while (!request.page().cursor().empty());
  return out;
}

// What a payer knows of a channel before it closes: its store, and the payee's when it answers.
struct Closing {
  PayerStore store;
  payment::Payer payer;
  ProviderAddress payee;
  bool answers = false;
  bool restored = false;
};

absl::Status MeetPayee(Client& client, const base::ChannelId& id, Closing& closing) {
  ASSIGN_OR_RETURN(closing.payee, client.Address(closing.payer.facts().payee));
  ASSIGN_OR_RETURN(auto stream, client.transport().Pay(closing.payee, kAsk));
  ASSIGN_OR_RETURN(const uint64_t seen, closing.store.claims->PeerGeneration(id));
  rpc::v1::PayRequest request;
  request.mutable_hello()->set_channel(chain::ToField(id));
  request.mutable_hello()->set_generation(closing.store.claims->generation());
  request.mutable_hello()->set_seen(seen);
  if (closing.payer.last()) {
    const base::Bytes claim = base::EncodeClaim(*closing.payer.last());
    request.mutable_hello()->set_claim(base::ToString(claim));
  }
  ASSIGN_OR_RETURN(const rpc::v1::PayResponse response, stream->Exchange(request));
  closing.answers = true;
  closing.restored = payment::StoreWasRestored(
      {closing.store.claims->generation(), seen}, {response.generation(), response.seen()});
  if (response.best().empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const base::Claim best, base::DecodeClaim(base::AsBytes(response.best())));
  const base::Amount known = closing.payer.promised();
  RETURN_IF_ERROR(closing.payer.Adopt(best));
  // Openings of the store alone do not tell: a restored one may have been opened often since.
  closing.restored = closing.restored || closing.payer.promised() > known;
  closing.store.claims->Stage(*closing.payer.last());
  closing.store.claims->StagePeerGeneration(id, response.generation());
  return closing.store.claims->Commit().status();
}

absl::StatusOr<CloseReport> Together(Client& client, const base::ChannelId& id, Closing& closing) {
  const payment::ChannelFacts& facts = closing.payer.facts();
  // The payee got what was promised; less than it withdrew cannot be.
  const base::CooperativeClose terms{
      facts.chain, id, std::max(closing.payer.promised(), facts.withdrawn),
      static_cast<uint64_t>(absl::ToUnixMillis(client.LedgerTime() + kTermsLast))};
  rpc::v1::AgreeToCloseRequest request;
  request.set_channel(chain::ToField(id));
  *request.mutable_amount() = chain::ToProto(terms.amount);
  request.set_expires_ms(terms.expires_ms);
  ASSIGN_OR_RETURN(const auto agreed,
                   client.transport().AgreeToClose(closing.payee, request, kAsk));
  pb::Operation operation;
  pb::CloseTogether& op = *operation.mutable_close_together();
  op.set_channel(chain::ToField(id));
  *op.mutable_amount() = chain::ToProto(terms.amount);
  op.set_expires_ms(terms.expires_ms);
  op.set_signer_signature(chain::ToField(client.keys().signing.Sign(base::SigningDigest(terms))));
  op.set_payee_key(agreed.payee_key());
  op.set_payee_signature(agreed.signature());
  RETURN_IF_ERROR(Do(client, std::move(operation)));
  return CloseReport{CloseKind::kTogether, terms.amount, closing.restored};
}

absl::StatusOr<CloseReport> Alone(Client& client, const base::ChannelId& id, Closing& closing) {
  pb::Operation operation;
  operation.mutable_close_channel()->set_channel(chain::ToField(id));
  if (closing.payer.last()) {
    *operation.mutable_close_channel()->mutable_claim() = chain::ToProto(*closing.payer.last());
  }
  RETURN_IF_ERROR(Do(client, std::move(operation)));
  return CloseReport{CloseKind::kAlone, closing.payer.promised(), closing.restored};
}

}  // namespace

absl::StatusOr<pb::Channel> FindChannel(const Client& client, const base::ChannelId& id) {
  pb::QueryRequest request;
  request.set_channel(chain::ToField(id));
  auto answer = client.Query(request);
  if (absl::IsNotFound(answer.status()) || (answer.ok() && answer->channels().empty())) {
    return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_CHANNEL",
                       absl::StrCat("the ledger has no channel ", id.ToHexString()),
                       "storectl channel ls");
  }
  RETURN_IF_ERROR(answer.status());
  return answer->channels(0);
}

absl::StatusOr<std::vector<pb::Channel>> ListChannels(chain::Client& chain,
                                                      const base::AccountId& account) {
  pb::QueryRequest request;
  request.set_channels_of_payer(chain::ToField(account));
  ASSIGN_OR_RETURN(std::vector<pb::Channel> out, AskList(chain, request));
  request.set_channels_of_payee(chain::ToField(account));
  ASSIGN_OR_RETURN(std::vector<pb::Channel> earning, AskList(chain, request));
  out.insert(out.end(), std::make_move_iterator(earning.begin()),
             std::make_move_iterator(earning.end()));
  return out;
}

absl::StatusOr<base::ChannelId> OpenChannel(Client& client, const base::AccountId& payee,
                                            const OpenChannelOptions& options) {
  ASSIGN_OR_RETURN(const pb::Params params, client.Params());
  RETURN_IF_ERROR(client.ReadClock());
  const absl::Duration longest =
      absl::Milliseconds(params.channel_max_ms()) - absl::Minutes(1);
  const absl::Duration window = absl::Milliseconds(params.channel_window_ms());
  const absl::Duration life = std::max(std::min(options.life, longest), window);
  pb::Operation operation;
  pb::OpenChannel& open = *operation.mutable_open_channel();
  open.set_payee(chain::ToField(payee));
  open.set_asset(pb::ASSET_USDC);
  *open.mutable_deposit() = chain::ToProto(options.deposit);
  open.set_signer(base::ToString(client.keys().signing.public_key().Encode()));
  open.set_expires_ms(static_cast<uint64_t>(absl::ToUnixMillis(client.LedgerTime() + life)));
  ASSIGN_OR_RETURN(const pb::TransactionReceipt receipt, client.sender().Send({operation}));
  return chain::Trusted<base::ChannelId>(receipt.created(0));
}

absl::Status TopUpChannel(Client& client, const base::ChannelId& id, base::Amount amount) {
  pb::Operation operation;
  operation.mutable_top_up_channel()->set_channel(chain::ToField(id));
  *operation.mutable_top_up_channel()->mutable_amount() = chain::ToProto(amount);
  return Do(client, std::move(operation));
}

absl::Status ReclaimChannel(Client& client, const base::ChannelId& id) {
  pb::Operation operation;
  operation.mutable_reclaim_channel()->set_channel(chain::ToField(id));
  return Do(client, std::move(operation));
}

absl::Status WithdrawChannel(Client& client, const base::ChannelId& id, const base::Claim& claim) {
  pb::Operation operation;
  operation.mutable_withdraw_channel()->set_channel(chain::ToField(id));
  *operation.mutable_withdraw_channel()->mutable_claim() = chain::ToProto(claim);
  return Do(client, std::move(operation));
}

absl::Status DisputeChannel(Client& client, const base::ChannelId& id, const base::Claim& claim) {
  pb::Operation operation;
  operation.mutable_dispute_channel()->set_channel(chain::ToField(id));
  *operation.mutable_dispute_channel()->mutable_claim() = chain::ToProto(claim);
  return Do(client, std::move(operation));
}

absl::StatusOr<CloseReport> CloseChannel(Client& client, const base::ChannelId& id,
                                         const CloseOptions& options) {
  ASSIGN_OR_RETURN(const pb::Channel record, FindChannel(client, id));
  ASSIGN_OR_RETURN(const payment::ChannelFacts facts, FactsOf(client.chain_id(), record));
  ASSIGN_OR_RETURN(PayerStore store, OpenPayerStore(client.purse().FolderOf(id)));
  ASSIGN_OR_RETURN(const auto last, store.claims->Find(id));
  const payment::PayerLimits limits{.max_rate = {base::Amount::Max()},
                                    .max_total = base::Amount::Max()};
  ASSIGN_OR_RETURN(payment::Payer payer,
                   payment::Payer::Reopen(facts, limits, client.keys().signing, client.entropy(),
                                          last));
  Closing closing{std::move(store), std::move(payer), {}, false, false};
  absl::Status met = absl::OkStatus();
  if (!options.alone) met = MeetPayee(client, id, closing);
  if (base::ReasonOf(met) == "FORGED_CLAIM") return met;
  const payment::PayerWish wish{.close = true,
                                .payee_answers = met.ok() && closing.answers,
                                .owner_vouches = options.owner_vouches && !closing.restored};
  switch (payment::DecidePayer(closing.payer, wish, client.LedgerTime())) {
    case payment::Settlement::kCloseTogether:
      return Together(client, id, closing);
    case payment::Settlement::kClose:
      return Alone(client, id, closing);
    case payment::Settlement::kReclaim:
      RETURN_IF_ERROR(ReclaimChannel(client, id));
      return CloseReport{CloseKind::kReclaimed, facts.claimed, closing.restored};
    default:
      break;
  }
  if (facts.phase != payment::ChannelPhase::kOpen) {
    return base::Error(absl::StatusCode::kFailedPrecondition, "CHANNEL_ENDED",
                       "the channel is closing already, or settled",
                       absl::StrCat("storectl channel show ", id.ToHexString()));
  }
  return base::Error(
      absl::StatusCode::kFailedPrecondition, "CLOSE_UNCERTAIN",
      absl::StrCat("the payee did not answer (", met.message(),
                   "), and a close below what this wallet ever signed costs a penalty"),
      "try again when the payee answers; wait for the expiry, which costs nothing; or --alone "
      "--not-restored when the wallet's files were never restored from a backup",
      {{"expires", absl::FormatTime(facts.expires, absl::UTCTimeZone())}});
}

absl::StatusOr<Statement> OwnStatement(Client& client, const base::ChannelId& id) {
  const std::string folder = client.purse().FolderOf(id);
  // Looking makes no folder.
  if (!folder.empty() && access(folder.c_str(), F_OK) != 0) return Statement();
  ASSIGN_OR_RETURN(const PayerStore store, OpenPayerStore(folder));
  ASSIGN_OR_RETURN(Statement lines, store.claims->Statement(id, 0, kMaxStatementLines));
  ASSIGN_OR_RETURN(const auto newest, store.claims->Find(id));
  if (newest) lines.push_back(*newest);
  return lines;
}

absl::StatusOr<Statement> PayeeStatement(Client& client, const payment::ChannelFacts& facts) {
  ASSIGN_OR_RETURN(const ProviderAddress payee, client.Address(facts.payee));
  rpc::v1::ChannelStatementRequest request;
  request.set_channel(chain::ToField(facts.id));
  const auto ask = [&](uint32_t from) {
    request.set_from(from);
    return client.transport().ChannelStatement(payee, request, kAsk);
  };
  ASSIGN_OR_RETURN(Statement lines, CollectLines(ask, kMaxStatementLines));
  RETURN_IF_ERROR(CheckStatement(facts, lines));
  return lines;
}

absl::StatusOr<payment::ChannelFacts> FindChannelOrLane(Client& client, const base::ChannelId& id,
                                                        const rpc::v1::PoolGrant* grant) {
  const auto record = FindChannel(client, id);
  if (record.ok()) return FactsOf(client.chain_id(), *record);
  if (!absl::IsNotFound(record.status())) return record.status();
  if (grant != nullptr) return FindLane(client, *grant, id);
  return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_CHANNEL",
                     absl::StrCat("the ledger has no channel ", id.ToHexString()),
                     "storectl channel ls; for a lane of a pool, --pool with a grant for the key that signs for it");
}

}  // namespace cairn::client
