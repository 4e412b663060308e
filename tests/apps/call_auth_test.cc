#include "apps/rpc/call_auth.h"

#include "cairn/base/status.h"
#include "catch.h"

namespace cairn::rpc {
namespace {

struct Parties {
  base::SeededEntropy entropy{7};
  base::SimClock clock;
  base::ChainId chain = entropy.Draw<base::ChainId>();
  base::SigningKey server = base::SigningKey::Generate(entropy);
  base::SigningKey caller = base::SigningKey::Generate(entropy);
  CallSigner signer{chain, server.public_key(), caller.Clone(), clock};
  CallVerifier verifier{chain, server.public_key(), clock};
};

constexpr char kGet[] = "/cairn.rpc.v1.Provider/Get";

}  // namespace

TEST_CASE("a signed call names its caller; an unsigned one names nobody") {
  Parties p;
  auto caller = p.verifier.Verify(p.signer.Sign(kGet, "request"), kGet, "request");
  REQUIRE(caller.ok());
  CHECK(**caller == p.caller.public_key());
  auto nobody = p.verifier.Verify({}, kGet, "request");
  REQUIRE(nobody.ok());
  CHECK_FALSE(nobody->has_value());
}

TEST_CASE("a signature counts for one method, request, server and chain only") {
  Parties p;
  CallMetadata signed_call = p.signer.Sign(kGet, "request");
  auto reason = [&](const CallVerifier& verifier, absl::string_view method,
                    absl::string_view request) {
    return base::ReasonOf(verifier.Verify(signed_call, method, request).status());
  };
  CHECK(reason(p.verifier, kGet, "other") == "BAD_CALLER_SIGNATURE");
  CHECK(reason(p.verifier, "/cairn.rpc.v1.Provider/Put", "request") == "BAD_CALLER_SIGNATURE");
  CHECK(reason(CallVerifier(p.chain, p.caller.public_key(), p.clock), kGet, "request") ==
        "BAD_CALLER_SIGNATURE");
  CHECK(reason(CallVerifier(p.entropy.Draw<base::ChainId>(), p.server.public_key(), p.clock), kGet,
               "request") == "BAD_CALLER_SIGNATURE");
}

TEST_CASE("a call expires, and may not claim to live longer than five minutes") {
  Parties p;
  CallMetadata signed_call = p.signer.Sign(kGet, "");
  p.clock.Advance(kMaxCallLife / 2);
  CHECK(p.verifier.Verify(signed_call, kGet, "").ok());
  p.clock.Advance(absl::Milliseconds(1));
  CHECK(base::ReasonOf(p.verifier.Verify(signed_call, kGet, "").status()) == "CALL_EXPIRED");
  base::SimClock behind;  // for this clock the claim reaches too far ahead
  behind.Set(p.clock.Now() - kMaxCallLife - absl::Milliseconds(2));
  CallVerifier verifier(p.chain, p.server.public_key(), behind);
  CHECK(base::ReasonOf(verifier.Verify(signed_call, kGet, "").status()) == "CALL_EXPIRED");
}

TEST_CASE("malformed caller metadata is refused, never read as unsigned") {
  Parties p;
  CallMetadata good = p.signer.Sign(kGet, "");
  for (const char* name : {"cairn-caller", "cairn-expires", "cairn-signature"}) {
    for (const char* value : {"", "zz", "00", "-1", "99999999999999999999999"}) {
      CallMetadata bad = good;
      bad.erase(name);
      CHECK_FALSE(p.verifier.Verify(bad, kGet, "").ok());
      bad.emplace(name, value);
      CHECK_FALSE(p.verifier.Verify(bad, kGet, "").ok());
    }
    CallMetadata twice = good;
    twice.emplace(name, good.find(name)->second);
    CHECK_FALSE(p.verifier.Verify(twice, kGet, "").ok());
  }
}

}  // namespace cairn::rpc
