// Signed calls: the caller's signature over method, request, server and expiry (base::CallClaim),
// as metadata.
//
//   cairn-caller     encoded public key, hex
//   cairn-expires    milliseconds since 1970, decimal
//   cairn-signature  hex
//
// The request is its serialised bytes for unary and server-streaming calls, empty for
// client-streaming ones. A claim lives at most five minutes; within them it may be repeated to the
// same server, so it guards reads and says who writes, but is no substitute for a single-use
// approval. Both classes are thread-safe.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "cairn/base/claim.h"
#include "cairn/base/clock.h"

namespace cairn::rpc {

inline constexpr absl::Duration kMaxCallLife = absl::Minutes(5);
// Who calls, with the proof of it.
struct SignedCaller {
  SignedCaller(const base::PublicKey& caller) : key(caller) {}  // NOLINT: a key is a caller without its proof

  base::PublicKey key;
  uint64_t expires_ms = 0;
  base::Signature signature{};  // of the base::CallClaim

  base::AccountId Account() const { return key.Account(); }
  friend bool operator==(const SignedCaller& caller, const base::PublicKey& key) { return caller.key == key; }
};
using Caller = std::optional<SignedCaller>;  // nullopt: the call was not signed

using CallMetadata = std::multimap<std::string, std::string>;

// Client side, for one server.
class CallSigner {
 public:
  CallSigner(const base::ChainId& chain, const base::PublicKey& server, base::SigningKey caller,
             const base::Clock& clock);
  // `method` is the full name: "/cairn.rpc.v1.Provider/Get".
  CallMetadata Sign(absl::string_view method, absl::string_view request) const;

 private:
  base::ChainId chain_;
  base::PublicKey server_;
  base::SigningKey caller_;
  const base::Clock& clock_;
};

// Server side.
class CallVerifier {
 public:
  CallVerifier(const base::ChainId& chain, const base::PublicKey& server, const base::Clock& clock);
  // nullopt when the call is not signed. Unauthenticated: CALL_EXPIRED (past, or more than five
  // minutes ahead), BAD_CALLER_SIGNATURE (anything else).
  absl::StatusOr<Caller> Verify(const CallMetadata& metadata,
                                                        absl::string_view method,
                                                        absl::string_view request) const;

 private:
  base::ChainId chain_;
  base::PublicKey server_;
  const base::Clock& clock_;
};

}  // namespace cairn::rpc
