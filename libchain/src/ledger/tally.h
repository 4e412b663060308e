// The totals that the ledger keeps, recounted.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/numeric/int128.h"
#include "absl/status/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/view.h"

namespace cairn::chain {

// Internal (INVARIANT_BROKEN): `which` does not hold of the record or total `id`.
absl::Status Broken(absl::string_view which, absl::string_view id);

// A record that cannot be parsed counts as an empty one; the state tree disowns it.
template <class R>
const R& Parse(const Record& record) {
  static const R none;
  const R* parsed = record.As<R>();
  return parsed != nullptr ? *parsed : none;
}

inline std::string PositionId(uint64_t group, uint32_t position) { return NumberField(group) + NumberField(position); }

// Every total the ledger keeps, against what it is the total of. A record adds what it says of itself and takes away
// what it contributes to another's total; over a sound state, or a sound change of one, all sums are zero. Arithmetic
// is modulo 2^128, so that a change may be counted by its old records with sign -1 and its new ones with +1.
class Tally {
 public:
  // `view` finds the policy of a group, which never changes.
  explicit Tally(const ReadView& view) : view_(view) {}
  void Count(const std::string& key, const Record& record, int sign);
  absl::Status Balanced() const;

 private:
  using Sum = std::pair<const char*, std::string>;
  void Says(const char* total, const std::string& id, absl::uint128 amount) { Move(total, id, amount, sign_); }
  void Gives(const char* total, const std::string& id, absl::uint128 amount) { Move(total, id, amount, -sign_); }
  void Move(const char* total, const std::string& id, absl::uint128 amount, int sign) {
    if (amount != 0) sums_[Sum(total, id)] += sign > 0 ? amount : ~amount + 1;
  }
  static absl::uint128 Units(const pb::Amount& amount) { return FromProto(amount).units(); }

  void CountSupply(const std::string& id, const pb::Supply& supply);
  void CountAccount(const std::string& id, const pb::Account& account);
  void CountProvider(const std::string& id, const pb::Provider& provider);
  void CountGroup(const std::string& id, const pb::Group& group);
  void CountBucket(const std::string& id, const pb::Bucket& bucket);
  void CountObject(const std::string& id, const pb::Object& object);
  void CountStream(const std::string& id, const pb::StreamAccount& stream);
  void CountFlow(const std::string& id, const pb::Flow& flow);
  void CountBill(const std::string& id, const pb::Bill& bill);
  void CountSponsorship(const std::string& id, const pb::Sponsorship& sponsorship);
  void CountPaymentAccount(const std::string& id, const pb::PaymentAccount& account);
  void CountChannel(const std::string& id, const pb::Channel& channel);
  void CountPool(const std::string& id, const pb::Pool& pool);
  void CountDue(const std::string& key);
  const pb::Redundancy& PolicyOf(uint64_t group);

  const ReadView& view_;
  int sign_ = 1;
  absl::btree_map<Sum, absl::uint128> sums_;
  std::map<uint64_t, pb::Redundancy> policies_;
};

}  // namespace cairn::chain
