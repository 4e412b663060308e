#include "apps/net/http_server.h"

#include <atomic>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "apps/common/listen.h"
#include "cairn/base/status.h"

namespace cairn::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;

constexpr uint32_t kMaxHeaderBytes = 16 * 1024;

// "%41" -> "A". nullopt on a broken escape or a zero byte.
std::optional<std::string> Unescape(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || !absl::ascii_isxdigit(text[i + 1]) ||
        !absl::ascii_isxdigit(text[i + 2])) {
      return std::nullopt;
    }
    uint32_t value = 0;
    (void)absl::SimpleHexAtoi(text.substr(i + 1, 2), &value);
    if (value == 0) return std::nullopt;
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

absl::string_view View(boost::string_view text) {
  return absl::string_view(text.data(), text.size());
}

HttpResponse Refusal(int status, std::string why) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(why) + "\n";
  return response;
}

struct Shared {
  HttpServerOptions options;
  HttpHandler handler;
  std::atomic<bool> stopping{false};
  std::atomic<size_t> connections{0};
  std::mutex mutex;
  std::unordered_set<class Session*> sessions;  // guarded by mutex
};

// One connection. Lives as long as an operation of it is under way; everything runs on its strand.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, std::shared_ptr<Shared> shared)
      : stream_(std::move(socket)), shared_(std::move(shared)) {
    ++shared_->connections;
  }
  ~Session() {
    --shared_->connections;
    std::lock_guard<std::mutex> lock(shared_->mutex);
    shared_->sessions.erase(this);
  }

  // Known to the others from here on: not before a shared_ptr owns it, for they ask it for another.
  void Start() {
    {
      std::lock_guard<std::mutex> lock(shared_->mutex);
      shared_->sessions.insert(this);
    }
    asio::dispatch(stream_.get_executor(), [self = shared_from_this()] { self->Read(); });
  }

  // Ends a connection that waits for a request; a running one ends after its response. From any
  // thread.
  void CloseWhenIdle() {
    asio::dispatch(stream_.get_executor(), [self = weak_from_this()] {
      if (auto session = self.lock(); session && session->idle_) session->Close();
    });
  }

 private:
  void Read() {
    if (shared_->stopping) return Close();
    parser_.emplace();
    parser_->header_limit(kMaxHeaderBytes);
    parser_->body_limit(shared_->options.max_body_bytes);
    stream_.expires_after(
        std::chrono::milliseconds(absl::ToInt64Milliseconds(shared_->options.timeout)));
    idle_ = true;
    http::async_read(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](error_code error, size_t) { self->OnRead(error); });
  }

  void OnRead(error_code error) {
    idle_ = false;
    head_only_ = false;
    if (error == http::error::body_limit) return Send(Refusal(413, "the body is too large"), false);
    if (error == http::error::header_limit)
      return Send(Refusal(431, "the header is too large"), false);
    // A broken request gets an answer; a connection that ended, timed out or was closed does not.
    if (error && error.category() == make_error_code(http::error::end_of_stream).category() &&
        error != http::error::end_of_stream && error != http::error::partial_message) {
      return Send(Refusal(400, "this is no HTTP request"), false);
    }
    if (error) return Close();
    const auto& message = parser_->get();
    head_only_ = message.method() == http::verb::head;
    HttpRequest request;
    request.method = head_only_ ? "GET" : std::string(View(message.method_string()));
    absl::string_view target = View(message.target());
    size_t question = target.find('?');
    std::optional<std::string> path = Unescape(target.substr(0, question));
    if (!path || !absl::StartsWith(*path, "/")) return Send(Refusal(400, "bad path"), false);
    request.path = *std::move(path);
    if (question != absl::string_view::npos)
      request.query = std::string(target.substr(question + 1));
    for (const auto& field : message) {
      request.headers[absl::AsciiStrToLower(View(field.name_string()))] =
          std::string(View(field.value()));
    }
    request.body = message.body();
    Send(shared_->handler(request), message.keep_alive());
  }

  void Send(HttpResponse answer, bool keep_alive) {
    response_ = {};
    response_.version(11);
    response_.result(static_cast<unsigned>(answer.status));
    response_.set(http::field::content_type, answer.content_type);
    response_.set("X-Content-Type-Options", "nosniff");
    for (const auto& [name, value] : answer.headers) response_.set(name, value);
    response_.keep_alive(keep_alive && !shared_->stopping);
    response_.body() = std::move(answer.body);
    response_.prepare_payload();
    if (head_only_) response_.body().clear();  // the length stays that of the body
    serializer_.emplace(response_);
    serializer_->split(head_only_);
    auto done = [self = shared_from_this()](error_code error, size_t) { self->OnSent(error); };
    if (head_only_) {
      http::async_write_header(stream_, *serializer_, done);
    } else {
      http::async_write(stream_, *serializer_, done);
    }
  }

  void OnSent(error_code error) {
    if (error || !response_.keep_alive()) return Close();
    Read();
  }

  void Close() {
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
    stream_.close();
  }

  beast::tcp_stream stream_;
  std::shared_ptr<Shared> shared_;
  beast::flat_buffer buffer_{kMaxHeaderBytes + (2 << 20)};
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  std::optional<http::response_serializer<http::string_body>> serializer_;
  bool head_only_ = false;
  bool idle_ = false;
};

}  // namespace

