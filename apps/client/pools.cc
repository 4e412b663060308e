#include "apps/client/pools.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "apps/client/channels.h"
#include "cairn/base/channel.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/convert.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::client {
namespace {

namespace pb = chain::pb;

constexpr size_t kMaxGrantText = 1024;

absl::StatusOr<pb::TransactionReceipt> Do(Client& client, pb::Operation operation) {
  return client.sender().Send({std::move(operation)});
}

absl::Status BadGrant() {
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_GRANT",
                     "that is not what storectl pool grant prints", "hand its whole text on");
}

// Where a key may sign under a grant, and whom that pays.
struct LanePlace {
  base::ChannelId lane;
  base::AccountId payee;
};

absl::StatusOr<std::vector<LanePlace>> PlacesUnder(Client& client, const rpc::v1::PoolGrant& grant) {
  const auto pool = chain::FromField<base::ChannelId>(grant.pool());
  const auto signer = base::PublicKey::Decode(base::AsBytes(grant.capability().signer()));
  if (!pool || !signer.ok()) return BadGrant();
  ASSIGN_OR_RETURN(const std::vector<pb::Provider> providers, client.Providers());
  std::vector<LanePlace> out;
  for (const pb::Provider& provider : providers) {
    const base::AccountId payee = chain::AccountOf(provider.account());
    out.push_back({base::LaneIdFor(client.chain_id(), *pool, *signer, payee), payee});
  }
  return out;
}

absl::StatusOr<PoolLaneView> ViewOf(Client& client, const rpc::v1::PoolGrant& grant,
                                    const base::AccountId& payee) {
  const auto pool = chain::Trusted<base::ChannelId>(grant.pool());
  ASSIGN_OR_RETURN(const PoolRecords records,
                   AskPool(client.chain(), pool, grant.capability().signer(), payee));
  return LaneOf(client.chain_id(), records, grant.capability(), payee);
}

}  // namespace

absl::StatusOr<base::ChannelId> OpenPool(Client& client, base::Amount deposit) {
  pb::Operation operation;
  pb::OpenPool& open = *operation.mutable_open_pool();
  open.set_asset(pb::ASSET_USDC);
  *open.mutable_deposit() = chain::ToProto(deposit);
  const base::Bytes key = client.keys().signing.public_key().Encode();
  open.set_owner_key(base::ToString(key));
  ASSIGN_OR_RETURN(const pb::TransactionReceipt receipt, Do(client, std::move(operation)));
  const auto id = receipt.created().empty()
                      ? std::nullopt
                      : chain::FromField<base::ChannelId>(receipt.created(0));
  if (id) return *id;
  return absl::InternalError("the ledger opened a pool and did not say which");
}

absl::Status FundPool(Client& client, const base::ChannelId& pool, base::Amount amount) {
  pb::Operation operation;
  operation.mutable_top_up_pool()->set_pool(chain::ToField(pool));
  *operation.mutable_top_up_pool()->mutable_amount() = chain::ToProto(amount);
  return Do(client, std::move(operation)).status();
}

absl::Status RevokeSigner(Client& client, const base::ChannelId& pool,
                          const base::PublicKey& signer) {
  pb::Operation operation;
  operation.mutable_revoke_pool_signer()->set_pool(chain::ToField(pool));
  const base::Bytes key = signer.Encode();
  operation.mutable_revoke_pool_signer()->set_signer(base::ToString(key));
  return Do(client, std::move(operation)).status();
}

absl::Status ClosePool(Client& client, const base::ChannelId& pool) {
  pb::Operation operation;
  operation.mutable_close_pool()->set_pool(chain::ToField(pool));
  return Do(client, std::move(operation)).status();
}

absl::StatusOr<std::vector<pb::Pool>> ListPools(chain::Client& chain,
                                                const base::AccountId& owner) {
  std::vector<pb::Pool> out;
  pb::QueryRequest request;
  request.set_pools_of(chain::ToField(owner));
  do {
    ASSIGN_OR_RETURN(pb::QueryResponse answer, chain.Query(request));
    for (pb::Pool& pool : *answer.mutable_pools()) out.push_back(std::move(pool));
    request.mutable_page()->set_cursor(answer.next_cursor());
  } while (!request.page().cursor().empty());
  return out;
}

