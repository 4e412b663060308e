// Metadata of a call: lines "name value", then an empty line and the request. "@" stands for the value that a right
// caller would send, so that the checks behind the parsing are reached. Only that caller passes.
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "apps/rpc/call_auth.h"
#include "cairn/base/entropy.h"
#include "fuzz.h"

namespace cairn {
namespace {

constexpr char kMethod[] = "/cairn.rpc.v1.Provider/Get";

struct Parties {
  base::SeededEntropy entropy{42};
  base::SigningKey server = base::SigningKey::Generate(entropy);
  base::SigningKey caller = base::SigningKey::Generate(entropy);
  base::ChainId chain = entropy.Draw<base::ChainId>();
  base::SimClock clock;
  rpc::CallSigner signer{chain, server.public_key(), caller.Clone(), clock};
  rpc::CallVerifier verifier{chain, server.public_key(), clock};
};

}  // namespace

void FuzzOne(base::ByteView input) {
  static const Parties parties;
  const std::pair<std::string, std::string> halves =
      absl::StrSplit(base::ToString(input), absl::MaxSplits("\n\n", 1));
  const rpc::CallMetadata right = parties.signer.Sign(kMethod, halves.second);
  rpc::CallMetadata metadata;
  for (absl::string_view line : absl::StrSplit(halves.first, '\n')) {
    const std::pair<std::string, std::string> field = absl::StrSplit(line, absl::MaxSplits(' ', 1));
    const auto known = right.find(field.first);
    metadata.emplace(field.first, field.second == "@" && known != right.end() ? known->second : field.second);
  }
  auto caller = parties.verifier.Verify(metadata, kMethod, halves.second);
  if (!caller.ok() || !caller->has_value()) return;
  FUZZ_CHECK(**caller == parties.caller.public_key());
  FUZZ_CHECK(!parties.verifier.Verify(metadata, "/cairn.rpc.v1.Provider/Put", halves.second).ok());
}

}  // namespace cairn
