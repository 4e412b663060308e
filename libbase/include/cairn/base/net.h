// Messages between parties as a parameter. Daemons carry them over gRPC; the simulator over SimNet.
//
// A message is opaque bytes with a source and a destination; delivery is unreliable (lost, repeated, reordered, late)
// and a protocol must not assume otherwise.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/random/bit_gen_ref.h"
#include "cairn/base/bytes.h"
#include "cairn/base/executor.h"

namespace cairn::base {

using PeerName = std::string;

// Thread-safe.
class Net {
 public:
  using Handler = std::function<void(const PeerName& from, ByteView message)>;
  virtual ~Net() = default;
  virtual void Send(const PeerName& to, Bytes message) = 0;
  // One handler at a time; called from the executor.
  virtual void OnReceive(Handler handler) = 0;
};

struct SimNetFaults {
  double loss = 0;       // probability that a message vanishes
  double duplicate = 0;  // that it arrives twice
  absl::Duration min_delay = absl::Milliseconds(1);
  absl::Duration max_delay = absl::Milliseconds(50);
};

// A network of named peers on a SimExecutor. Single threaded. Executor and generator must outlive it and its messages.
// A peer leaves when its Net is destroyed, and may join again; what was under way to it then is lost.
class SimNet {
 public:
  SimNet(SimExecutor& executor, absl::BitGenRef random);
  ~SimNet();
  std::unique_ptr<Net> Join(const PeerName& name);
  void SetFaults(SimNetFaults faults);
  // Messages between the two are dropped while cut, those under way included.
  void Cut(const PeerName& a, const PeerName& b, bool cut);
  uint64_t delivered() const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace cairn::base
