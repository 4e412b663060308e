// What storing an object costs: the one arithmetic behind a quote and the ledger's lock.
//
// A rate has three components, each truncated once (so truncation never drifts):
//   primary  P   = trunc(primary price * max(stored size, minimum))
//   holders  S_i = trunc(price of holder i * max(bytes that holder keeps, minimum)), one term a
//   holder tax      V   = trunc(tax * (P + sum of S_i))
// Of V each holder's part is trunc(tax * S_i), and the primary's the rest: so the parts of a partly receipted object
// come and go with its holders and add up to V. The fee for taking the bytes in is rounded up, once a holder. The lock
// is (P + sum S_i + V) * reserve time + the ingress fees. Pure functions; safe from any thread.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "cairn/base/amount.h"
#include "cairn/base/layout.h"

namespace cairn::base {

// The prices one object is stored at, all in the same asset.
struct ChargeTerms {
  Price primary{};  // per byte-second of stored size: answers, serves first, keeps the listing
  std::vector<Price>
      holders{};  // per byte-second of what a holder keeps; one entry for each holding position
  Price ingress{};       // per 2^20 bytes a holder takes in
  uint32_t tax_ppm = 0;  // 10,000 = 1 %
  uint64_t reserve_seconds = 0;
  uint64_t min_charge_bytes = 0;
};

// What a group's primary is paid for each byte-second of stored size: its price as primary and, when it keeps the whole
// copy that +primary asks for, its price as a holder as well. nullopt when the sum does not fit.
std::optional<Price> PrimaryPrice(Price primary, Price holder, bool whole_at_primary);

// Units of the asset: rates per second, the lock in all. `rate` = primary + holders + tax.
struct Charge {
  Amount primary_rate;
  std::vector<Amount> holder_rates;  // as ChargeTerms::holders
  Amount holders_rate;               // their sum
  Amount tax_rate;
  std::vector<Amount> holder_taxes;  // as holder_rates
  Amount primary_tax;                // tax_rate less the sum of holder_taxes
  Amount rate;
  Amount ingress;  // for each holder's first receipt
  Amount lock;
  friend bool operator==(const Charge&, const Charge&) = default;
};

// What moving `bytes` costs, `price` per 2^20 of them, rounded up to a whole unit.
Amount TransferCost(Price price, uint64_t bytes);

// Bytes that each holding position keeps of an object: a shard, or the whole stored bytes.
// `data` is the policy's k; unused under kCopies.
uint64_t HeldBytes(LayoutKind kind, uint64_t stored_size, uint32_t data);

// The charge when every holder keeps `held_bytes`. InvalidArgument (reason CHARGE_OVERFLOW) when a
// sum leaves 128 bits; (reason BAD_TAX) when the tax is above 100 %.
absl::StatusOr<Charge> ChargeFor(const ChargeTerms& terms, uint64_t stored_size,
                                 uint64_t held_bytes);

// The same with `held_bytes` = HeldBytes(kind, stored_size, data).
absl::StatusOr<Charge> ChargeFor(const ChargeTerms& terms, uint64_t stored_size, LayoutKind kind,
                                 uint32_t data);

}  // namespace cairn::base
