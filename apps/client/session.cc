#include "apps/client/session.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/payments.h"

namespace cairn::client {

namespace pb = chain::pb;

struct Client::Cache {
  std::mutex mutex;
  std::optional<pb::Params> params;
  std::map<base::AccountId, pb::Provider> providers;
  std::atomic<uint64_t> ledger_ms{0};

  std::mutex streams_mutex;
  std::condition_variable streams_freed;
  uint32_t streams_free = 0;
  uint64_t next_ticket = 0;
  uint64_t serving = 0;
};

Client::Client(ClientOptions options)
    : options_(std::move(options)), cache_(std::make_unique<Cache>()) {}
Client::~Client() = default;

absl::StatusOr<std::unique_ptr<Client>> Client::Open(ClientOptions options) {
  if (!options.chain || !options.transport || options.clock == nullptr ||
      options.entropy == nullptr || options.executor == nullptr ||
      options.stream_budget < base::kMaxWidth) {
    return absl::InvalidArgumentError(
        "a client needs a ledger, a transport, a clock, entropy and an executor");
  }
  if (options.progress == nullptr) options.progress = &NoProgress();
  std::unique_ptr<Client> client(new Client(std::move(options)));
  client->cache_->streams_free = client->options_.stream_budget;
  client->sender_ = std::make_unique<Sender>(
      *client->options_.chain, client->options_.keys.signing, client->clock(), client->entropy(),
      SenderOptions{.chain_id = client->chain_id(), .lane_folder = client->options_.lane_folder});
  client->purse_ = std::make_unique<Purse>(*client, client->options_.pay, client->options_.channel_folder);
  return client;
}

absl::Status Client::CheckStop() const {
  return options_.stop == nullptr ? absl::OkStatus() : options_.stop->Check();
}

absl::StatusOr<pb::QueryResponse> Client::Query(const pb::QueryRequest& request) const {
  ASSIGN_OR_RETURN(pb::QueryResponse answer, options_.chain->Query(request));
  uint64_t known = cache_->ledger_ms.load();
  while (known < answer.status().time_ms() &&
         !cache_->ledger_ms.compare_exchange_weak(known, answer.status().time_ms())) {
  }
  return answer;
}

absl::Status Client::ReadClock() const {
  pb::QueryRequest request;
  request.set_status(true);
  return Query(request).status();
}

absl::StatusOr<pb::Params> Client::Params() {
  {
    std::lock_guard<std::mutex> lock(cache_->mutex);
    if (cache_->params) return *cache_->params;
  }
  pb::QueryRequest request;
  request.set_params(true);
  ASSIGN_OR_RETURN(pb::QueryResponse answer, Query(request));
  RETURN_IF_ERROR(ReadClock());
  std::lock_guard<std::mutex> lock(cache_->mutex);
  cache_->params = answer.params();
  return answer.params();
}

absl::StatusOr<pb::PriceRecord> Client::Price() {
  pb::QueryRequest request;
  request.set_price(true);
  ASSIGN_OR_RETURN(pb::QueryResponse answer, Query(request));
  const auto now_ms = static_cast<uint64_t>(absl::ToUnixMillis(LedgerTime()));
  return chain::PriceAt(answer.price(), std::max<uint64_t>(now_ms, answer.status().time_ms()));
}

absl::Time Client::LedgerTime() const {
  return std::max(clock().Now(),
                  absl::FromUnixMillis(static_cast<int64_t>(cache_->ledger_ms.load())));
}

absl::StatusOr<pb::Provider> Client::Provider(const base::AccountId& account) {
  {
    std::lock_guard<std::mutex> lock(cache_->mutex);
    const auto known = cache_->providers.find(account);
    if (known != cache_->providers.end()) return known->second;
  }
  pb::QueryRequest request;
  request.set_provider(base::ToString(account.view()));
  auto answer = Query(request);
  if (absl::IsNotFound(answer.status()) || (answer.ok() && answer->providers().empty())) {
    return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_PROVIDER",
                       absl::StrCat("no provider ", base::ToText(account)), "storectl provider ls");
  }
  RETURN_IF_ERROR(answer.status());
  std::lock_guard<std::mutex> lock(cache_->mutex);
  return cache_->providers[account] = answer->providers(0);
}

