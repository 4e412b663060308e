// The plan's faults at their times, and the end of them.
#pragma once

#include "sim/plan.h"

namespace cairn::sim {

class World;
class ProviderNode;

class Faults {
 public:
  explicit Faults(World& world) : world_(world) {}
  // Every fault begins and ends when the plan says, counted from now.
  void Arm();
  // The last one has ended, and their time is over.
  bool over() const;
  // Whatever still lasts ends: everything runs and reaches everything. In liveness mode the victim stays down.
  void Heal();

 private:
  void Begin(const Fault& fault);
  void End(const Fault& fault);
  ProviderNode& Target(const Fault& fault);
  void CutOff(const Fault& fault, bool cut);

  World& world_;
  absl::Duration armed_;
  absl::Duration last_;
};

}  // namespace cairn::sim
