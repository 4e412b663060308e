#include "sim/rpc.h"

#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/pb.h"
#include "cairn/chain/transaction.h"
#include "cairn/rpc/v1/chain.pb.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::sim {
namespace {

namespace pb = chain::pb;
namespace v1 = rpc::v1;

constexpr char kSubmit[] = "/cairn.rpc.v1.Chain/Submit";
constexpr char kSimulate[] = "/cairn.rpc.v1.Chain/Simulate";
constexpr char kQuery[] = "/cairn.rpc.v1.Chain/Query";
constexpr char kFollow[] = "/cairn.rpc.v1.Chain/Follow";
constexpr char kGetInfo[] = "/cairn.rpc.v1.Provider/GetInfo";
constexpr char kApprove[] = "/cairn.rpc.v1.Provider/Approve";
constexpr char kQueryUpload[] = "/cairn.rpc.v1.Provider/QueryUpload";
constexpr char kSubmitReceipts[] = "/cairn.rpc.v1.Provider/SubmitReceipts";
constexpr char kListReads[] = "/cairn.rpc.v1.Provider/ListReads";
constexpr char kPut[] = "/cairn.rpc.v1.Provider/Put";
constexpr char kGet[] = "/cairn.rpc.v1.Provider/Get";
constexpr size_t kChunkBytes = 256 << 10;

absl::Status Malformed() { return absl::InternalError("a message that does not parse"); }

template <class Response>
absl::StatusOr<Response> Parse(absl::StatusOr<std::string> bytes) {
  RETURN_IF_ERROR(bytes.status());
  Response response;
  if (!response.ParseFromString(*bytes)) return Malformed();
  return response;
}

// ---- the ledger's client ----

class ChainClient final : public chain::Client {
 public:
  ChainClient(Network& network, std::string self) : network_(network), self_(std::move(self)) {}

  absl::StatusOr<pb::TransactionReceipt> Submit(const pb::SignedTransaction& transaction,
                                                chain::WaitFor wait) override {
    v1::SubmitRequest request;
    *request.mutable_transaction() = transaction;
    request.set_wait(wait == chain::WaitFor::kAccepted ? v1::WAIT_ACCEPTED : v1::WAIT_COMMITTED);
    return Receipt(Ask<v1::SubmitResponse>(kSubmit, request.SerializeAsString(), absl::Seconds(10)));
  }
  absl::StatusOr<pb::TransactionReceipt> Simulate(const pb::SignedTransaction& transaction) override {
    v1::SubmitRequest request;
    *request.mutable_transaction() = transaction;
    return Receipt(Ask<v1::SubmitResponse>(kSimulate, request.SerializeAsString(), absl::Seconds(10)));
  }
  absl::StatusOr<pb::QueryResponse> Query(const pb::QueryRequest& request) override {
    return Ask<pb::QueryResponse>(kQuery, request.SerializeAsString(), absl::Seconds(10));
  }
  absl::Status Follow(uint64_t from_height, const std::function<bool(const pb::Block&)>& sink) override {
    const CallPtr call = network_.Open(self_, kChain, kFollow, {}, absl::Hours(24));
    v1::FollowRequest request;
    request.set_from_height(from_height);
    call->Send(request.SerializeAsString());
    call->CloseSend();
    while (const std::optional<std::string> bytes = call->Receive()) {
      v1::FollowResponse response;
      if (!response.ParseFromString(*bytes)) return Malformed();
      if (sink(response.block())) continue;
      call->Cancel();
      return absl::OkStatus();
    }
    return call->status().ok() ? absl::UnavailableError("the stream of blocks ended") : call->status();
  }

 private:
  static absl::StatusOr<pb::TransactionReceipt> Receipt(absl::StatusOr<v1::SubmitResponse> response) {
    RETURN_IF_ERROR(response.status());
    pb::TransactionReceipt receipt = std::move(*response->mutable_receipt());
    if (receipt.transaction().empty()) receipt.set_transaction(response->transaction());
    return receipt;
  }

  template <class Response>
  absl::StatusOr<Response> Ask(const char* method, const std::string& request, absl::Duration timeout) {
    Scheduler& scheduler = network_.scheduler();
    const absl::Duration give_up = scheduler.now() + absl::Seconds(3);
    absl::Duration pause = absl::Milliseconds(50);
    while (true) {
      auto answer = Parse<Response>(network_.Ask(self_, kChain, method, {}, request, timeout));
      if (answer.ok() || !absl::IsUnavailable(answer.status()) || scheduler.now() + pause > give_up) return answer;
      scheduler.Sleep(pause);
      pause = std::min(pause * 2, absl::Milliseconds(800));
    }
  }

