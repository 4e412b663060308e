#include "apps/storaged/part_source.h"

#include "cairn/chain/convert.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::storaged {
namespace {

constexpr size_t kMaxPeers = 256;

// Generous: a slow peer is better than none, a dead one is noticed by the connection.
absl::Duration TimeFor(uint64_t bytes) {
  return absl::Seconds(20) + absl::Seconds(static_cast<double>(bytes) / 1e6);
}

}  // namespace

absl::Status PartSource::Watch(const base::AccountId&, const rpc::v1::WatchRequest&) {
  return absl::UnimplementedError("nobody watches here");
}

absl::StatusOr<std::shared_ptr<rpc::ProviderClient>> PeerParts::ClientOf(
    const base::AccountId& provider) {
  ASSIGN_OR_RETURN(Record<pb::Provider> record, ledger_.Provider(provider));
  std::lock_guard lock(mutex_);
  if (stopping_) return absl::CancelledError("the provider stops");
  auto it = peers_.find(provider);
  if (it != peers_.end() && it->second.endpoint == record->endpoint() &&
      it->second.pin == record->tls_pin()) {
    return it->second.client;
  }
  ASSIGN_OR_RETURN(rpc::PeerPin pin, rpc::PeerPin::FromBytes(base::AsBytes(record->tls_pin())));
  ASSIGN_OR_RETURN(base::PublicKey node,
                   base::PublicKey::Decode(base::AsBytes(record->node_key())));
  rpc::ProviderClientOptions options;
  options.endpoint = record->endpoint();
  options.pin = pin;
  options.chain = identity_.chain;
  options.node_key = node;
  options.caller = identity_.account.Clone();
  options.clock = &clock_;
  ASSIGN_OR_RETURN(std::unique_ptr<rpc::ProviderClient> client,
                   rpc::ProviderClient::Connect(std::move(options)));
  if (peers_.size() >= kMaxPeers) peers_.clear();
  Peer& peer = peers_[provider];
  peer = {record->endpoint(), record->tls_pin(), std::move(client)};
  return peer.client;
}

absl::Status PeerParts::Fetch(const base::AccountId& provider, const base::ObjectId& object,
                              const base::ContentId& part, base::ByteRange range,
                              const storage::ByteSink& sink) {
  ASSIGN_OR_RETURN(std::shared_ptr<rpc::ProviderClient> client, ClientOf(provider));
  auto control = std::make_shared<rpc::CallControl>();
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return absl::CancelledError("the provider stops");
    running_[control.get()] = control;
  }
  rpc::v1::GetRequest request;
  request.set_object(chain::ToField(object));
  request.set_part(chain::ToField(part.digest));
  request.set_offset(range.offset);
  request.set_length(range.length);
  base::SliceDecoder decoder(part.digest, range);
  auto size = client->Get(
      request, TimeFor(range.length),
      [&](base::ByteView piece) {
        return decoder.Feed(piece, [&](uint64_t, base::ByteView proven) { return sink(proven); });
      },
      control.get());
  {
    std::lock_guard lock(mutex_);
    running_.erase(control.get());
  }
  RETURN_IF_ERROR(size.status());
  return decoder.Finish().status();
}

absl::Status PeerParts::Watch(const base::AccountId& tower, const rpc::v1::WatchRequest& request) {
  ASSIGN_OR_RETURN(std::shared_ptr<rpc::ProviderClient> client, ClientOf(tower));
  return client->Watch(request).status();
}

void PeerParts::Stop() {
  std::lock_guard lock(mutex_);
  stopping_ = true;
  for (auto& [key, control] : running_) control->Cancel();
}

}  // namespace cairn::storaged
