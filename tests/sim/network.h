// Calls between the parties of a world, carried as messages that are lost, late, repeated and reordered.
//
// A call is what gRPC makes of one: the client's messages in order, the server's in order, a status at the end. Each
// message takes its own time; calls overtake each other. A lost message breaks its call: both ends learn it late or
// never (then the deadline ends the call). A whole call may arrive twice. When a process dies its calls break. Every
// message that arrives goes into the trace.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "apps/rpc/call_auth.h"
#include "cairn/base/hash.h"
#include "sim/threads.h"

namespace cairn::sim {

struct LinkFaults {
  double loss = 0;       // that a message breaks its call
  double duplicate = 0;  // that a call arrives twice
  absl::Duration min_delay = absl::Microseconds(200);
  absl::Duration max_delay = absl::Milliseconds(3);
};

class Network;

// One call. The client's methods belong to a fiber of the client, the server's to one of the server.
class Call {
 public:
  // ---- client ----
  // False when the call is over; why says Wait.
  bool Send(std::string message);
  void CloseSend();
  // The next answer; nullopt at the end, whose status Status tells.
  std::optional<std::string> Receive();
  const absl::Status& status() const { return status_; }
  void Cancel();

  // ---- server ----
  // The next message; nullopt when the client closed its side or is gone (then `cancelled`).
  std::optional<std::string> Read();
  bool Write(std::string message);
  void Finish(const absl::Status& status);
  bool cancelled() const { return server_gone_; }

  const std::string& method() const { return method_; }
  const rpc::CallMetadata& metadata() const { return metadata_; }

 private:
  friend class Network;
  struct Pipe {
    std::deque<std::string> arrived;
    uint64_t in_flight = 0;  // bytes sent and not taken
    absl::Duration last_due;
    bool closed = false;
    Signal changed;
  };
  enum class What { kMessage, kClose, kStatus, kCancel };
  void Post(bool up, What what, std::string bytes);
  void Arrive(bool up, What what, std::string bytes);
  bool Push(bool up, std::string message);
  std::optional<std::string> Take(bool up);
  void Break(absl::Duration notice);
  void End(absl::Status status);

  Network* network_ = nullptr;
  std::string from_, to_, method_;
  rpc::CallMetadata metadata_;
  Process client_ = nullptr, server_ = nullptr;
  absl::Duration deadline_;
  Pipe up_, down_;
  bool broken_ = false;       // nothing travels any more
  bool client_done_ = false;  // the client knows the end
  bool server_gone_ = false;  // the server knows that the client is gone
  bool silent_ = false;       // the second arrival of a call: nobody listens
  absl::Status status_;
  std::weak_ptr<Call> self_;
};

using CallPtr = std::shared_ptr<Call>;

class Network {
 public:
  // Runs in a fiber of its own for each call.
  using Server = std::function<void(const CallPtr&)>;

  Network(Scheduler& scheduler, uint64_t seed) : scheduler_(scheduler), random_(seed) {}

  void Listen(const std::string& name, Process process, Server server);
  // Every call with the process breaks: at once when it was killed, unnoticed when its machine lost power.
  void OnDeath(Process process, bool power_lost);

  CallPtr Open(const std::string& from, const std::string& to, const std::string& method,
               const rpc::CallMetadata& metadata, absl::Duration timeout);
  // One message there, one back.
  absl::StatusOr<std::string> Ask(const std::string& from, const std::string& to, const std::string& method,
                                  const rpc::CallMetadata& metadata, std::string request, absl::Duration timeout);

  void SetFaults(const LinkFaults& faults) { faults_ = faults; }
  // Messages from one party to another (or back as well) vanish.
  void Cut(const std::string& from, const std::string& to, bool cut);
  void Heal();
  void Slow(const std::string& name, absl::Duration extra) { extra_[name] = extra; }

  Scheduler& scheduler() { return scheduler_; }
  uint64_t messages() const { return messages_; }
  // Over everything that arrived so far.
  std::string TraceHash() const { return trace_.ToHexString(); }
  void Trace(absl::string_view what);
  // Looks at every message as it arrives (oracles); the bytes are as on the wire.
  std::function<void(const Call&, bool up, const std::string&)> on_message;

 private:
  friend class Call;
  absl::Duration Delay(const std::string& from, const std::string& to);
  bool Lost(const std::string& from, const std::string& to);
  double Chance() { return std::generate_canonical<double, 32>(random_); }
  absl::Duration Between(absl::Duration low, absl::Duration high);
  void Connect(const CallPtr& call);

  struct Listener {
    Process process;
    Server server;
  };
  Scheduler& scheduler_;
  std::mt19937_64 random_;
  LinkFaults faults_;
  std::map<std::string, Listener> listeners_;
  std::set<std::pair<std::string, std::string>> cuts_;
  std::map<std::string, absl::Duration> extra_;
  std::map<uint64_t, std::weak_ptr<Call>> calls_;
  uint64_t next_call_ = 0;
  uint64_t messages_ = 0;
  base::Digest trace_;
};

}  // namespace cairn::sim