struct HttpServer::State {
  explicit State(int thread_count) : context(thread_count) {}

  void Accept() {
    acceptor.async_accept(asio::make_strand(context), [this](error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted || shared->stopping) return;
      // Beyond the limit a connection is closed at once: its client sees that, and others are
      // served.
      if (!error && shared->connections < shared->options.max_connections) {
        std::make_shared<Session>(std::move(socket), shared)->Start();
      }
      if (!error) return Accept();
      retry.expires_after(std::chrono::milliseconds(100));  // out of descriptors: they come back
      retry.async_wait([this](error_code cancelled) {
        if (!cancelled) Accept();
      });
    });
  }

  asio::io_context context;
  // Accepting, trying again and closing: one at a time, whichever threads they are on.
  asio::strand<asio::io_context::executor_type> accepting{asio::make_strand(context)};
  tcp::acceptor acceptor{accepting};
  asio::steady_timer retry{accepting};
  std::shared_ptr<Shared> shared = std::make_shared<Shared>();
  std::vector<std::thread> threads;
  std::string endpoint;
  bool stopped = false;
};

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

HttpServer::~HttpServer() { Stop(absl::ZeroDuration()); }

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options,
                                                              HttpHandler handler) {
  RETURN_IF_ERROR(app::CanListen(options.listen));
  int threads = std::max(1, options.threads);
  auto state = std::make_unique<State>(threads);
  state->shared->options = options;
  state->shared->handler = std::move(handler);
  std::string host = options.listen.substr(0, options.listen.rfind(':'));
  std::string bare = host;
  if (absl::StartsWith(host, "[")) bare = host.substr(1, host.size() - 2);
  if (bare == "localhost") bare = "127.0.0.1";
  int port = 0;
  (void)absl::SimpleAtoi(options.listen.substr(options.listen.rfind(':') + 1), &port);
  error_code error;
  tcp::endpoint where(asio::ip::make_address(bare, error), static_cast<uint16_t>(port));
  tcp::acceptor& acceptor = state->acceptor;
  if (!error) acceptor.open(where.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(where, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return app::ListenError(options.listen, error.value());
  state->endpoint = absl::StrCat(host, ":", acceptor.local_endpoint().port());
  state->Accept();
  for (int i = 0; i < threads; ++i) {
    state->threads.emplace_back([context = &state->context] { context->run(); });
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

std::string HttpServer::endpoint() const { return state_->endpoint; }

void HttpServer::Stop(absl::Duration grace) {
  if (state_->stopped) return;
  state_->stopped = true;
  Shared& shared = *state_->shared;
  shared.stopping = true;
  asio::post(state_->accepting, [state = state_.get()] {
    error_code ignored;
    state->acceptor.close(ignored);
    state->retry.cancel(ignored);
  });
  {
    std::lock_guard<std::mutex> lock(shared.mutex);
    for (Session* session : shared.sessions) session->CloseWhenIdle();
  }
  auto until = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(grace);
  while (shared.connections > 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  state_->context.stop();
  for (std::thread& thread : state_->threads) thread.join();
  // The threads may have ended before they came to it.
  error_code ignored;
  state_->acceptor.close(ignored);
}

}  // namespace cairn::net
