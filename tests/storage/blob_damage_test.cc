// Damage on the disk: found by reads and by scrubs, named, never served, and mended where the bytes allow it.
#include <algorithm>

#include "cairn/base/status.h"
#include "catch.h"
#include "storage/blob_rig.h"
#include "support/forwarding_disk.h"

namespace cairn::storage {
namespace {

using blob_store_suite::kRoomy;
using blob_store_suite::MakeSample;
using blob_store_suite::ReadRange;
using blob_store_suite::ReceiveSlice;
using blob_store_suite::Sample;

// Reads that touch one range fail, for good.
class BadSectorDisk final : public base::ForwardingDisk {
 public:
  BadSectorDisk(base::Disk& inner, uint64_t begin, uint64_t end) : ForwardingDisk(inner), begin_(begin), end_(end) {}

 private:
  class BadFile final : public base::ForwardingFile {
   public:
    BadFile(const BadSectorDisk& disk, std::unique_ptr<base::File> inner)
        : ForwardingFile(std::move(inner)), disk_(disk) {}
    absl::StatusOr<size_t> ReadAt(uint64_t offset, base::MutableByteView out) override {
      const bool touched = offset < disk_.end_ && offset + out.size() > disk_.begin_;
      if (touched) return base::Error(absl::StatusCode::kInternal, "IO_ERROR", "a bad sector");
      return ForwardingFile::ReadAt(offset, out);
    }

