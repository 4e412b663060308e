#include "apps/storaged/statement.h"

#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "apps/client/channel_facts.h"
#include "apps/client/statement.h"
#include "apps/common/key_file.h"
#include "apps/rpc/provider_service.h"
#include "apps/storaged/settings.h"
#include "cairn/base/status.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::storaged {
namespace {

constexpr absl::Duration kAsk = absl::Seconds(10);

// Of one channel, or the newest claim of every channel.
absl::StatusOr<client::Statement> AskDaemon(rpc::ProviderAdminClient& admin, const std::string& channel) {
  rpc::v1::ChannelStatementRequest request;
  request.set_channel(channel);
  // Our own daemon's: there may be any number of channels.
  return client::CollectLines([&](uint32_t from) {
    request.set_from(from);
    return admin.ChannelStatement(request, kAsk);
  }, UINT32_MAX);
}

std::string NewestText(const client::Statement& claims, bool json) {
  std::string out = json ? "{\"channels\":[" : "channel,bytes,amount,asset\n";
  bool first = true;
  for (const base::Claim& claim : claims) {
    const std::string id = claim.voucher.channel.ToHexString();
    const uint64_t bytes = base::BytesOf(claim).value_or(0);
    const absl::string_view asset = base::NameOf(claim.voucher.asset);
    const std::string worth =
        base::WorthOf(claim).value_or(base::Amount()).ToDecimal(base::DecimalsOf(claim.voucher.asset));
    if (!json) {
      absl::StrAppend(&out, id, ",", bytes, ",", worth, ",", asset, "\n");
      continue;
    }
    absl::StrAppend(&out, std::exchange(first, false) ? "" : ",", "{\"channel\":\"", id, "\",\"bytes\":\"", bytes,
                    "\",\"amount\":{\"amount\":\"", worth, "\",\"asset\":\"", asset, "\"}}");
  }
  return json ? out + "]}\n" : out;
}

}  // namespace

absl::Status ShowStatement(const app::CommandLine& line) {
  ASSIGN_OR_RETURN(const Settings settings, ReadSettings(line.config()));
  ASSIGN_OR_RETURN(auto admin, rpc::ProviderAdminClient::Connect(settings.admin_listen));
  if (!line.Has("--channel")) {
    ASSIGN_OR_RETURN(const client::Statement newest, AskDaemon(*admin, ""));
    std::cout << NewestText(newest, line.json());
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const base::ChannelId id, client::ParseChannelId(line.Get("--channel")));
  ASSIGN_OR_RETURN(const client::Statement ours, AskDaemon(*admin, base::ToString(id.view())));
  if (!line.Has("--with")) {
    std::cout << (line.json() ? client::StatementJson(ours) + "\n" : client::StatementCsv(ours));
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::string text, app::ReadSmallFile(line.Get("--with"), client::kMaxStatementText));
  ASSIGN_OR_RETURN(const client::Statement theirs, client::ParseStatement(text));
  RETURN_IF_ERROR(client::CompareStatements(ours, theirs));
  if (line.json()) {
    std::cout << "{\"channel\":\"" << id.ToHexString() << "\",\"same\":true,\"vouchers\":\"" << ours.size() << "\"}\n";
  } else {
    std::cout << "both sides have the same " << ours.size() << " vouchers\n";
  }
  return absl::OkStatus();
}

}  // namespace cairn::storaged
