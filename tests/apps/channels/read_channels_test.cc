// A provider that sells reads, with the real ledger: what it sends, takes, refuses and puts on the ledger.
#include "apps/storaged/read_channels.h"

#include "apps/channels/channel_world.h"
#include "catch.h"

using namespace cairn;
using namespace cairn::storaged;
using namespace cairn::storaged::testing;

namespace {

constexpr uint64_t kChunk = base::kTickBytes;
constexpr uint64_t kGroup = 16 * 1024;
bool Never() { return false; }

std::unique_ptr<PaidRead> Begin(ChannelWorld& w, const base::ChannelId& id) {
  auto read = w.reads->Begin({.caller = w.caller(), .channel = chain::ToField(id)});
  INFO(read.status().ToString());
  REQUIRE(read.ok());
  return *std::move(read);
}

// As many groups as the window has room for.
uint64_t SendAll(PaidRead& read, uint64_t most) {
  uint64_t sent = 0;
  while (sent < most && !read.MustWait(kGroup)) {
    REQUIRE(read.Admit(kGroup, Never).ok());
    read.Sent(kGroup);
    sent += kGroup;
  }
  return sent;
}

}  // namespace

TEST_CASE("a provider stops at the credit window, goes on when it is paid, and at the end sent and paid are equal "
          "[CD-10][CD-11]") {
  ChannelWorld w;
  const base::ChannelId id = w.Open();
  payment::Payer payer = w.NewPayer(id);
  auto read = Begin(w, id);
  CHECK(read->MustWait(1));  // the first chunk is prepaid
  const uint64_t all = 40 * kChunk;
  payer.Want(all);
  uint64_t got = 0;
  while (got < all) {
    const rpc::v1::PayResponse paid = w.Pay(payer);
    REQUIRE(paid.reject() == 0);
    const uint64_t window = payment::CreditWindow(paid.paid_bytes(), payment::kMaxWindowBytes);
    const uint64_t sent = SendAll(*read, all - got);
    REQUIRE(sent > 0);
    got += sent;
    CHECK(got <= paid.paid_bytes() + window);
    payer.OnVerified(sent);
  }
  const rpc::v1::PayResponse last = w.Pay(payer);
  CHECK(last.paid_bytes() == all);
  CHECK(last.sent_bytes() == all);
  CHECK(payer.promised() == base::Amount(uint64_t{40 * 64}));
}

TEST_CASE("what was admitted and never left is free again, and a reader that comes back is not refused for the wait "
          "of the one before") {
  ChannelWorld w;
  const base::ChannelId id = w.Open();
  payment::Payer payer = w.NewPayer(id);
  payer.Want(kChunk);
  REQUIRE(w.Pay(payer).reject() == 0);
  {
    auto read = Begin(w, id);
    REQUIRE(read->Admit(kGroup, Never).ok());
    REQUIRE(read->Admit(kGroup, Never).ok());
    read->Sent(kGroup);
    while (!read->MustWait(kGroup)) REQUIRE(read->Admit(kGroup, Never).ok());
    CHECK(read->MustWait(kGroup));
  }
  w.world.clock.Advance(absl::Minutes(5));
  auto read = Begin(w, id);
  CHECK_FALSE(read->MustWait(kGroup));
  payer.OnVerified(kGroup);
  CHECK(w.Pay(payer).sent_bytes() == kGroup);
}

TEST_CASE("a payer that does not pay for a window is refused for a while") {
  ChannelWorld w;
  const base::ChannelId id = w.Open();
  auto read = Begin(w, id);
  CHECK(read->MustWait(kGroup));
  w.world.clock.Advance(absl::Seconds(11));
  CHECK(base::ReasonOf(read->Admit(kGroup, Never)) == "VOUCHER_RETRY_LATER");
  CHECK(absl::IsCancelled(Begin(w, w.Open())->Admit(kGroup, [] { return true; })));
}

