// A transfer journal from a foreign disk. A first byte of 0 asks for the right checksum behind the rest, so that the
// fields are reached.
#include "apps/client/journal.h"
#include "cairn/base/hash.h"
#include "fuzz.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  if (input.empty()) return;
  base::Bytes bytes = base::ToBytes(input.subspan(1));
  if (input[0] == 0) {
    const base::Digest sum = base::Blake3(bytes);
    bytes.insert(bytes.end(), sum.value.begin(), sum.value.end());
  }
  auto entry = client::DecodeJournal(bytes);
  if (!entry.ok()) return;
  FUZZ_CHECK(client::EncodeJournal(*entry) == bytes);
}

}  // namespace cairn
