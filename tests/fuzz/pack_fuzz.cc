// Packs and a store file as a foreign or damaged disk may hold them. Steps of the input write packs: a header, a record
// whose check value is right whatever it says, bytes as they are, a gap. Then the store is opened, used in every way, and
// opened again without its index.
#include <algorithm>
#include <vector>

#include "libstorage/src/blob/pack_format.h"
#include "blob_rig.h"
#include "cairn/base/codec.h"

namespace cairn {
namespace {

using storage::RecordHeader;
using storage::RecordKind;

struct Sample {
  base::Bytes bytes;
  base::Bytes outboard;
  base::ContentId id;
};

const std::vector<Sample>& Samples() {
  static const std::vector<Sample> samples = [] {
    std::vector<Sample> out;
    for (size_t size : {0, 5, 300, 262'144, 262'145, 1'048'577}) {
      Sample sample;
      sample.bytes.resize(size);
      base::SeededEntropy(size).Fill(absl::MakeSpan(sample.bytes));
      base::TreeBuilder tree;
      tree.Update(sample.bytes);
      base::TreeBuilder::Result result = std::move(tree).Finish();
      sample.id = base::ContentId{result.root};
      sample.outboard = std::move(result.outboard);
      out.push_back(std::move(sample));
    }
    return out;
  }();
  return samples;
}

class Builder {
 public:
  explicit Builder(base::ByteView input) : input_(input) {
    FUZZ_CHECK(rig_.sim.MakeDirs(storage::kPackFolder).ok());
    StoreFile();
    while (input_.remaining() > 0 && packs_ < 6) Step();
    FlushPack();
  }
  BlobRig& rig() { return rig_; }

 private:
  void StoreFile() {
    const uint8_t how = input_.U8();
    base::Bytes file = storage::EncodeStoreFile(identity_);
    if (how % 4 == 1) file[how % file.size()] ^= how;
    if (how % 4 != 2) Write(storage::kStoreFileName, file);
  }
  void Write(const std::string& path, base::ByteView bytes) {
    auto file = rig_.sim.Open(path, base::OpenMode::kCreate);
    FUZZ_CHECK(file.ok() && (*file)->WriteAt(0, bytes).ok() && (*file)->Sync().ok());
    FUZZ_CHECK(rig_.sim.SyncDir(path.substr(0, path.find('/') == std::string::npos ? 0 : path.find('/'))).ok());
  }
  void FlushPack() {
    if (packs_ > 0) Write(storage::PackPath(number_), pack_);
    pack_.clear();
  }

  void Step() {
    switch (input_.U8() % 8) {
      case 0:
        return BeginPack(true);
      case 1:
        return BeginPack(input_.U8() % 4 != 0);
      case 2:
        return Append(input_.Raw(std::min<size_t>(input_.U8(), input_.remaining())));
      case 3:
        return Append(base::Bytes(input_.U16() % 5000));
      case 4:
        return Record(false);
      default:
        return Record(true);
    }
  }
  void BeginPack(bool sound) {
    FlushPack();
    ++packs_;
    number_ = sound ? packs_ : input_.U8();
    base::Bytes header = storage::EncodePackHeader(
        {.pack = number_, .store = identity_.store, .salt = identity_.salt, .first_sequence = input_.U8()});
    if (!sound) header[input_.U8() % header.size()] ^= 1;
    if (!sound && input_.U8() % 2 == 1) header.resize(number_ % header.size());  // a creation that was cut short
    Append(header);
  }
  void Append(base::ByteView bytes) { pack_.insert(pack_.end(), bytes.begin(), bytes.end()); }

  // A record of a sample that fits (`sound`), or one whose numbers come from the input.
  void Record(bool sound) {
    const Sample& sample = Samples()[input_.U8() % Samples().size()];
    RecordHeader header{.kind = static_cast<RecordKind>(input_.U8() % 8), .sequence = input_.U8(), .id = sample.id};
    header.size = header.kind == RecordKind::kTombstone || header.kind == RecordKind::kAbandon ? 0 : sample.bytes.size();
    base::ByteView payload;
    if (header.kind == RecordKind::kBlob) payload = sample.bytes;
    const base::Bytes& pieces = header.kind == RecordKind::kOutboard ? sample.outboard : sample.bytes;
    if (header.kind == RecordKind::kChunk || header.kind == RecordKind::kOutboard) {
      header.offset = input_.U8() % 2 * storage::kChunkBytes;
      payload = base::ByteView(pieces).subspan(std::min<uint64_t>(header.offset, pieces.size()), storage::kChunkBytes);
    }
    header.length = static_cast<uint32_t>(payload.size());
    header.payload_crc = storage::Crc32c(payload);
    header.synced = input_.U8() % 2 == 0 ? 0 : static_cast<uint32_t>(pack_.size());
    if (!sound) Spoil(header);
    const size_t at = pack_.size();
    pack_.resize(at + storage::kRecordHeaderBytes);
    codec_.Encode(header, pack_.data() + at);
    Append(payload);
    if (!sound && !payload.empty()) pack_[pack_.size() - 1 - input_.U8() % payload.size()] ^= input_.U8();
  }
  void Spoil(RecordHeader& header) {
    switch (input_.U8() % 6) {
      case 0:
        header.size = input_.U64();
        break;
      case 1:
        header.offset = input_.U64();
        break;
      case 2:
        header.length = input_.U32();
        break;
      case 3:
        header.synced = input_.U32();
        break;
      case 4:
        header.sequence = input_.U64();
        break;
      default:
        header.payload_crc ^= 1;
    }
  }

  base::Reader input_;
  BlobRig rig_;
  const storage::StoreFile identity_{rig_.entropy.Draw<base::StoreId>(), rig_.entropy.Draw<storage::PackSalt>()};
  const storage::RecordCodec codec_{identity_.salt};
  base::Bytes pack_;
  uint32_t number_ = 0;
  uint32_t packs_ = 0;
};

// What is not ours to write with the right check: the decoders alone.
void CheckDecoders(base::ByteView input) {
  auto pack = storage::DecodePackHeader(input);
  if (pack) FUZZ_CHECK(base::ByteView(storage::EncodePackHeader(*pack)) == input);
  auto store = storage::DecodeStoreFile(input);
  if (store) FUZZ_CHECK(base::ByteView(storage::EncodeStoreFile(*store)) == input);
  const std::string name(base::AsText(input));
  auto number = storage::ParsePackName(name);
  if (number) FUZZ_CHECK(storage::PackName(*number) == name);
}

}  // namespace

void FuzzOne(base::ByteView input) {
  CheckDecoders(input);
  Builder builder(input);
  BlobRig& rig = builder.rig();
  if (!rig.Open().ok()) return;
  UseEveryway(*rig.store);
  rig.LoseIndex();
  if (!rig.Open().ok()) return;
  UseEveryway(*rig.store);
  const Sample& sample = Samples()[2];
  const bool put = rig.store->Put(sample.id, sample.bytes).ok();
  FUZZ_CHECK(!put || *rig.store->Read(sample.id, 1 << 20) == sample.bytes);
}

}  // namespace cairn
