#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/random/distributions.h"
#include "cairn/base/net.h"

namespace cairn::base {

struct SimNet::State {
  State(SimExecutor& e, absl::BitGenRef r) : executor(e), random(r) {}

  struct Peer {
    uint64_t visit = 0;  // a peer that leaves and joins again is another one
    std::shared_ptr<const Net::Handler> handler;
  };

  SimExecutor& executor;
  absl::BitGenRef random;
  SimNetFaults faults;
  std::map<PeerName, Peer> peers;
  std::set<std::pair<PeerName, PeerName>> cuts;
  uint64_t next_visit = 1;
  uint64_t delivered = 0;

  bool IsCut(const PeerName& a, const PeerName& b) const { return cuts.count(std::minmax(a, b)) > 0; }

  absl::Duration DrawDelay() {
    int64_t low = absl::ToInt64Nanoseconds(faults.min_delay);
    int64_t high = std::max(low, absl::ToInt64Nanoseconds(faults.max_delay));
    return absl::Nanoseconds(absl::Uniform<int64_t>(absl::IntervalClosed, random, low, high));
  }

  void Deliver(const PeerName& from, const PeerName& to, uint64_t visit, ByteView message) {
    auto it = peers.find(to);
    if (it == peers.end() || it->second.visit != visit || it->second.handler == nullptr || IsCut(from, to)) return;
    ++delivered;
    // The handler may replace or remove itself.
    std::shared_ptr<const Net::Handler> handler = it->second.handler;
    (*handler)(from, message);
  }
};

namespace {

class SimPeer final : public Net {
 public:
  SimPeer(std::shared_ptr<SimNet::State> state, PeerName name)
      : state_(std::move(state)), name_(std::move(name)), visit_(state_->next_visit++) {
    state_->peers[name_] = {visit_, nullptr};
  }
  ~SimPeer() override {
    auto it = state_->peers.find(name_);
    if (it != state_->peers.end() && it->second.visit == visit_) state_->peers.erase(it);
  }

  void Send(const PeerName& to, Bytes message) override {
    auto peer = state_->peers.find(to);
    if (peer == state_->peers.end() || state_->IsCut(name_, to)) return;
    if (absl::Bernoulli(state_->random, state_->faults.loss)) return;
    int copies = absl::Bernoulli(state_->random, state_->faults.duplicate) ? 2 : 1;
    auto shared = std::make_shared<const Bytes>(std::move(message));
    for (int i = 0; i < copies; ++i) {
      std::weak_ptr<SimNet::State> weak = state_;
      state_->executor.PostAfter(state_->DrawDelay(), [weak, from = name_, to, visit = peer->second.visit, shared] {
        if (auto state = weak.lock()) state->Deliver(from, to, visit, *shared);
      });
    }
  }

  void OnReceive(Handler handler) override {
    auto it = state_->peers.find(name_);
    if (it == state_->peers.end() || it->second.visit != visit_) return;
    it->second.handler = std::make_shared<const Handler>(std::move(handler));
  }

 private:
  std::shared_ptr<SimNet::State> state_;
  PeerName name_;
  uint64_t visit_;
};

}  // namespace

SimNet::SimNet(SimExecutor& executor, absl::BitGenRef random)
    : state_(std::make_shared<State>(executor, random)) {}
SimNet::~SimNet() = default;

std::unique_ptr<Net> SimNet::Join(const PeerName& name) { return std::make_unique<SimPeer>(state_, name); }

void SimNet::SetFaults(SimNetFaults faults) { state_->faults = faults; }

void SimNet::Cut(const PeerName& a, const PeerName& b, bool cut) {
  if (cut) {
    state_->cuts.insert(std::minmax(a, b));
  } else {
    state_->cuts.erase(std::minmax(a, b));
  }
}

uint64_t SimNet::delivered() const { return state_->delivered; }

}  // namespace cairn::base
