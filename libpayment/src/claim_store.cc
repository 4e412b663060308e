#include "cairn/payment/claim_store.h"

#include <map>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "cairn/base/codec.h"
#include "cairn/base/status.h"

namespace cairn::payment {
namespace {

constexpr char kGenerationKey[] = "g";

// Tables: 'v' channel | claim without its tick, 't' channel | epoch, tick, preimage,
// 'w' channel | waiver, 'p' channel | generation that the peer has seen, 'h' channel, number | the
// last claim under an earlier voucher.
std::string KeyOf(char table, const base::ChannelId& channel) {
  return std::string(1, table) + base::ToString(channel.view());
}

// Numbers in key order: big endian.
std::string LineKey(const base::ChannelId& channel, uint32_t number) {
  std::string key = KeyOf('h', channel);
  for (int shift = 24; shift >= 0; shift -= 8) key += static_cast<char>(number >> shift);
  return key;
}

absl::Status Damaged(absl::string_view what) {
  return base::Error(absl::StatusCode::kDataLoss, "STORE_DAMAGED",
                     absl::StrCat("the claim store holds ", what, " that is none"),
                     "restore the store from a backup; it asks its counterparties before it closes");
}

std::string EncodeTick(const base::Claim& claim) {
  base::Writer out;
  out.Raw(claim.voucher.epoch.view());
  out.U32(claim.tick);
  out.Raw(claim.preimage.view());
  return base::ToString(out.view());
}

std::string EncodeNumber(uint64_t number) {
  base::Writer out;
  out.U64(number);
  return base::ToString(out.view());
}

absl::StatusOr<uint64_t> DecodeNumber(absl::string_view value) {
  base::Reader in(base::AsBytes(value));
  const uint64_t number = in.U64();
  if (!in.Finish().ok()) return Damaged("a number");
  return number;
}

class KvClaimStore final : public ClaimStore {
 public:
  KvClaimStore(base::Kv& kv, uint64_t generation) : kv_(kv), generation_(generation) {}

  uint64_t generation() const override { return generation_; }
  absl::StatusOr<std::optional<base::Claim>> Find(const base::ChannelId& channel) const override;
  absl::StatusOr<std::vector<base::Claim>> All() const override;
  absl::StatusOr<std::optional<Waiver>> FindWaiver(const base::ChannelId& channel) const override;
  absl::StatusOr<uint64_t> PeerGeneration(const base::ChannelId& channel) const override;

  absl::StatusOr<std::vector<base::Claim>> Statement(const base::ChannelId& channel, uint32_t from,
                                                     size_t limit) const override;

  uint64_t Stage(const base::Claim& claim) override;
  uint64_t StageWaiver(const base::ChannelId& channel, const Waiver& waiver) override;
  uint64_t StagePeerGeneration(const base::ChannelId& channel, uint64_t generation) override;
  uint64_t StageForget(const base::ChannelId& channel) override;
  absl::StatusOr<Durable> Commit() override;

 private:
  using Changes = std::map<std::string, std::optional<std::string>>;
  // Of one channel: its newest claim, what the statement's last line is worth and how many it has.
  struct Tail {
    std::optional<base::Claim> newest;
    bool staged = false;  // the newest is not in the store
    base::Amount stated;
    uint32_t lines = 0;
  };
  static absl::StatusOr<std::optional<base::Claim>> Read(const base::KvSnapshot& snapshot,
                                                         const base::ChannelId& channel);
  Tail& TailOf(const base::ChannelId& channel);
  void PutClaim(base::KvBatch& batch, const base::ChannelId& channel, const base::Claim& claim);
  void StageAgain(const std::vector<base::ChannelId>& channels, Changes others);

