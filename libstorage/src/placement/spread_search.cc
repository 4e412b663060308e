#include "placement/spread_search.h"

#include <algorithm>

namespace cairn::storage {
namespace {

// The search is exponential at worst, and registrations are open to everybody.
constexpr uint64_t kMaxSteps = 30'000;

base::Amount Sum(base::Amount a, base::Amount b) { return a.Plus(b).value_or(base::Amount::Max()); }

class Search {
 public:
  Search(const std::vector<Choice>& choices, uint32_t width, const Caps& caps, bool first_only)
      : choices_(choices), width_(width), caps_(caps), first_only_(first_only) {
    uint32_t kinds = 0;
    for (size_t d = 0; d < kDomains; ++d) {
      uint32_t domains = 0;
      for (const Choice& c : choices) domains = std::max(domains, c.domain[d] + 1);
      used_[d].assign(domains, 0);
    }
    for (const Choice& c : choices) kinds = std::max(kinds, c.kind + 1);
    passed_.assign(kinds, 0);
  }

  std::optional<std::vector<size_t>> Run() {
    Visit(0, base::Amount());
    return std::move(best_);
  }

 private:
  void Visit(size_t at, base::Amount cost) {
    if (chosen_.size() == width_) {
      // Cheaper than the best so far: CanImprove has just said so.
      best_ = chosen_;
      best_cost_ = cost;
      return;
    }
    if (++steps_ > kMaxSteps || (first_only_ && best_)) return;
    if (at == choices_.size() || !CanFinish(at) || !CanImprove(at, cost)) return;
    const Choice& c = choices_[at];
    // After one of a kind was passed over, a dearer one of the same kind is never better.
    if (passed_[c.kind] == 0 && Fits(c)) {
      Use(c, 1);
      chosen_.push_back(at);
      Visit(at + 1, Sum(cost, c.candidate->holder_price.per_unit_e18));
      chosen_.pop_back();
      Use(c, -1);
    }
    ++passed_[c.kind];
    Visit(at + 1, cost);
    --passed_[c.kind];
  }

  bool Fits(const Choice& c) const {
    for (size_t d = 0; d < kDomains; ++d) {
      if (used_[d][c.domain[d]] >= caps_[d]) return false;
    }
    return true;
  }

  void Use(const Choice& c, int by) {
    for (size_t d = 0; d < kDomains; ++d) used_[d][c.domain[d]] += by;
  }

  // For each kind of domain on its own: is there room for the rest among the candidates left?
  bool CanFinish(size_t at) const {
    const size_t need = width_ - chosen_.size();
    for (size_t d = 0; d < kDomains; ++d) {
      std::vector<uint32_t> used = used_[d];
      size_t room = 0;
      for (size_t i = at; i < choices_.size() && room < need; ++i) {
        uint32_t& count = used[choices_[i].domain[d]];
        if (passed_[choices_[i].kind] == 0 && count < caps_[d]) {
          ++count;
          ++room;
        }
      }
      if (room < need) return false;
    }
    return true;
  }

  bool CanImprove(size_t at, base::Amount cost) const {
    if (!best_) return true;
    // Sorted by price: nobody left is cheaper than those that come next.
    for (size_t i = 0; i < width_ - chosen_.size() && at + i < choices_.size(); ++i) {
      cost = Sum(cost, choices_[at + i].candidate->holder_price.per_unit_e18);
    }
    return cost < best_cost_;
  }

  const std::vector<Choice>& choices_;
  const uint32_t width_;
  const Caps caps_;
  const bool first_only_;
  std::array<std::vector<uint32_t>, kDomains> used_;
  std::vector<uint32_t> passed_;
  std::vector<size_t> chosen_;
  std::optional<std::vector<size_t>> best_;
  base::Amount best_cost_;
  uint64_t steps_ = 0;
};

}  // namespace

std::optional<std::vector<size_t>> FindSpread(const std::vector<Choice>& choices, uint32_t width,
                                              const Caps& caps, bool first_only) {
  return Search(choices, width, caps, first_only).Run();
}

}  // namespace cairn::storage
