// What a wallet does with its channels besides paying: look, open, top up, close, compare.
//
// A payer never closes alone on what it is not certain of: a close asks the payee to sign first, and
// without it only its owner's word that no backup was restored lets it close. Calls block.
// Rules: CD-09, CD-15 to CD-18.
#pragma once

#include <vector>

#include "apps/client/session.h"
#include "apps/client/statement.h"
#include "cairn/payment/channel_facts.h"

namespace cairn::chain {
class Client;
namespace v1 {
class Channel;
}
}  // namespace cairn::chain

namespace cairn::client {

// NotFound (NO_SUCH_CHANNEL).
absl::StatusOr<chain::v1::Channel> FindChannel(const Client& client, const base::ChannelId& id);
// Of which the account is payer or payee, or both lists when it is both.
absl::StatusOr<std::vector<chain::v1::Channel>> ListChannels(chain::Client& chain,
                                                             const base::AccountId& account);

struct OpenChannelOptions {
  base::Amount deposit{};
  absl::Duration life = absl::Hours(24 * 30);  // as far as the ledger allows
};
// To anyone, in usdc, signed for by this wallet's key.
absl::StatusOr<base::ChannelId> OpenChannel(Client& client, const base::AccountId& payee,
                                            const OpenChannelOptions& options);

// One operation about a channel; the receipt's verdict as the status.
absl::Status TopUpChannel(Client& client, const base::ChannelId& id, base::Amount amount);
absl::Status ReclaimChannel(Client& client, const base::ChannelId& id);
// As payee with our own claim.
absl::Status WithdrawChannel(Client& client, const base::ChannelId& id, const base::Claim& claim);
absl::Status DisputeChannel(Client& client, const base::ChannelId& id, const base::Claim& claim);

enum class CloseKind : uint8_t { kTogether = 1, kAlone = 2, kReclaimed = 3 };
struct CloseOptions {
  bool alone = false;          // do not ask the payee
  bool owner_vouches = false;  // the wallet's files were not restored from a backup
};
struct CloseReport {
  CloseKind kind = CloseKind::kTogether;
  base::Amount amount{};  // the payee's, over the channel's whole life
  bool restored = false;  // our store was an older one; the payee's claim was taken over
};
// FailedPrecondition: CLOSE_UNCERTAIN (the payee does not answer, and nobody vouches), CHANNEL_ENDED;
// errors of the ledger.
absl::StatusOr<CloseReport> CloseChannel(Client& client, const base::ChannelId& id,
                                         const CloseOptions& options);

// Of a channel or a pool's lane. Ours from the wallet's folder, empty when this wallet promised nothing over it; theirs
// from the payee, every line checked against the channel.
absl::StatusOr<Statement> OwnStatement(Client& client, const base::ChannelId& id);
absl::StatusOr<Statement> PayeeStatement(Client& client, const payment::ChannelFacts& facts);
// The ledger's channel or, with a grant, the lane of that id under it. NotFound (NO_SUCH_CHANNEL).
absl::StatusOr<payment::ChannelFacts> FindChannelOrLane(Client& client, const base::ChannelId& id,
                                                        const rpc::v1::PoolGrant* grant);

}  // namespace cairn::client
