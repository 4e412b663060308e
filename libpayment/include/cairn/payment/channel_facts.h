// What the ledger says about a channel, as both of its ends and their watchtowers see it.
//
// Plain values: whoever reads the ledger fills them in. Money is in the smallest unit of the
// channel's asset, time is ledger time.
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "cairn/base/voucher.h"

namespace cairn::payment {

enum class ChannelPhase : uint8_t { kOpen = 1, kClosing = 2, kSettled = 3 };
enum class ClosedBy : uint8_t { kNobody = 0, kPayer = 1, kPayee = 2, kExpiry = 3, kBoth = 4 };

struct ChannelFacts {
  base::ChainId chain;
  base::ChannelId id;
  base::AccountId payer;
  base::AccountId payee;
  base::PublicKey signer;  // pinned: only its vouchers count
  base::Asset asset = base::Asset::kUsdc;
  base::Amount deposit{};
  base::Amount withdrawn{};  // paid out while open
  base::Amount claimed{};    // the highest claim that the ledger saw
  base::Amount reserve{};    // the payer's, for a penalty
  base::Amount open_fee{};   // what opening it cost
  ChannelPhase phase = ChannelPhase::kOpen;
  ClosedBy closed_by = ClosedBy::kNobody;
  absl::Time expires = absl::InfiniteFuture();
  absl::Time due = absl::InfiniteFuture();  // closing: when it settles
};

// Why money of a channel is locked, until when, and who must act (for `channel show`).
struct LockExplanation {
  base::Amount locked;  // what the ledger holds for the channel
  absl::Time until;     // InfiniteFuture when nothing frees it by itself
  std::string who;      // "payer", "payee", "ledger"
  std::string what;     // one sentence
};
LockExplanation ExplainLock(const ChannelFacts& facts, absl::Time now);

// Is `claim` genuine for this channel and within its deposit?
bool ClaimHolds(const ChannelFacts& facts, const base::Claim& claim);

}  // namespace cairn::payment
