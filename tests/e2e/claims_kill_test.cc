// kill -9 of a real storaged while a payer pays it: what it acknowledged is there when it starts again.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "apps/rpc/chain_client.h"
#include "apps/rpc/provider_client.h"
#include "cairn/base/entropy.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "cairn/payment/payer.h"
#include "cairn/rpc/v1/provider.pb.h"
#include "catch.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace cairn {
namespace {

namespace pb = chain::pb;

std::string Row(const std::string& text, const std::string& name) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::ConsumePrefix(&line, name + " ")) return std::string(absl::StripAsciiWhitespace(line));
  }
  return "";
}

std::string Field(const std::string& line, const std::string& name) {
  for (absl::string_view field : absl::StrSplit(line, ' ')) {
    if (absl::ConsumePrefix(&field, name + "=")) return std::string(field);
  }
  return "";
}

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  bind(fd, reinterpret_cast<sockaddr*>(&address), length);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  close(fd);
  return ntohs(address.sin_port);
}

std::string Encoded(const base::Claim& claim) {
  const base::Bytes bytes = base::EncodeClaim(claim);
  return base::ToString(bytes);
}

// One ledger, one provider, one payer with money.
class Market {
 public:
  Market() {
    std::ofstream(Folder("pass")) << "correct horse\n";
    std::string out;
    REQUIRE(Run({"init", "--work-factor", "4"}, &out) == 0);
    provider_ = *base::ParseAccountId(Row(out, "account"));
    Process made({CAIRN_CHAIND, "--node.data_dir=" + Folder("chain"), "init", "--account",
                  base::ToText(wallet.account()) + "=1000:1000", "--account",
                  base::ToText(provider_) + "=10000"},
                 Folder("init"), false);
    REQUIRE(made.Wait() == 0);
    chaind_ = std::make_unique<Process>(
        std::vector<std::string>{CAIRN_CHAIND, "--node.data_dir=" + Folder("chain"),
                                 "--net.listen=127.0.0.1:0", "--net.tls=false", "--http.listen=off"},
        Folder("chaind"), true);
    chain_endpoint_ = Field(chaind_->WaitReady(), "grpc");
    REQUIRE_FALSE(chain_endpoint_.empty());
    ledger = *rpc::ConnectChain(chain_endpoint_, rpc::PeerPin::Plaintext());
    REQUIRE(Run({"register"}, nullptr) == 0);
    Start();
  }

  std::string Folder(const std::string& name) const { return folder_.path() + "/" + name; }

  void Start() {
    daemon_ = std::make_unique<Process>(Command(), Folder("daemon"), true);
    REQUIRE_FALSE(daemon_->WaitReady().empty());
    pb::QueryRequest request;
    request.set_provider(chain::ToField(provider_));
    const pb::Provider record = ledger->Query(request)->providers(0);
    rpc::ProviderClientOptions options;
    options.endpoint = record.endpoint();
    options.pin = *rpc::PeerPin::FromBytes(base::AsBytes(record.tls_pin()));
    options.chain = ChainId();
    options.node_key = *base::PublicKey::Decode(base::AsBytes(record.node_key()));
    options.caller = wallet.Clone();
    options.clock = &clock;
    options.own_connection = true;
    client = *rpc::ProviderClient::Connect(std::move(options));
  }
  void Kill() {
    daemon_->Signal(SIGKILL);
    daemon_->Wait();
  }

  base::ChainId ChainId() const {
    pb::QueryRequest request;
    request.set_status(true);
    return *base::ChainId::From(base::AsBytes(ledger->Query(request)->status().chain_id()));
  }

  payment::ChannelFacts Open(uint64_t deposit) {
    pb::Operation operation;
    pb::OpenChannel& open = *operation.mutable_open_channel();
    open.set_payee(chain::ToField(provider_));
    *open.mutable_deposit() = chain::ToProto(base::Amount(deposit));
    open.set_signer(base::ToString(wallet.public_key().Encode()));
    open.set_expires_ms(absl::ToUnixMillis(clock.Now() + absl::Hours(24 * 20)));
    pb::TransactionBody body;
    body.set_chain_id(chain::ToField(ChainId()));
    body.set_number(1);
    body.set_valid_until_ms(absl::ToUnixMillis(clock.Now() + absl::Minutes(5)));
    *body.add_operations() = operation;
    const auto receipt =
        ledger->Submit(chain::SignTransaction(body, wallet), chain::WaitFor::kCommitted);
    REQUIRE(receipt.ok());
    INFO(chain::ToStatus(*receipt).ToString());
    REQUIRE(receipt->created_size() == 1);
    payment::ChannelFacts facts;
    facts.chain = ChainId();
    facts.id = chain::Trusted<base::ChannelId>(receipt->created(0));
    facts.payer = wallet.account();
    facts.payee = provider_;
    facts.signer = wallet.public_key();
    facts.deposit = base::Amount(deposit);
    return facts;
  }

