// The bytes of a pack: a header, then records. Table and reasons: libstorage/FORMATS.md.
//
// Every header carries a check value under a key that is derived from the store's salt. The salt
// never leaves the disk, so bytes that somebody else stored in a blob cannot pass for a record when
// a damaged pack is searched.
#pragma once

#include <optional>
#include <string>

#include "cairn/base/disk.h"
#include "cairn/base/hash.h"
#include "cairn/base/id.h"

namespace cairn::storage {

inline constexpr size_t kPackHeaderBytes = 64;
inline constexpr size_t kRecordHeaderBytes = 88;
inline constexpr uint64_t kChunkBytes = uint64_t{1} << 20;  // payload of a chunk or outboard record
inline constexpr uint64_t kSmallBlobBytes = 256 * 1024;     // up to here a blob is one record
inline constexpr uint64_t kMaxPackBytes = uint64_t{1} << 30;

using PackSalt = base::FixedBytes<struct PackSaltTag, 16>;

enum class RecordKind : uint8_t {
  kBlob = 1,       // a whole small blob
  kChunk = 2,      // kChunkBytes of a large blob, the last one shorter
  kOutboard = 3,   // the same of its outboard
  kCommit = 4,     // the large blob is whole
  kTombstone = 5,  // everything of this id with a lower sequence number is gone
  kAbandon =
      6,        // pieces of this id with a lower sequence number are gone: they never became a blob
  kFiller = 7,  // covers what a crash left half written, and the rest of a block
};

struct RecordHeader {
  RecordKind kind = RecordKind::kFiller;
  uint64_t sequence = 0;
  base::ContentId id;
  uint64_t size = 0;         // of the whole blob
  uint64_t offset = 0;       // of the payload in the blob or the outboard
  uint32_t length = 0;       // of the payload
  uint32_t payload_crc = 0;  // CRC-32C
  uint32_t synced = 0;       // bytes of this pack that were durable when the record was written

  uint64_t record_bytes() const { return kRecordHeaderBytes + uint64_t{length}; }
  uint32_t index() const { return static_cast<uint32_t>(offset / kChunkBytes); }
};

struct PackHeader {
  uint32_t pack = 0;
  base::StoreId store;
  PackSalt salt;
  uint64_t first_sequence = 0;
};

// The small file beside the packs.
struct StoreFile {
  base::StoreId store;
  PackSalt salt;
};

// Writes and checks record headers under one store's key. Copyable; thread-safe.
class RecordCodec {
 public:
  explicit RecordCodec(const PackSalt& salt);
  void Encode(const RecordHeader& header, uint8_t* out) const;     // kRecordHeaderBytes
  std::optional<RecordHeader> Decode(base::ByteView bytes) const;  // nullopt: no header

 private:
  base::Digest Check(base::ByteView bytes) const;
  base::Hasher keyed_;
};

// Of bytes that follow others of which it was `before`.
uint32_t Crc32c(base::ByteView bytes, uint32_t before = 0);

base::Bytes EncodePackHeader(const PackHeader& header);
std::optional<PackHeader> DecodePackHeader(base::ByteView bytes);
base::Bytes EncodeStoreFile(const StoreFile& file);
std::optional<StoreFile> DecodeStoreFile(base::ByteView bytes);

inline constexpr char kPackFolder[] = "packs";
inline constexpr char kStoreFileName[] = "store";
std::string PackName(uint32_t pack);                            // "00000007.pack"
std::string PackPath(uint32_t pack);                            // "packs/00000007.pack"
std::optional<uint32_t> ParsePackName(absl::string_view name);  // exactly what PackName prints

// Records of one blob, by its size.
constexpr bool IsSmall(uint64_t size) { return size <= kSmallBlobBytes; }
constexpr uint32_t Pieces(uint64_t bytes) {
  return static_cast<uint32_t>((bytes + kChunkBytes - 1) / kChunkBytes);
}
constexpr uint32_t PieceBytes(uint64_t bytes, uint32_t index) {
  const uint64_t rest = bytes - index * kChunkBytes;
  return static_cast<uint32_t>(rest < kChunkBytes ? rest : kChunkBytes);
}

// A record that covers `bytes`, its own header included, with nothing.
RecordHeader Filler(uint64_t bytes);
// What a filler at `offset` must cover for the next record to begin with a block; 0: it does.
uint64_t FillerBytes(uint64_t offset);
// Most that the fillers before and behind one record take.
inline constexpr uint64_t kMaxFillerBytes = 2 * (base::kBlockBytes + kRecordHeaderBytes);

// Most that a blob takes in packs, with all headers and fillers.
uint64_t FootprintBytes(uint64_t size);

}  // namespace cairn::storage
