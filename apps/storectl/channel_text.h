// How channels and their statements are shown.
#pragma once

#include <string>
#include <vector>

#include "apps/storectl/context.h"
#include "cairn/payment/channel_facts.h"

namespace cairn::storectl {

// "0.5" or "0.5usdc".
absl::StatusOr<base::Amount> ParseUsdc(const std::string& text);
std::string Money(base::Asset asset, base::Amount amount);
absl::string_view PhaseText(payment::ChannelPhase phase);

Json ChannelJson(const payment::ChannelFacts& facts);
// What is locked is the payer's, the payee's and the reserve: the three add up to it.
void AddLock(Json& json, const payment::ChannelFacts& facts, const payment::LockExplanation& lock);
std::string ShowText(const payment::ChannelFacts& facts, const payment::LockExplanation& lock);

// number,epoch,rate,opened_at_bytes,ticks,bytes,amount,claim
std::string StatementCsv(const std::vector<base::Claim>& lines);
void ShowStatement(const Context& context, const base::ChannelId& id,
                   const std::vector<base::Claim>& lines);
// OK when they are the same; DataLoss (STATEMENTS_DIFFER) with both sides of the first voucher that
// differs as evidence.
absl::Status ShowComparison(const Context& context, const base::ChannelId& id,
                            const std::vector<base::Claim>& ours,
                            const std::vector<base::Claim>& theirs);

}  // namespace cairn::storectl
