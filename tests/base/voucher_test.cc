#include "cairn/base/voucher.h"

#include <set>

#include "cairn/base/status.h"
#include "catch.h"
#include "vectors.h"

namespace cairn::base {
namespace {

template <class Fixed>
Fixed Filled(uint8_t byte) {
  Fixed out;
  out.value.fill(byte);
  return out;
}

const ChainId kChain = Filled<ChainId>(1);
const ChannelId kChannel = Filled<ChannelId>(2);
const Nonce16 kEpoch = Filled<Nonce16>(3);

const SigningKey& Signer() {
  static const SigningKey key = SigningKey::FromSeed(*Secret<32>::From(Filled<Digest>(9).view()));
  return key;
}

TickChain Chain(uint32_t ticks) {
  return TickChain(kChannel, kEpoch, ticks, *Secret<32>::From(Filled<Digest>(8).view()));
}

Price PerMebibyte(uint64_t units) { return {*Amount(units).Times(kPriceScale)}; }

Voucher Signed(Voucher voucher) {
  voucher.signature = Signer().Sign(SigningDigest(voucher));
  return voucher;
}

Voucher Plain(uint32_t ticks = 4) {
  return Signed({.chain = kChain,
                 .channel = kChannel,
                 .epoch = kEpoch,
                 .asset = Asset::kUsdc,
                 .rate = PerMebibyte(10),
                 .base_bytes = 1 << 20,
                 .base_amount = Amount(7),
                 .bytes = 3 << 20,
                 .tip = Chain(ticks).tip(),
                 .ticks = ticks,
                 .signature = {}});
}

Claim At(uint32_t tick) { return {Plain(), tick, Chain(4).At(tick)}; }

// The digest after one change, for each change.
template <class Statement, class... Changes>
size_t Digests(const Statement& statement, Changes... changes) {
  std::set<Digest> digests = {SigningDigest(statement)};
  const auto changed = [&](auto change) {
    Statement copy = statement;
    change(copy);
    digests.insert(SigningDigest(copy));
  };
  (changed(changes), ...);
  return digests.size();
}

TEST_CASE("a voucher binds chain, channel, epoch, asset, rate, base, bytes, tip and ticks [CD-36]") {
  CHECK(Digests(
            Plain(), [](auto& v) { v.chain.value[0] ^= 1; },
            [](auto& v) { v.channel.value[0] ^= 1; }, [](auto& v) { v.epoch.value[0] ^= 1; },
            [](auto& v) { v.asset = Asset::kCrn; },
            [](auto& v) { v.rate.per_unit_e18 = Amount::Parts(1, 0); },
            [](auto& v) { v.rate.per_unit_e18 = Amount(1); }, [](auto& v) { ++v.base_bytes; },
            [](auto& v) { v.base_amount = Amount::Parts(1, 7); },
            [](auto& v) { v.base_amount = Amount(8); }, [](auto& v) { ++v.bytes; },
            [](auto& v) { v.tip.value[0] ^= 1; }, [](auto& v) { ++v.ticks; }) == 13);
}

TEST_CASE("an appointment, a close by both and a capability bind every field") {
  const TowerAppointment appointment{kChain, kChannel, Filled<AccountId>(4), 5};
  CHECK(Digests(
            appointment, [](auto& a) { a.chain.value[0] ^= 1; },
            [](auto& a) { a.channel.value[0] ^= 1; }, [](auto& a) { a.tower.value[0] ^= 1; },
            [](auto& a) { ++a.expires_ms; }) == 5);
  const CooperativeClose close{kChain, kChannel, Amount(6), 5};
  CHECK(Digests(
            close, [](auto& c) { c.chain.value[0] ^= 1; }, [](auto& c) { c.channel.value[0] ^= 1; },
            [](auto& c) { c.amount = Amount(7); }, [](auto& c) { c.amount = Amount::Parts(1, 6); },
            [](auto& c) { ++c.expires_ms; }) == 6);
  const PoolCapability capability{kChain, kChannel, Signer().public_key(), Amount(6), 5};
  CHECK(Digests(
            capability, [](auto& c) { c.chain.value[0] ^= 1; },
            [](auto& c) { c.pool.value[0] ^= 1; }, [](auto& c) { c.signer.bytes.value[0] ^= 1; },
            [](auto& c) { c.spending_cap = Amount(7); }, [](auto& c) { ++c.expires_ms; }) == 6);
}

TEST_CASE("channel, pool and lane of one number have different names on every chain") {
  std::set<ChannelId> ids;
  for (const ChainId& chain : {kChain, Filled<ChainId>(2)}) {
    for (uint64_t number : {1, 2}) {
      ids.insert(ChannelIdFor(chain, number));
      ids.insert(PoolIdFor(chain, number));
      ids.insert(LaneIdFor(chain, PoolIdFor(chain, number), Signer().public_key(),
                           Filled<AccountId>(1)));
      ids.insert(LaneIdFor(chain, PoolIdFor(chain, number), Signer().public_key(),
                           Filled<AccountId>(2)));
    }
  }
  CHECK(ids.size() == 16);
}

TEST_CASE("a claim is worth its base and the bytes since at the rate, rounded up once") {
  CHECK(WorthOf(At(0)) == Amount(7 + 20));
  CHECK(WorthOf(At(1)) == Amount(7 + 21));  // 20.625
  CHECK(WorthOf(At(4)) == Amount(7 + 23));  // 22.5
  CHECK(BytesOf(At(4)) == (3 << 20) + 4 * 65'536);
  // Cumulative: sixteen ticks are one mebibyte, to the unit.
  Voucher voucher = Plain();
  for (uint64_t chunks = 0; chunks <= 64; ++chunks) {
    const uint64_t expected = 7 + (chunks * 10 + 15) / 16;
    CHECK(WorthAt(voucher, voucher.base_bytes + chunks * kTickBytes) == Amount(expected));
  }
}

TEST_CASE("a worth that leaves the range is no worth, however it is reached [CD-49]") {
  Voucher voucher = Plain();
  voucher.rate.per_unit_e18 = Amount::Max();
  voucher.bytes = UINT64_MAX;
  // 2^128 x 2^64 over 2^20 x 10^18: the product alone needs 192 bits.
  const auto whole = WorthAt(voucher, UINT64_MAX);
  REQUIRE(whole);
  CHECK(whole->ToString() == "5986310706507038070270853582684013");
  CHECK_FALSE(WorthOf({voucher, 1, {}}));  // bytes wrap
  voucher.base_amount = Amount::Max();
  CHECK_FALSE(WorthAt(voucher, UINT64_MAX));
  CHECK_FALSE(WorthAt(voucher, voucher.base_bytes - 1));
  CHECK(CheckShape({voucher, 0, voucher.tip}) == ClaimFault::kOverflow);
}

TEST_CASE("the bytes within an amount are the most that are worth no more [CD-49]") {
  Voucher voucher = Plain();
  voucher.rate.per_unit_e18 = Amount(*Amount(7).Times(kPriceScale / 3));
  for (uint64_t limit = 7; limit < 40; ++limit) {
    const auto most = BytesWithin(voucher, Amount(limit));
    REQUIRE(most);
    CHECK(*WorthAt(voucher, *most) <= Amount(limit));
    CHECK(*WorthAt(voucher, *most + 1) > Amount(limit));
  }
  CHECK_FALSE(BytesWithin(voucher, Amount(6)));
  CHECK(BytesWithin(voucher, Amount::Max()) == UINT64_MAX);
  voucher.rate = {};
  CHECK(BytesWithin(voucher, Amount(7)) == UINT64_MAX);
}

TEST_CASE("a floor is met from the first unit that pays for the bytes, without overflow [CD-49]") {
  const Price floor = PerMebibyte(3);
  CHECK(MeetsFloor(Amount(3), 1 << 20, floor));
  CHECK_FALSE(MeetsFloor(Amount(3), (1 << 20) + 1, floor));
  CHECK(MeetsFloor(Amount(1), 1, floor));
  CHECK_FALSE(MeetsFloor(Amount(), 1, floor));
  CHECK(MeetsFloor(Amount(), 0, floor));
  CHECK_FALSE(MeetsFloor(Amount(1), UINT64_MAX, {Amount::Max()}));
  CHECK(MeetsFloor(Amount::Max(), UINT64_MAX, {Amount::Max()}));
}

TEST_CASE("every tick of a chain is accepted, and no other preimage [CD-10]") {
  for (uint32_t tick = 0; tick <= 4; ++tick) {
    CHECK(CheckClaim(At(tick), Signer().public_key()) == ClaimFault::kNone);
    Claim forged = At(tick);
    forged.preimage.value[31] ^= 1;
    CHECK(CheckClaim(forged, Signer().public_key()) == ClaimFault::kTickChain);
  }
  Claim skipped = At(2);
  skipped.tick = 3;
  CHECK(CheckClaim(skipped, Signer().public_key()) == ClaimFault::kTickChain);
  Claim beyond = At(4);
  beyond.tick = 5;
  CHECK(CheckClaim(beyond, Signer().public_key()) == ClaimFault::kTickRange);
}

TEST_CASE("a tick leads to the one before under its own channel, epoch and number alone [CD-10] [CD-36]") {
  for (uint32_t tick = 1; tick <= 4; ++tick) {
    const Tick x = Chain(4).At(tick);
    const Tick before = Chain(4).At(tick - 1);
    CHECK(TickHash(kChannel, kEpoch).Before(tick, x) == before);
    for (size_t i = 0; i < ChannelId::kSize; ++i) {
      ChannelId channel = kChannel;
      channel.value[i] ^= 1;
      CHECK_FALSE(TickHash(channel, kEpoch).Before(tick, x) == before);
    }
    for (size_t i = 0; i < Nonce16::kSize; ++i) {
      Nonce16 epoch = kEpoch;
      epoch.value[i] ^= 1;
      CHECK_FALSE(TickHash(kChannel, epoch).Before(tick, x) == before);
    }
    for (uint32_t other = 0; other <= 4; ++other) {
      CHECK((TickHash(kChannel, kEpoch).Before(other, x) == before) == (other == tick));
    }
  }
}

TEST_CASE("a released tick is worth nothing in another channel or under another voucher [CD-10] [CD-36]") {
  const auto fault = [](auto change) {
    Claim claim = At(3);
    change(claim.voucher);
    claim.voucher = Signed(claim.voucher);
    return CheckClaim(claim, Signer().public_key());
  };
  CHECK(fault([](Voucher&) {}) == ClaimFault::kNone);
  // The payer signs the very same tip again: what it released before still does not count.
  CHECK(fault([](Voucher& v) { v.channel = Filled<ChannelId>(5); }) == ClaimFault::kTickChain);
  CHECK(fault([](Voucher& v) { v.epoch = Filled<Nonce16>(5); }) == ClaimFault::kTickChain);
}

TEST_CASE("the hash of a tick is keyed BLAKE3, its key a hash of channel and epoch") {
  const Digest key =
      Hasher::DeriveKey("cairn v1 tick key").Field(kChannel.view()).Field(kEpoch.view()).Finish();
  for (uint32_t tick : {1u, 7u, 256u, kMaxTicks}) {
    const Tick x = Filled<Tick>(static_cast<uint8_t>(tick));
    const Digest whole = Hasher::Keyed(key).Field(uint64_t{tick}).Field(x.view()).Finish();
    CHECK(ToHex(TickHash(kChannel, kEpoch).Before(tick, x).view()) == ToHex(whole.view()));
  }
}

TEST_CASE("a claim out of shape is refused before a signature is checked") {
  Claim claim = At(0);
  claim.voucher.ticks = kMaxTicks + 1;
  CHECK(CheckShape(claim) == ClaimFault::kMalformed);
  claim = At(0);
  claim.voucher.ticks = 0;  // a tip that leads nowhere
  CHECK(CheckShape(claim) == ClaimFault::kMalformed);
  claim = At(0);
  claim.voucher.bytes = claim.voucher.base_bytes - 1;
  CHECK(CheckShape(claim) == ClaimFault::kMalformed);
  claim = At(0);
  claim.voucher.asset = static_cast<Asset>(3);
  CHECK(CheckShape(claim) == ClaimFault::kMalformed);
  claim = At(0);
  claim.voucher.bytes += 1;
  CHECK(CheckClaim(claim, Signer().public_key()) == ClaimFault::kBadSignature);
}

TEST_CASE("a voucher without ticks has no tip, and one of 1,024 ticks walks its whole chain") {
  Voucher none = Plain(0);
  CHECK(none.tip.empty());
  CHECK(CheckClaim(ClaimOf(none), Signer().public_key()) == ClaimFault::kNone);
  const Claim longest{Plain(kMaxTicks), kMaxTicks, Chain(kMaxTicks).At(kMaxTicks)};
  CHECK(CheckClaim(longest, Signer().public_key()) == ClaimFault::kNone);
  const TickHash hash(kChannel, kEpoch);
  CHECK(hash.Connects(1023, Chain(kMaxTicks).At(1023), 1024, Chain(kMaxTicks).At(1024)));
  CHECK_FALSE(hash.Connects(0, {}, kMaxTicks + 1, {}));
  CHECK_FALSE(hash.Connects(2, {}, 1, {}));
}

TEST_CASE("an encoded claim decodes to itself, and nothing else decodes") {
  const Bytes encoded = EncodeClaim(At(3));
  REQUIRE(encoded.size() == kClaimBytes);
  CHECK(*DecodeClaim(encoded) == At(3));
  for (size_t cut = 0; cut < encoded.size(); ++cut) {
    CHECK(ReasonOf(DecodeClaim(ByteView(encoded).subspan(0, cut)).status()) == "MALFORMED");
  }
  Bytes longer = encoded;
  longer.push_back(0);
  CHECK(ReasonOf(DecodeClaim(longer).status()) == "MALFORMED");
  Bytes other = encoded;
  other[0] = 2;
  CHECK(ReasonOf(DecodeClaim(other).status()) == "MALFORMED");
}

TEST_CASE("what is paid out is split to the unit, the remainder to the operator [CD-46]") {
  for (uint64_t amount = 0; amount < 2000; ++amount) {
    const FeeSplit split = SplitFees(Asset::kCrn, Amount(amount), 123'457, 300'001);
    CHECK(split.treasury == Amount(amount * 123'457 / 1'000'000));
    CHECK(split.burnt == Amount(amount * 300'001 / 1'000'000));
    CHECK(split.operator_part.Plus(split.treasury)->Plus(split.burnt) == Amount(amount));
  }
  const FeeSplit whole = SplitFees(Asset::kCrn, Amount::Max(), 300'000, 300'000);
  CHECK(whole.operator_part.Plus(whole.treasury)->Plus(whole.burnt) == Amount::Max());
  // Only crn is ever burnt: the share stays with the operator.
  CHECK(SplitFees(Asset::kUsdc, Amount(1'000'000), 100'000, 300'000) ==
        FeeSplit{Amount(900'000), Amount(100'000), Amount(0)});
}

TEST_CASE("no shares, however large, take the operator's floor") {
  for (const auto& [treasury, burn] :
       {std::pair(1'000'000u, 0u), std::pair(0u, 1'000'000u), std::pair(600'000u, 600'000u),
        std::pair(UINT32_MAX, UINT32_MAX)}) {
    CHECK(SplitFees(Asset::kCrn, Amount(1'000'000), treasury, burn).operator_part >=
          Amount(kOperatorFloorPpm));
  }
}

TEST_CASE("a penalty is a share of what was hidden, but at least the least") {
  CHECK(PenaltyFor(Amount(1'000'001), 50'000, Amount(3)) == Amount(50'001));
  CHECK(PenaltyFor(Amount(10), 50'000, Amount(3)) == Amount(3));
}

TEST_CASE("the bytes of vouchers, ticks and channel statements are those of the format table") {
  Bytes all = EncodeClaim(At(3));
  const auto add = [&](ByteView bytes) { all.insert(all.end(), bytes.begin(), bytes.end()); };
  const PublicKey key = Signer().public_key();
  add(SigningDigest(Plain()).view());
  add(TickHash(kChannel, kEpoch).Before(7, Filled<Tick>(6)).view());
  add(SigningDigest(TowerAppointment{kChain, kChannel, Filled<AccountId>(4), 5}).view());
  add(SigningDigest(CooperativeClose{kChain, kChannel, Amount::Parts(6, 7), 5}).view());
  add(SigningDigest(PoolCapability{kChain, kChannel, key, Amount::Parts(6, 7), 5}).view());
  add(ChannelIdFor(kChain, 1).view());
  add(PoolIdFor(kChain, 1).view());
  add(LaneIdFor(kChain, kChannel, key, Filled<AccountId>(4)).view());
  CheckVector("base/vouchers.hex", all);
}

}  // namespace
}  // namespace cairn::base