  Network& network_;
  const std::string self_;
};

// ---- a provider's clients ----

class SimPut final : public client::PutStream {
 public:
  explicit SimPut(CallPtr call) : call_(std::move(call)) {}
  ~SimPut() override { call_->Cancel(); }
  void Cancel() override { call_->Cancel(); }
  absl::Status Open(const v1::PutOpen& part) override {
    v1::PutRequest request;
    *request.mutable_header()->mutable_open() = part;
    held_ = part.from_offset();
    return Send(request);
  }
  absl::Status Send(base::ByteView bytes) override {
    while (!bytes.empty()) {
      const base::ByteView piece = bytes.subspan(0, kChunkBytes);
      v1::PutRequest request;
      request.set_data(base::ToString(piece));
      RETURN_IF_ERROR(Send(request));
      bytes.remove_prefix(piece.size());
    }
    return absl::OkStatus();
  }
  absl::StatusOr<pb::Receipt> Commit(absl::Span<const base::ObjectId> objects) override {
    v1::PutRequest request;
    request.mutable_header()->mutable_commit();
    for (const base::ObjectId& object : objects)
      request.mutable_header()->mutable_commit()->add_objects(chain::ToField(object));
    RETURN_IF_ERROR(Send(request));
    while (true) {
      ASSIGN_OR_RETURN(v1::PutResponse response, Receive());
      if (response.has_receipt()) return std::move(*response.mutable_receipt());
    }
  }
  absl::StatusOr<uint64_t> WaitHeld(uint64_t at_least) override {
    while (held_ < at_least) {
      ASSIGN_OR_RETURN(const v1::PutResponse response, Receive());
      held_ = std::max(held_, response.held());
    }
    return held_;
  }

 private:
  absl::Status Send(const v1::PutRequest& request) {
    if (call_->Send(request.SerializeAsString())) return absl::OkStatus();
    return Ended();
  }
  absl::StatusOr<v1::PutResponse> Receive() {
    const std::optional<std::string> bytes = call_->Receive();
    if (!bytes) return Ended();
    return Parse<v1::PutResponse>(*bytes);
  }
  absl::Status Ended() {
    while (call_->Receive()) {
    }
    if (!call_->status().ok()) return call_->status();
    return base::Error(absl::StatusCode::kUnavailable, "ENDED_EARLY", "the provider ended the upload early");
  }
  CallPtr call_;
  uint64_t held_ = 0;  // as last reported
};

// Slices come as the messages of a Get, here and between providers.
absl::Status ReadSlice(const CallPtr& call, const v1::GetRequest& request,
                       const std::function<absl::Status(base::ByteView)>& sink) {
  call->Send(request.SerializeAsString());
  call->CloseSend();
  while (const std::optional<std::string> bytes = call->Receive()) {
    ASSIGN_OR_RETURN(v1::Chunk chunk, Parse<v1::Chunk>(*bytes));
    const absl::Status taken = chunk.data().empty() ? absl::OkStatus() : sink(base::AsBytes(chunk.data()));
    if (taken.ok()) continue;
    call->Cancel();
    return taken;
  }
  return call->status();
}

// `number` makes the signed call one of its own.
v1::GetRequest GetRequestOf(const base::ObjectId& object, const base::ContentId& part, base::ByteRange range,
                            uint64_t number) {
  v1::GetRequest request;
  request.set_object(chain::ToField(object));
  request.set_part(chain::ToField(part.digest));
  request.set_offset(range.offset);
  request.set_length(range.length);
  request.set_nonce(std::string(8, '\0') + chain::NumberField(number));
  return request;
}

class SimGet final : public client::GetStream {
 public:
  SimGet(CallPtr call, v1::GetRequest request) : call_(std::move(call)), request_(std::move(request)) {}
  ~SimGet() override { call_->Cancel(); }
  void Cancel() override { call_->Cancel(); }
  absl::Status Run(const std::function<absl::Status(base::ByteView)>& sink) override {
    return ReadSlice(call_, request_, sink);
  }

 private:
  CallPtr call_;
  const v1::GetRequest request_;
};

class SimTransport final : public client::Transport {
 public:
  SimTransport(Network& network, std::string self, const base::ChainId& chain, const base::SigningKey& caller,
               const base::Clock& clock)
      : network_(network), self_(std::move(self)), chain_(chain), caller_(caller.Clone()), clock_(clock) {}

