// What went wrong in other storage systems, as rules for ours: the index is tests/incidents.md.
#include <cstdlib>
#include <iostream>
#include <random>

#include "absl/strings/str_cat.h"
#include "cairn/storage/placement.h"
#include "catch.h"
#include "storage/blob_rig.h"
#include "storage/sample.h"

namespace cairn::storage {
namespace {

using blob_store_suite::kRoomy;
using blob_store_suite::MakeSample;
using blob_store_suite::Sample;

uint64_t Seed() {
  const char* given = std::getenv("CAIRN_INCIDENT_SEED");
  const uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device()();
  std::cout << "seed " << seed << " (CAIRN_INCIDENT_SEED)\n";
  return seed;
}

bool Reads(BlobStore& store, const Sample& sample) {
  const auto bytes = store.Read(sample.id, sample.bytes.size());
  if (bytes.ok()) CHECK(*bytes == sample.bytes);
  return bytes.ok();
}

// Blobs of all kinds, some deleted again, and flipped bits anywhere in the packs.
std::vector<Sample> FillAndDamage(BlobRig& rig, std::mt19937_64& random) {
  std::vector<Sample> samples;
  for (int i = 0; i < 30; ++i) {
    const size_t size = i % 6 == 0 ? 270'000 + random() % 900'000 : random() % 60'000;
    samples.push_back(MakeSample(size, random()));
    REQUIRE(rig.store->Put(samples.back().id, samples.back().bytes).ok());
  }
  for (int i = 0; i < 8; ++i) REQUIRE(rig.store->Delete(samples[random() % 30].id).ok());
  const std::vector<std::string> packs = rig.sim.List("packs").value();
  for (uint64_t flips = random() % 12; flips > 0; --flips) {
    const std::string path = "packs/" + packs[random() % packs.size()];
    const uint64_t size = rig.sim.Open(path, base::OpenMode::kRead).value()->Size().value();
    // A pack's header names it: without it nothing of a pack can be told from another's.
    REQUIRE(rig.sim.Corrupt(path, 64 + random() % (size - 64), 1 << random() % 8).ok());
  }
  return samples;
}

void ScrubAll(BlobStore& store) {
  std::string cursor;
  while (true) {
    const auto report = store.Scrub(cursor, 300'000);
    REQUIRE(report.ok());
    if (report->finished) return;
    cursor = report->next_cursor;
  }
}

std::string Maintain(BlobRig& rig, std::mt19937_64& random) {
  switch (random() % 4) {
    case 0:
      ScrubAll(*rig.store);
      return "scrub";
    case 1:
      REQUIRE(rig.store->Compact(kRoomy).ok());
      return "compact";
    case 2:
      REQUIRE(rig.Open().ok());
      return "reopen";
    default:
      REQUIRE(rig.store->Checkpoint().ok());
      return "checkpoint";
  }
}

TEST_CASE("no scrub, compaction or restart leaves fewer blobs readable than there were, however damaged") {
  std::mt19937_64 random(Seed());
  for (int round = 0; round < 25; ++round) {
    BlobRig rig;
    REQUIRE(rig.Open().ok());
    const std::vector<Sample> samples = FillAndDamage(rig, random);
    std::vector<const Sample*> readable;
    for (const Sample& sample : samples) {
      if (Reads(*rig.store, sample)) readable.push_back(&sample);
    }
    std::string done;
    for (int step = 0; step < 6; ++step) {
      absl::StrAppend(&done, " ", Maintain(rig, random));
      INFO("round " << round << ":" << done);
      for (const Sample* sample : readable) CHECK(Reads(*rig.store, *sample));
    }
  }
}

TEST_CASE("a tiny file takes its own few bytes in each of its copies, never a padded piece") {
  for (const char* policy : {"rs:4+2", "rs:10+4", "rs:20+20"}) {
    const VersionKey key = TestKey();
    for (const uint64_t size : {1, 47, 1'000, 47 * 1024, 200'000}) {
      const base::Bytes plaintext = RandomBytes(size, size);
      const Encoded encoded = EncodeAll({.policy = Policy(policy), .key = &key}, plaintext).value();
      REQUIRE(encoded.blobs.size() == 1);
      CHECK(encoded.object.stored.layout == base::LayoutKind::kCopies);
      CHECK(encoded.blobs[0].size() <= size + 64 + 16 * (size / 65'536 + 1));
    }
  }
  BlobRig rig;
  REQUIRE(rig.Open().ok());
  constexpr uint64_t kFiles = 2'000;
  std::vector<Sample> samples;
  std::vector<std::pair<base::ContentId, base::ByteView>> blobs;
  for (uint64_t i = 0; i < kFiles; ++i) samples.push_back(MakeSample(47, i));
  for (const Sample& sample : samples) blobs.emplace_back(sample.id, sample.bytes);
  REQUIRE(rig.store->PutMany(blobs).ok());
  CHECK(rig.PackBytes() < kFiles * (47 + 128));
  CHECK(rig.store->Usage().disk_bytes == rig.PackBytes());
}

TEST_CASE("an object is read without all that any one operator holds, whatever was offered for it") {
  std::mt19937_64 random(Seed());
  const VersionKey key = TestKey();
  const base::Bytes plaintext = RandomBytes(300'000, 1);
  size_t placed = 0;
  for (int round = 0; round < 60; ++round) {
    const base::Redundancy policy = Policy(round % 2 == 0 ? "rs:4+2" : "rs:3+3");
    std::vector<Candidate> all;
    for (uint32_t i = 0; i < 12; ++i) {
      base::AccountId account, operator_id;
      account.value[0] = static_cast<uint8_t>(1 + i);
      operator_id.value[0] = static_cast<uint8_t>(100 + random() % 5);
      all.push_back({.account = account,
                     .operator_id = operator_id,
                     .network = "net",
                     .region = "region",
                     .free_bytes = 1 << 30,
                     .holder_price = {base::Amount(1 + random() % 1000)},
                     .primary_price = {base::Amount(1 + random() % 1000)},
                     .live = true});
    }
    const auto placement = PlaceGroup({.policy = policy, .seed = random()}, all);
    if (!placement.ok()) continue;
    ++placed;
    const Encoded encoded = EncodeAll({.policy = policy, .key = &key}, plaintext).value();
    for (uint8_t dead = 100; dead < 105; ++dead) {
      std::vector<uint32_t> left;
      for (uint32_t i = 0; i < placement->holders.size(); ++i) {
        const auto holder = std::find_if(all.begin(), all.end(), [&](const Candidate& c) {
          return c.account == placement->holders[i];
        });
        REQUIRE(holder != all.end());
        if (holder->operator_id.value[0] != dead) left.push_back(i);
      }
      INFO("round " << round << " without operator " << int{dead});
      CHECK(ReadBack(encoded, &key, {0, ~uint64_t{0}}, left).value() == plaintext);
    }
  }
  CHECK(placed > 20);
}

}  // namespace
}  // namespace cairn::storage
