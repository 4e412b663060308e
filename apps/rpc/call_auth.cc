#include "apps/rpc/call_auth.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::rpc {
namespace {

constexpr char kCaller[] = "cairn-caller";
constexpr char kExpires[] = "cairn-expires";
constexpr char kSignature[] = "cairn-signature";
constexpr size_t kMaxValueBytes = 256;

absl::Status Refuse(absl::string_view reason, absl::string_view message, absl::string_view hint) {
  return base::Error(absl::StatusCode::kUnauthenticated, reason, message, hint);
}

absl::Status BadSignature(absl::string_view why) {
  return Refuse("BAD_CALLER_SIGNATURE", absl::StrCat("the call's signature is refused: ", why),
                "sign method, request, server key and expiry with the caller's key");
}

// The one value under a name; empty when absent, repeated or too long.
absl::string_view Single(const CallMetadata& metadata, const char* name) {
  auto [begin, end] = metadata.equal_range(name);
  // Two values could mean one caller here and another to a proxy in between.
  if (begin == end || std::next(begin) != end || begin->second.size() > kMaxValueBytes) return {};
  return begin->second;
}

}  // namespace

CallSigner::CallSigner(const base::ChainId& chain, const base::PublicKey& server,
                       base::SigningKey caller, const base::Clock& clock)
    : chain_(chain), server_(server), caller_(std::move(caller)), clock_(clock) {}

CallMetadata CallSigner::Sign(absl::string_view method, absl::string_view request) const {
  base::CallClaim claim;
  claim.chain = chain_;
  claim.caller = caller_.account();
  claim.server = server_;
  // Short of the limit, so that a server whose clock is a little behind accepts it.
  claim.expires_ms = static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now() + kMaxCallLife / 2));
  claim.request = base::CallRequestHash(method, base::AsBytes(request));
  base::Signature signature = caller_.Sign(base::SigningDigest(claim));
  return {{kCaller, base::ToHex(caller_.public_key().Encode())},
          {kExpires, absl::StrCat(claim.expires_ms)},
          {kSignature, signature.ToHexString()}};
}

CallVerifier::CallVerifier(const base::ChainId& chain, const base::PublicKey& server,
                           const base::Clock& clock)
    : chain_(chain), server_(server), clock_(clock) {}

absl::StatusOr<Caller> CallVerifier::Verify(
    const CallMetadata& metadata, absl::string_view method, absl::string_view request) const {
  if (metadata.count(kCaller) + metadata.count(kExpires) + metadata.count(kSignature) == 0)
    return Caller();
  absl::StatusOr<base::Bytes> key_bytes = base::FromHex(Single(metadata, kCaller));
  if (!key_bytes.ok()) return BadSignature("cairn-caller is no key");
  absl::StatusOr<base::PublicKey> key = base::PublicKey::Decode(*key_bytes);
  if (!key.ok()) return BadSignature("cairn-caller is no key");
  absl::StatusOr<base::Bytes> signature_bytes = base::FromHex(Single(metadata, kSignature));
  if (!signature_bytes.ok()) return BadSignature("cairn-signature is no signature");
  absl::StatusOr<base::Signature> signature = base::Signature::From(*signature_bytes);
  if (!signature.ok()) return BadSignature("cairn-signature is no signature");
  base::CallClaim claim;
  if (!absl::SimpleAtoi(Single(metadata, kExpires), &claim.expires_ms))
    return BadSignature("cairn-expires is no number");
  auto now_ms = static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now()));
  if (claim.expires_ms < now_ms ||
      claim.expires_ms - now_ms > static_cast<uint64_t>(absl::ToInt64Milliseconds(kMaxCallLife))) {
    return Refuse("CALL_EXPIRED",
                  "the call's signature has expired, or lives longer than five minutes",
                  "compare the clocks of caller and server, then call again");
  }
  claim.chain = chain_;
  claim.caller = key->Account();
  claim.server = server_;
  claim.request = base::CallRequestHash(method, base::AsBytes(request));
  if (!key->Verify(base::SigningDigest(claim), *signature)) {
    return BadSignature("it is not by the caller over this call to this server");
  }
  SignedCaller caller(*key);
  caller.expires_ms = claim.expires_ms;
  caller.signature = *signature;
  return Caller(caller);
}

}  // namespace cairn::rpc