  absl::StatusOr<v1::GetInfoResponse> GetInfo(const client::ProviderAddress& to, absl::Duration timeout) override {
    return Parse<v1::GetInfoResponse>(network_.Ask(self_, to.endpoint, kGetInfo, {}, "", timeout));
  }
  absl::StatusOr<pb::Approval> Approve(const client::ProviderAddress& to, const v1::ApproveRequest& request,
                                       absl::Duration timeout) override {
    ASSIGN_OR_RETURN(v1::ApproveResponse answer, Unary<v1::ApproveResponse>(to, kApprove, request, timeout));
    return std::move(*answer.mutable_approval());
  }
  absl::StatusOr<v1::QueryUploadResponse> QueryUpload(const client::ProviderAddress& to, const base::ObjectId& object,
                                                      uint32_t position, const base::ContentId& part,
                                                      absl::Duration timeout) override {
    v1::QueryUploadRequest request;
    request.set_object(chain::ToField(object));
    request.set_position(position);
    request.set_part(chain::ToField(part.digest));
    return Unary<v1::QueryUploadResponse>(to, kQueryUpload, request, timeout);
  }
  absl::StatusOr<std::unique_ptr<client::PutStream>> Put(const client::ProviderAddress& to,
                                                         absl::Duration timeout) override {
    return std::make_unique<SimPut>(network_.Open(self_, to.endpoint, kPut, Sign(to, kPut, ""), timeout));
  }
  absl::StatusOr<std::unique_ptr<client::GetStream>> Get(const client::ProviderAddress& to,
                                                         const client::GetPart& what,
                                                         absl::Duration timeout) override {
    const v1::GetRequest request = GetRequestOf(what.object, what.part, what.range, ++reads_);
    return std::make_unique<SimGet>(
        network_.Open(self_, to.endpoint, kGet, Sign(to, kGet, request.SerializeAsString()), timeout), request);
  }
  absl::StatusOr<v1::SubmitReceiptsResponse> SubmitReceipts(const client::ProviderAddress& to,
                                                            const v1::SubmitReceiptsRequest& request,
                                                            absl::Duration timeout) override {
    return Unary<v1::SubmitReceiptsResponse>(to, kSubmitReceipts, request, timeout);
  }
  absl::StatusOr<v1::ListReadsResponse> ListReads(const client::ProviderAddress& to,
                                                  const v1::ListReadsRequest& request,
                                                  absl::Duration timeout) override {
    return Unary<v1::ListReadsResponse>(to, kListReads, request, timeout);
  }

 private:
  rpc::CallMetadata Sign(const client::ProviderAddress& to, const char* method, absl::string_view request) const {
    return rpc::CallSigner(chain_, to.node_key, caller_.Clone(), clock_).Sign(method, request);
  }
  template <class Response, class Request>
  absl::StatusOr<Response> Unary(const client::ProviderAddress& to, const char* method, const Request& request,
                                 absl::Duration timeout) {
    const std::string bytes = request.SerializeAsString();
    return Parse<Response>(network_.Ask(self_, to.endpoint, method, Sign(to, method, bytes), bytes, timeout));
  }

  Network& network_;
  const std::string self_;
  const base::ChainId chain_;
  const base::SigningKey caller_;
  const base::Clock& clock_;
  uint64_t reads_ = 0;
};

class PeerParts final : public storaged::PartSource {
 public:
  PeerParts(Network& network, std::string self, const storaged::Identity& identity, storaged::Ledger& ledger,
            const base::Clock& clock)
      : network_(network), self_(std::move(self)), identity_(identity), ledger_(ledger), clock_(clock) {}

  absl::Status Fetch(const base::AccountId& provider, const base::ObjectId& object, const base::ContentId& part,
                     base::ByteRange range, const storage::ByteSink& sink) override {
    if (stopping_) return absl::CancelledError("the provider stops");
    ASSIGN_OR_RETURN(const auto record, ledger_.Provider(provider));
    ASSIGN_OR_RETURN(const base::PublicKey node, base::PublicKey::Decode(base::AsBytes(record->node_key())));
    const v1::GetRequest request = GetRequestOf(object, part, range, ++reads_);
    const rpc::CallSigner signer(identity_.chain, node, identity_.account.Clone(), clock_);
    base::SliceDecoder decoder(part.digest, range);
    const CallPtr call = network_.Open(self_, record->endpoint(), kGet,
                                       signer.Sign(kGet, request.SerializeAsString()), absl::Seconds(21));
    RETURN_IF_ERROR(ReadSlice(call, request, [&](base::ByteView piece) {
      return decoder.Feed(piece, [&](uint64_t, base::ByteView proven) { return sink(proven); });
    }));
    return decoder.Finish().status();
  }
  void Stop() override { stopping_ = true; }

