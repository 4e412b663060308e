// A ledger on which money can be followed to the unit: nothing costs anything but storage, prices are those of the
// worked examples, and every sum can be done by hand.
#pragma once

#include <fstream>
#include <map>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "cairn/chain/domain/payments.h"
#include "catch.h"
#include "support/ledger_harness.h"

namespace cairn::chain {

inline constexpr uint64_t kGiB = uint64_t{1} << 30;
inline constexpr uint64_t kDaySeconds = 86'400;

inline base::Amount Units(uint64_t units) { return base::Amount(units); }
inline base::Amount Times(base::Amount amount, uint64_t factor) { return amount.Times(factor).value(); }

inline pb::ProviderPrices Prices(uint64_t primary_e18, uint64_t holder_e18, uint64_t package_e18 = 0,
                                 uint64_t ingress_units = 0) {
  pb::ProviderPrices prices;
  *prices.mutable_primary_storage() = ToProto(base::Price{base::Amount(primary_e18)});
  *prices.mutable_holder_storage() = ToProto(base::Price{base::Amount(holder_e18)});
  *prices.mutable_package() = ToProto(base::Price{base::Amount(package_e18)});
  *prices.mutable_ingress() = ToProto(base::Price{*base::Amount(ingress_units).Times(base::kPriceScale)});
  return prices;
}

// The parameters of the worked examples.
inline void ExampleParams(pb::Params& params) {
  params.clear_fee_per_weight();
  params.clear_object_bond();
  params.clear_bucket_bond();
  params.clear_lane_bond();
  params.set_reserve_seconds(180 * kDaySeconds);
  params.set_throttle_seconds(10 * kDaySeconds);
  params.set_forced_settle_seconds(7 * kDaySeconds);
  params.set_warning_seconds(kDaySeconds);
  params.set_read_only_seconds(7 * kDaySeconds);
  params.set_notice_seconds(30 * kDaySeconds);
  params.set_min_term_seconds(7 * kDaySeconds);
  params.set_rebate_ppm(1000);
  params.set_min_charge_bytes(131'072);
  params.set_package_term_seconds(30 * kDaySeconds);
}

class MoneyRig : public LedgerHarness {
 public:
  explicit MoneyRig(pb::ProviderPrices prices = Prices(21'839'457'250'000'000, 2'620'734'870'000'000),
                    std::function<void(pb::Params&)> more = [](pb::Params&) {},
                    std::vector<std::string> oracles = {})
      : LedgerHarness({.params =
                           [more](pb::Params& params) {
                             ExampleParams(params);
                             more(params);
                           },
                       .hooks = {},
                       .prices = prices,
                       .oracles = std::move(oracles)}) {}

  void FundUnits(const std::string& who, base::Amount units) { Do("faucet", TransferUnits(who, units)); }
  // Leaves the account with exactly so much that is free.
  void LeaveFree(const std::string& who, base::Amount units) {
    const base::Amount free = Free(who);
    if (units < free) Do(who, TransferUnits("elsewhere", Minus(free, units)));
    if (free < units) FundUnits(who, Minus(units, free));
  }
  pb::StreamAccount Stream(const base::AccountId& id) {
    pb::QueryRequest request;
    request.set_stream(ToField(id));
    return Ask(request).stream();
  }
  pb::StreamAccount Stream(const std::string& who) { return Stream(Id(who)); }
  pb::PayerState State(const std::string& who) { return Stream(who).state(); }
  base::Amount Buffer(const std::string& who) { return FromProto(Stream(who).buffer()); }
  base::Amount OutRate(const std::string& who) { return FromProto(Stream(who).out_rate()); }
  // Realises what has flowed to the account.
  void Settle(const base::AccountId& id) {
    pb::Operation operation;
    operation.mutable_settle_stream()->set_account(ToField(id));
    const auto receipt = Submit(Sign("faucet", Body("faucet", {operation})));
    REQUIRE((VerdictOf(receipt) == Verdict::kOk || VerdictOf(receipt) == Verdict::kNoStream));
  }
  void Settle(const std::string& who) { Settle(Id(who)); }
  pb::Account AccountOfId(const base::AccountId& id) {
    pb::QueryRequest request;
    request.set_account(ToField(id));
    return Ask(request).account();
  }
  base::Amount FreeOf(const base::AccountId& id) { return FromProto(AccountOfId(id).crn()); }
  pb::Supply Supply() {
    pb::QueryRequest request;
    request.set_supply(true);
    return Ask(request).supply(0);
  }
  base::Amount Treasury() {
    Settle(TreasuryId());
    return FromProto(Supply().treasury());
  }
  pb::QueryResponse FlowsFrom(const base::AccountId& payer) {
    pb::QueryRequest request;
    request.set_flows_from(ToField(payer));
    return Ask(request);
  }
  void AdvanceSeconds(uint64_t seconds) { Advance(absl::Seconds(static_cast<int64_t>(seconds))); }
  // The newest block that tells of `type`, after moving on until just before `seconds` from now and then to them.
  void ExpectAfter(uint64_t seconds, const std::string& type) {
    INFO("after " << seconds << " s: " << type);
    AdvanceSeconds(seconds - 1);
    const uint64_t height = engine().height();
    CHECK(Events().count(type) == 0);
    AdvanceSeconds(1);
    REQUIRE(engine().height() > height);
    CHECK(Events().count(type) == 1);
  }

  // ---- operations ----
  base::AccountId PaymentAccount(const std::string& owner) {
    pb::Operation operation;
    operation.mutable_create_payment_account();
    return AccountOf(Do(owner, operation).created(0));
  }
  pb::Operation Deposit(const base::AccountId& id, base::Amount amount) {
    pb::Operation operation;
    operation.mutable_deposit_payment()->set_account(ToField(id));
    *operation.mutable_deposit_payment()->mutable_amount() = ToProto(amount);
    return operation;
  }
  pb::Operation Withdraw(const base::AccountId& id, base::Amount amount) {
    pb::Operation operation;
    operation.mutable_withdraw_payment()->set_account(ToField(id));
    *operation.mutable_withdraw_payment()->mutable_amount() = ToProto(amount);
    return operation;
  }
  pb::Operation NonRefundable(const base::AccountId& id) {
    pb::Operation operation;
    operation.mutable_disable_refund()->set_account(ToField(id));
    return operation;
  }
  pb::Operation Consent(const base::AccountId& id, uint64_t bucket, base::Amount max_rate) {
    pb::Operation operation;
    operation.mutable_set_payment_consent()->set_account(ToField(id));
    operation.mutable_set_payment_consent()->set_bucket(bucket);
    *operation.mutable_set_payment_consent()->mutable_max_rate() = ToProto(max_rate);
    return operation;
  }
  pb::Operation Payer(uint64_t bucket, const std::string& payer, const std::vector<std::string>& objects = {}) {
    pb::Operation operation;
    operation.mutable_set_payer()->set_bucket(bucket);
    operation.mutable_set_payer()->set_payer(payer);
    for (const std::string& id : objects) operation.mutable_set_payer()->add_objects(id);
    return operation;
  }
  pb::Operation Sponsor(const base::AccountId& id, base::Amount rate, bool paused = false) {
    pb::Operation operation;
    operation.mutable_set_sponsorship()->set_account(ToField(id));
    *operation.mutable_set_sponsorship()->mutable_rate() = ToProto(rate);
    operation.mutable_set_sponsorship()->set_paused(paused);
    return operation;
  }
  pb::Operation Package(uint64_t bucket, uint64_t bytes) {
    pb::Operation operation;
    operation.mutable_set_package()->set_bucket(bucket);
    operation.mutable_set_package()->set_bytes_per_month(bytes);
    *operation.mutable_set_package()->mutable_max_rate() = ToProto(base::Amount::Max());
    return operation;
  }
  pb::Operation Clear(const std::vector<std::string>& objects) {
    pb::Operation operation;
    for (const std::string& id : objects) operation.mutable_clear_unpaid()->add_objects(id);
    return operation;
  }
};

// The integers of a file of vectors: "name = integer  # derivation".
inline std::map<std::string, base::Amount> Vectors(const std::string& file) {
  std::map<std::string, base::Amount> values;
  std::ifstream in(std::string(CAIRN_VECTORS) + "/chain/" + file);
  for (std::string line; std::getline(in, line);) {
    line = line.substr(0, line.find('#'));
    const size_t sign = line.find('=');
    if (sign == std::string::npos) continue;
    const std::string name(absl::StripAsciiWhitespace(line.substr(0, sign)));
    values[name] = *base::Amount::FromString(absl::StripAsciiWhitespace(line.substr(sign + 1)));
  }
  REQUIRE_FALSE(values.empty());
  return values;
}

}  // namespace cairn::chain
