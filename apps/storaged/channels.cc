#include "apps/storaged/channels.h"

#include "apps/common/log.h"
#include "cairn/base/charge.h"

namespace cairn::storaged {
namespace {

constexpr uint32_t kChannelLane = 8;
// One unit of usdc for 10^6 bytes, per 2^20 bytes.
constexpr base::Amount kFloor(absl::uint128{1'048'576'000'000'000'000});
constexpr absl::Duration kRetry = absl::Seconds(1);

payment::PayeeTerms TermsOf(const Settings& settings) {
  payment::PayeeTerms terms;
  terms.rate = settings.paid_reads.rate;
  // Over a channel's whole life, so it must not rise with the rate.
  terms.floor.per_unit_e18 = std::min(terms.rate.per_unit_e18, kFloor);
  terms.min_deposit = settings.paid_reads.min_deposit;
  return terms;
}

payment::PayeePolicy PolicyOf(const Settings& settings) {
  payment::PayeePolicy policy;
  policy.withdraw_from = settings.paid_reads.withdraw_from;
  return policy;
}

payment::LanePolicy LanePolicyOf(const Settings& settings) {
  payment::LanePolicy policy;
  policy.window = base::TransferCost(settings.paid_reads.rate, payment::kMaxWindowBytes);
  return policy;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Channels>> Channels::Open(const Environment& environment) {
  ASSIGN_OR_RETURN(auto store, payment::OpenClaimStore(environment.claims));
  std::unique_ptr<Channels> channels(new Channels(environment, std::move(store)));
  RETURN_IF_ERROR(channels->lanes_.Load());
  return channels;
}

Channels::Channels(const Environment& environment, std::unique_ptr<payment::ClaimStore> store)
    : env_(environment),
      store_(std::move(store)),
      lane_(env_.client, env_.identity, env_.clock, kChannelLane),
      lanes_({env_.identity, env_.ledger, env_.writes, env_.clock}),
      reads_({env_.identity, env_.ledger, *store_, env_.clock, env_.stopping, env_.failed, &lanes_},
             TermsOf(env_.settings)),
      tower_({env_.identity, env_.ledger, env_.writes, lane_, env_.peers, env_.clock},
             env_.settings.paid_reads.towers),
      settler_({env_.identity, env_.ledger, *store_, reads_, lane_, env_.clock,
                [this](const payment::ChannelFacts& facts, const base::Claim& claim) {
                  tower_.Entrust(facts, claim);
                },
                &lanes_, LanePolicyOf(env_.settings)},
               PolicyOf(env_.settings)) {}

void Channels::Start() {
  lane_.Start();
  round_.Start([this] { return Round(); });
}

void Channels::Stop() {
  round_.Stop();
  lane_.Stop();
}

void Channels::OnChannel(const base::ChannelId& channel) {
  {
    const std::lock_guard lock(mutex_);
    news_.insert(channel);
  }
  round_.Wake();
}

// Anybody's redemption leaves less for us.
void Channels::OnPool(const base::ChannelId& pool) {
  if (lanes_.HasPool(pool)) round_.Wake();
}

absl::Duration Channels::Round() {
  if (!loaded_) {
    const absl::Status loaded = tower_.Load();
    loaded_ = loaded.ok();
    if (!loaded_) app::LogError("tower.load", loaded);
  }
  const absl::Status told = TellTower();
  if (!told.ok() && !env_.stopping()) app::LogError("tower.news", told);
  tower_.OnTime();
  const absl::Status settled = settler_.RunOnce();
  if (!settled.ok() && !env_.stopping()) app::LogError("channel.round", settled);
  const bool whole = loaded_ && told.ok() && settled.ok();
  return whole ? env_.settings.paid_reads.settle_interval : kRetry;
}

// News that the tower could not look into stays: the block that told of it is not seen again.
absl::Status Channels::TellTower() {
  std::set<base::ChannelId> news;
  {
    const std::lock_guard lock(mutex_);
    news.swap(news_);
  }
  while (!news.empty()) {
    const absl::Status told = tower_.OnChannel(*news.begin());
    if (!told.ok()) {
      const std::lock_guard lock(mutex_);
      news_.merge(news);
      return told;
    }
    news.erase(news.begin());
  }
  return absl::OkStatus();
}

std::vector<std::pair<std::string, std::function<double()>>> Channels::Numbers() {
  auto number = [](auto value) { return static_cast<double>(value); };
  return {
      {"channels.payers", [this, number] { return number(reads_.payers()); }},
      {"channels.payments", [this, number] { return number(reads_.acknowledged()); }},
      {"channels.withdrawals", [this, number] { return number(settler_.withdrawals()); }},
      {"channels.redemptions", [this, number] { return number(settler_.redeemed()); }},
      {"channels.disputes", [this, number] { return number(settler_.disputes()); }},
      {"channels.watched", [this, number] { return number(tower_.watched()); }},
      {"channels.entrusted_units",
       [this, number] { return number(tower_.entrusted().low()); }},
      {"channels.tower_disputes", [this, number] { return number(tower_.disputes()); }},
  };
}

}  // namespace cairn::storaged
