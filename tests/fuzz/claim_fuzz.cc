// A claim from a payer that nobody trusts. What decodes has one encoding, a worth, and ticks that only add to it; and no
// key but the one that signed it has signed it.
#include "cairn/base/voucher.h"
#include "fuzz.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  static const base::SigningKey known = base::SigningKey::FromSeed(base::Secret<32>());
  const auto claim = base::DecodeClaim(input);
  if (!claim.ok()) return;
  FUZZ_CHECK(base::ByteView(base::EncodeClaim(*claim)) == input);
  const auto bytes = base::BytesOf(*claim);
  const auto worth = base::WorthOf(*claim);
  FUZZ_CHECK(bytes && worth);
  FUZZ_CHECK(*worth >= claim->voucher.base_amount);
  const auto without = base::WorthOf(base::ClaimOf(claim->voucher));
  FUZZ_CHECK(without && *without <= *worth);
  FUZZ_CHECK(base::MeetsFloor(*worth, *bytes - claim->voucher.base_bytes, claim->voucher.rate));

  const base::Digest digest = base::SigningDigest(claim->voucher);
  const base::ClaimFault fault = base::CheckClaim(*claim, known.public_key());
  const bool signed_by_known = known.Sign(digest) == claim->voucher.signature;
  FUZZ_CHECK((fault == base::ClaimFault::kBadSignature) == !signed_by_known);
  if (fault == base::ClaimFault::kNone) {
    const base::TickHash hash(claim->voucher.channel, claim->voucher.epoch);
    FUZZ_CHECK(hash.Connects(0, claim->voucher.tip, claim->tick, claim->preimage));
  }
}

}  // namespace cairn