TEST_CASE("nobody speaks for another one's channel, and a voucher of one channel is refused on another [CD-36]") {
  ChannelWorld w;
  const base::ChannelId a = w.Open(), b = w.Open();
  base::SigningKey stranger = base::SigningKey::Generate(w.world.entropy);
  FakePayer peer;
  peer.requests.push_back(w.Hello(a));
  CHECK(base::ReasonOf(w.reads->Serve(stranger.public_key(), peer)) == "NOT_YOUR_CHANNEL");
  CHECK(base::ReasonOf(w.reads->Begin({.caller = stranger.public_key(), .channel = chain::ToField(a)}).status()) ==
        "NOT_YOUR_CHANNEL");
  CHECK(base::ReasonOf(w.reads->Begin({.caller = std::nullopt, .channel = chain::ToField(a)}).status()) ==
        "NOT_YOUR_CHANNEL");
  CHECK_FALSE(w.reads->Begin({.caller = w.caller(), .channel = "short"}).ok());
  payment::Payer payer = w.NewPayer(a);
  payer.Want(kChunk);
  const auto due = payer.Due(w.world.clock.Now());
  FakePayer other;
  other.requests = {w.Hello(b), ChannelWorld::RequestFor(*due)};
  REQUIRE(w.reads->Serve(w.caller(), other).ok());
  CHECK(other.answers[1].reject() == static_cast<uint32_t>(payment::Reject::kWrongChannel));
  FakePayer early;
  early.requests = {ChannelWorld::RequestFor(*due)};
  CHECK_FALSE(w.reads->Serve(w.caller(), early).ok());
}

TEST_CASE("once the payee agreed to close, no voucher is taken; the ledger pays what both signed [CD-17]") {
  ChannelWorld w;
  const base::ChannelId id = w.Open();
  payment::Payer payer = w.NewPayer(id);
  payer.Want(kChunk);
  REQUIRE(w.Pay(payer).reject() == 0);
  rpc::v1::AgreeToCloseRequest request;
  request.set_channel(chain::ToField(id));
  request.set_expires_ms(static_cast<uint64_t>(absl::ToUnixMillis(w.world.clock.Now() + absl::Minutes(5))));
  *request.mutable_amount() = chain::ToProto(base::Amount(uint64_t{63}));
  rpc::v1::AgreeToCloseResponse response;
  CHECK(base::ReasonOf(w.reads->AgreeToClose(w.caller(), request, response)) == "CLOSE_BELOW_CLAIM");
  *request.mutable_amount() = chain::ToProto(base::Amount(uint64_t{64}));
  REQUIRE(w.reads->AgreeToClose(w.caller(), request, response).ok());
  payer.Want(kChunk);
  payer.OnVerified(kChunk);
  CHECK(w.Pay(payer).reject() == static_cast<uint32_t>(payment::Reject::kCooperativeCloseSigned));
  const base::CooperativeClose terms{w.Facts(id).chain, id, base::Amount(uint64_t{64}), request.expires_ms()};
  pb::Operation operation;
  pb::CloseTogether& op = *operation.mutable_close_together();
  op.set_channel(chain::ToField(id));
  *op.mutable_amount() = request.amount();
  op.set_expires_ms(terms.expires_ms);
  op.set_signer_signature(chain::ToField(w.wallet().Sign(base::SigningDigest(terms))));
  op.set_payee_key(response.payee_key());
  op.set_payee_signature(response.signature());
  w.world.Do(operation);
  CHECK(w.Facts(id).phase == payment::ChannelPhase::kSettled);
  CHECK(w.Facts(id).claimed == base::Amount(uint64_t{64}));
}

TEST_CASE("the settler withdraws what is new, disputes a close below its claim, and forgets what the ledger forgot "
          "[CD-16][CD-18]") {
  ChannelWorld w;
  const base::ChannelId id = w.Open();
  payment::Payer payer = w.NewPayer(id);
  payer.Want(2 * kChunk);
  REQUIRE(w.Pay(payer).reject() == 0);
  const base::Claim first = *payer.last();
  w.Settle();
  CHECK(w.Facts(id).withdrawn == base::Amount(uint64_t{64}));
  w.Settle();
  CHECK(w.settler->withdrawals() == 1);  // nothing new
  payer.OnVerified(kChunk);
  REQUIRE(w.Pay(payer).reject() == 0);
  pb::Operation close;
  close.mutable_close_channel()->set_channel(chain::ToField(id));
  *close.mutable_close_channel()->mutable_claim() = chain::ToProto(first);
  w.world.Do(close);
  CHECK(w.Facts(id).claimed == base::Amount(uint64_t{64}));
  w.Settle();
  CHECK(w.settler->disputes() == 1);
  CHECK(w.Facts(id).claimed == base::Amount(uint64_t{128}));
  w.world.Advance(absl::Hours(49));
  w.world.Advance(absl::Hours(24 * 8));
  REQUIRE(absl::IsNotFound(w.provider()->ledger.Channel(id).status()));
  w.Settle();
  CHECK_FALSE(w.store->Find(id)->has_value());
}