absl::StatusOr<ProviderAddress> Client::Address(const base::AccountId& account) {
  ASSIGN_OR_RETURN(pb::Provider record, Provider(account));
  ASSIGN_OR_RETURN(base::PublicKey node_key,
                   base::PublicKey::Decode(base::AsBytes(record.node_key())));
  return ProviderAddress{.account = account,
                         .node_key = node_key,
                         .tls_pin = chain::Trusted<base::Digest>(record.tls_pin()),
                         .endpoint = record.endpoint()};
}

absl::StatusOr<std::vector<pb::Provider>> Client::Providers() {
  std::vector<pb::Provider> out;
  pb::QueryRequest request;
  request.set_providers(true);
  do {
    ASSIGN_OR_RETURN(pb::QueryResponse answer, Query(request));
    for (const pb::Provider& provider : answer.providers()) out.push_back(provider);
    request.mutable_page()->set_cursor(answer.next_cursor());
  } while (!request.page().cursor().empty());
  std::lock_guard<std::mutex> lock(cache_->mutex);
  for (const pb::Provider& provider : out)
    cache_->providers[chain::AccountOf(provider.account())] = provider;
  return out;
}

absl::StatusOr<pb::Group> Client::Group(uint64_t id) {
  pb::QueryRequest request;
  request.set_group(id);
  ASSIGN_OR_RETURN(pb::QueryResponse answer, Query(request));
  if (answer.groups().empty()) {
    return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_GROUP",
                       absl::StrCat("no holder group ", id));
  }
  return answer.groups(0);
}

void Client::Forget(const base::AccountId& account) {
  std::lock_guard<std::mutex> lock(cache_->mutex);
  cache_->providers.erase(account);
}

namespace {

// Tasks that the caller and the executor's threads take turns at: never waits for a thread that is
// not there.
struct Crew {
  std::mutex mutex;
  std::condition_variable done;
  std::deque<std::function<void()>> waiting;
  size_t running = 0;

  bool WorkOne() {
    std::function<void()> task;
    {
      std::lock_guard<std::mutex> lock(mutex);
      if (waiting.empty()) return false;
      task = std::move(waiting.front());
      waiting.pop_front();
      ++running;
    }
    task();
    std::lock_guard<std::mutex> lock(mutex);
    if (--running == 0 && waiting.empty()) done.notify_all();
    return true;
  }
};

}  // namespace

void Client::RunAll(std::vector<std::function<void()>> tasks) {
  auto crew = std::make_shared<Crew>();
  const size_t helpers = tasks.empty() ? 0 : tasks.size() - 1;
  for (auto& task : tasks) crew->waiting.push_back(std::move(task));
  for (size_t i = 0; i < helpers; ++i) executor().Post([crew] { crew->WorkOne(); });
  while (crew->WorkOne()) {
  }
  std::unique_lock<std::mutex> lock(crew->mutex);
  crew->done.wait(lock, [&] { return crew->running == 0 && crew->waiting.empty(); });
}

std::unique_ptr<Client::Streams> Client::TakeStreams(uint32_t count) {
  std::unique_lock<std::mutex> lock(cache_->streams_mutex);
  const uint64_t ticket = cache_->next_ticket++;
  cache_->streams_freed.wait(
      lock, [&] { return cache_->serving == ticket && cache_->streams_free >= count; });
  cache_->streams_free -= count;
  ++cache_->serving;
  cache_->streams_freed.notify_all();
  return std::unique_ptr<Streams>(new Streams(*this, count));
}

Client::Streams::~Streams() {
  std::lock_guard<std::mutex> lock(client_.cache_->streams_mutex);
  client_.cache_->streams_free += count_;
  client_.cache_->streams_freed.notify_all();
}

}  // namespace cairn::client