  base::Kv& kv_;
  const uint64_t generation_;
  mutable std::mutex mutex_;
  std::mutex committing_;
  std::vector<base::ChannelId> staged_channels_;
  std::map<base::ChannelId, base::Nonce16> written_;  // epoch of the voucher in the store
  std::map<base::ChannelId, Tail> tails_;
  Changes others_;
  uint64_t staged_ = 0;
};

absl::StatusOr<std::optional<base::Claim>> KvClaimStore::Read(const base::KvSnapshot& snapshot,
                                                              const base::ChannelId& channel) {
  ASSIGN_OR_RETURN(const auto value, snapshot.Get(KeyOf('v', channel)));
  if (!value) return std::nullopt;
  auto claim = base::DecodeClaim(base::AsBytes(*value));
  if (!claim.ok() || claim->voucher.channel != channel) return Damaged("a claim");
  ASSIGN_OR_RETURN(const auto tick, snapshot.Get(KeyOf('t', channel)));
  if (!tick) return *claim;
  base::Reader in(base::AsBytes(*tick));
  const auto epoch = in.Fixed<base::Nonce16>();
  const uint32_t number = in.U32();
  const auto preimage = in.Fixed<base::Tick>();
  if (!in.Finish().ok() || epoch != claim->voucher.epoch) return Damaged("a tick");
  claim->tick = number;
  claim->preimage = preimage;
  if (base::CheckShape(*claim) != base::ClaimFault::kNone) return Damaged("a tick");
  return *claim;
}

absl::StatusOr<std::optional<base::Claim>> KvClaimStore::Find(
    const base::ChannelId& channel) const {
  return Read(*kv_.Snapshot(), channel);
}

absl::StatusOr<std::vector<base::Claim>> KvClaimStore::All() const {
  const auto snapshot = kv_.Snapshot();
  const auto cursor = snapshot->NewCursor();
  std::vector<base::Claim> claims;
  for (cursor->Seek("v"); cursor->Valid() && cursor->key().substr(0, 1) == "v"; cursor->Next()) {
    const auto channel = base::ChannelId::From(base::AsBytes(cursor->key().substr(1)));
    if (!channel.ok()) return Damaged("a key");
    ASSIGN_OR_RETURN(const auto claim, Read(*snapshot, *channel));
    if (claim) claims.push_back(*claim);
  }
  RETURN_IF_ERROR(cursor->status());
  return claims;
}

absl::StatusOr<std::optional<Waiver>> KvClaimStore::FindWaiver(
    const base::ChannelId& channel) const {
  const auto snapshot = kv_.Snapshot();
  ASSIGN_OR_RETURN(const auto value, snapshot->Get(KeyOf('w', channel)));
  if (!value) return std::nullopt;
  base::Reader in(base::AsBytes(*value));
  const uint64_t high = in.U64();
  const uint64_t low = in.U64();
  const uint64_t expires_ms = in.U64();
  if (!in.Finish().ok()) return Damaged("a waiver");
  return Waiver{base::Amount::Parts(high, low),
                absl::FromUnixMillis(static_cast<int64_t>(expires_ms))};
}

absl::StatusOr<uint64_t> KvClaimStore::PeerGeneration(const base::ChannelId& channel) const {
  const auto snapshot = kv_.Snapshot();
  ASSIGN_OR_RETURN(const auto value, snapshot->Get(KeyOf('p', channel)));
  if (!value) return uint64_t{0};
  return DecodeNumber(*value);
}

absl::StatusOr<std::vector<base::Claim>> KvClaimStore::Statement(const base::ChannelId& channel,
                                                                 uint32_t from, size_t limit) const {
  const auto snapshot = kv_.Snapshot();
  const auto cursor = snapshot->NewCursor();
  const std::string prefix = KeyOf('h', channel);
  std::vector<base::Claim> lines;
  for (cursor->Seek(LineKey(channel, from)); cursor->Valid() && lines.size() < limit;
       cursor->Next()) {
    if (cursor->key().substr(0, prefix.size()) != prefix) break;
    const auto claim = base::DecodeClaim(base::AsBytes(cursor->value()));
    if (!claim.ok() || claim->voucher.channel != channel) return Damaged("a line of a statement");
    lines.push_back(*claim);
  }
  RETURN_IF_ERROR(cursor->status());
  return lines;
}

// A record that cannot be read is met by Find; here it only begins the statement anew.
KvClaimStore::Tail& KvClaimStore::TailOf(const base::ChannelId& channel) {
  const auto [at, fresh] = tails_.try_emplace(channel);
  if (!fresh) return at->second;
  const auto snapshot = kv_.Snapshot();
  const auto newest = Read(*snapshot, channel);
  if (newest.ok()) at->second.newest = *newest;
  const auto cursor = snapshot->NewCursor();
  const std::string prefix = KeyOf('h', channel);
  cursor->SeekBefore(LineKey(channel, kMaxStatement));
  if (!cursor->Valid() || cursor->key().substr(0, prefix.size()) != prefix) return at->second;
  const auto last = base::DecodeClaim(base::AsBytes(cursor->value()));
  for (const char byte : cursor->key().substr(prefix.size())) {
    at->second.lines = at->second.lines << 8 | static_cast<uint8_t>(byte);
  }
  ++at->second.lines;
  if (last.ok()) at->second.stated = base::WorthOf(*last).value_or(base::Amount());
  return at->second;
}

uint64_t KvClaimStore::Stage(const base::Claim& claim) {
  const std::lock_guard lock(mutex_);
  Tail& tail = TailOf(claim.voucher.channel);
  if (tail.newest && tail.newest->voucher.epoch != claim.voucher.epoch) {
    const base::Amount worth = base::WorthOf(*tail.newest).value_or(base::Amount());
    if (worth > tail.stated && tail.lines < kMaxStatement) {
      const base::Bytes line = base::EncodeClaim(*tail.newest);
      others_[LineKey(claim.voucher.channel, tail.lines++)] = base::ToString(line);
      tail.stated = worth;
    }
  }
  tail.newest = claim;
  if (!std::exchange(tail.staged, true)) staged_channels_.push_back(claim.voucher.channel);
  return ++staged_;
}

uint64_t KvClaimStore::StageWaiver(const base::ChannelId& channel, const Waiver& waiver) {
  base::Writer out;
  out.U64(waiver.amount.high());
  out.U64(waiver.amount.low());
  out.U64(static_cast<uint64_t>(absl::ToUnixMillis(waiver.expires)));
  const std::lock_guard lock(mutex_);
  others_[KeyOf('w', channel)] = base::ToString(out.view());
  return ++staged_;
}

uint64_t KvClaimStore::StagePeerGeneration(const base::ChannelId& channel, uint64_t generation) {
  const std::lock_guard lock(mutex_);
  others_[KeyOf('p', channel)] = EncodeNumber(generation);
  return ++staged_;
}

uint64_t KvClaimStore::StageForget(const base::ChannelId& channel) {
  const std::lock_guard lock(mutex_);
  written_.erase(channel);
  const uint32_t lines = TailOf(channel).lines;
  for (uint32_t line = 0; line < lines; ++line) others_[LineKey(channel, line)] = std::nullopt;
  tails_.erase(channel);
  for (const char table : {'v', 't', 'w', 'p'}) others_[KeyOf(table, channel)] = std::nullopt;
  return ++staged_;
}

// The newest claim of a channel; its voucher when the store has another one.
void KvClaimStore::PutClaim(base::KvBatch& batch, const base::ChannelId& channel,
                            const base::Claim& claim) {
  const auto written = written_.find(channel);
  if (written == written_.end() || written->second != claim.voucher.epoch) {
    const base::Bytes voucher = base::EncodeClaim(base::ClaimOf(claim.voucher));
    batch.Put(KeyOf('v', channel), base::AsText(voucher));
    written_.insert_or_assign(channel, claim.voucher.epoch);
  }
  // Also without ticks: one left over from the voucher before would not fit the new one.
  batch.Put(KeyOf('t', channel), EncodeTick(claim));
}

// Nothing of a failed commit counts as written; what was staged meanwhile is newer.
void KvClaimStore::StageAgain(const std::vector<base::ChannelId>& channels, Changes others) {
  const std::lock_guard lock(mutex_);
  for (const base::ChannelId& channel : channels) {
    written_.erase(channel);
    const auto tail = tails_.find(channel);
    if (tail == tails_.end() || std::exchange(tail->second.staged, true)) continue;
    staged_channels_.push_back(channel);
  }
  others_.merge(others);
}

absl::StatusOr<Durable> KvClaimStore::Commit() {
  const std::lock_guard one_at_a_time(committing_);
  std::vector<base::ChannelId> channels;
  Changes others;
  uint64_t up_to = 0;
  base::KvBatch batch;
  {
    const std::lock_guard lock(mutex_);
    channels = std::exchange(staged_channels_, {});
    others = std::exchange(others_, {});
    up_to = staged_;
    // What was forgotten and staged again afterwards stays: the claims come last.
    for (const auto& [key, value] : others) value ? batch.Put(key, *value) : batch.Delete(key);
    for (const base::ChannelId& channel : channels) {
      const auto tail = tails_.find(channel);
      if (tail == tails_.end() || !std::exchange(tail->second.staged, false)) continue;
      PutClaim(batch, channel, *tail->second.newest);
    }
  }
  if (!batch.empty()) {
    const absl::Status committed = kv_.Commit(batch);
    if (!committed.ok()) {
      StageAgain(channels, std::move(others));
      return committed;
    }
  }
  return MakeDurable(up_to);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ClaimStore>> OpenClaimStore(base::Kv& kv) {
  uint64_t generation = 0;
  {
    const auto snapshot = kv.Snapshot();
    ASSIGN_OR_RETURN(const auto value, snapshot->Get(kGenerationKey));
    if (value) {
      ASSIGN_OR_RETURN(generation, DecodeNumber(*value));
    }
  }
  base::KvBatch batch;
  batch.Put(kGenerationKey, EncodeNumber(generation + 1));
  RETURN_IF_ERROR(kv.Commit(batch));
  return std::make_unique<KvClaimStore>(kv, generation + 1);
}

}  // namespace cairn::payment
