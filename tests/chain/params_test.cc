// Parameters, genesis and the shape of the messages.
#include "cairn/chain/params.h"

#include <google/protobuf/descriptor.h>

#include <set>

#include "cairn/base/channel.h"
#include "cairn/base/status.h"
#include "cairn/chain/genesis.h"
#include "catch.h"
#include "support/ledger_harness.h"

namespace cairn::chain {

TEST_CASE("every parameter has bounds in each class, and holds at them and not one beyond") {
  for (const auto network_class : {pb::NETWORK_CLASS_MAIN, pb::NETWORK_CLASS_TEST}) {
    const auto& bounds = Bounds(network_class);
    REQUIRE(static_cast<int>(bounds.size()) == pb::Params::descriptor()->field_count());
    const pb::Params defaults = DefaultParams(network_class);
    REQUIRE(CheckParams(defaults, network_class).ok());
    for (int i = 0; i < pb::Params::descriptor()->field_count(); ++i) {
      const ParamBound& bound = bounds[i];
      INFO(bound.name);
      CHECK(bound.name == pb::Params::descriptor()->field(i)->name());
      const auto with = [&](base::Amount value) {
        pb::Params params = defaults;
        SetParam(&params, bound.name, value);
        REQUIRE(GetParam(params, bound.name) == value);
        return CheckParams(params, network_class);
      };
      CHECK(with(bound.min).ok());
      CHECK(with(bound.max).ok());
      CHECK_FALSE(with(Plus(bound.max, base::Amount(1))).ok());
      if (!bound.min.zero()) CHECK_FALSE(with(Minus(bound.min, base::Amount(1))).ok());
    }
  }
}

TEST_CASE("treasury and burning together leave operators their floor of what channels pay", "[CD-27]") {
  for (const auto network_class : {pb::NETWORK_CLASS_MAIN, pb::NETWORK_CLASS_TEST}) {
    pb::Params params = DefaultParams(network_class);
    params.set_channel_burn_ppm(500'000);
    params.set_channel_treasury_ppm(1'000'000 - base::kOperatorFloorPpm - 500'000);
    CHECK(CheckParams(params, network_class).ok());
    params.set_channel_treasury_ppm(params.channel_treasury_ppm() + 1);
    CHECK(base::ReasonOf(CheckParams(params, network_class)) == "PARAM_OUT_OF_BOUNDS");
  }
}

TEST_CASE("the chain id is the genesis record's, salt and network class included") {
  LedgerHarness h;
  const pb::Genesis genesis = h.genesis();
  CHECK(ChainIdOf(genesis) == h.engine().chain_id());
  pb::Genesis other = genesis;
  (*other.mutable_salt())[0] ^= 1;
  CHECK_FALSE(ChainIdOf(other) == ChainIdOf(genesis));
  other = genesis;
  other.set_network_class(pb::NETWORK_CLASS_MAIN);
  CHECK_FALSE(ChainIdOf(other) == ChainIdOf(genesis));
  CHECK_FALSE(CheckGenesis(other).ok());  // a test network's parameters are out of the main bounds
}

TEST_CASE("every field of a genesis has its limits, and what is just within them passes") {
  LedgerHarness h;
  const auto sound = [&](auto change) {
    pb::Genesis genesis = h.genesis();
    change(genesis);
    const absl::Status status = CheckGenesis(genesis);
    CHECK((status.ok() || base::ReasonOf(status) == "BAD_GENESIS"));
    return status.ok();
  };
  CHECK_FALSE(sound([](pb::Genesis& g) { g.clear_network_class(); }));
  CHECK_FALSE(sound([](pb::Genesis& g) { g.clear_network(); }));
  CHECK(sound([](pb::Genesis& g) { g.set_network(std::string(64, 'n')); }));
  CHECK_FALSE(sound([](pb::Genesis& g) { g.set_network(std::string(65, 'n')); }));
  CHECK_FALSE(sound([](pb::Genesis& g) { g.set_salt(std::string(15, 's')); }));
  CHECK_FALSE(sound([](pb::Genesis& g) { g.set_time_ms(0); }));
  CHECK(sound([](pb::Genesis& g) { g.set_time_ms((uint64_t{1} << 48) - 1); }));
  CHECK_FALSE(sound([](pb::Genesis& g) { g.set_time_ms(uint64_t{1} << 48); }));
  CHECK_FALSE(sound([](pb::Genesis& g) { g.set_engine_key("short"); }));
  CHECK_FALSE(sound([](pb::Genesis& g) { g.mutable_accounts(0)->set_id(std::string(19, 'a')); }));
  CHECK_FALSE(sound([](pb::Genesis& g) { g.add_oracles("short"); }));
}

TEST_CASE("a genesis with unsorted or repeated accounts or oracles, or too much money, is refused") {
  LedgerHarness h;
  pb::Genesis genesis = h.genesis();
  *genesis.add_accounts() = genesis.accounts(0);
  CHECK(base::ReasonOf(CheckGenesis(genesis)) == "BAD_GENESIS");
  genesis = h.genesis();
  *genesis.mutable_accounts(0)->mutable_crn() = ToProto(base::Amount::Max());
  CHECK(base::ReasonOf(CheckGenesis(genesis)) == "BAD_GENESIS");
  // One oracle named twice would have two votes.
  genesis = LedgerHarness({.params = {}, .hooks = {}, .oracles = {"o1", "o2"}}).genesis();
  REQUIRE(CheckGenesis(genesis).ok());
  genesis.mutable_oracles()->SwapElements(0, 1);
  CHECK(base::ReasonOf(CheckGenesis(genesis)) == "BAD_GENESIS");
  *genesis.mutable_oracles(0) = genesis.oracles(1);
  CHECK(base::ReasonOf(CheckGenesis(genesis)) == "BAD_GENESIS");
}

namespace {

void Walk(const google::protobuf::Descriptor* message, std::set<const google::protobuf::Descriptor*>& seen) {
  using Field = google::protobuf::FieldDescriptor;
  if (!seen.insert(message).second) return;
  INFO(message->full_name());
  std::set<int> numbers;
  for (int i = 0; i < message->field_count(); ++i) {
    const Field* field = message->field(i);
    INFO(field->name());
    CHECK(numbers.insert(field->number()).second);
    CHECK_FALSE(field->is_map());
    CHECK(field->cpp_type() != Field::CPPTYPE_DOUBLE);
    CHECK(field->cpp_type() != Field::CPPTYPE_FLOAT);
    if (field->cpp_type() == Field::CPPTYPE_MESSAGE) Walk(field->message_type(), seen);
    if (field->cpp_type() == Field::CPPTYPE_ENUM) {
      std::set<int> values;
      for (int j = 0; j < field->enum_type()->value_count(); ++j) {
        CHECK(values.insert(field->enum_type()->value(j)->number()).second);
      }
    }
  }
}

}  // namespace

TEST_CASE("the ledger's messages have no map, float or double, and no number twice") {
  std::set<const google::protobuf::Descriptor*> seen;
  Walk(pb::Block::descriptor(), seen);
  Walk(pb::TransactionBody::descriptor(), seen);
  Walk(pb::QueryResponse::descriptor(), seen);
  Walk(pb::QueryRequest::descriptor(), seen);
  for (const auto* record : {pb::Name::descriptor(), pb::ExpiredUpload::descriptor(), pb::ProviderGroup::descriptor(),
                             pb::UsedApproval::descriptor(), pb::FeeAllowanceUse::descriptor(),
                             pb::Channel::descriptor(), pb::Pool::descriptor(), pb::PoolSigner::descriptor(),
                             pb::Counters::descriptor()}) {
    Walk(record, seen);
  }
  CHECK(seen.size() > 50);
}

}  // namespace cairn::chain
