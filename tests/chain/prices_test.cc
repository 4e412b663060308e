// Packages, and the prices that everything is charged at.
#include "chain/money_rig.h"

namespace cairn::chain {
namespace {

constexpr uint64_t kOne = 10'000'000'000'000'000;  // a hundredth of a unit a byte-second

void Quick(pb::Params& params) {
  params.set_min_charge_bytes(1);
  params.set_tax_ppm(100'000);
  params.set_price_change_ppm(100'000);
  params.set_price_epoch_ms(60'000);
  params.set_price_notice_ms(10'000);
  params.set_price_max_age_ms(5'000);
  params.set_price_silence_ms(300'000);
}

// The state of an engine; counts the steps through the table of providers.
class SeekCounter final : public ReadView {
 public:
  explicit SeekCounter(const base::Kv& kv) : state_(kv, "s") {}
  RecordPtr Get(const std::string& key) const override { return state_.Get(key); }
  std::optional<Entry> Seek(const std::string& key) const override {
    if (key.substr(0, 1) == keys::ProviderPrefix()) ++providers;
    return state_.Seek(key);
  }
  absl::Status health() const override { return state_.health(); }
  mutable int providers = 0;

 private:
  KvView state_;
};

struct Feed {
  explicit Feed(const pb::ProviderPrices& asked = Prices(100 * kOne, 200 * kOne))
      : rig(asked, Quick, {"o1", "o2", "o3", "o4"}) {}
  MoneyRig rig;

  pb::PriceState State() {
    pb::QueryRequest request;
    request.set_price(true);
    return rig.Ask(request).price();
  }
  pb::Operation Post(uint64_t primary, uint64_t holder, const std::vector<std::string>& signers, uint64_t number = 0) {
    pb::Operation operation;
    pb::PostPrice& op = *operation.mutable_post_price();
    const pb::PriceState state = State();
    const uint64_t newest = state.has_next() ? state.next().number() : state.current().number();
    op.set_number(number != 0 ? number : newest + 1);
    *op.mutable_prices() = Prices(primary, holder);
    op.set_observed_ms(rig.NowMs());
    SignBy(signers, &op);
    return operation;
  }
  void SignBy(const std::vector<std::string>& signers, pb::PostPrice* op) {
    op->clear_signatures();
    for (const std::string& who : signers) {
      const std::string key = base::ToString(rig.Key(who).public_key().Encode());
      for (int i = 0; i < rig.genesis().oracles_size(); ++i) {
        if (rig.genesis().oracles(i) != key) continue;
        pb::OracleSignature& signature = *op->add_signatures();
        signature.set_oracle(i);
        signature.set_signature(ToField(rig.Key(who).Sign(PriceDigest(rig.engine().chain_id(), *op))));
      }
    }
  }
  uint64_t Primary() {
    return FromProto(PriceAt(State(), rig.NowMs()).prices().primary_storage()).per_unit_e18.MulDiv(1, kOne)->low();
  }
};

}  // namespace

TEST_CASE("a larger package holds at once, a smaller one thirty days after the last change", "[GF-70][GF-71][GF-72]") {
  MoneyRig rig(Prices(0, 0, 100 * kOne));
  const uint64_t bucket = rig.Bucket("replicate:3");
  rig.Do("alice", rig.Package(bucket, 1000));
  CHECK(rig.OutRate("alice") == Units(1010));
  rig.Do("alice", rig.Package(bucket, 2000));
  CHECK(rig.OutRate("alice") == Units(2020));
  rig.Expect(Verdict::kSamePackage, "alice", rig.Package(bucket, 2000));
  rig.AdvanceSeconds(29 * kDaySeconds);
  rig.Expect(Verdict::kPackageTooSoon, "alice", rig.Package(bucket, 500));
  rig.AdvanceSeconds(kDaySeconds - 1);
  rig.Expect(Verdict::kPackageTooSoon, "alice", rig.Package(bucket, 500));
  rig.AdvanceSeconds(1);
  rig.Do("alice", rig.Package(bucket, 500));
  CHECK(rig.OutRate("alice") == Units(505));
  pb::Operation dear = rig.Package(bucket, 600);
  *dear.mutable_set_package()->mutable_max_rate() = ToProto(Units(605));
  rig.Expect(Verdict::kPriceChanged, "alice", dear);
}

TEST_CASE("a package grows only with money for its reserve behind it, and never for a payer who is out of funds", "[GF-71]") {
  MoneyRig rig(Prices(0, 0, 100 * kOne));
  const uint64_t bucket = rig.Bucket("replicate:3");
  const uint64_t reserve = rig.Params().reserve_seconds();
  rig.LeaveFree("alice", Minus(Units(1010 * reserve), Units(1)));
  rig.Expect(Verdict::kNoFunds, "alice", rig.Package(bucket, 1000));
  rig.FundUnits("alice", Units(1));
  rig.Do("alice", rig.Package(bucket, 1000));
  CHECK(rig.Buffer("alice") == Units(1010 * reserve));
  rig.AdvanceSeconds(reserve);
  CHECK(rig.State("alice") >= pb::PAYER_STATE_READ_ONLY);
  rig.Expect(Verdict::kPayerFrozen, "alice", rig.Package(bucket, 2000));
}

TEST_CASE("the two fees are apart: a package costs the same whatever is stored", "[GF-66][GF-72]") {
  MoneyRig rig(Prices(100 * kOne, 100 * kOne, 100 * kOne), [](pb::Params& params) { params.set_min_term_seconds(0); });
  const uint64_t bucket = rig.Bucket("replicate:3");
  rig.Do("alice", rig.Package(bucket, 1000));
  pb::QueryRequest request;
  request.set_bills_of(bucket);
  const auto package = [&] { return FromProto(rig.Ask(request).bills(0).package_rate()); };
  CHECK(package() == Units(1000));
  rig.Store(bucket, {.name = "a", .size = 1 << 20});
  CHECK(package() == Units(1000));
  CHECK(FromProto(rig.Ask(request).bills(0).primary_rate()) == Units(1 << 20));
  rig.Do("alice", rig.DeleteNames(bucket, {"a"}));
  CHECK(package() == Units(1000));
  CHECK(rig.OutRate("alice") == Units(1010));
}

TEST_CASE("a quorum of oracles moves the price, within the bound, and the ledger says when it applies", "[GF-86]") {
  Feed feed;
  MoneyRig& rig = feed.rig;
  const uint64_t bucket = rig.Bucket("replicate:3");
  rig.Store(bucket, {.name = "a", .size = 100});
  const base::Amount rate = rig.OutRate("alice");
  CHECK(feed.Primary() == 100);
  rig.Expect(Verdict::kPriceQuorumMissing, "faucet", feed.Post(105 * kOne, 200 * kOne, {"o1", "o2"}));
  rig.Expect(Verdict::kPriceOutOfBounds, "faucet", feed.Post(111 * kOne, 200 * kOne, {"o1", "o2", "o3"}));
  rig.Expect(Verdict::kPriceOutOfBounds, "faucet", feed.Post(100 * kOne, 179 * kOne, {"o1", "o2", "o3"}));
  rig.Expect(Verdict::kBadPriceNumber, "faucet", feed.Post(100 * kOne, 200 * kOne, {"o1", "o2", "o3"}, 9));
  pb::Operation forged = feed.Post(110 * kOne, 200 * kOne, {"o1", "o2", "o3"});
  *forged.mutable_post_price()->mutable_prices() = Prices(109 * kOne, 200 * kOne);
  rig.Expect(Verdict::kPriceQuorumMissing, "faucet", forged);
  const pb::Operation good = feed.Post(110 * kOne, 200 * kOne, {"o1", "o2", "o4"});
  rig.Do("faucet", good);
  CHECK(rig.Events().count("price.announced") == 1);
  CHECK(feed.State().next().from_ms() == rig.NowMs() + 10'000);
  CHECK(feed.Primary() == 100);
  rig.Expect(Verdict::kBadPriceNumber, "faucet", good);  // no replay
  rig.Expect(Verdict::kPriceTooSoon, "faucet", feed.Post(110 * kOne, 201 * kOne, {"o1", "o2", "o4"}));
  rig.AdvanceSeconds(10);
  CHECK(feed.Primary() == 110);
  // Within one epoch the changes together stay within the bound.
  rig.Expect(Verdict::kPriceOutOfBounds, "faucet", feed.Post(115 * kOne, 200 * kOne, {"o1", "o2", "o4"}));
  rig.AdvanceSeconds(50);
  rig.Do("faucet", feed.Post(121 * kOne, 200 * kOne, {"o1", "o2", "o4"}));
  // The idle bucket pays what it paid; a new object pays the price of its creation.
  rig.AdvanceSeconds(20);
  CHECK(rig.OutRate("alice") == rate);
  const std::string b = rig.CreateOne(bucket, {.name = "b", .size = 100});
  CHECK(FromProto(rig.Object(b).primary_rate()) == Units(121));
}

TEST_CASE("a price moves by the bound and not by a unit beyond, on whichever side the bound is rounded", "[GF-86]") {
  const std::vector<std::string> quorum = {"o1", "o2", "o3"};
  // A tenth of 15 is one and a half.
  for (const auto& [wanted, fits] : std::map<uint64_t, bool>{{13, false}, {14, true}, {16, true}, {17, false}}) {
    INFO(wanted);
    Feed feed(Prices(15, 15));
    feed.rig.Bucket("replicate:3");
    feed.rig.Expect(fits ? Verdict::kOk : Verdict::kPriceOutOfBounds, "faucet", feed.Post(wanted, 15, quorum));
    Feed other(Prices(15, 15));
    other.rig.Bucket("replicate:3");
    other.rig.Expect(fits ? Verdict::kOk : Verdict::kPriceOutOfBounds, "faucet", other.Post(15, wanted, quorum));
  }
}

TEST_CASE("stale observations and repeated signers do not make a price", "[GF-86]") {
  Feed feed;
  MoneyRig& rig = feed.rig;
  rig.Bucket("replicate:3");
  rig.AdvanceSeconds(100);
  pb::Operation old = feed.Post(105 * kOne, 200 * kOne, {"o1", "o2", "o3"});
  rig.AdvanceSeconds(6);
  rig.Expect(Verdict::kStalePrice, "faucet", old);
  pb::Operation early = feed.Post(105 * kOne, 200 * kOne, {});
  early.mutable_post_price()->set_observed_ms(rig.NowMs() + 1);
  feed.SignBy({"o1", "o2", "o3"}, early.mutable_post_price());
  rig.Expect(Verdict::kStalePrice, "faucet", early);
  pb::Operation twice = feed.Post(105 * kOne, 200 * kOne, {"o1", "o2"});
  *twice.mutable_post_price()->add_signatures() = twice.post_price().signatures(0);
  CHECK(VerdictOf(rig.Submit(rig.Sign("faucet", rig.Body("faucet", {twice})))) == Verdict::kBadPrices);
  pb::Operation aged = feed.Post(105 * kOne, 200 * kOne, {"o1", "o2", "o3"});
  rig.AdvanceSeconds(5);
  rig.Do("faucet", aged);
}

TEST_CASE("while the oracles are silent the price follows the median of what providers ask", "[GF-86]") {
  Feed feed;
  MoneyRig& rig = feed.rig;
  rig.Bucket("replicate:3");  // p0 to p5 ask 100
  rig.Do("faucet", feed.Post(105 * kOne, 200 * kOne, {"o1", "o2", "o3"}));
  rig.AdvanceSeconds(61);
  const auto ask = [&](int provider, uint64_t primary) {
    pb::Operation edit;
    *edit.mutable_edit_provider()->mutable_prices() = Prices(primary * kOne, 200 * kOne);
    rig.Do(absl::StrCat("p", provider), edit);
  };
  ask(0, 130);
  ask(1, 130);
  pb::Operation refresh;
  refresh.mutable_refresh_price();
  rig.Expect(Verdict::kFeedSpeaks, "faucet", refresh);
  CHECK(feed.Primary() == 105);
  rig.AdvanceSeconds(238);
  rig.Expect(Verdict::kFeedSpeaks, "faucet", refresh);
  rig.AdvanceSeconds(1);
  rig.Do("faucet", refresh);  // four of six ask 100
  rig.AdvanceSeconds(10);
  CHECK(feed.Primary() == 100);
  rig.Expect(Verdict::kNoNewPrice, "faucet", refresh);
  // Two liars move nothing; a majority moves the price by the bound and no more.
  rig.AdvanceSeconds(60);
  ask(2, 130);
  ask(3, 130);
  rig.AdvanceSeconds(10);
  CHECK(feed.Primary() == 110);
  pb::QueryRequest history;
  history.set_prices(true);
  CHECK(rig.Ask(history).prices_size() >= 4);
}

TEST_CASE("a block looks once at what all providers ask, however many operations give it cause to") {
  MoneyRig rig(Prices(100 * kOne, 200 * kOne));
  rig.Providers(12);
  std::vector<pb::Operation> asks(20);
  for (size_t i = 0; i < asks.size(); ++i) {
    *asks[i].mutable_edit_provider()->mutable_prices() = Prices((101 + i) * kOne, 200 * kOne);
  }
  pb::Operation refresh;
  refresh.mutable_refresh_price();
  const std::vector<PreparedTransaction> transactions = {
      Prepare(rig.Sign("p0", rig.Body("p0", asks))), Prepare(rig.Sign("faucet", rig.Body("faucet", {refresh})))};
  const SeekCounter state(rig.kv());
  const Ledger ledger = *Ledger::Create(rig.genesis());
  const BlockResult block =
      ledger.ExecuteBlock({rig.engine().height() + 1, rig.NowMs(), 0}, transactions, state);
  CHECK(VerdictOf(block.receipts[0]) == Verdict::kOk);
  CHECK(VerdictOf(block.receipts[1]) == Verdict::kNoNewPrice);  // eleven of twelve ask 100
  CHECK(state.providers <= 12 + 2);
}

TEST_CASE("a provider that has left has no say in the price any more", "[GF-86]") {
  Feed feed;
  MoneyRig& rig = feed.rig;
  rig.Bucket("replicate:3");  // on p0 to p2; p0 to p5 ask 100
  for (const char* who : {"p3", "p4", "p5"}) {
    pb::Operation edit;
    *edit.mutable_edit_provider()->mutable_prices() = Prices(90 * kOne, 200 * kOne);
    rig.Do(who, edit);
  }
  rig.AdvanceSeconds(10);
  CHECK(feed.Primary() == 95);
  pb::Operation leave;
  leave.mutable_exit_provider();
  rig.Do("p3", leave);
  rig.AdvanceSeconds(10);
  CHECK(feed.Primary() == 100);
}

TEST_CASE("storage is priced in crn, whatever else the payer has", "[GF-85]") {
  MoneyRig rig;
  const uint64_t bucket = rig.Bucket("replicate:6");
  rig.Do("faucet", rig.TransferUnits("alice", Units(1'000'000), pb::ASSET_USDC));
  rig.LeaveFree("alice", base::Amount());
  rig.Expect(Verdict::kNoFunds, "alice", rig.Create(bucket, {{.name = "a", .size = kGiB}}));
}

TEST_CASE("an owner who disputes the download bill leaves without the primary's consent, and pays it no second longer",
          "[GF-75]") {
  MoneyRig rig(Prices(0, 0, 100 * kOne));
  const uint64_t bucket = rig.Bucket("replicate:3");
  rig.Do("alice", rig.Package(bucket, 1000));
  rig.Settle("p0");
  const base::Amount before = rig.Free("p0");
  rig.AdvanceSeconds(500);
  pb::Operation leave;
  leave.mutable_replace_primary()->set_group(rig.GetBucket(bucket).group());
  leave.mutable_replace_primary()->set_primary(rig.Field("p4"));
  rig.Approve("p4", &leave);
  rig.Do("alice", leave);
  rig.Settle("p0");
  CHECK(rig.Free("p0") == before.Plus(Units(500 * 1000)).value());
  rig.AdvanceSeconds(500);
  rig.Settle("p0");
  CHECK(rig.Free("p0") == before.Plus(Units(500 * 1000)).value());
  CHECK(FromProto(rig.Stream("p4").in_rate()) == Units(1000));
  // The one that was left cannot come back, and holds nothing that is needed.
  pb::Operation back = leave;
  back.mutable_replace_primary()->set_primary(rig.Field("p0"));
  rig.Approve("p0", &back, "p0");
  rig.Expect(Verdict::kNotOwner, "p0", back);
  rig.Do("alice", rig.Package(bucket, 2000));
  CHECK(rig.GetBucket(bucket).package_bytes() == 2000);
}

}  // namespace cairn::chain
