// Vouchers and ticks: how a payer promises money for bytes, and what the promise is worth.
//
// A voucher is a signed statement about everything a channel has delivered so far; between two
// vouchers the payer releases the preimages of a hash chain, each worth 65,536 verified bytes. A
// `Claim` is the newest of both: what a payee keeps, and what the ledger pays. Vouchers count bytes
// and derive money from them, so both sides compute the same amount to the unit.
//
//   worth = base amount + ceil((bytes + tick * 65,536 - base bytes) * rate / (2^20 * 10^18))
//
// with (base bytes, base amount) as they were when the rate last changed. Pure values; safe from
// any thread. Rules: CD-10, CD-36, CD-49. Layouts: libbase/FORMATS.md.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "cairn/base/channel.h"

namespace cairn::base {

inline constexpr uint64_t kTickBytes = 65'536;
inline constexpr uint32_t kMaxTicks = 1024;

using Tick = FixedBytes<struct TickTag, 32>;

struct Voucher {
  ChainId chain;
  ChannelId channel;
  Nonce16 epoch;  // fresh for every voucher: a payer never signs one tip twice
  Asset asset = Asset::kUsdc;
  Price rate{};             // per 2^20 bytes
  uint64_t base_bytes = 0;  // bytes and worth of the last claim under the rate before
  Amount base_amount{};
  uint64_t bytes = 0;  // delivered and verified so far, every tick released before included
  Tick tip;            // x_0; zeros when `ticks` is 0
  uint32_t ticks = 0;  // how many preimages may follow, at most kMaxTicks
  Signature signature;
  friend bool operator==(const Voucher&, const Voucher&) = default;
};
Digest SigningDigest(const Voucher& voucher);

// `preimage` is x_tick: hashed `tick` times it is the voucher's tip.
struct Claim {
  Voucher voucher;
  uint32_t tick = 0;
  Tick preimage;
  friend bool operator==(const Claim&, const Claim&) = default;
};

// What the voucher alone is worth, without a tick.
inline Claim ClaimOf(const Voucher& voucher) { return {voucher, 0, voucher.tip}; }

// nullopt: bytes below the base, or a sum out of range. `WorthAt` asks what a total of bytes is
// worth under the voucher's rate and base.
inline std::optional<uint64_t> BytesOf(const Voucher& voucher, uint32_t tick) {
  const uint64_t more = uint64_t{tick} * kTickBytes;
  if (voucher.bytes > UINT64_MAX - more) return std::nullopt;
  return voucher.bytes + more;
}
inline std::optional<uint64_t> BytesOf(const Claim& claim) { return BytesOf(claim.voucher, claim.tick); }
std::optional<Amount> WorthOf(const Claim& claim);
std::optional<Amount> WorthAt(const Voucher& voucher, uint64_t total_bytes);

// The most bytes in all that are worth at most `limit` under the voucher's rate and base; UINT64_MAX
// when no number is too large, nullopt when even the base is worth more.
std::optional<uint64_t> BytesWithin(const Voucher& voucher, Amount limit);

enum class ClaimFault : uint8_t {
  kNone = 0,
  kMalformed = 1,     // ticks above the limit, tip without ticks, unknown asset, bytes below the base
  kTickRange = 2,     // more ticks than the voucher has
  kOverflow = 3,      // the worth leaves the range of amounts
  kBadSignature = 4,  // not the signer's over these bytes
  kTickChain = 5,     // the preimage does not lead to the tip
};
// Everything but the signature and the chain: no more work than some comparisons.
ClaimFault CheckShape(const Claim& claim);
// All of it: one signature, and at most kMaxTicks hashes.
ClaimFault CheckClaim(const Claim& claim, const PublicKey& signer);

// The hash that links the ticks of one voucher. Its key is derived from channel and epoch once, so
// that no tick fits another channel or voucher and each costs one compression of BLAKE3.
class TickHash {
 public:
  TickHash(const ChannelId& channel, const Nonce16& epoch);
  // x_{tick-1} from x_tick.
  Tick Before(uint32_t tick, const Tick& x) const;
  // Do `to - from` hashes lead from x_to back to x_from? False when to < from or above kMaxTicks.
  bool Connects(uint32_t from, const Tick& x_from, uint32_t to, const Tick& x_to) const;

 private:
  std::array<uint32_t, 8> key_;
};

// A payer's hash chain, x_0 to x_n, made from a secret. Unreleased preimages are money: they wipe
// themselves. 32 bytes a tick.
class TickChain {
 public:
  // At most kMaxTicks.
  TickChain(const ChannelId& channel, const Nonce16& epoch, uint32_t ticks,
            const Secret<32>& seed);
  TickChain(TickChain&&) noexcept = default;
  TickChain& operator=(TickChain&&) noexcept;
  ~TickChain();

  uint32_t ticks() const { return static_cast<uint32_t>(values_.size()) - 1; }
  // Zeros when the chain has no ticks: a voucher without ticks has no tip.
  Tick tip() const { return ticks() == 0 ? Tick() : values_.front(); }
  const Tick& At(uint32_t tick) const { return values_[tick]; }

 private:
  std::vector<Tick> values_;
};

// The binary form of a claim, for stores and for the wire between programs: 250 bytes. Decoding
// accepts exactly what encoding produces (InvalidArgument, reason MALFORMED) and checks the shape,
// not the signature.
inline constexpr size_t kClaimBytes = 250;
Bytes EncodeClaim(const Claim& claim);
absl::StatusOr<Claim> DecodeClaim(ByteView encoded);

}  // namespace cairn::base