  base::SystemEntropy entropy;
  base::RealClock clock;
  base::SigningKey wallet = base::SigningKey::Generate(entropy);
  std::unique_ptr<chain::Client> ledger;
  std::unique_ptr<rpc::ProviderClient> client;

 private:
  std::vector<std::string> Command() const {
    return {CAIRN_STORAGED,
            "--node.data_dir=" + Folder("p"),
            absl::StrCat("--net.listen=127.0.0.1:", port_),
            absl::StrCat("--admin.listen=127.0.0.1:", admin_port_),
            "--http.listen=off",
            "--chain.endpoint=" + chain_endpoint_,
            "--storage.size=1GB",
            "--storage.reserve=1MiB",
            "--key.passphrase_file=" + Folder("pass"),
            "--market.deposit=100"};
  }
  int Run(std::vector<std::string> more, std::string* out) {
    std::vector<std::string> all = Command();
    all.insert(all.end(), more.begin(), more.end());
    Process process(all, Folder("run"), false);
    const int code = process.Wait(120);
    INFO(process.err());
    CHECK(code == 0);
    if (out != nullptr) *out = process.out();
    return code;
  }

  TempDir folder_;
  const int port_ = FreePort();
  const int admin_port_ = FreePort();
  std::string chain_endpoint_ = "127.0.0.1:1";
  std::unique_ptr<Process> chaind_;
  std::unique_ptr<Process> daemon_;
  base::AccountId provider_;
};

rpc::v1::PayRequest RequestFor(const payment::Payment& payment) {
  rpc::v1::PayRequest request;
  if (payment.voucher) {
    request.mutable_payment()->set_voucher(Encoded(base::ClaimOf(*payment.voucher)));
  }
  if (payment.tick) {
    request.mutable_payment()->set_epoch(chain::ToField(payment.tick->epoch));
    request.mutable_payment()->set_tick(payment.tick->tick);
    request.mutable_payment()->set_preimage(chain::ToField(payment.tick->x));
  }
  return request;
}

}  // namespace

TEST_CASE("what a payee acknowledged is there after kill -9 of its daemon [CD-40]") {
  const int kills = std::getenv("CAIRN_SOAK") != nullptr ? 20 : 3;
  Market market;
  const payment::ChannelFacts facts = market.Open(50'000'000);
  const payment::PayerLimits limits{
      .max_rate = {base::Amount::Max()}, .max_total = base::Amount::Max(), .ticks = 16};
  auto payer = *payment::Payer::Open(facts, limits, market.wallet, market.entropy);
  std::optional<base::Claim> acknowledged;
  uint64_t payments = 0;
  for (int kill = 0; kill <= kills; ++kill) {
    auto stream = *market.client->Pay(absl::Minutes(2));
    rpc::v1::PayRequest hello;
    hello.mutable_hello()->set_channel(chain::ToField(facts.id));
    hello.mutable_hello()->set_generation(1);
    const auto met = stream->Exchange(hello);
    INFO(met.status().ToString());
    REQUIRE(met.ok());
    if (acknowledged) {
      const auto best = base::DecodeClaim(base::AsBytes(met->best()));
      REQUIRE(best.ok());
      CHECK(*base::BytesOf(*best) >= *base::BytesOf(*acknowledged));
      CHECK(*base::WorthOf(*best) >= *base::WorthOf(*acknowledged));
      REQUIRE(payer.Adopt(*best).ok());
      // A voucher that was on its way at the kill: shown again, as a payer does when it comes back.
      hello.mutable_hello()->set_claim(Encoded(*payer.last()));
      REQUIRE(stream->Exchange(hello).ok());
    }
    if (kill == kills) break;
    REQUIRE(payer.Agree(chain::FromProto(met->terms().rate())).ok());
    // Between the 10th and the 60th payment of this life, while the next one is under way.
    const uint64_t last = 10 + market.entropy.DrawNumber() % 50;
    std::thread killer;
    for (uint64_t i = 0;; ++i) {
      payer.Want(base::kTickBytes);
      payer.OnVerified(base::kTickBytes);
      const auto due = payer.Due(market.clock.Now());
      REQUIRE(due.ok());
      if (due->empty()) continue;
      if (i == last) killer = std::thread([&] { market.Kill(); });
      if (i > last + 40) break;  // a payee takes a window without a read, and no more; the kill comes late
      const auto answer = stream->Exchange(RequestFor(*due));
      if (!answer.ok()) break;
      INFO("reject " << answer->reject());
      REQUIRE(answer->reject() == 0);
      acknowledged = payer.last();
      ++payments;
    }
    if (!killer.joinable()) FAIL("the daemon went away by itself");
    killer.join();
    market.Start();
  }
  std::printf("claims of a daemon: %d kills, %llu payments acknowledged, none lost\n", kills,
              static_cast<unsigned long long>(payments));
}

}  // namespace cairn
