#include "apps/client/channel_facts.h"

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/pb.h"

namespace cairn::client {
namespace {

absl::Time TimeOf(uint64_t milliseconds) {
  return absl::FromUnixMillis(static_cast<int64_t>(milliseconds));
}

}  // namespace

absl::StatusOr<payment::ChannelFacts> FactsOf(const base::ChainId& chain,
                                              const chain::pb::Channel& record) {
  payment::ChannelFacts facts;
  facts.chain = chain;
  facts.id = chain::Trusted<base::ChannelId>(record.id());
  facts.payer = chain::AccountOf(record.payer());
  facts.payee = chain::AccountOf(record.payee());
  ASSIGN_OR_RETURN(facts.signer, base::PublicKey::Decode(base::AsBytes(record.signer())));
  facts.asset = chain::FromProto(record.asset());
  facts.deposit = chain::FromProto(record.deposit());
  facts.withdrawn = chain::FromProto(record.withdrawn());
  facts.claimed = chain::FromProto(record.claimed());
  facts.reserve = chain::FromProto(record.reserve());
  facts.open_fee = chain::FromProto(record.open_fee());
  facts.phase = static_cast<payment::ChannelPhase>(record.state());
  facts.closed_by = static_cast<payment::ClosedBy>(record.close());
  facts.expires = TimeOf(record.expires_ms());
  if (record.due_ms() != 0) facts.due = TimeOf(record.due_ms());
  return facts;
}

absl::StatusOr<base::ChannelId> ParseChannelId(absl::string_view text) {
  const auto bytes = base::FromHex(text);
  const auto id = base::ChannelId::From(bytes.ok() ? *bytes : base::Bytes{});
  if (id.ok()) return *id;
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_CHANNEL_ID",
                     absl::StrCat("\"", text, "\" is no channel id"),
                     "32 hex digits, as storectl channel ls shows them");
}

}  // namespace cairn::client
