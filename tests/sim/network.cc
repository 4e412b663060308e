#include "sim/network.h"

#include <grpcpp/support/status.h>

#include "absl/strings/str_cat.h"
#include "apps/rpc/status_map.h"

namespace cairn::sim {
namespace {

constexpr uint64_t kWindowBytes = 512 << 10;
constexpr absl::Duration kConnectTime = absl::Seconds(3);   // until a connection that nobody answers is given up
constexpr absl::Duration kKeepalive = absl::Seconds(20);    // until a silent connection is known to be dead

// A status as it travels: what apps/rpc makes of it.
std::string Pack(const absl::Status& status) {
  const grpc::Status wire = rpc::ToGrpc(status);
  return absl::StrCat(static_cast<int>(wire.error_code()), "\n", wire.error_message().size(), "\n",
                      wire.error_message(), wire.error_details());
}

absl::Status Unpack(const std::string& bytes) {
  const size_t first = bytes.find('\n');
  const size_t second = bytes.find('\n', first + 1);
  const size_t length = std::stoul(bytes.substr(first + 1, second - first - 1));
  return rpc::FromGrpc(grpc::Status(static_cast<grpc::StatusCode>(std::stoi(bytes.substr(0, first))),
                                    bytes.substr(second + 1, length), bytes.substr(second + 1 + length)));
}

absl::Status Unreachable() {
  return rpc::FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the connection is broken"));
}
absl::Status TooLate() {
  return rpc::FromGrpc(grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "the deadline has passed"));
}

}  // namespace

// ---- one call ----

void Call::Post(bool up, What what, std::string bytes) {
  if (broken_ || silent_) return;
  const std::string& from = up ? from_ : to_;
  const std::string& to = up ? to_ : from_;
  if (network_->Lost(from, to)) {
    // Sometimes a reset tells both ends soon, sometimes only silence does.
    const bool soon = network_->Chance() < 0.5;
    return Break(soon ? network_->Between(absl::Milliseconds(5), absl::Milliseconds(500))
                      : network_->Between(absl::Seconds(1), kKeepalive));
  }
  Pipe& pipe = up ? up_ : down_;
  Scheduler& scheduler = network_->scheduler_;
  const absl::Duration due = std::max(pipe.last_due, scheduler.now() + network_->Delay(from, to));
  pipe.last_due = due;
  scheduler.After(due - scheduler.now(), [call = self_.lock(), up, what, bytes = std::move(bytes)]() mutable {
    call->Arrive(up, what, std::move(bytes));
  });
}

void Call::Arrive(bool up, What what, std::string bytes) {
  if (broken_) return;
  Scheduler& scheduler = network_->scheduler_;
  if (!scheduler.Alive(up ? server_ : client_)) return;
  ++network_->messages_;
  network_->Trace(absl::StrCat(up ? from_ : to_, ">", up ? to_ : from_, " ", method_, " ", static_cast<int>(what), " ",
                               bytes));
  if (network_->on_message) network_->on_message(*this, up, bytes);
  Pipe& pipe = up ? up_ : down_;
  switch (what) {
    case What::kMessage:
      pipe.arrived.push_back(std::move(bytes));
      break;
    case What::kClose:
      pipe.closed = true;
      break;
    case What::kCancel:
      server_gone_ = true;
      up_.changed.NotifyAll(scheduler);
      down_.changed.NotifyAll(scheduler);
      break;
    case What::kStatus:
      return End(Unpack(bytes));
  }
  pipe.changed.NotifyAll(scheduler);
}

void Call::End(absl::Status status) {
  if (client_done_) return;
  client_done_ = true;
  status_ = std::move(status);
  up_.changed.NotifyAll(network_->scheduler_);
  down_.changed.NotifyAll(network_->scheduler_);
}

void Call::Break(absl::Duration notice) {
  if (broken_) return;
  broken_ = true;
  network_->scheduler_.After(notice, [call = self_.lock()] {
    call->End(Unreachable());
    call->server_gone_ = true;
    call->up_.changed.NotifyAll(call->network_->scheduler_);
    call->down_.changed.NotifyAll(call->network_->scheduler_);
  });
}

bool Call::Push(bool up, std::string message) {
  Pipe& pipe = up ? up_ : down_;
  const auto over = [&] { return up ? client_done_ : server_gone_; };
  Scheduler& scheduler = network_->scheduler_;
  while (!silent_ && !over() && pipe.in_flight >= kWindowBytes) {
    if (!pipe.changed.Wait(scheduler, up ? deadline_ - scheduler.now() : kKeepalive, "send") && up) End(TooLate());
  }
  if (over()) return false;
  pipe.in_flight += message.size();
  Post(up, What::kMessage, std::move(message));
  return true;
}

std::optional<std::string> Call::Take(bool up) {
  Pipe& pipe = up ? up_ : down_;
  Scheduler& scheduler = network_->scheduler_;
  while (true) {
    if (!pipe.arrived.empty()) {
      std::string out = std::move(pipe.arrived.front());
      pipe.arrived.pop_front();
      pipe.in_flight -= std::min<uint64_t>(pipe.in_flight, out.size());
      pipe.changed.NotifyAll(scheduler);
      return out;
    }
    if (pipe.closed || (up ? server_gone_ : client_done_)) return std::nullopt;
    if (!pipe.changed.Wait(scheduler, up ? kKeepalive * 3 : deadline_ - scheduler.now(), "receive")) {
      if (up) continue;  // servers wait as long as the connection stands
      End(TooLate());
      Post(true, What::kCancel, "");
    }
  }
}

