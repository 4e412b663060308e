#include "blob/pack_format.h"

#include <isa-l/crc.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "cairn/base/blake3_tree.h"
#include "cairn/base/codec.h"
#include "cairn/storage/blob_store.h"

namespace cairn::storage {
namespace {

constexpr uint32_t kRecordMagic = 0x4b434552;  // "RECK"
constexpr absl::string_view kPackMagic = "CAIRNPK1";
constexpr absl::string_view kStoreMagic = "CAIRNST1";
constexpr size_t kCheckedBytes = 76;
constexpr size_t kCheckBytes = kRecordHeaderBytes - kCheckedBytes;
constexpr size_t kFileCheckBytes = 8;

// Guards against rot, not against people: whoever can write these files can write anything.
void AppendCheck(base::Writer& writer) {
  const base::Digest check = base::Blake3(writer.view());
  writer.Raw(check.view().subspan(0, kFileCheckBytes));
}

bool EndsWithCheck(base::ByteView bytes) {
  const base::ByteView body = bytes.subspan(0, bytes.size() - kFileCheckBytes);
  return base::Blake3(body).view().subspan(0, kFileCheckBytes) ==
         bytes.subspan(body.size(), kFileCheckBytes);
}

// What everything behind the decoder takes for granted. The check alone says only that this store
// wrote it.
bool IsPlausible(const RecordHeader& h) {
  if (h.size > kMaxBlobBytes) return false;
  switch (h.kind) {
    case RecordKind::kBlob:
      return IsSmall(h.size) && h.offset == 0 && h.length == h.size;
    case RecordKind::kChunk:
      return !IsSmall(h.size) && h.offset % kChunkBytes == 0 && h.offset < h.size &&
             h.length == PieceBytes(h.size, h.index());
    case RecordKind::kOutboard:
      return !IsSmall(h.size) && h.offset % kChunkBytes == 0 &&
             h.offset < base::OutboardSize(h.size) &&
             h.length == PieceBytes(base::OutboardSize(h.size), h.index());
    case RecordKind::kCommit:
      return !IsSmall(h.size) && h.offset == 0 && h.length == 0;
    case RecordKind::kTombstone:
    case RecordKind::kAbandon:
      return h.size == 0 && h.offset == 0 && h.length == 0;
    case RecordKind::kFiller:
      return h.length <= kMaxPackBytes;
  }
  return false;
}

}  // namespace

RecordCodec::RecordCodec(const PackSalt& salt)
    : keyed_(base::Hasher::Keyed(
          base::Hasher::DeriveKey("cairn v1 pack record").Update(salt.view()).Finish())) {}

base::Digest RecordCodec::Check(base::ByteView bytes) const {
  base::Hasher hasher = keyed_;
  return hasher.Update(bytes).Finish();
}

void RecordCodec::Encode(const RecordHeader& header, uint8_t* out) const {
  base::Writer writer;
  writer.U32(kRecordMagic);
  writer.U32(static_cast<uint32_t>(header.kind));
  writer.U64(header.sequence);
  writer.Raw(header.id.digest.view());
  writer.U64(header.size);
  writer.U64(header.offset);
  writer.U32(header.length);
  writer.U32(header.payload_crc);
  writer.U32(header.synced);
  writer.Raw(Check(writer.view()).view().subspan(0, kCheckBytes));
  std::copy(writer.view().begin(), writer.view().end(), out);
}

std::optional<RecordHeader> RecordCodec::Decode(base::ByteView bytes) const {
  if (bytes.size() < kRecordHeaderBytes) return std::nullopt;
  base::Reader reader(bytes.subspan(0, kRecordHeaderBytes));
  if (reader.U32() != kRecordMagic) return std::nullopt;
  const uint32_t kind = reader.U32();
  RecordHeader header;
  header.sequence = reader.U64();
  header.id.digest = reader.Fixed<base::Digest>();
  header.size = reader.U64();
  header.offset = reader.U64();
  header.length = reader.U32();
  header.payload_crc = reader.U32();
  header.synced = reader.U32();
  const base::Digest check = Check(bytes.subspan(0, kCheckedBytes));
  if (reader.Raw(kCheckBytes) != check.view().subspan(0, kCheckBytes)) return std::nullopt;
  if (kind < 1 || kind > static_cast<uint32_t>(RecordKind::kFiller)) return std::nullopt;
  header.kind = static_cast<RecordKind>(kind);
  if (!reader.Finish().ok() || !IsPlausible(header)) return std::nullopt;
  return header;
}

uint32_t Crc32c(base::ByteView bytes, uint32_t before) {
  // ISA-L takes an int; a payload has at most 1 MiB.
  return ~crc32_iscsi(const_cast<uint8_t*>(bytes.data()), static_cast<int>(bytes.size()), ~before);
}

base::Bytes EncodePackHeader(const PackHeader& header) {
  base::Writer writer;
  writer.Raw(base::AsBytes(kPackMagic));
  writer.U64(header.pack);
  writer.Raw(header.store.view());
  writer.Raw(header.salt.view());
  writer.U64(header.first_sequence);
  AppendCheck(writer);
  return std::move(writer).Take();
}

std::optional<PackHeader> DecodePackHeader(base::ByteView bytes) {
  if (bytes.size() != kPackHeaderBytes || !EndsWithCheck(bytes)) return std::nullopt;
  base::Reader reader(bytes);
  if (base::AsText(reader.Raw(kPackMagic.size())) != kPackMagic) return std::nullopt;
  PackHeader header;
  const uint64_t pack = reader.U64();
  header.store = reader.Fixed<base::StoreId>();
  header.salt = reader.Fixed<PackSalt>();
  header.first_sequence = reader.U64();
  if (pack > UINT32_MAX) return std::nullopt;
  header.pack = static_cast<uint32_t>(pack);
  return header;
}

base::Bytes EncodeStoreFile(const StoreFile& file) {
  base::Writer writer;
  writer.Raw(base::AsBytes(kStoreMagic));
  writer.Raw(file.store.view());
  writer.Raw(file.salt.view());
  AppendCheck(writer);
  return std::move(writer).Take();
}

std::optional<StoreFile> DecodeStoreFile(base::ByteView bytes) {
  const size_t expected = kStoreMagic.size() + 2 * 16 + kFileCheckBytes;
  if (bytes.size() != expected || !EndsWithCheck(bytes)) return std::nullopt;
  base::Reader reader(bytes);
  if (base::AsText(reader.Raw(kStoreMagic.size())) != kStoreMagic) return std::nullopt;
  StoreFile file;
  file.store = reader.Fixed<base::StoreId>();
  file.salt = reader.Fixed<PackSalt>();
  return file;
}

std::string PackName(uint32_t pack) { return absl::StrFormat("%08u.pack", pack); }

std::string PackPath(uint32_t pack) {
  return absl::StrFormat("%s/%s", kPackFolder, PackName(pack));
}

std::optional<uint32_t> ParsePackName(absl::string_view name) {
  uint32_t pack = 0;
  if (!absl::SimpleAtoi(name.substr(0, name.find('.')), &pack) || PackName(pack) != name) {
    return std::nullopt;
  }
  return pack;
}

RecordHeader Filler(uint64_t bytes) {
  RecordHeader filler;
  filler.length = static_cast<uint32_t>(bytes - kRecordHeaderBytes);
  return filler;
}

uint64_t FillerBytes(uint64_t offset) {
  const uint64_t rest = (base::kBlockBytes - offset % base::kBlockBytes) % base::kBlockBytes;
  // A filler needs room for its own header.
  return rest == 0 || rest >= kRecordHeaderBytes ? rest : rest + base::kBlockBytes;
}

uint64_t FootprintBytes(uint64_t size) {
  if (IsSmall(size)) return kRecordHeaderBytes + size;
  const uint64_t outboard = base::OutboardSize(size);
  const uint64_t records = uint64_t{Pieces(size)} + Pieces(outboard) + 1;
  return records * kRecordHeaderBytes + Pieces(size) * kMaxFillerBytes + size + outboard;
}

}  // namespace cairn::storage
