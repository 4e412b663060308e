// Running plans in processes of their own, judging how they ended, and making failing ones small.
#pragma once

#include <string>
#include <vector>

#include "sim/plan.h"
#include "sim/world.h"

namespace cairn::sim {

// In this process. `folder` is made and removed again.
Outcome RunHere(const PlanText& text, bool verbose);

// Failed worlds, and control runs in which nothing failed. Empty: as it should be.
std::string Judge(const PlanText& text, const Outcome& outcome);

// The same failure with fewer operations and faults, after at most `runs` more worlds.
PlanText Shrink(const PlanText& text, const Outcome& failed, int runs);

// What a child process says of its world, in one line and more.
std::string Encode(const Outcome& outcome);
Outcome Decode(const std::string& text);
// In a child process, so that a crash is a failure like another. `anew`: a fresh image of the program with addresses of
// its own.
Outcome RunApart(const PlanText& text, bool anew);

// The same for many at once; `done` hears of each as it ends.
void RunMany(const std::vector<PlanText>& texts, int jobs,
             const std::function<void(const PlanText&, const Outcome&)>& done);

}  // namespace cairn::sim
