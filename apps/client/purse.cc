#include "apps/client/purse.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "apps/client/channel_facts.h"
#include "apps/client/channels.h"
#include "apps/client/pool_facts.h"
#include "apps/client/session.h"
#include "cairn/base/charge.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

constexpr absl::Duration kLeast = absl::Hours(2);  // a channel that ends sooner is not taken up
constexpr absl::Duration kAsk = absl::Seconds(10);

absl::Status Guard(base::Amount would, base::Amount limit) {
  return base::Error(absl::StatusCode::kFailedPrecondition, "PRICE_GUARD",
                     absl::StrCat("reading would cost ", would.ToDecimal(base::kUsdcDecimals),
                                  " usdc, the limit is ", limit.ToDecimal(base::kUsdcDecimals),
                                  " usdc"),
                     "raise --max-cost, or read less",
                     {{"cost", would.ToDecimal(base::kUsdcDecimals)},
                      {"max_cost", limit.ToDecimal(base::kUsdcDecimals)}});
}

base::Amount Sum(base::Amount a, base::Amount b) { return a.Plus(b).value_or(base::Amount::Max()); }

Spending SpendingOf(const PayingChannel& channel) {
  return {.channel = channel.id(),
          .provider = channel.holder().account,
          .bytes = channel.paid_bytes(),
          .paid = channel.paid()};
}

}  // namespace

Purse::Purse(Client& client, const PayOptions& options, std::string folder)
    : client_(client), options_(options), folder_(std::move(folder)) {}

Purse::~Purse() {
  (void)Settle();
  std::unique_lock lock(mutex_);
  no_pumps_.wait(lock, [this] { return pumps_ == 0; });
}

void Purse::PumpBegins() {
  std::lock_guard lock(mutex_);
  ++pumps_;
}

void Purse::PumpEnded() {
  std::lock_guard lock(mutex_);
  if (--pumps_ == 0) no_pumps_.notify_all();
}

std::string Purse::FolderOf(const base::ChannelId& channel) const {
  if (folder_.empty()) return "";
  return absl::StrCat(folder_, "/", client_.chain_id().ToHexString().substr(0, 16), "/",
                      channel.ToHexString());
}

absl::Status Purse::Reserve(base::Amount amount) {
  const std::lock_guard lock(mutex_);
  const base::Amount would = Sum(reserved_, amount);
  if (options_.max_cost && would > *options_.max_cost) return Guard(would, *options_.max_cost);
  reserved_ = would;
  return absl::OkStatus();
}

void Purse::Return(base::Amount amount) {
  const std::lock_guard lock(mutex_);
  reserved_ = reserved_.MinusOrZero(amount);
}

absl::Status Purse::CheckRate(base::Price rate) const {
  if (rate.per_unit_e18 <= options_.max_rate.per_unit_e18) return absl::OkStatus();
  return base::Error(absl::StatusCode::kFailedPrecondition, "PRICE_GUARD",
                     absl::StrCat("the provider asks ", rate.per_unit_e18.ToString(),
                                  " (10^-18 units of usdc per 2^20 bytes), the limit is ",
                                  options_.max_rate.per_unit_e18.ToString()),
                     "read from another provider");
}

absl::Status Purse::CheckBudget(base::Amount each, uint32_t parties) const {
  if (!options_.max_cost || parties == 0) return absl::OkStatus();
  const std::lock_guard lock(mutex_);
  const base::Amount would = Sum(each.Times(parties).value_or(base::Amount::Max()), reserved_);
  return would > *options_.max_cost ? Guard(would, *options_.max_cost) : absl::OkStatus();
}

