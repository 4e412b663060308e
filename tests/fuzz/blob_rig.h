// A blob store with small packs on a simulated disk, for targets.
#pragma once

#include <memory>
#include <string>

#include "cairn/base/disk.h"
#include "cairn/base/entropy.h"
#include "cairn/base/kv.h"
#include "cairn/base/observer.h"
#include "cairn/storage/disk_blob_store.h"
#include "fuzz.h"

namespace cairn {

struct BlobRig {
  absl::Status Open() {
    store.reset();
    auto opened = storage::DiskBlobStore::Open({sim, *index, entropy, base::NullObserver()},
                                               {.reserve_bytes = 0, .pack_bytes = 100'000, .index_step = 12,
                                                .compact_percent = 30});
    if (!opened.ok()) return opened.status();
    store = *std::move(opened);
    return absl::OkStatus();
  }
  void LoseIndex() {
    store.reset();
    index = base::NewMemoryKv();
  }
  uint64_t PackBytes() {
    uint64_t total = 0;
    const std::vector<std::string> packs = sim.List("packs").value();
    for (const std::string& pack : packs) {
      total += sim.Open("packs/" + pack, base::OpenMode::kRead).value()->Size().value();
    }
    return total;
  }

  base::SimDisk sim;
  std::unique_ptr<base::Kv> index = base::NewMemoryKv();
  base::SeededEntropy entropy{42};
  std::unique_ptr<storage::DiskBlobStore> store;
};

// Everything a provider does with a store it has opened, whatever is on its disk: what is handed out is what its id says.
inline void UseEveryway(storage::DiskBlobStore& store) {
  auto listed = store.List({}, 64);
  if (listed.ok()) {
    for (const storage::BlobInfo& info : *listed) {
      auto bytes = store.Read(info.id, uint64_t{4} << 20);
      if (bytes.ok()) FUZZ_CHECK(base::ContentId::Of(*bytes) == info.id && bytes->size() == info.size);
      base::SliceDecoder decoder(info.id.digest, {100, 5000});
      (void)store.ReadSlice(info.id, {100, 5000}, [&](base::ByteView piece) {
        return decoder.Feed(piece, [](uint64_t, base::ByteView) { return absl::OkStatus(); });
      });
      (void)store.Stat(info.id);
    }
  }
  auto partials = store.Partials();
  if (partials.ok()) {
    for (const storage::PartialBlob& partial : *partials) {
      FUZZ_CHECK(partial.held <= partial.size);
      (void)store.Begin(partial.id, partial.size);
      (void)store.DropPartial(partial.id);
    }
  }
  std::string cursor;
  for (int rounds = 0; rounds < 1000; ++rounds) {
    auto report = store.Scrub(cursor, 1 << 20);
    if (!report.ok() || report->finished) break;
    FUZZ_CHECK(cursor != report->next_cursor);
    cursor = report->next_cursor;
  }
  (void)store.Compact(1 << 20);
  (void)store.Usage();
}

}  // namespace cairn