   private:
    const BadSectorDisk& disk_;
  };
  std::unique_ptr<base::File> Wrap(std::unique_ptr<base::File> file) override {
    return std::make_unique<BadFile>(*this, std::move(file));
  }
  const uint64_t begin_, end_;
};

}  // namespace

TEST_CASE("a flipped byte in a pack is found by a read, named, and never served",
          "[GF-41][MP-20]") {
  const bool by_slice = GENERATE(true, false);
  for (size_t size : {4'096u, 700'000u}) {
    for (int64_t distance : {0, 2'000}) {
      BlobRig rig;
      REQUIRE(rig.Open().ok());
      const Sample sample = MakeSample(size, 1), other = MakeSample(size, 2);
      for (const Sample* s : {&sample, &other}) REQUIRE(rig.store->Put(s->id, s->bytes).ok());
      rig.Flip(sample.bytes, distance);
      CHECK(ReceiveSlice(*rig.store, other.id, {0, size}).value() == other.bytes);
      const auto read = by_slice ? ReceiveSlice(*rig.store, sample.id, {0, size})
                                 : ReadRange(*rig.store, sample.id, {0, size});
      CHECK(base::ReasonOf(read.status()) == "BLOB_DAMAGED");
      CHECK(std::string(read.status().message()).find(sample.id.ToText()) != std::string::npos);
      CHECK(std::string(read.status().message()).find("pack 0000000") != std::string::npos);
      CHECK(rig.observer.seen("blob.damaged") == 1);
      CHECK(base::ReasonOf(rig.store->Stat(sample.id).status()) == "BLOB_DAMAGED");
      CHECK(base::ReasonOf(rig.store->Confirm(sample.id).status()) == "BLOB_DAMAGED");
      CHECK(rig.store->Usage().damaged == 1);
      REQUIRE(rig.Open().ok());
      CHECK(base::ReasonOf(rig.store->Stat(sample.id).status()) == "BLOB_DAMAGED");
      // A sound copy mends it.
      REQUIRE(rig.store->Put(sample.id, sample.bytes).ok());
      CheckReads(*rig.store, {sample, other});
      CHECK(rig.store->Usage().damaged == 0);
    }
  }
}

TEST_CASE("nothing of a damaged group reaches the receiver, what comes before it does", "[GF-41]") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample sample = MakeSample(2'500'000, 1);
  REQUIRE(rig.store->Put(sample.id, sample.bytes).ok());
  const size_t bad = 1'200'000;
  rig.Flip(base::ByteView(sample.bytes).subspan(bad), 0);
  // A range beside the damage is still good, as long as nobody knows.
  CHECK(ReadRange(*rig.store, sample.id, {2'000'000, 100'000}).value() ==
        blob_store_suite::Part(sample.bytes, {2'000'000, 100'000}));
  base::Bytes received;
  const auto status =
      rig.store->ReadRange(sample.id, {0, sample.bytes.size()}, [&](base::ByteView piece) {
        received.insert(received.end(), piece.begin(), piece.end());
        return absl::OkStatus();
      });
  CHECK(base::ReasonOf(status) == "BLOB_DAMAGED");
  CHECK(received.size() == bad / 16'384 * 16'384);
  CHECK(std::equal(received.begin(), received.end(), sample.bytes.begin()));
}

TEST_CASE("a scrub finds a flipped bit of a blob's bytes and marks the blob", "[GF-41][MP-20]") {
  // The neighbours are never in doubt.
  const size_t size = GENERATE(300, 4'096, 262'144, 700'000, 2'200'000);
  const int64_t distance = GENERATE(0, 299);
  CAPTURE(size, distance);
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample before = MakeSample(1'000, 1), sample = MakeSample(size, 2),
               after = MakeSample(1'000, 3);
  for (const Sample* s : {&before, &sample, &after}) REQUIRE(rig.store->Put(s->id, s->bytes).ok());
  rig.Flip(sample.bytes, distance);
  const auto report = rig.store->Scrub("", kRoomy);
  REQUIRE(report.ok());
  REQUIRE(report->damaged.size() == 1);
  CHECK(report->damaged[0].id == sample.id);
  CHECK(report->damaged[0].where.find("pack 0000000") == 0);
  CHECK(base::ReasonOf(rig.store->Read(sample.id, kRoomy).status()) == "BLOB_DAMAGED");
  CheckReads(*rig.store, {before, after});
  rig.LoseIndex();
  REQUIRE(rig.Open().ok());
  CheckReads(*rig.store, {before, after});
  CHECK_FALSE(rig.store->Read(sample.id, kRoomy).ok());
  REQUIRE(rig.store->Put(sample.id, sample.bytes).ok());
  CheckReads(*rig.store, {before, sample, after});
  REQUIRE(rig.store->Compact(kRoomy).ok());
  CheckReads(*rig.store, {before, sample, after});
}

TEST_CASE("a scrub writes a record anew of which only the header is damaged: the blob outlives the index", "[GF-41][MP-20]") {
  const size_t size = GENERATE(300, 262'144, 700'000, 2'200'000);
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample before = MakeSample(1'000, 1), sample = MakeSample(size, 2), after = MakeSample(1'000, 3);
  for (const Sample* s : {&before, &sample, &after}) REQUIRE(rig.store->Put(s->id, s->bytes).ok());
  // Every record of the blob in turn: of small bytes one; of a large blob chunks, outboard and commit.
  const std::vector<RecordPlace> records = RecordsOf(rig, sample.id);
  CHECK(records.size() == (size <= 262'144 ? 1 : (size + (1 << 20) - 1) / (1 << 20) + 2));
  for (const RecordPlace& record : records) {
    for (const uint64_t byte : {0, 38, 87}) {
      CAPTURE(size, record.path, record.offset, byte);
      BlobRig hit;
      REQUIRE(hit.Open().ok());
      for (const Sample* s : {&before, &sample, &after}) REQUIRE(hit.store->Put(s->id, s->bytes).ok());
      REQUIRE(hit.sim.Corrupt(record.path, record.offset + byte, 0x10).ok());
      const auto report = hit.store->Scrub("", kRoomy);
      REQUIRE(report.ok());
      CHECK(report->damaged.empty());
      REQUIRE(report->mended.size() == 1);
      CHECK(report->mended[0].id == sample.id);
      CHECK(report->mended[0].where.find("pack 0000000") == 0);
      CHECK(hit.observer.seen("blob.record_mended") == 1);
      CheckReads(*hit.store, {before, sample, after});
      CHECK(hit.store->Scrub("", kRoomy)->mended.empty());  // once is enough
      hit.LoseIndex();
      REQUIRE(hit.Open().ok());
      CheckReads(*hit.store, {before, sample, after});
      REQUIRE(hit.store->Delete(sample.id).ok());
      hit.LoseIndex();
      REQUIRE(hit.Open().ok());
      CHECK(absl::IsNotFound(hit.store->Stat(sample.id).status()));
      CHECK(hit.store->Usage().disk_bytes == hit.PackBytes());
    }
  }
}

TEST_CASE("a scrub goes on over a bad sector: it marks the blob there and checks the others", "[GF-41][MP-20]") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample before = MakeSample(9'000, 1), hit = MakeSample(9'000, 2), after = MakeSample(9'000, 3);
  for (const Sample* s : {&before, &hit, &after}) REQUIRE(rig.store->Put(s->id, s->bytes).ok());
  const std::vector<RecordPlace> records = RecordsOf(rig, hit.id);
  REQUIRE(records.size() == 1);
  const uint64_t sector = (records[0].offset + 87) / 4'096 * 4'096;  // header, or header and payload
  BadSectorDisk disk(rig.sim, sector, sector + 4'096);
  rig.other_disk = &disk;
  REQUIRE(rig.Open().ok());
  const auto report = rig.store->Scrub("", kRoomy);
  REQUIRE(report.ok());
  CHECK(report->finished);
  CHECK(std::any_of(report->damaged.begin(), report->damaged.end(), [&](const auto& it) { return it.id == hit.id; }));
  CHECK(std::none_of(report->damaged.begin(), report->damaged.end(), [&](const auto& it) { return it.id == after.id; }));
  CheckReads(*rig.store, {after});
  rig.store.reset();
  rig.other_disk = nullptr;
}

TEST_CASE("a scrub writes a tombstone anew that cannot be read: what is deleted stays deleted", "[GF-41][MP-20]") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample kept = MakeSample(1'000, 1), gone = MakeSample(2'000, 2), after = MakeSample(1'000, 3);
  for (const Sample* s : {&kept, &gone}) REQUIRE(rig.store->Put(s->id, s->bytes).ok());
  REQUIRE(rig.store->Delete(gone.id).ok());
  REQUIRE(rig.store->Put(after.id, after.bytes).ok());
  const std::vector<RecordPlace> records = RecordsOf(rig, gone.id);
  REQUIRE(records.size() == 2);
  REQUIRE(rig.sim.Corrupt(records[1].path, records[1].offset + 38, 0x10).ok());
  const auto report = rig.store->Scrub("", kRoomy);
  REQUIRE(report.ok());
  CHECK(report->damaged.empty());
  rig.LoseIndex();
  REQUIRE(rig.Open().ok());
  CHECK(absl::IsNotFound(rig.store->Stat(gone.id).status()));
  CheckReads(*rig.store, {kept, after});
}

TEST_CASE("a pack of which a tombstone cannot be read is removed all the same once nothing in it counts") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample kept = MakeSample(1'000, 1), gone = MakeSample(200'000, 2);
  for (const Sample* s : {&kept, &gone}) REQUIRE(rig.store->Put(s->id, s->bytes).ok());
  REQUIRE(rig.store->Delete(gone.id).ok());
  const std::vector<RecordPlace> records = RecordsOf(rig, gone.id);
  REQUIRE(records.size() == 2);
  REQUIRE(rig.sim.Corrupt(records[1].path, records[1].offset + 38, 0x10).ok());
  for (int round = 0; round < 3; ++round) REQUIRE(rig.store->Compact(kRoomy).ok());
  CHECK(rig.PackBytes() < 10'000);
  CheckReads(*rig.store, {kept});
}

TEST_CASE("a scrub does not call a blob damaged that is not whole yet", "[GF-41]") {
  const bool header = GENERATE(true, false);
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample sample = MakeSample(2'500'000, 1);
  {
    auto writer = rig.store->Begin(sample.id, sample.bytes.size()).value();
    REQUIRE(writer->Append(base::ByteView(sample.bytes).subspan(0, 2'200'000)).ok());
  }
  rig.Flip(sample.bytes, header ? -60 : 77);
  const auto report = rig.store->Scrub("", kRoomy);
  REQUIRE(report.ok());
  CHECK(report->damaged.empty());
  auto writer = rig.store->Begin(sample.id, sample.bytes.size()).value();
  REQUIRE(writer->Append(base::ByteView(sample.bytes).subspan(writer->offset())).ok());
  REQUIRE(writer->Commit().ok());
  CheckReads(*rig.store, {sample});
}

TEST_CASE("a whole scrub names damage that is known already until it is mended, also without a record that tells",
          "[GF-41][MP-20]") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample dead = MakeSample(250'000, 1), rotten = MakeSample(9'000, 2);
  for (const Sample* s : {&dead, &rotten}) REQUIRE(rig.store->Put(s->id, s->bytes).ok());
  REQUIRE(rig.store->Delete(dead.id).ok());
  rig.Flip(rotten.bytes, 100);
  CHECK_FALSE(rig.store->Read(rotten.id, kRoomy).ok());  // a read finds it
  REQUIRE(rig.store->Compact(kRoomy).ok());              // and its bytes are thrown away
  for (int again = 0; again < 2; ++again) {
    const auto report = rig.store->Scrub("", kRoomy);
    REQUIRE(report.ok());
    REQUIRE(report->damaged.size() == 1);
    CHECK(report->damaged[0].id == rotten.id);
    REQUIRE(rig.Open().ok());
  }
  REQUIRE(rig.store->Put(rotten.id, rotten.bytes).ok());
  CHECK(rig.store->Scrub("", kRoomy)->damaged.empty());
}

TEST_CASE("damage is not mended, spread or forgotten by a compaction") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample dead = MakeSample(250'000, 1), rotten = MakeSample(9'000, 2),
               fine = MakeSample(9'000, 3);
  for (const Sample* s : {&dead, &rotten, &fine}) REQUIRE(rig.store->Put(s->id, s->bytes).ok());
  REQUIRE(rig.store->Delete(dead.id).ok());
  rig.Flip(rotten.bytes, 100);
  REQUIRE(rig.store->Compact(kRoomy).value() > 200'000);
  CheckReads(*rig.store, {fine});
  CHECK(base::ReasonOf(rig.store->Stat(rotten.id).status()) == "BLOB_DAMAGED");
  // With an unreadable header there is nothing to copy but what the index leads to; the pack goes the next time.
  rig.Flip(fine.bytes, -10);
  REQUIRE(rig.store->Delete(rotten.id).ok());
  REQUIRE(rig.store->Compact(kRoomy).ok());
  CheckReads(*rig.store, {fine});
  REQUIRE(rig.Open().ok());
  CheckReads(*rig.store, {fine});
  REQUIRE(rig.store->Compact(kRoomy).ok());
  CheckReads(*rig.store, {fine});
  CHECK(rig.store->Usage().disk_bytes == rig.PackBytes());
}

}  // namespace cairn::storage
