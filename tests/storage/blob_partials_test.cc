// Blobs that have arrived in part: what is kept of them, on the disk and in memory.
#include "cairn/base/status.h"
#include "catch.h"
#include "storage/blob_rig.h"

namespace cairn::storage {
namespace {

using blob_store_suite::kRoomy;
using blob_store_suite::MakeSample;
using blob_store_suite::Sample;

// Returns what was there before.
uint64_t Arrive(BlobRig& rig, const Sample& sample, uint64_t until) {
  auto writer = rig.store->Begin(sample.id, sample.bytes.size());
  REQUIRE(writer.ok());
  const uint64_t held = (*writer)->offset();
  REQUIRE((*writer)->Append(base::ByteView(sample.bytes).subspan(held, until - held)).ok());
  if (until == sample.bytes.size()) REQUIRE((*writer)->Commit().ok());
  return held;
}

}  // namespace

TEST_CASE("what came behind a chunk that rotted is not taken for what comes behind the chunk before it") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  const Sample sample = MakeSample(3'300'000, 1);
  Arrive(rig, sample, 2'500'000);  // two chunks, and what is begun of the third
  rig.Flip(base::ByteView(sample.bytes).subspan(1'100'000), 0);
  CHECK(Arrive(rig, sample, sample.bytes.size()) == 1 << 20);
  CHECK(rig.store->Read(sample.id, kRoomy).value() == sample.bytes);
}

TEST_CASE("begun chunks take so much memory and no more: of many the oldest are sent again") {
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  std::vector<Sample> samples;
  for (uint64_t i = 0; i < 20; ++i) {
    samples.push_back(MakeSample(1'200'000, i));
    Arrive(rig, samples.back(), 1'000'000);
  }
  uint64_t held = 0;
  const std::vector<PartialBlob> partials = rig.store->Partials().value();
  for (const PartialBlob& partial : partials) held += partial.held;
  CHECK(held == 16'000'000);  // of 16 MiB
  CHECK(Arrive(rig, samples.front(), 1'200'000) == 0);
  CHECK(Arrive(rig, samples.back(), 1'200'000) == 1'000'000);
  for (const Sample* sample : {&samples.front(), &samples.back()}) {
    CHECK(rig.store->Read(sample->id, kRoomy).value() == sample->bytes);
  }
}

}  // namespace cairn::storage