bool Call::Send(std::string message) { return Push(true, std::move(message)); }
void Call::CloseSend() { Post(true, What::kClose, ""); }
std::optional<std::string> Call::Receive() { return Take(false); }
void Call::Cancel() {
  if (client_done_) return;
  End(absl::CancelledError("cancelled"));
  Post(true, What::kCancel, "");
}
std::optional<std::string> Call::Read() { return Take(true); }
bool Call::Write(std::string message) { return Push(false, std::move(message)); }
void Call::Finish(const absl::Status& status) { Post(false, What::kStatus, Pack(status)); }

// ---- the network ----

void Network::Trace(absl::string_view what) {
  trace_ = base::Hasher()
               .Field(trace_.view())
               .Field(static_cast<uint64_t>(absl::ToInt64Nanoseconds(scheduler_.now())))
               .Field(what)
               .Finish();
}

void Network::Listen(const std::string& name, Process process, Server server) {
  listeners_[name] = {process, std::move(server)};
}

void Network::OnDeath(Process process, bool power_lost) {
  for (auto it = calls_.begin(); it != calls_.end();) {
    const CallPtr call = it->second.lock();
    if (!call) {
      it = calls_.erase(it);
      continue;
    }
    if (call->client_ == process || call->server_ == process) {
      call->Break(power_lost ? Between(absl::Seconds(1), kKeepalive)
                             : Between(absl::Milliseconds(1), absl::Milliseconds(50)));
    }
    ++it;
  }
}

absl::Duration Network::Between(absl::Duration low, absl::Duration high) { return low + (high - low) * Chance(); }

absl::Duration Network::Delay(const std::string& from, const std::string& to) {
  absl::Duration delay = Between(faults_.min_delay, faults_.max_delay);
  for (const std::string* name : {&from, &to}) {
    const auto extra = extra_.find(*name);
    if (extra != extra_.end()) delay += extra->second * Chance();
  }
  return delay;
}

bool Network::Lost(const std::string& from, const std::string& to) {
  if (cuts_.contains({from, to})) return true;
  return faults_.loss > 0 && Chance() < faults_.loss;
}

void Network::Cut(const std::string& from, const std::string& to, bool cut) {
  if (cut) {
    cuts_.insert({from, to});
  } else {
    cuts_.erase({from, to});
  }
}

void Network::Heal() {
  cuts_.clear();
  extra_.clear();
  faults_ = LinkFaults{};
}

void Network::Connect(const CallPtr& call) {
  const auto listener = listeners_.find(call->to_);
  if (listener == listeners_.end() || !scheduler_.Alive(listener->second.process)) {
    return call->Break(Between(absl::Milliseconds(1), absl::Milliseconds(20)));  // refused
  }
  if (cuts_.contains({call->from_, call->to_}) || cuts_.contains({call->to_, call->from_})) {
    return call->Break(kConnectTime);
  }
  call->server_ = listener->second.process;
  const auto begin = [call, server = listener->second.server, this] {
    if (call->broken_ || !scheduler_.Alive(call->server_)) return;
    scheduler_.Spawn(call->server_, [call, server] { server(call); });
  };
  scheduler_.After(Delay(call->from_, call->to_), begin);
}

CallPtr Network::Open(const std::string& from, const std::string& to, const std::string& method,
                      const rpc::CallMetadata& metadata, absl::Duration timeout) {
  auto call = std::make_shared<Call>();
  call->network_ = this;
  call->self_ = call;
  call->from_ = from;
  call->to_ = to;
  call->method_ = method;
  call->metadata_ = metadata;
  call->client_ = scheduler_.current();
  call->server_ = call->client_;
  call->deadline_ = scheduler_.now() + timeout;
  calls_[next_call_++] = call;
  Connect(call);
  return call;
}

absl::StatusOr<std::string> Network::Ask(const std::string& from, const std::string& to, const std::string& method,
                                         const rpc::CallMetadata& metadata, std::string request,
                                         absl::Duration timeout) {
  if (faults_.duplicate > 0 && Chance() < faults_.duplicate) {
    const CallPtr twin = Open(from, to, method, metadata, timeout);
    scheduler_.After(Between(absl::ZeroDuration(), faults_.max_delay * 3), [twin, request] {
      twin->Post(true, Call::What::kMessage, request);
      twin->Post(true, Call::What::kClose, "");
    });
  }
  const CallPtr call = Open(from, to, method, metadata, timeout);
  call->Send(std::move(request));
  call->CloseSend();
  std::optional<std::string> answer = call->Receive();
  if (!answer) return call->status().ok() ? Unreachable() : call->status();
  (void)call->Receive();
  if (!call->status().ok()) return call->status();
  return *std::move(answer);
}

}  // namespace cairn::sim
