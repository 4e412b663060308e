#include "cairn/chain/params.h"

#include "absl/strings/str_cat.h"
#include "cairn/base/channel.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"

namespace cairn::chain {
namespace {

using google::protobuf::FieldDescriptor;

constexpr uint64_t kSecond = 1000;
constexpr uint64_t kMinute = 60 * kSecond;
constexpr uint64_t kHour = 60 * kMinute;
constexpr uint64_t kDay = 24 * kHour;

// One crn in its smallest unit.
const absl::uint128 kCrn = 1'000'000'000'000'000'000;
const absl::uint128 kUsdc = 1'000'000;

struct Line {
  const char* name;
  absl::uint128 main_min, main_default, main_max;
  absl::uint128 test_min, test_default, test_max;
};

// The two tables, side by side. Bounds bind genesis and every later change.
const Line kLines[] = {
    {"fee_per_weight", kCrn / 1'000'000, kCrn / 10'000, kCrn, 0, kCrn / 10'000, kCrn},
    {"lane_bond", kCrn / 1000, kCrn / 100, kCrn * 10, 0, kCrn / 100, kCrn * 10},
    {"object_bond", kCrn / 1'000'000, kCrn / 10'000, kCrn, 0, kCrn / 10'000, kCrn},
    {"bucket_bond", kCrn / 1000, kCrn / 100, kCrn * 10, 0, kCrn / 100, kCrn * 10},
    {"min_deposit", kCrn * 100, kCrn * 1000, kCrn * 1'000'000, kCrn / 1000, kCrn * 10, kCrn * 1'000'000},
    {"seal_fine", kCrn / 1000, kCrn / 10, kCrn * 100, 0, kCrn / 10, kCrn * 100},
    {"effort_fee", 0, kCrn / 100'000, kCrn, 0, kCrn / 100'000, kCrn},
    {"upload_request_fee", kCrn / 10'000, kCrn / 1000, kCrn * 10, 0, kCrn / 1000, kCrn * 10},
    {"reserve_seconds", 86'400, 30 * 86'400, 366 * 86'400, 1, 3600, 366 * 86'400},
    {"min_charge_bytes", 1, 64 * 1024, 16 << 20, 0, 64 * 1024, 16 << 20},
    {"tax_ppm", 0, 10'000, 200'000, 0, 10'000, 1'000'000},
    {"seal_window_ms", 5 * kMinute, kHour, 7 * kDay, 100, 20 * kSecond, 7 * kDay},
    {"fine_claim_window_ms", kHour, kDay, 30 * kDay, 100, kMinute, 30 * kDay},
    {"max_approval_ms", kMinute, kHour, kHour, 100, kHour, kHour},
    {"max_valid_ms", kMinute, kDay, kDay, 100, kDay, kDay},
    {"max_buckets_per_account", 100, 1000, 100'000, 1, 1000, 100'000},
    {"max_due_per_block", 100, 1000, 100'000, 1, 1000, 100'000},
    {"max_maintenance_ms", kHour, 14 * kDay, 60 * kDay, 100, kDay, 60 * kDay},
    {"max_lanes_per_account", 16, 256, 65'536, 1, 256, 65'536},
    {"throttle_seconds", 3600, 10 * 86'400, 366 * 86'400, 0, 1200, 366 * 86'400},
    {"forced_settle_seconds", 3600, 7 * 86'400, 180 * 86'400, 0, 600, 180 * 86'400},
    {"warning_seconds", 3600, 86'400, 30 * 86'400, 0, 300, 30 * 86'400},
    {"read_only_seconds", 86'400, 7 * 86'400, 366 * 86'400, 1, 600, 366 * 86'400},
    {"notice_seconds", 86'400, 30 * 86'400, 366 * 86'400, 1, 600, 366 * 86'400},
    {"min_term_seconds", 0, 7 * 86'400, 180 * 86'400, 0, 60, 180 * 86'400},
    {"rebate_ppm", 0, 1000, 10'000, 0, 1000, 10'000},
    {"max_payment_accounts", 1, 200, 10'000, 1, 200, 10'000},
    {"withdraw_threshold", kCrn, kCrn * 100, kCrn * 1'000'000, 0, kCrn * 100, kCrn * 1'000'000},
    {"withdraw_delay_ms", kHour, kDay, 30 * kDay, 100, kMinute, 30 * kDay},
    {"package_term_seconds", 86'400, 30 * 86'400, 366 * 86'400, 1, 3600, 366 * 86'400},
    {"free_quota_bytes", 0, uint64_t{1} << 30, uint64_t{1} << 50, 0, uint64_t{1} << 30, uint64_t{1} << 50},
    {"price_change_ppm", 1000, 100'000, 500'000, 0, 500'000, 1'000'000},
    {"price_epoch_ms", kHour, kDay, 30 * kDay, 1, kMinute, 30 * kDay},
    {"price_notice_ms", kMinute, kHour, 7 * kDay, 0, 10 * kSecond, 7 * kDay},
    {"price_max_age_ms", kMinute, 10 * kMinute, kDay, 100, kMinute, kDay},
    {"price_silence_ms", kHour, 3 * kDay, 60 * kDay, 100, 5 * kMinute, 60 * kDay},
    {"throttled_bytes_per_second", 1024, 64 * 1024, 1 << 30, 1, 64 * 1024, 1 << 30},
    {"throttled_connections", 1, 2, 1000, 1, 2, 1000},
    {"journal_epoch_ms", kHour, kDay, 7 * kDay, 100, kMinute, 7 * kDay},

    {"channel_window_ms", 48 * kHour, 48 * kHour, 72 * kHour, 100, kMinute, 72 * kHour},
    {"channel_max_ms", 7 * kDay, 90 * kDay, 365 * kDay, kSecond, 90 * kDay, 365 * kDay},
    {"channel_keep_ms", kHour, 7 * kDay, 90 * kDay, 100, kHour, 90 * kDay},
    {"channel_penalty_ppm", 10'000, 50'000, 250'000, 0, 50'000, 250'000},
    {"channel_min_penalty_crn", kCrn / 100, kCrn, kCrn * 100, 0, kCrn, kCrn * 100},
    {"channel_min_penalty_usdc", kUsdc / 100, kUsdc, kUsdc * 100, 0, kUsdc, kUsdc * 100},
    {"channel_open_fee_crn", kCrn / 10'000, kCrn / 1000, kCrn, 0, kCrn / 1000, kCrn},
    {"channel_open_fee_usdc", 70, 100, kUsdc, 0, 100, kUsdc},
    {"channel_treasury_ppm", 0, 100'000, 300'000, 0, 100'000, 300'000},
    {"channel_burn_ppm", 0, 0, 500'000, 0, 0, 500'000},
    {"capability_max_ms", kDay, 30 * kDay, 30 * kDay, 100, 30 * kDay, 30 * kDay},
};

const FieldDescriptor* Field(const std::string& name) {
  return pb::Params::descriptor()->FindFieldByName(name);
}

std::vector<ParamBound> MakeBounds(bool main) {
  std::vector<ParamBound> bounds;
  for (const Line& line : kLines) {
    bounds.push_back({line.name, base::Amount(main ? line.main_min : line.test_min),
                      base::Amount(main ? line.main_max : line.test_max)});
  }
  return bounds;
}

}  // namespace

const std::vector<ParamBound>& Bounds(pb::NetworkClass network_class) {
  static const auto& main = *new std::vector<ParamBound>(MakeBounds(true));
  static const auto& test = *new std::vector<ParamBound>(MakeBounds(false));
  return network_class == pb::NETWORK_CLASS_TEST ? test : main;
}

base::Amount GetParam(const pb::Params& params, const std::string& name) {
  const FieldDescriptor* field = Field(name);
  const auto* reflection = params.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return FromProto(static_cast<const pb::Amount&>(reflection->GetMessage(params, field)));
    case FieldDescriptor::CPPTYPE_UINT32:
      return base::Amount(reflection->GetUInt32(params, field));
    default:
      return base::Amount(reflection->GetUInt64(params, field));
  }
}

void SetParam(pb::Params* params, const std::string& name, base::Amount value) {
  const FieldDescriptor* field = Field(name);
  const auto* reflection = params->GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      *static_cast<pb::Amount*>(reflection->MutableMessage(params, field)) = ToProto(value);
      break;
    case FieldDescriptor::CPPTYPE_UINT32:
      reflection->SetUInt32(params, field, static_cast<uint32_t>(value.low()));
      break;
    default:
      reflection->SetUInt64(params, field, value.low());
  }
}

pb::Params DefaultParams(pb::NetworkClass network_class) {
  const bool main = network_class != pb::NETWORK_CLASS_TEST;
  pb::Params params;
  for (const Line& line : kLines) {
    SetParam(&params, line.name, base::Amount(main ? line.main_default : line.test_default));
  }
  return params;
}

absl::Status CheckParams(const pb::Params& params, pb::NetworkClass network_class) {
  for (const ParamBound& bound : Bounds(network_class)) {
    const base::Amount value = GetParam(params, bound.name);
    if (bound.min <= value && value <= bound.max) continue;
    return base::Error(absl::StatusCode::kInvalidArgument, "PARAM_OUT_OF_BOUNDS",
                       absl::StrCat(bound.name, " is ", value.ToString(), ", must be from ", bound.min.ToString(),
                                    " to ", bound.max.ToString()),
                       "choose a value within the bounds of the network's class");
  }
  const uint64_t shares = uint64_t{params.channel_treasury_ppm()} + params.channel_burn_ppm();
  if (shares <= 1'000'000 - base::kOperatorFloorPpm) return absl::OkStatus();
  return base::Error(absl::StatusCode::kInvalidArgument, "PARAM_OUT_OF_BOUNDS",
                     absl::StrCat("channel_treasury_ppm and channel_burn_ppm take ", shares,
                                  " parts per million of what operators earn, leave them at least ",
                                  base::kOperatorFloorPpm),
                     "choose smaller shares");
}

}  // namespace cairn::chain
