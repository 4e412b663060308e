// The ledger's store as a damaged disk may return it: edits of the entries of a real one. u8 kind; 0 and 1: u16 entry,
// u8 place and u8 mask (of the key, of the value), 2: u16 entry (removed), 3: u16 entry, u8 length and a value of its own,
// 4: u8 length and a new key, u8 length and its value.
// The engine opens it or says what is broken; a sound-looking one answers, and forms blocks.
#include <vector>

#include "cairn/base/codec.h"
#include "cairn/chain/keys.h"
#include "quiet_protobuf.h"
#include "support/ledger_harness.h"

namespace cairn {
namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

struct Original {
  Original() {
    const uint64_t bucket = h.Bucket("replicate:3");
    h.Store(bucket, {.name = "sealed"});
    pending = h.CreateOne(bucket, {.name = "pending"});
    const auto snapshot = h.kv().Snapshot();
    const auto cursor = snapshot->NewCursor();
    for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
      entries.emplace_back(std::string(cursor->key()), std::string(cursor->value()));
    }
  }
  chain::LedgerHarness h;
  std::string pending;
  Entries entries;
};

Original& Real() {
  static auto* original = new Original();
  return *original;
}

void Flip(std::string& text, base::Reader& edits) {
  const size_t at = edits.U8();
  const uint8_t mask = edits.U8();
  if (!text.empty()) text[at % text.size()] = static_cast<char>(text[at % text.size()] ^ mask);
}

void Edit(Entries& entries, base::Reader& edits) {
  const uint8_t kind = edits.U8() % 5;
  if (kind == 4) {
    const std::string key(base::AsText(edits.Raw(edits.U8())));
    entries.emplace_back(key, base::AsText(edits.Raw(edits.U8())));
    return;
  }
  if (entries.empty()) return;
  auto entry = entries.begin() + edits.U16() % static_cast<long>(entries.size());
  if (kind == 0) Flip(entry->first, edits);
  if (kind == 1) Flip(entry->second, edits);
  if (kind == 2) entries.erase(entry);
  if (kind == 3) entry->second = std::string(base::AsText(edits.Raw(edits.U8())));
}

void Use(chain::EmbeddedEngine& engine, base::SimClock& clock) {
  chain::pb::QueryRequest request;
  request.set_object(Real().pending);
  request.set_prove(true);
  (void)engine.Query(request);
  request.set_providers(true);
  (void)engine.Query(request);
  for (uint64_t height = 0; height <= std::min<uint64_t>(engine.height(), 20); ++height) {
    (void)engine.NextBlock(height, absl::ZeroDuration());
  }
  clock.Advance(absl::Hours(2));
  for (int i = 0; i < 4; ++i) (void)engine.RunOnce();
  (void)engine.Health();
}

}  // namespace

void FuzzOne(base::ByteView input) {
  QuietProtobuf();
  FUZZ_CHECK(chain::keys::ParseDue(base::ToString(input)).id.size() <= input.size());
  Entries entries = Real().entries;
  base::Reader edits(input);
  while (edits.ok() && edits.remaining() > 0) Edit(entries, edits);
  auto kv = base::NewMemoryKv();
  base::KvBatch batch;
  for (const auto& [key, value] : entries) {
    if (!key.empty()) batch.Put(key, value);
  }
  FUZZ_CHECK(kv->Commit(batch).ok());
  base::SimClock clock;
  clock.Advance(Real().h.clock().Now() - clock.Now());
  chain::EngineOptions options;
  options.keep_history = absl::Minutes(30);
  auto engine = chain::EmbeddedEngine::Open(*kv, clock, Real().h.Key("engine").Clone(), Real().h.genesis(),
                                            base::NullObserver(), options);
  if (engine.ok()) Use(**engine, clock);
}

}  // namespace cairn