// Our open channels with the holder, the one with most left first.
absl::StatusOr<std::vector<payment::ChannelFacts>> Purse::OpenWith(const base::AccountId& holder) {
  std::vector<payment::ChannelFacts> out;
  pb::QueryRequest request;
  request.set_channels_of_payer(chain::ToField(client_.account()));
  do {
    ASSIGN_OR_RETURN(const pb::QueryResponse answer, client_.Query(request));
    for (const pb::Channel& record : answer.channels()) {
      ASSIGN_OR_RETURN(const payment::ChannelFacts facts, FactsOf(client_.chain_id(), record));
      const bool ours = facts.payee == holder && facts.asset == base::Asset::kUsdc &&
                        facts.signer == client_.keys().signing.public_key();
      const bool open = facts.phase == payment::ChannelPhase::kOpen &&
                        client_.LedgerTime() + kLeast < facts.expires;
      if (ours && open) out.push_back(facts);
    }
    request.mutable_page()->set_cursor(answer.next_cursor());
  } while (!request.page().cursor().empty());
  const auto left = [](const payment::ChannelFacts& facts) {
    return facts.deposit.MinusOrZero(std::max(facts.withdrawn, facts.claimed));
  };
  std::sort(out.begin(), out.end(),
            [&](const auto& a, const auto& b) { return left(a) > left(b); });
  return out;
}

// Null when there is none that can be used now.
absl::StatusOr<std::shared_ptr<PayingChannel>> Purse::Reuse(const ProviderAddress& holder,
                                                            base::Amount cost) {
  ASSIGN_OR_RETURN(const auto known, OpenWith(holder.account));
  for (const payment::ChannelFacts& facts : known) {
    auto store = OpenPayerStore(FolderOf(facts.id));
    if (!store.ok()) continue;  // another process pays over it now
    ASSIGN_OR_RETURN(const auto last, store->claims->Find(facts.id));
    const base::Amount promised =
        last ? base::WorthOf(*last).value_or(base::Amount()) : base::Amount();
    if (facts.deposit.MinusOrZero(promised) < cost) continue;
    auto channel = PayingChannel::Open(client_, *this, holder, facts, *std::move(store),
                                       options_.max_rate);
    if (channel.ok()) return channel;
    client_.progress().Note(facts.id.ToHexString(), channel.status().message());
    if (absl::IsUnavailable(channel.status())) return channel.status();
  }
  return std::shared_ptr<PayingChannel>();
}

absl::StatusOr<base::ChannelId> Purse::OpenNew(const ProviderAddress& holder,
                                               base::Amount deposit) {
  ASSIGN_OR_RETURN(const pb::Params params, client_.Params());
  ASSIGN_OR_RETURN(const base::ChannelId id, OpenChannel(client_, holder.account, {.deposit = deposit}));
  const std::lock_guard lock(mutex_);
  fees_[id] = chain::FromProto(params.channel_open_fee_usdc());
  return id;
}

absl::StatusOr<std::shared_ptr<PayingChannel>> Purse::FromChannels(const ProviderAddress& holder,
                                                                   base::Amount cost,
                                                                   uint32_t parties,
                                                                   base::Amount min_deposit) {
  ASSIGN_OR_RETURN(std::shared_ptr<PayingChannel> channel, Reuse(holder, cost));
  if (channel != nullptr) return channel;
  ASSIGN_OR_RETURN(const pb::Params params, client_.Params());
  const base::Amount fee = chain::FromProto(params.channel_open_fee_usdc());
  RETURN_IF_ERROR(CheckBudget(Sum(cost, fee), parties));
  RETURN_IF_ERROR(Reserve(fee));
  const base::Amount deposit =
      std::max({options_.deposit, Sum(cost, base::Amount(cost.units() / 4)), min_deposit});
  auto opened = OpenNew(holder, deposit);
  if (!opened.ok()) {
    Return(fee);
    return opened.status();
  }
  ASSIGN_OR_RETURN(channel, Reuse(holder, cost));
  if (channel != nullptr) return channel;
  return base::Error(absl::StatusCode::kUnavailable, "NO_CHANNEL",
                     "the channel that was just opened cannot be used", "try again");
}

// The lane of our key to the holder, usable now.
absl::StatusOr<PoolLaneView> Purse::LaneTo(const base::AccountId& holder) {
  const pb::PoolCapability& capability = options_.pool->capability();
  const auto pool = chain::FromField<base::ChannelId>(options_.pool->pool());
  if (!pool) {
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_GRANT", "the grant names no pool",
                       "--pool takes what storectl pool grant printed");
  }
  const base::Bytes key = client_.keys().signing.public_key().Encode();
  if (capability.signer() != base::ToString(key)) {
    return base::Error(absl::StatusCode::kInvalidArgument, "WRONG_SIGNER",
                       "the capability is for another key than this wallet's",
                       "storectl pool key shows the key to ask a capability for");
  }
  ASSIGN_OR_RETURN(const PoolRecords records,
                   AskPool(client_.chain(), *pool, capability.signer(), holder));
  ASSIGN_OR_RETURN(const PoolLaneView lane, LaneOf(client_.chain_id(), records, capability, holder));
  ASSIGN_OR_RETURN(const pb::Params params, client_.Params());
  RETURN_IF_ERROR(CheckUsable(lane, capability, params, client_.LedgerTime()));
  return lane;
}