 private:
  Network& network_;
  const std::string self_;
  const storaged::Identity& identity_;
  storaged::Ledger& ledger_;
  const base::Clock& clock_;
  uint64_t reads_ = 0;
  bool stopping_ = false;
};

// ---- who answers ----

template <class Request, class F>
void ServeOne(const CallPtr& call, F answer) {
  const std::optional<std::string> bytes = call->Read();
  Request request;
  if (!bytes || !request.ParseFromString(*bytes)) return call->Finish(absl::InvalidArgumentError("malformed"));
  const auto response = answer(request);
  if (response.ok()) call->Write(response->SerializeAsString());
  call->Finish(response.status());
}

absl::StatusOr<v1::SubmitResponse> AnswerOf(absl::StatusOr<pb::TransactionReceipt> receipt,
                                            const v1::SubmitRequest& request) {
  RETURN_IF_ERROR(receipt.status());
  v1::SubmitResponse response;
  response.set_transaction(chain::ToField(chain::TransactionHash(request.transaction())));
  if (!receipt->transaction().empty()) *response.mutable_receipt() = *std::move(receipt);
  return response;
}

absl::StatusOr<v1::SubmitResponse> Submit(Scheduler& scheduler, chain::EmbeddedEngine& engine,
                                          const v1::SubmitRequest& request) {
  struct Outcome {
    std::optional<absl::StatusOr<pb::TransactionReceipt>> receipt;
    Signal ready;
  };
  const auto outcome = std::make_shared<Outcome>();
  engine.Submit(request.transaction(), [outcome, &scheduler](const auto& receipt) {
    outcome->receipt = receipt;
    outcome->ready.NotifyAll(scheduler);
  });
  if (request.wait() == v1::WAIT_ACCEPTED && !outcome->receipt) return AnswerOf(pb::TransactionReceipt(), request);
  while (!outcome->receipt) outcome->ready.Wait(scheduler, absl::InfiniteDuration(), "block");
  return AnswerOf(*outcome->receipt, request);
}

void ServeFollow(chain::EmbeddedEngine& engine, const CallPtr& call) {
  const std::optional<std::string> bytes = call->Read();
  v1::FollowRequest request;
  if (!bytes || !request.ParseFromString(*bytes)) return call->Finish(absl::InvalidArgumentError("malformed"));
  uint64_t height = request.from_height() > 0 ? request.from_height() : engine.height() + 1;
  while (!call->cancelled()) {
    auto block = engine.NextBlock(height, absl::Seconds(10));
    if (!block.ok()) return call->Finish(block.status());
    if (!block->has_value()) continue;
    ++height;
    v1::FollowResponse response;
    *response.mutable_block() = *std::move(*block);
    if (!call->Write(response.SerializeAsString())) return;
  }
}

class Reader final : public rpc::PutReader {
 public:
  explicit Reader(const CallPtr& call) : call_(call) {}
  absl::StatusOr<Step> Next() override {
    const std::optional<std::string> bytes = call_->Read();
    if (!bytes) {
      if (call_->cancelled()) return absl::CancelledError("the client went away");
      return Step(End{});
    }
    v1::PutRequest request;
    if (!request.ParseFromString(*bytes)) return absl::InvalidArgumentError("malformed");
    if (request.header().has_open()) return Step(std::make_shared<const v1::PutOpen>(request.header().open()));
    if (request.header().has_commit()) return Step(std::make_shared<const v1::PutCommit>(request.header().commit()));
    return Step(absl::Cord(request.data()));
  }
  absl::Status Respond(const v1::PutResponse& response) override {
    if (call_->Write(response.SerializeAsString())) return absl::OkStatus();
    return absl::CancelledError("the client went away");
  }