TEST_CASE("a claim store restored from an old backup learns what it is owed from the payer, and never shows less "
          "[CD-40][CD-18]") {
  ChannelWorld w;
  const base::ChannelId id = w.Open();
  payment::Payer payer = w.NewPayer(id);
  payer.Want(400 * kChunk);
  REQUIRE(w.Pay(payer).reject() == 0);
  auto backup = w.Backup();
  const uint64_t generation = w.store->generation();
  auto read = Begin(w, id);
  for (int i = 0; i < 300; ++i) {
    const uint64_t sent = SendAll(*read, 400 * kChunk);
    payer.OnVerified(sent);
    REQUIRE(w.Pay(payer).reject() == 0);
    if (payer.promised_bytes() > 250 * kChunk) break;
  }
  REQUIRE(payer.promised_bytes() > 200 * kChunk);  // further ahead than any window
  read.reset();
  w.Restore(std::move(backup));
  CHECK(w.store->generation() <= generation + 1);
  FakePayer peer;
  peer.requests = {w.Hello(id, &*payer.last(), 1, generation + 1)};
  REQUIRE(w.reads->Serve(w.caller(), peer).ok());
  const auto best = base::DecodeClaim(base::AsBytes(peer.answers[0].best()));
  REQUIRE(best.ok());
  CHECK(*best == *payer.last());
  CHECK(*w.store->Find(id) == *payer.last());
  w.Settle();
  CHECK(w.Facts(id).withdrawn == payer.promised());
}

TEST_CASE("a payer and its provider have the same statement, and only the payer may ask for it") {
  ChannelWorld w;
  const base::ChannelId id = w.Open();
  payment::Payer payer = w.NewPayer(id);
  const auto kv = base::NewMemoryKv();
  const auto own = *payment::OpenClaimStore(*kv);
  auto read = Begin(w, id);
  payer.Want(50 * kChunk);
  for (uint64_t left = 50 * kChunk; left > 0;) {
    FakePayer peer;
    peer.requests.push_back(w.Hello(id));
    const auto due = payer.Due(w.world.clock.Now());
    REQUIRE(due.ok());
    own->Stage(*payer.last());
    REQUIRE(own->Commit().ok());
    peer.requests.push_back(ChannelWorld::RequestFor(*due));
    REQUIRE(w.reads->Serve(w.caller(), peer).ok());
    const uint64_t sent = SendAll(*read, std::min(left, kChunk));
    payer.OnVerified(sent);
    left -= sent;
  }
  rpc::v1::ChannelStatementRequest request;
  request.set_channel(chain::ToField(id));
  rpc::v1::ChannelStatementResponse response;
  REQUIRE(w.reads->Statement(w.caller(), request, response).ok());
  auto lines = *own->Statement(id, 0, 1000);
  lines.push_back(**own->Find(id));
  CHECK(lines.size() > 5);  // eight ticks a voucher
  REQUIRE(response.claims_size() == static_cast<int>(lines.size()));
  for (size_t i = 0; i < lines.size(); ++i) CHECK(response.claims(static_cast<int>(i)) == Encoded(lines[i]));
  CHECK(response.complete());
  base::SigningKey stranger = base::SigningKey::Generate(w.world.entropy);
  CHECK(base::ReasonOf(w.reads->Statement(stranger.public_key(), request, response)) == "NOT_YOUR_CHANNEL");
}

TEST_CASE("a claim that cannot be read any more keeps nobody from the money of the other channels [CD-16]") {
  ChannelWorld w;
  base::ChannelId damaged = w.Open(), sound = w.Open();
  if (sound < damaged) std::swap(damaged, sound);  // the ledger lists them in this order
  for (const base::ChannelId& id : {damaged, sound}) {
    payment::Payer payer = w.NewPayer(id);
    payer.Want(kChunk);
    REQUIRE(w.Pay(payer).reject() == 0);
  }
  auto store = w.Backup();
  base::KvBatch rot;
  rot.Put("v" + chain::ToField(damaged), "no claim");
  REQUIRE(store->Commit(rot).ok());
  w.Restore(std::move(store));
  w.Settle();
  CHECK(w.Facts(sound).withdrawn == base::Amount(uint64_t{64}));
  CHECK(base::ReasonOf(w.settler->RunOnce()) == "STORE_DAMAGED");
}