absl::StatusOr<std::shared_ptr<PayingChannel>> Purse::FromPool(const ProviderAddress& holder,
                                                               base::Amount cost) {
  ASSIGN_OR_RETURN(const PoolLaneView lane, LaneTo(holder.account));
  const payment::ChannelFacts facts = lane.channel();
  ASSIGN_OR_RETURN(PayerStore store, OpenPayerStore(FolderOf(facts.id)));
  ASSIGN_OR_RETURN(const auto last, store.claims->Find(facts.id));
  const base::Amount promised =
      last ? base::WorthOf(*last).value_or(base::Amount()) : base::Amount();
  if (facts.deposit.MinusOrZero(promised) < cost) return PoolShort(lane, Sum(promised, cost));
  return PayingChannel::Open(client_, *this, holder, facts, std::move(store), options_.max_rate,
                             options_.pool);
}

absl::StatusOr<std::shared_ptr<PayingChannel>> Purse::For(const ProviderAddress& holder,
                                                          uint64_t expected, uint32_t parties) {
  const std::lock_guard one_at_a_time(opening_);
  std::shared_ptr<PayingChannel> channel;
  {
    const std::lock_guard lock(mutex_);
    const auto known = channels_.find(holder.account);
    if (known != channels_.end()) channel = known->second;
  }
  if (channel != nullptr && channel->status().ok()) return channel;
  if (channel != nullptr) Drop(channel);
  channel.reset();  // its folder is free again once nobody pays over it
  ASSIGN_OR_RETURN(const rpc::v1::GetInfoResponse info, client_.transport().GetInfo(holder, kAsk));
  if (!info.has_reads() || info.reads().asset() != pb::ASSET_USDC) {
    return base::Error(absl::StatusCode::kFailedPrecondition, "NO_CHANNELS",
                       "the provider sells no reads", "read from another provider",
                       {{"provider", base::ToText(holder.account)}});
  }
  const base::Price rate = chain::FromProto(info.reads().rate());
  const base::Amount cost = base::TransferCost(rate, expected);
  RETURN_IF_ERROR(CheckRate(rate));
  RETURN_IF_ERROR(CheckBudget(cost, parties));
  if (options_.pool != nullptr) {
    ASSIGN_OR_RETURN(channel, FromPool(holder, cost));
  } else {
    ASSIGN_OR_RETURN(channel, FromChannels(holder, cost, parties,
                                           chain::FromProto(info.reads().min_deposit())));
  }
  const std::lock_guard lock(mutex_);
  return channels_[holder.account] = channel;
}

absl::Status Purse::Settle() {
  Known channels;
  {
    const std::lock_guard lock(mutex_);
    channels = channels_;
  }
  absl::Status first;
  for (const auto& [holder, channel] : channels) {
    first.Update(channel->Settle());
  }
  return first;
}

void Purse::Drop(const std::shared_ptr<PayingChannel>& channel) {
  (void)channel->Settle();
  const Spending spending = SpendingOf(*channel);
  const std::lock_guard lock(mutex_);
  ended_.push_back(spending);
  channels_.erase(channel->holder().account);
}

std::vector<Spending> Purse::spent() const {
  Known channels;
  std::vector<Spending> out;
  std::map<base::ChannelId, base::Amount> fees;
  {
    const std::lock_guard lock(mutex_);
    channels = channels_;
    out = ended_;
    fees = fees_;
  }
  for (const auto& [holder, channel] : channels) out.push_back(SpendingOf(*channel));
  for (Spending& spending : out) {
    const auto fee = fees.find(spending.channel);
    if (fee != fees.end()) spending.open_fee = fee->second;
  }
  return out;
}

}  // namespace cairn::client