absl::StatusOr<rpc::v1::PoolGrant> GrantPool(Client& client, const base::ChannelId& pool,
                                             const base::PublicKey& signer, base::Amount cap,
                                             absl::Duration life) {
  ASSIGN_OR_RETURN(const pb::Pool record, FindPool(client.chain(), pool));
  if (chain::AccountOf(record.owner()) != client.account()) {
    return base::Error(absl::StatusCode::kFailedPrecondition, "NOT_OWNER",
                       "the pool is another account's", "storectl pool ls");
  }
  ASSIGN_OR_RETURN(const pb::Params params, client.Params());
  const absl::Duration most = absl::Milliseconds(params.capability_max_ms());
  if (life <= absl::ZeroDuration() || life > most) {
    return base::Error(absl::StatusCode::kOutOfRange, "BAD_DURATION",
                       absl::StrCat("a capability lasts at most ", absl::FormatDuration(most)),
                       "--expires 24h");
  }
  RETURN_IF_ERROR(client.ReadClock());
  const base::PoolCapability terms{
      client.chain_id(), pool, signer, cap,
      static_cast<uint64_t>(absl::ToUnixMillis(client.LedgerTime() + life))};
  rpc::v1::PoolGrant grant;
  grant.set_pool(chain::ToField(pool));
  pb::PoolCapability& capability = *grant.mutable_capability();
  const base::Bytes key = signer.Encode();
  capability.set_signer(base::ToString(key));
  *capability.mutable_spending_cap() = chain::ToProto(cap);
  capability.set_expires_ms(terms.expires_ms);
  capability.set_signature(
      chain::ToField(client.keys().signing.Sign(base::SigningDigest(terms))));
  return grant;
}

absl::StatusOr<std::vector<PoolLaneView>> ListLanes(Client& client,
                                                    const rpc::v1::PoolGrant& grant) {
  ASSIGN_OR_RETURN(const std::vector<LanePlace> places, PlacesUnder(client, grant));
  std::vector<PoolLaneView> out;
  for (const LanePlace& place : places) {
    ASSIGN_OR_RETURN(PoolLaneView view, ViewOf(client, grant, place.payee));
    bool used = !view.facts.redeemed.zero();
    if (!used) {
      ASSIGN_OR_RETURN(const Statement ours, OwnStatement(client, place.lane));
      used = !ours.empty();
    }
    if (used) out.push_back(std::move(view));
  }
  return out;
}

absl::StatusOr<payment::ChannelFacts> FindLane(Client& client, const rpc::v1::PoolGrant& grant,
                                               const base::ChannelId& lane) {
  ASSIGN_OR_RETURN(const std::vector<LanePlace> places, PlacesUnder(client, grant));
  for (const LanePlace& place : places) {
    if (place.lane != lane) continue;
    ASSIGN_OR_RETURN(const PoolLaneView view, ViewOf(client, grant, place.payee));
    return view.channel();
  }
  return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_CHANNEL",
                     absl::StrCat("neither a channel nor a lane of the grant has the id ", lane.ToHexString()),
                     "storectl --pool GRANT channel ls; a lane needs a grant for the key that signs for it");
}

std::string ToText(const rpc::v1::PoolGrant& grant) {
  return base::ToHex(base::AsBytes(grant.SerializeAsString()));
}

absl::StatusOr<rpc::v1::PoolGrant> ParseGrant(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  if (text.size() > kMaxGrantText) return BadGrant();
  const auto bytes = base::FromHex(text);
  rpc::v1::PoolGrant grant;
  const bool parsed = bytes.ok() && grant.ParseFromString(base::ToString(*bytes));
  const bool whole = parsed && grant.pool().size() == base::ChannelId::kSize &&
                     !grant.capability().signer().empty();
  if (!whole) return BadGrant();
  return grant;
}

}  // namespace cairn::client
