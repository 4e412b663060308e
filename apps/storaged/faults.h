// Ways in which a provider of a test network misbehaves on purpose. Nothing sets one in a main
// network. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace cairn::storaged {

enum class Fault {
  kNone,
  kSlow,                 // parameter: milliseconds before each read answers
  kWrongBytes,           // reads have a flipped bit
  kWrongReceipt,         // receipts have a signature that does not verify
  kSilentAfterApproval,  // approves, then never answers an upload
  kRefuseSeal,           // says "uploaded" as primary and never seals
  kForgedReads,          // parameter 0: writes every read down twice; else: as much more than was sent
};

// The names of rpc.v1.SetFaultRequest.
inline std::optional<Fault> FaultNamed(absl::string_view name) {
  if (name == "none" || name.empty()) return Fault::kNone;
  if (name == "slow") return Fault::kSlow;
  if (name == "wrong_bytes") return Fault::kWrongBytes;
  if (name == "wrong_receipt") return Fault::kWrongReceipt;
  if (name == "silent_after_approval") return Fault::kSilentAfterApproval;
  if (name == "refuse_seal") return Fault::kRefuseSeal;
  if (name == "forged_reads") return Fault::kForgedReads;
  return std::nullopt;
}

class Faults {
 public:
  void Set(Fault fault, uint64_t parameter) {
    parameter_ = parameter;
    fault_ = fault;
  }
  bool Is(Fault fault) const { return fault_ == fault; }
  uint64_t parameter() const { return parameter_; }

 private:
  std::atomic<Fault> fault_{Fault::kNone};
  std::atomic<uint64_t> parameter_{0};
};

}  // namespace cairn::storaged
