// The records of a claim store that somebody else has written: each of the tables gets the input, or a part of it
// (a line of the statement the same as the voucher).
// A store answers or says STORE_DAMAGED; what it answers is a claim of the channel it was asked for.
#include <algorithm>

#include "cairn/base/kv.h"
#include "cairn/base/status.h"
#include "cairn/payment/claim_store.h"
#include "fuzz.h"

namespace cairn {
namespace {

constexpr char kTables[] = {'v', 't', 'w', 'p'};

void CheckError(const absl::Status& status) {
  FUZZ_CHECK(status.ok() || base::ReasonOf(status) == "STORE_DAMAGED");
}

}  // namespace

void FuzzOne(base::ByteView input) {
  base::ChannelId channel;  // the one of the corpus
  channel.value.fill(2);
  auto kv = base::NewMemoryKv();
  base::KvBatch batch;
  // u8 length before each value but the last.
  for (const char table : kTables) {
    size_t size = input.size();
    if (table != kTables[3] && !input.empty()) {
      size = std::min<size_t>(input[0], input.size() - 1);
      input.remove_prefix(1);
    }
    if (size > 0) {
      batch.Put(std::string(1, table) + base::ToString(channel.view()), base::ToString(input.subspan(0, size)));
    }
    if (table == 'v' && size > 0) {
      batch.Put("h" + base::ToString(channel.view()) + std::string(4, '\0'), base::ToString(input.subspan(0, size)));
    }
    input.remove_prefix(size);
  }
  FUZZ_CHECK(kv->Commit(batch).ok());
  auto store = payment::OpenClaimStore(*kv);
  CheckError(store.status());
  if (!store.ok()) return;
  const auto claim = (*store)->Find(channel);
  CheckError(claim.status());
  if (claim.ok() && claim->has_value()) FUZZ_CHECK((**claim).voucher.channel == channel);
  CheckError((*store)->All().status());
  CheckError((*store)->FindWaiver(channel).status());
  CheckError((*store)->PeerGeneration(channel).status());
  const auto lines = (*store)->Statement(channel, 0, 10);
  CheckError(lines.status());
  if (lines.ok()) FUZZ_CHECK(lines->size() <= 1);
  if (claim.ok() && claim->has_value()) (*store)->Stage(**claim);
}

}  // namespace cairn
