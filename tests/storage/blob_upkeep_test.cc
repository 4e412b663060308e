// Scrubs, compactions and index steps: how far they go, and what they leave for the next process.
#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "catch.h"
#include "storage/blob_rig.h"
#include "support/forwarding_kv.h"

namespace cairn::storage {
namespace {

using blob_store_suite::kRoomy;
using blob_store_suite::MakeSample;
using blob_store_suite::Sample;

std::unique_ptr<base::Kv> CopyOf(const base::Kv& kv) {
  base::KvBatch all;
  const auto snapshot = kv.Snapshot();
  const auto cursor = snapshot->NewCursor();
  for (cursor->Seek(""); cursor->Valid(); cursor->Next()) all.Put(cursor->key(), cursor->value());
  auto copy = base::NewMemoryKv();
  REQUIRE(copy->Commit(all).ok());
  return copy;
}

}  // namespace

TEST_CASE("a scrub proves blobs by their hashes, and not by the checks of their records alone", "[GF-41][MP-20]") {
  const size_t size = GENERATE(300, 700'000);
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample sample = MakeSample(size, 1), other = MakeSample(size, 2);
  for (const Sample* s : {&sample, &other}) REQUIRE(rig.store->Put(s->id, s->bytes).ok());
  const RecordPlace first = RecordsOf(rig, sample.id).at(0);
  auto store_file = rig.sim.Open(kStoreFileName, base::OpenMode::kRead).value();
  base::Bytes identity(store_file->Size().value());
  REQUIRE(store_file->ReadAt(0, absl::MakeSpan(identity)).ok());
  const RecordCodec codec(DecodeStoreFile(identity)->salt);
  // Other bytes, and a header that says they are what was written.
  auto pack = rig.sim.Open(first.path, base::OpenMode::kReadWrite).value();
  base::Bytes record(kRecordHeaderBytes + size);
  REQUIRE(pack->ReadAt(first.offset, absl::MakeSpan(record)).ok());
  RecordHeader header = *codec.Decode(record);
  record[kRecordHeaderBytes + size / 2] ^= 1;
  header.payload_crc = Crc32c(base::ByteView(record).subspan(kRecordHeaderBytes));
  codec.Encode(header, record.data());
  REQUIRE(pack->WriteAt(first.offset, record).ok());
  const auto report = rig.store->Scrub("", kRoomy);
  REQUIRE(report.ok());
  REQUIRE(report->damaged.size() == 1);
  CHECK(report->damaged[0].id == sample.id);
}

TEST_CASE("what a scrub has found is remembered when the process dies before anything else", "[GF-41]") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample sample = MakeSample(9'000, 1);
  REQUIRE(rig.store->Put(sample.id, sample.bytes).ok());
  REQUIRE(rig.store->Checkpoint().ok());
  rig.Flip(sample.bytes, 100);
  REQUIRE(rig.store->Scrub("", kRoomy)->damaged.size() == 1);
  std::unique_ptr<base::Kv> index = CopyOf(*rig.kv);
  rig.store.reset();
  rig.kv = std::move(index);
  REQUIRE(rig.Open().ok());
  CHECK(rig.store->Usage().damaged == 1);
  CHECK(base::ReasonOf(rig.store->Stat(sample.id).status()) == "BLOB_DAMAGED");
}

TEST_CASE("a scrub goes on only from a place that a scrub has named") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  for (const char* cursor : {"1", "x:64", "1:x", "1:0", "1:63", "1:64:1"}) {
    INFO(cursor);
    CHECK(base::ReasonOf(rig.store->Scrub(cursor, kRoomy).status()) == "BAD_CURSOR");
  }
  CHECK(rig.store->Scrub("1:64", kRoomy).ok());
}

TEST_CASE("a compaction stops when it has copied what it may, and the next one goes on") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  std::vector<Sample> kept;
  std::vector<base::ContentId> gone;
  for (uint64_t i = 0; i < 40; ++i) {  // packs of four or five
    Sample sample = MakeSample(120'000, i);
    REQUIRE(rig.store->Put(sample.id, sample.bytes).ok());
    if (i % 2 == 0) {
      gone.push_back(sample.id);
    } else {
      kept.push_back(std::move(sample));
    }
  }
  REQUIRE(rig.store->DeleteMany(gone).ok());
  const uint64_t garbage = rig.store->Usage().reclaimable_bytes;
  REQUIRE(rig.store->Compact(1).ok());
  const uint64_t left = rig.store->Usage().reclaimable_bytes;
  CHECK(left < garbage);
  CHECK(left > garbage * 3 / 4);
  REQUIRE(rig.store->Compact(kRoomy).ok());
  CHECK(rig.store->Usage().reclaimable_bytes < garbage / 10);
  for (const Sample& sample : kept) CHECK(rig.store->Read(sample.id, kRoomy).value() == sample.bytes);
}

TEST_CASE("a store whose index cannot be written takes so much more and then refuses, until it can") {
  BlobRig rig;
  auto filling = std::make_unique<base::FailingKv>(
      base::Error(absl::StatusCode::kResourceExhausted, "DISK_FULL", "full"));
  base::FailingKv& index = *filling;
  rig.kv = std::move(filling);
  REQUIRE(rig.Open().ok());
  index.fail = true;
  std::vector<Sample> stored;
  absl::Status refused;
  for (uint64_t i = 0; i < 1'000 && refused.ok(); ++i) {
    Sample sample = MakeSample(100, i);
    refused = rig.store->Put(sample.id, sample.bytes).status();
    if (refused.ok()) stored.push_back(std::move(sample));
  }
  CHECK(base::ReasonOf(refused) == "DISK_FULL");
  CHECK(stored.size() > 50);
  CHECK(stored.size() < 300);  // what waits for the index is in memory
  CHECK(rig.observer.seen("blob.index_behind") > 0);
  CHECK(rig.store->Health().ok());
  const auto all_read = [&] {
    for (const Sample& sample : stored) CHECK(rig.store->Read(sample.id, kRoomy).value() == sample.bytes);
  };
  all_read();
  if (GENERATE(false, true)) {
    rig.store.reset();  // and cannot be written at the end either
    index.fail = false;
    REQUIRE(rig.Open().ok());
  } else {
    index.fail = false;
    REQUIRE(rig.store->Checkpoint().ok());
  }
  all_read();
  const Sample more = MakeSample(100, 5'000);
  CHECK(rig.store->Put(more.id, more.bytes).ok());
}

}  // namespace cairn::storage
