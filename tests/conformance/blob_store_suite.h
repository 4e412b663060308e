// What every blob store promises (cairn/storage/blob_store.h), as checks that each implementation
// is held to.
//
//   TEST_CASE("the memory store keeps the promises of a blob store") {
//     blob_store_suite::Run([](uint64_t quota) { return NewMemoryBlobStore({}, quota); });
//   }
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>

#include "cairn/base/entropy.h"
#include "cairn/base/status.h"
#include "cairn/storage/blob_store.h"
#include "catch.h"

namespace cairn::storage::blob_store_suite {

using Make = std::function<std::unique_ptr<BlobStore>(uint64_t quota)>;  // a new, empty store
inline constexpr uint64_t kRoomy = uint64_t{1} << 30;

struct Sample {
  base::ContentId id;
  base::Bytes bytes;
};

inline Sample MakeSample(size_t size, uint64_t seed) {
  Sample sample;
  sample.bytes.resize(size);
  base::SeededEntropy(seed).Fill(absl::MakeSpan(sample.bytes));
  sample.id = base::ContentId::Of(sample.bytes);
  return sample;
}

// Around every size where the stores change their ways.
inline std::vector<size_t> Sizes() {
  return {0, 1, 16'384, 16'385, 262'144, 262'145, 1'048'576, 1'048'577, 3 * 1'048'576 + 5};
}

inline absl::StatusOr<base::Bytes> ReadRange(BlobStore& store, const base::ContentId& id,
                                             base::ByteRange range) {
  base::Bytes out;
  RETURN_IF_ERROR(store.ReadRange(id, range, [&out](base::ByteView piece) {
    CHECK(piece.size() <= 1 << 20);
    out.insert(out.end(), piece.begin(), piece.end());
    return absl::OkStatus();
  }));
  return out;
}

inline base::Bytes Part(const base::Bytes& bytes, base::ByteRange range) {
  const size_t from = std::min<uint64_t>(range.offset, bytes.size());
  return base::ToBytes(base::ByteView(bytes).subspan(from, range.length));
}

// Reads a slice the way a receiver does.
inline absl::StatusOr<base::Bytes> ReceiveSlice(BlobStore& store, const base::ContentId& id,
                                                base::ByteRange range) {
  base::Bytes out;
  base::SliceDecoder decoder(id.digest, range);
  RETURN_IF_ERROR(store.ReadSlice(id, range, [&](base::ByteView piece) {
    return decoder.Feed(piece, [&](uint64_t, base::ByteView proven) {
      out.insert(out.end(), proven.begin(), proven.end());
      return absl::OkStatus();
    });
  }));
  RETURN_IF_ERROR(decoder.Finish().status());
  return out;
}

inline std::vector<base::ContentId> ListAll(BlobStore& store, size_t page) {
  std::vector<base::ContentId> out;
  base::ContentId after;
  for (;;) {
    const auto listed = store.List(after, page);
    REQUIRE(listed.ok());
    for (const BlobInfo& info : *listed) out.push_back(info.id);
    if (listed->size() < page) return out;
    after = listed->back().id;
  }
}

inline void WhatIsPutIsRead(BlobStore& store) {
  std::vector<base::ContentId> ids;
  uint64_t total = 0;
  for (size_t size : Sizes()) {
    CAPTURE(size);
    const Sample sample = MakeSample(size, size + 1);
    REQUIRE(store.Put(sample.id, sample.bytes).ok());
    REQUIRE(store.Put(sample.id, sample.bytes).ok());
    REQUIRE(store.Confirm(sample.id).ok());
    CHECK(store.Stat(sample.id).value() == BlobInfo{sample.id, size});
    CHECK(store.Read(sample.id, size).value() == sample.bytes);
    if (size > 0)
      CHECK(base::ReasonOf(store.Read(sample.id, size - 1).status()) == "BLOB_TOO_LARGE");
    for (const base::ByteRange range : {base::ByteRange{0, size},
                                        {0, 1},
                                        {size / 2, 40'000},
                                        {size == 0 ? 0 : size - 1, 100},
                                        {size, 1},
                                        {size + 7, 9},
                                        {16'383, 2},
                                        {1, 0}}) {
      CAPTURE(range.offset, range.length);
      CHECK(ReadRange(store, sample.id, range).value() == Part(sample.bytes, range));
      CHECK(ReceiveSlice(store, sample.id, range).value() == Part(sample.bytes, range));
    }
    ids.push_back(sample.id);
    total += size;
  }
  std::sort(ids.begin(), ids.end());
  for (size_t page : {1, 2, 100}) CHECK(ListAll(store, page) == ids);
  CHECK(store.Usage().blobs == ids.size());
  CHECK(store.Usage().live_bytes == total);
  for (const base::ContentId& id : ids) {
    REQUIRE(store.Delete(id).ok());
    REQUIRE(store.Delete(id).ok());
    CHECK(base::ReasonOf(store.Stat(id).status()) == "NO_SUCH_BLOB");
    CHECK(base::ReasonOf(ReadRange(store, id, {0, 1}).status()) == "NO_SUCH_BLOB");
    CHECK(base::ReasonOf(store.Confirm(id).status()) == "NO_SUCH_BLOB");
  }
  CHECK(ListAll(store, 10).empty());
  CHECK(store.Usage().live_bytes == 0);
}

inline void WrongBytesAreRefused(BlobStore& store) {
  for (size_t size : {100u, 300'000u}) {
    Sample good = MakeSample(size, 1), bad = MakeSample(size, 2), third = MakeSample(size, 3);
    bad.bytes.back() ^= 1;
    CHECK(base::ReasonOf(store.Put(bad.id, bad.bytes).status()) == "HASH_MISMATCH");
    const std::vector<std::pair<base::ContentId, base::ByteView>> batch = {
        {good.id, good.bytes}, {bad.id, bad.bytes}, {third.id, third.bytes}};
    CHECK(base::ReasonOf(store.PutMany(batch).status()) == "HASH_MISMATCH");
    CHECK(base::ReasonOf(store.Stat(good.id).status()) == "NO_SUCH_BLOB");
    auto writer = store.Begin(bad.id, size);
    REQUIRE(writer.ok());
    REQUIRE((*writer)->Append(bad.bytes).ok());
    CHECK(base::ReasonOf((*writer)->Commit().status()) == "HASH_MISMATCH");
    writer->reset();
    CHECK(base::ReasonOf(store.Stat(bad.id).status()) == "NO_SUCH_BLOB");
    CHECK(store.Partials().value().empty());
  }
}

inline void BatchesAreStoredWhole(BlobStore& store) {
  std::vector<Sample> samples;
  std::vector<std::pair<base::ContentId, base::ByteView>> batch;
  for (size_t i = 0; i < 40; ++i)
    samples.push_back(MakeSample(i % 8 == 0 ? 400'000 : i * 100, 50 + i));
  for (const Sample& sample : samples) batch.emplace_back(sample.id, sample.bytes);
  batch.push_back(batch.front());
  REQUIRE(store.PutMany(batch).ok());
  std::vector<base::ContentId> ids;
  for (const Sample& sample : samples) {
    CHECK(store.Read(sample.id, kRoomy).value() == sample.bytes);
    ids.push_back(sample.id);
  }
  CHECK(store.Usage().blobs == samples.size());
  REQUIRE(store.DeleteMany(ids).ok());
  CHECK(store.Usage().blobs == 0);
}

inline void SoManyAtOnceAndNoMore(BlobStore& store) {
  const Sample sample = MakeSample(10, 1);
  const std::pair<base::ContentId, base::ByteView> blob(sample.id, sample.bytes);
  CHECK(absl::IsInvalidArgument(
      store.PutMany(std::vector<std::pair<base::ContentId, base::ByteView>>(kMaxPutMany + 1, blob)).status()));
  CHECK(store.Usage().blobs == 0);
  REQUIRE(store.PutMany(std::vector<std::pair<base::ContentId, base::ByteView>>(kMaxPutMany, blob)).ok());
  CHECK(store.Usage().blobs == 1);
  const std::vector<base::ContentId> ids(kMaxPutMany + 1, sample.id);
  CHECK(absl::IsInvalidArgument(store.DeleteMany(ids).status()));
  CHECK(store.Usage().blobs == 1);
  REQUIRE(store.DeleteMany(absl::MakeConstSpan(ids).subspan(1)).ok());
  CHECK(store.Usage().blobs == 0);
}

inline void WritersGoOnWhereTheyStopped(BlobStore& store) {
  for (size_t size : Sizes()) {
    CAPTURE(size);
    const Sample sample = MakeSample(size, size + 99);
    const base::ByteView bytes = sample.bytes;
    {
      auto writer = store.Begin(sample.id, size);
      REQUIRE(writer.ok());
      CHECK((*writer)->offset() == 0);
      CHECK(base::ReasonOf(store.Begin(sample.id, size).status()) == "BLOB_BUSY");
      REQUIRE((*writer)->Append(bytes.subspan(0, size / 2)).ok());
      CHECK((*writer)->offset() == size / 2);
      CHECK(base::ReasonOf(store.Stat(sample.id).status()) == "NO_SUCH_BLOB");
    }
    auto writer = store.Begin(sample.id, size);
    REQUIRE(writer.ok());
    const uint64_t held = (*writer)->offset();
    CHECK(held == size / 2);
    for (uint64_t at = held; at < size; at += 70'000) {
      REQUIRE((*writer)->Append(bytes.subspan(at, 70'000)).ok());
    }
    REQUIRE((*writer)->Commit().ok());
    CHECK_FALSE((*writer)->Commit().ok());
    writer->reset();
    CHECK(store.Read(sample.id, size).value() == sample.bytes);
    CHECK(base::ReasonOf(store.Begin(sample.id, size).status()) == "BLOB_EXISTS");
    CHECK(store.Partials().value().empty());
  }
}

inline void WritersKeepToTheSize(BlobStore& store) {
  for (size_t size : {1'000u, 2'500'000u}) {
    const Sample sample = MakeSample(size, 7);
    auto writer = store.Begin(sample.id, size - 1);
    REQUIRE(writer.ok());
    CHECK(base::ReasonOf((*writer)->Append(sample.bytes)) == "SIZE_MISMATCH");
    writer->reset();
    writer = store.Begin(sample.id, size);
    REQUIRE(writer.ok());
    CHECK(base::ReasonOf((*writer)->Commit().status()) == "SIZE_MISMATCH");
    writer->reset();
    // A lie about the size leaves nothing that would be in the way of the truth.
    writer = store.Begin(sample.id, size + 3'000'000);
    REQUIRE(writer.ok());
    REQUIRE((*writer)->Append(sample.bytes).ok());
    REQUIRE((*writer)->Append(base::Bytes(2'999'000)).ok());
    writer->reset();
    REQUIRE(store.Put(sample.id, sample.bytes).ok());
    REQUIRE(store.DropPartial(sample.id).ok());
    CHECK(store.Read(sample.id, size).value() == sample.bytes);
    CHECK(store.Partials().value().empty());
    REQUIRE(store.Delete(sample.id).ok());
  }
  CHECK(base::ReasonOf(store.Begin(MakeSample(1, 1).id, kMaxBlobBytes + 1).status()) ==
        "BLOB_TOO_LARGE");
}

inline void PartialBlobsAreSeenAndDropped(BlobStore& store) {
  const Sample sample = MakeSample(3'000'000, 8);
  auto writer = store.Begin(sample.id, sample.bytes.size());
  REQUIRE(writer.ok());
  REQUIRE((*writer)->Append(base::ByteView(sample.bytes).subspan(0, 2'200'000)).ok());
  CHECK(base::ReasonOf(store.DropPartial(sample.id)) == "BLOB_BUSY");
  writer->reset();
  const auto partials = store.Partials().value();
  REQUIRE(partials.size() == 1);
  CHECK(partials[0].id == sample.id);
  CHECK(partials[0].size == sample.bytes.size());
  CHECK(partials[0].held == 2'200'000);
  REQUIRE(store.DropPartial(sample.id).ok());
  REQUIRE(store.DropPartial(sample.id).ok());
  CHECK(store.Partials().value().empty());
  writer = store.Begin(sample.id, sample.bytes.size());
  REQUIRE(writer.ok());
  CHECK((*writer)->offset() == 0);
}

inline void TheReceiverMayStop(BlobStore& store) {
  for (size_t size : {5'000u, 700'000u}) {
    const Sample sample = MakeSample(size, 9);
    REQUIRE(store.Put(sample.id, sample.bytes).ok());
    const auto refuse = [](base::ByteView) { return absl::DataLossError("the receiver is gone"); };
    CHECK(store.ReadRange(sample.id, {0, size}, refuse).message() == "the receiver is gone");
    CHECK(store.ReadSlice(sample.id, {0, size}, refuse).message() == "the receiver is gone");
    CHECK(store.Stat(sample.id).ok());
    CHECK(store.Usage().damaged == 0);
  }
}

inline void TheQuotaHolds(const Make& make) {
  const std::unique_ptr<BlobStore> store = make(2'000'000);
  const Sample first = MakeSample(1'200'000, 1), second = MakeSample(1'200'000, 2);
  REQUIRE(store->Put(first.id, first.bytes).ok());
  CHECK(base::ReasonOf(store->Put(second.id, second.bytes).status()) == "QUOTA_EXCEEDED");
  CHECK(base::ReasonOf(store->Begin(second.id, second.bytes.size()).status()) == "QUOTA_EXCEEDED");
  const Sample half = MakeSample(500'000, 3), other_half = MakeSample(500'000, 4);
  {
    // What is promised to one writer is not promised to another.
    const auto writer = store->Begin(half.id, half.bytes.size());
    REQUIRE(writer.ok());
    CHECK(base::ReasonOf(store->Begin(other_half.id, 500'000).status()) == "QUOTA_EXCEEDED");
  }
  REQUIRE(store->Put(other_half.id, other_half.bytes).ok());
  CHECK(store->Usage().disk_bytes <= store->Usage().quota_bytes);
  CHECK(store->Read(first.id, kRoomy).value() == first.bytes);
  REQUIRE(store->Delete(first.id).ok());
  REQUIRE(store->Compact(kRoomy).ok());
  REQUIRE(store->Put(second.id, second.bytes).ok());
}

inline void ScrubLooksAtEverythingOnce(BlobStore& store) {
  std::vector<Sample> samples;
  uint64_t total = 0;
  for (size_t i = 0; i < 30; ++i) {
    samples.push_back(MakeSample(i == 7 ? 2'000'000 : i * 300, 300 + i));
    total += samples.back().bytes.size();
    REQUIRE(store.Put(samples.back().id, samples.back().bytes).ok());
  }
  for (uint64_t budget : {uint64_t{1'000}, kRoomy}) {
    std::string cursor;
    uint64_t bytes = 0, blobs = 0;
    for (int calls = 0;; ++calls) {
      REQUIRE(calls < 1'000);
      const auto report = store.Scrub(cursor, budget);
      REQUIRE(report.ok());
      CHECK(report->damaged.empty());
      bytes += report->checked_bytes;
      blobs += report->checked_blobs;
      CHECK(report->finished == report->next_cursor.empty());
      cursor = report->next_cursor;
      if (report->finished) break;
    }
    CHECK(blobs >= samples.size());
    CHECK(bytes >= total);
    CHECK(bytes <= total + total / 50 + samples.size() * 200);
  }
}

inline void ManyMayUseItAtOnce(BlobStore& store) {
  const Sample shared = MakeSample(50'000, 1'000);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 25; ++i) {
        const size_t size = i % 10 == 9 ? 400'000 : 100 + i * 50;
        const Sample own = MakeSample(size, 10'000 * (t + 1) + i);
        wrong += !store.Put(own.id, own.bytes).ok();
        wrong += !store.Put(shared.id, shared.bytes).ok();
        wrong += store.Read(own.id, kRoomy).value_or(base::Bytes()) != own.bytes;
        wrong += store.Read(shared.id, kRoomy).value_or(base::Bytes()) != shared.bytes;
        if (i % 3 == 0) wrong += !store.Delete(own.id).ok() || store.Stat(own.id).ok();
        if (i % 8 == 0) wrong += !store.Compact(kRoomy).ok();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(store.Usage().blobs == 6 * 16 + 1);
}

inline void Run(const Make& make) {
  SECTION("what is put is read, by range and as slices, until it is deleted") {
    WhatIsPutIsRead(*make(kRoomy));
  }
  SECTION("wrong bytes are refused and leave nothing") { WrongBytesAreRefused(*make(kRoomy)); }
  SECTION("a batch is stored whole") { BatchesAreStoredWhole(*make(kRoomy)); }
  SECTION("so many blobs at once are taken and no more") { SoManyAtOnceAndNoMore(*make(kRoomy)); }
  SECTION("a writer goes on where it stopped") { WritersGoOnWhereTheyStopped(*make(kRoomy)); }
  SECTION("a writer keeps to the declared size") { WritersKeepToTheSize(*make(kRoomy)); }
  SECTION("partial blobs are seen and dropped") { PartialBlobsAreSeenAndDropped(*make(kRoomy)); }
  SECTION("a receiver that stops does the blob no harm") { TheReceiverMayStop(*make(kRoomy)); }
  SECTION("the quota holds and loses nothing") { TheQuotaHolds(make); }
  SECTION("a scrub looks at everything once, in steps of any size") {
    ScrubLooksAtEverythingOnce(*make(kRoomy));
  }
  SECTION("many threads may use it at once") { ManyMayUseItAtOnce(*make(kRoomy)); }
}

}  // namespace cairn::storage::blob_store_suite
