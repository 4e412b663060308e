// The blob store on a disk against a model of a map: every byte of the input is an operation or its argument. Whatever
// was acknowledged is there and right after any of put, delete, compaction, scrub, crash and reopening; after rot,
// nothing wrong is ever handed out.
#include <map>
#include <set>
#include <vector>

#include "blob_rig.h"
#include "cairn/base/codec.h"
#include "cairn/base/status.h"

namespace cairn {
namespace {

using storage::BlobWriter;

struct Sample {
  base::ContentId id;
  base::Bytes bytes;
};

const std::vector<Sample>& Samples() {
  static const std::vector<Sample> samples = [] {
    std::vector<Sample> out;
    for (size_t size : {0, 1, 40, 300, 1000, 2500, 4096, 9000, 16'384, 16'385, 30'000, 60'000, 262'144, 262'145,
                        300'000, 1'048'580}) {
      Sample sample;
      sample.bytes.resize(size);
      base::SeededEntropy(size).Fill(absl::MakeSpan(sample.bytes));
      sample.id = base::ContentId::Of(sample.bytes);
      out.push_back(std::move(sample));
    }
    return out;
  }();
  return samples;
}

class Run {
 public:
  explicit Run(base::ByteView input) : input_(input) { FUZZ_CHECK(rig_.Open().ok()); }

  void Go() {
    for (int steps = 0; steps < 60 && input_.remaining() > 0 && !dead_; ++steps) Step();
    if (!dead_) CheckAll();
  }

 private:
  const Sample& Pick() { return Samples()[input_.U8() % Samples().size()]; }

  void Step() {
    switch (input_.U8() % 16) {
      case 0:
      case 1:
        return Put(Pick());
      case 2:
        return PutMany();
      case 3:
        return Write(Pick(), true);
      case 4:
        return Write(Pick(), false);
      case 5:
        return Delete({&Pick()});
      case 6:
        return Delete({&Pick(), &Pick(), &Pick()});
      case 7:
        return ReadSome(Pick());
      case 8:
        return Compact();
      case 9:
        return Scrub();
      case 10:
        return Reopen(false);
      case 11:
        return Reopen(true);
      case 12:
        return Crash();
      case 13:
        return Drop(Pick());
      case 14:
        return input_.U8() % 8 == 0 ? Rot() : CheckAll();
      case 15:
        return Misuse();
    }
  }

  // ---- writes ----

  // Room for everything was given, so only rot may refuse.
  void Expect(const absl::Status& status) { FUZZ_CHECK(status.ok() || rotten_); }

  void Put(const Sample& sample) {
    const absl::Status put = rig_.store->Put(sample.id, sample.bytes).status();
    Expect(put);
    if (put.ok()) model_[sample.id] = &sample;
  }
  void PutMany() {
    std::vector<std::pair<base::ContentId, base::ByteView>> blobs;
    std::vector<const Sample*> picked;
    for (int count = input_.U8() % 5; count >= 0; --count) {
      picked.push_back(&Pick());
      blobs.emplace_back(picked.back()->id, picked.back()->bytes);
    }
    const absl::Status put = rig_.store->PutMany(blobs).status();
    Expect(put);
    for (const Sample* sample : picked) {
      if (put.ok()) model_[sample->id] = sample;
      if (!put.ok()) model_.erase(sample->id), unknown_.insert(sample->id);
    }
  }
  // In pieces; `whole` false: leaves it half done.
  void Write(const Sample& sample, bool whole) {
    auto writer = rig_.store->Begin(sample.id, sample.bytes.size());
    if (!writer.ok()) {
      FUZZ_CHECK(rotten_ || (base::ReasonOf(writer.status()) == "BLOB_EXISTS" && model_.count(sample.id) == 1));
      return;
    }
    FUZZ_CHECK(rotten_ || model_.count(sample.id) == 0);
    const size_t end = whole ? sample.bytes.size() : sample.bytes.size() * input_.U8() / 256;
    const size_t piece = 1 + size_t{input_.U16()} * 16;
    FUZZ_CHECK((*writer)->offset() <= sample.bytes.size());
    for (size_t at = (*writer)->offset(); at < end;) {
      const base::ByteView bytes = base::ByteView(sample.bytes).subspan(at, std::min(piece, end - at));
      Expect((*writer)->Append(bytes));
      at += bytes.size();
      if (!rotten_) FUZZ_CHECK((*writer)->offset() == at);
    }
    if (!whole) return;
    const absl::Status committed = (*writer)->Commit().status();
    Expect(committed);
    if (committed.ok()) model_[sample.id] = &sample;
  }
  void Drop(const Sample& sample) {
    Expect(rig_.store->DropPartial(sample.id));
    for (const storage::PartialBlob& partial : Must(rig_.store->Partials())) {
      FUZZ_CHECK(partial.id != sample.id && partial.held <= partial.size);
    }
  }
  void Delete(const std::vector<const Sample*>& samples) {
    std::vector<base::ContentId> ids;
    for (const Sample* sample : samples) ids.push_back(sample->id);
    const absl::Status gone = rig_.store->DeleteMany(ids).status();
    Expect(gone);
    for (const base::ContentId& id : ids) {
      model_.erase(id);
      if (!gone.ok()) unknown_.insert(id);
      if (gone.ok()) unknown_.erase(id);
    }
  }
  // What no store accepts.
  void Misuse() {
    const Sample& sample = Pick();
    base::Bytes wrong = sample.bytes;
    wrong.push_back(0);
    FUZZ_CHECK(!rig_.store->Put(sample.id, wrong).ok());
    FUZZ_CHECK(!rig_.store->Scrub("1:2:3", 10).ok());
    auto first = rig_.store->Begin(sample.id, sample.bytes.size());
    if (!first.ok()) return;
    FUZZ_CHECK(base::ReasonOf(rig_.store->Begin(sample.id, sample.bytes.size()).status()) == "BLOB_BUSY");
    FUZZ_CHECK(!(*first)->Append(wrong).ok());
  }

  // ---- maintenance ----

  void Compact() { Expect(rig_.store->Compact(uint64_t{input_.U8()} << 14).status()); }
  void Scrub() {
    std::string cursor;
    for (int rounds = 0;; ++rounds) {
      auto report = rig_.store->Scrub(cursor, uint64_t{1} << (8 + input_.U8() % 16));
      Expect(report.status());
      if (!report.ok()) return;
      FUZZ_CHECK(rotten_ || report->damaged.empty());
      FUZZ_CHECK(rounds < 20'000);
      if (report->finished) return;
      cursor = report->next_cursor;
    }
  }
  void Reopen(bool lose_index) {
    if (lose_index) rig_.LoseIndex();
    const absl::Status opened = rig_.Open();
    dead_ = !opened.ok();
    Expect(opened);
    if (!dead_) CheckUsage();
  }
  // What was not synced is kept or lost as the input says.
  void Crash() {
    const uint8_t pattern = input_.U8();
    const bool lose_index = input_.U8() % 2 == 0;
    rig_.store.reset();
    rig_.sim.Crash([pattern](size_t index) { return (pattern >> (index % 8) & 1) != 0; });
    Reopen(lose_index);
  }
  void Rot() {
    const std::vector<std::string> packs = Must(rig_.sim.List("packs"));
    const std::string path = "packs/" + packs[input_.U8() % packs.size()];
    const uint64_t size = Must(Must(rig_.sim.Open(path, base::OpenMode::kRead))->Size());
    if (size == 0) return;
    FUZZ_CHECK(rig_.sim.Corrupt(path, (uint64_t{input_.U16()} * 977) % size, static_cast<uint8_t>(1u << input_.U8() % 8)).ok());
    rotten_ = true;
  }

  // ---- checks ----

  template <class T>
  T Must(absl::StatusOr<T> value) {
    FUZZ_CHECK(value.ok());
    return *std::move(value);
  }

  void ReadSome(const Sample& sample) {
    const base::ByteRange range{uint64_t{input_.U8()} * 1500, uint64_t{input_.U16()} * 5};
    base::Bytes out;
    auto sink = [&out](base::ByteView piece) {
      FUZZ_CHECK(piece.size() <= 1 << 20);
      out.insert(out.end(), piece.begin(), piece.end());
      return absl::OkStatus();
    };
    const absl::Status read = rig_.store->ReadRange(sample.id, range, sink);
    const base::ByteView all = sample.bytes;
    const base::ByteView wanted = all.subspan(std::min<uint64_t>(range.offset, all.size()), range.length);
    if (read.ok()) FUZZ_CHECK(base::ByteView(out) == wanted);
    FUZZ_CHECK(base::ByteView(out) == wanted.first(std::min(out.size(), wanted.size())) && out.size() <= wanted.size());
    CheckPresence(sample, read);

    out.clear();
    base::SliceDecoder decoder(sample.id.digest, range);
    const absl::Status sliced = rig_.store->ReadSlice(sample.id, range, [&](base::ByteView piece) {
      return decoder.Feed(piece, [&](uint64_t, base::ByteView proven) { return sink(proven); });
    });
    CheckPresence(sample, sliced);
    if (sliced.ok()) FUZZ_CHECK(decoder.Finish().ok() && base::ByteView(out) == wanted);
  }
  void CheckPresence(const Sample& sample, const absl::Status& status) {
    if (rotten_ || unknown_.count(sample.id) > 0) return;  // a rotten tombstone lets its blob come back
    const bool there = model_.count(sample.id) > 0;
    FUZZ_CHECK(status.ok() == there);
    if (!there) FUZZ_CHECK(absl::IsNotFound(status));
  }
  void CheckUsage() {
    const storage::BlobUsage usage = rig_.store->Usage();
    if (rotten_) return;
    uint64_t bytes = 0;
    for (const auto& [id, sample] : model_) bytes += sample->bytes.size();
    FUZZ_CHECK(usage.blobs == model_.size() && usage.live_bytes == bytes && usage.damaged == 0);
    FUZZ_CHECK(usage.disk_bytes == rig_.PackBytes());
  }
  void CheckAll() {
    for (const Sample& sample : Samples()) {
      CheckPresence(sample, rig_.store->Stat(sample.id).status());
      auto bytes = rig_.store->Read(sample.id, uint64_t{2} << 20);
      CheckPresence(sample, bytes.status());
      if (bytes.ok()) FUZZ_CHECK(*bytes == sample.bytes);
    }
    CheckUsage();
    if (rotten_) return;
    std::set<base::ContentId> listed;
    base::ContentId after;
    for (std::vector<storage::BlobInfo> page; (page = Must(rig_.store->List(after, 3))), !page.empty();) {
      for (const storage::BlobInfo& info : page) {
        FUZZ_CHECK(after < info.id && model_.count(info.id) == 1);
        FUZZ_CHECK(info.size == model_[info.id]->bytes.size());
        listed.insert(after = info.id);
      }
    }
    FUZZ_CHECK(listed.size() == model_.size());
  }

  base::Reader input_;
  BlobRig rig_;
  std::map<base::ContentId, const Sample*> model_;
  std::set<base::ContentId> unknown_;  // a refused change may have been made in part
  bool rotten_ = false;
  bool dead_ = false;
};

}  // namespace

void FuzzOne(base::ByteView input) { Run(input).Go(); }

}  // namespace cairn
