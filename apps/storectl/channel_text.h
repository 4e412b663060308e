// How channels and their statements are shown.
#pragma once

#include <string>

#include "apps/client/statement.h"
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

// With `csv` or -o csv what client::ParseStatement reads, as -o json prints it too.
void ShowStatement(const Context& context, const client::Statement& lines, bool csv);
// OK when they are the same; the error of client::CompareStatements otherwise.
absl::Status ShowComparison(const Context& context, const base::ChannelId& id,
                            const client::Statement& ours, const client::Statement& theirs);

}  // namespace cairn::storectl
