// A proof as an untrusted node may send it: only the true one leads to the root.
#include "absl/strings/str_cat.h"
#include "cairn/chain/proof.h"
#include "quiet_protobuf.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  QuietProtobuf();
  // The tree of tests/vectors/chain/state_tree.hex.
  static const auto root = [] {
    chain::ChangeSet changes;
    for (int i = 0; i < 20; ++i) changes[absl::StrCat("key", i)] = chain::MakeRecord(absl::StrCat("value", i));
    return chain::UpdateTree(chain::MapView(), changes)->root;
  }();
  chain::pb::StateProof proof;
  if (!proof.ParseFromArray(input.data(), static_cast<int>(input.size()))) return;
  if (!chain::VerifyProof(root, proof).ok()) return;
  bool known = false;
  for (int i = 0; i < 20; ++i) {
    if (proof.key() != absl::StrCat("key", i)) continue;
    known = true;
    FUZZ_CHECK(proof.present() && proof.value() == absl::StrCat("value", i));
  }
  FUZZ_CHECK(known || !proof.present());
}

}  // namespace cairn