 private:
  const CallPtr& call_;
};

class Writer final : public rpc::ChunkWriter {
 public:
  explicit Writer(const CallPtr& call) : call_(call) {}
  void SetSize(uint64_t size) override { size_ = size; }
  absl::Status Write(base::ByteView bytes) override {
    buffer_.append(base::AsText(bytes).data(), bytes.size());
    return buffer_.size() < kChunkBytes ? absl::OkStatus() : Flush();
  }
  absl::Status WriteOwned(base::Bytes bytes) override { return Write(bytes); }
  bool cancelled() const override { return call_->cancelled(); }
  absl::Status Flush() override {
    v1::Chunk chunk;
    if (!std::exchange(begun_, true)) chunk.mutable_header()->set_size(size_);
    chunk.set_data(std::exchange(buffer_, std::string()));
    if (call_->Write(chunk.SerializeAsString())) return absl::OkStatus();
    return absl::CancelledError("the reader went away");
  }

 private:
  const CallPtr& call_;
  uint64_t size_ = 0;
  bool begun_ = false;
  std::string buffer_;
};

void ServeGet(rpc::ProviderHandler& handler, const rpc::CallVerifier& verifier, const CallPtr& call) {
  const std::optional<std::string> bytes = call->Read();
  v1::GetRequest request;
  if (!bytes || !request.ParseFromString(*bytes)) return call->Finish(absl::InvalidArgumentError("malformed"));
  const auto caller = verifier.Verify(call->metadata(), kGet, *bytes);
  if (!caller.ok()) return call->Finish(caller.status());
  Writer writer(call);
  absl::Status status = handler.Get(*caller, request, writer);
  if (status.ok()) status = writer.Flush();
  call->Finish(status);
}

template <class Request, class Response>
void ServeSigned(const CallPtr& call, const rpc::CallVerifier& verifier, rpc::ProviderHandler& handler,
                 absl::Status (rpc::ProviderHandler::*method)(const rpc::Caller&, const Request&, Response&)) {
  ServeOne<Request>(call, [&](const Request& request) -> absl::StatusOr<Response> {
    ASSIGN_OR_RETURN(const rpc::Caller caller,
                     verifier.Verify(call->metadata(), call->method(), request.SerializeAsString()));
    Response response;
    RETURN_IF_ERROR((handler.*method)(caller, request, response));
    return response;
  });
}

}  // namespace

std::unique_ptr<chain::Client> NewChainClient(Network& network, std::string self) {
  return std::make_unique<ChainClient>(network, std::move(self));
}

std::shared_ptr<client::Transport> NewTransport(Network& network, std::string self, const base::ChainId& chain,
                                                const base::SigningKey& caller, const base::Clock& clock) {
  return std::make_shared<SimTransport>(network, std::move(self), chain, caller, clock);
}

std::unique_ptr<storaged::PartSource> NewPeerParts(Network& network, std::string self,
                                                   const storaged::Identity& identity, storaged::Ledger& ledger,
                                                   const base::Clock& clock) {
  return std::make_unique<PeerParts>(network, std::move(self), identity, ledger, clock);
}

void ServeChain(Scheduler& scheduler, chain::EmbeddedEngine& engine, const CallPtr& call) {
  if (call->method() == kFollow) return ServeFollow(engine, call);
  if (call->method() == kQuery) {
    return ServeOne<pb::QueryRequest>(call, [&](const auto& request) { return engine.Query(request); });
  }
  ServeOne<v1::SubmitRequest>(call, [&](const v1::SubmitRequest& request) {
    return call->method() == kSimulate ? AnswerOf(engine.Simulate(request.transaction()), request)
                                       : Submit(scheduler, engine, request);
  });
}

void ServeProvider(rpc::ProviderHandler& handler, const rpc::CallVerifier& verifier, const CallPtr& call) {
  const std::string& method = call->method();
  if (method == kGet) return ServeGet(handler, verifier, call);
  if (method == kPut) {
    const auto caller = verifier.Verify(call->metadata(), kPut, "");
    if (!caller.ok()) return call->Finish(caller.status());
    Reader reader(call);
    return call->Finish(handler.Put(*caller, reader));
  }
  if (method == kApprove) return ServeSigned(call, verifier, handler, &rpc::ProviderHandler::Approve);
  if (method == kQueryUpload) return ServeSigned(call, verifier, handler, &rpc::ProviderHandler::QueryUpload);
  if (method == kSubmitReceipts) return ServeSigned(call, verifier, handler, &rpc::ProviderHandler::SubmitReceipts);
  if (method == kListReads) return ServeSigned(call, verifier, handler, &rpc::ProviderHandler::ListReads);
  ServeOne<v1::GetInfoRequest>(call, [&](const auto&) -> absl::StatusOr<v1::GetInfoResponse> {
    v1::GetInfoResponse response;
    RETURN_IF_ERROR(handler.GetInfo(response));
    return response;
  });
}

}  // namespace cairn::sim
