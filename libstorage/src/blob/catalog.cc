#include "blob/catalog.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cairn/base/codec.h"
#include "cairn/base/status.h"

namespace cairn::storage {
namespace {

// First byte of a key; then the blob's id or, for kPack and kDoomed, the pack's number.
constexpr char kBlobKey = 'b';
constexpr char kChunkKey = 'c';
constexpr char kDamageKey = 'd';
constexpr char kGarbageKey = 'g';  // id, pack
constexpr char kDeferredKey = 'i';
constexpr char kPackKey = 'k';
constexpr char kMetaKey = 'm';
constexpr char kOutboardKey = 'o';  // id, index
constexpr char kPartialKey = 'p';
constexpr char kAbandonKey = 'q';
constexpr char kTombstoneKey = 't';
constexpr char kDoomedKey = 'x';

constexpr size_t kMaxDamageText = 512;
constexpr size_t kClearStep = 10'000;

// So that keys stand in the order of their numbers.
std::string BigEndian(uint32_t number) {
  return {static_cast<char>(number >> 24), static_cast<char>(number >> 16),
          static_cast<char>(number >> 8), static_cast<char>(number)};
}

uint32_t FromBigEndian(absl::string_view text) {
  uint32_t number = 0;
  for (char c : text) number = number << 8 | static_cast<uint8_t>(c);
  return number;
}

std::string Key(char table) { return std::string(1, table); }
std::string Key(char table, const base::ContentId& id) {
  return absl::StrCat(Key(table), base::AsText(id.digest.view()));
}
std::string Key(char table, uint32_t number) { return Key(table) + BigEndian(number); }
std::string Key(char table, const base::ContentId& id, uint32_t number) {
  return Key(table, id) + BigEndian(number);
}
bool IsPiece(RecordKind kind) {
  return kind == RecordKind::kChunk || kind == RecordKind::kOutboard;
}
bool IsTombstone(RecordKind kind) {
  return kind == RecordKind::kTombstone || kind == RecordKind::kAbandon;
}
char TombstoneKey(RecordKind kind) {
  return kind == RecordKind::kTombstone ? kTombstoneKey : kAbandonKey;
}
char PieceKey(RecordKind kind) { return kind == RecordKind::kChunk ? kChunkKey : kOutboardKey; }

base::ContentId IdOf(absl::string_view key) {
  base::ContentId id;  // a damaged index may hold keys of any length
  const absl::string_view bytes = key.substr(1, base::Digest::kSize);
  std::copy(bytes.begin(), bytes.end(), id.digest.value.begin());
  return id;
}

absl::Status BadIndex(absl::string_view what) {
  return base::Error(absl::StatusCode::kDataLoss, "INDEX_DAMAGED",
                     absl::StrCat("the index of the blob store has a bad ", what),
                     "Remove the folder of the index and open the store again: it is rebuilt.");
}

absl::StatusOr<Catalog::Entry> DecodeEntry(absl::string_view value) {
  base::Reader reader(base::AsBytes(value));
  Catalog::Entry entry;
  entry.sequence = reader.U64();
  entry.size = reader.U64();
  entry.place.pack = reader.U32();
  entry.place.offset = reader.U32();
  if (!reader.Finish().ok()) return BadIndex("entry");
  return entry;
}

uint64_t BlobRecordBytes(uint64_t size) { return kRecordHeaderBytes + (IsSmall(size) ? size : 0); }

absl::StatusOr<DamagedBlob> DecodeDamage(const base::ContentId& id, absl::string_view value) {
  base::Reader reader(base::AsBytes(value));
  DamagedBlob damage{
      .id = id, .what = reader.Text(kMaxDamageText), .where = reader.Text(kMaxDamageText)};
  if (!reader.Finish().ok()) return BadIndex("damage entry");
  return damage;
}

}  // namespace

std::string ToString(const Place& place) {
  return absl::StrFormat("pack %08u at %u", place.pack, place.offset);
}

absl::StatusOr<std::optional<Place>> Catalog::Load(const base::StoreId& store) {
  ASSIGN_OR_RETURN(auto meta, table_.Get(Key(kMetaKey)));
  if (!meta.has_value()) return std::optional<Place>();
  base::Reader reader(base::AsBytes(*meta));
  const auto owner = reader.Fixed<base::StoreId>();
  Place position;
  position.pack = reader.U32();
  position.offset = reader.U32();
  const uint64_t next_sequence = reader.U64();
  const Totals totals{.blobs = reader.U64(), .live_bytes = reader.U64(), .damaged = reader.U64()};
  if (!reader.Finish().ok() || owner != store) return std::optional<Place>();
  next_sequence_ = next_sequence;
  totals_ = totals;
  bool sound = true;
  RETURN_IF_ERROR(
      table_.Scan(Key(kPackKey), "", [&](absl::string_view key, absl::string_view value) {
        base::Reader stats(base::AsBytes(value));
        const PackStats read{.bytes = stats.U64(), .live = stats.U64()};
        sound = sound && stats.Finish().ok() && key.size() == 1 + sizeof(uint32_t) &&
                read.bytes <= kMaxPackBytes + kChunkBytes;
        packs_[FromBigEndian(key.substr(1))] = read;
        disk_bytes_ += read.bytes;
        return sound;
      }));
  if (!sound) return std::optional<Place>();
  return std::optional<Place>(position);
}

absl::StatusOr<bool> Catalog::ClaimsBlobs() const {
  bool found = false;
  RETURN_IF_ERROR(table_.Scan(Key(kBlobKey), "", [&](absl::string_view, absl::string_view) {
    found = true;
    return false;
  }));
  return found;
}

absl::Status Catalog::Clear() {
  packs_.clear();
  changed_packs_.clear();
  totals_ = {};
  disk_bytes_ = 0;
  next_sequence_ = 1;
  std::string first;  // that the round before has removed
  while (true) {
    // In rounds: a batch is held in memory.
    base::KvBatch batch;
    {
      const auto snapshot = kv().Snapshot();
      const auto cursor = snapshot->NewCursor();
      for (cursor->Seek(""); cursor->Valid() && batch.changes().size() < kClearStep;
           cursor->Next()) {
        batch.Delete(cursor->key());
      }
      RETURN_IF_ERROR(cursor->status());
    }
    if (batch.empty()) return absl::OkStatus();
    // In a tree that is damaged a key may be met that a search does not find.
    if (batch.changes().front().first == first) return BadIndex("key");
    first = batch.changes().front().first;
    RETURN_IF_ERROR(kv().Commit(batch));
  }
}

absl::StatusOr<Catalog::Applied> Catalog::Apply(const RecordHeader& header, Place at) {
  // Copies come with old numbers.
  next_sequence_ = std::max(next_sequence_, header.sequence + 1);
  NotePackBytes(at.pack, at.offset + header.record_bytes());
  if (header.kind == RecordKind::kFiller) return Applied::kGarbage;
  if (IsTombstone(header.kind)) return ApplyTombstone(header, at);
  ASSIGN_OR_RETURN(const bool dead, IsDead(header));
  if (dead) {
    Garbage(header.id, at.pack);
    return Applied::kGarbage;
  }
  return IsPiece(header.kind) ? ApplyPiece(header, at) : ApplyBlob(header, at);
}

absl::StatusOr<Catalog::Standing> Catalog::StandingOf(const base::ContentId& id,
                                                      const base::KvSnapshot& snapshot) const {
  ASSIGN_OR_RETURN(const auto blob, table_.Get(Key(kBlobKey, id), snapshot));
  if (blob.has_value()) {
    ASSIGN_OR_RETURN(const auto damage, FindDamage(id));
    return damage.has_value() ? Standing::kOther : Standing::kSound;
  }
  ASSIGN_OR_RETURN(const auto tombstone, table_.Get(Key(kTombstoneKey, id), snapshot));
  return tombstone.has_value() ? Standing::kOther : Standing::kUnknown;
}

absl::StatusOr<Catalog::Applied> Catalog::ApplyUnknown(const RecordHeader& header, Place at) {
  const bool known_since = table_.HoldsBack(Key(kBlobKey, header.id)) ||
                           table_.HoldsBack(Key(kTombstoneKey, header.id));
  if (known_since) return Apply(header, at);
  next_sequence_ = std::max(next_sequence_, header.sequence + 1);
  NotePackBytes(at.pack, at.offset + header.record_bytes());
  RETURN_IF_ERROR(Accept(header, at, std::nullopt));
  return Applied::kLive;
}

absl::StatusOr<bool> Catalog::IsDead(const RecordHeader& header) const {
  ASSIGN_OR_RETURN(auto tombstone, FindTombstone(RecordKind::kTombstone, header.id));
  if (tombstone.has_value() && tombstone->sequence > header.sequence) return true;
  if (!IsPiece(header.kind)) return false;
  ASSIGN_OR_RETURN(auto abandon, FindTombstone(RecordKind::kAbandon, header.id));
  return abandon.has_value() && abandon->sequence > header.sequence;
}

// A small blob, or the commit of a large one.
absl::StatusOr<Catalog::Applied> Catalog::ApplyBlob(const RecordHeader& header, Place at) {
  ASSIGN_OR_RETURN(auto old, FindBlob(header.id));
  if (old.has_value() && old->place == at) return Applied::kLive;
  const bool large = header.kind == RecordKind::kCommit;
  const bool outdone = old.has_value() && old->sequence > header.sequence;
  bool complete = true;
  if (large && !outdone) {
    ASSIGN_OR_RETURN(complete, PiecesComplete(header));
  }
  if (!complete) return Applied::kIncomplete;
  if (outdone) {
    Garbage(header.id, at.pack);
    return Applied::kGarbage;
  }
  RETURN_IF_ERROR(Accept(header, at, old));
  return Applied::kLive;
}

absl::Status Catalog::Accept(const RecordHeader& header, Place at,
                             const std::optional<Entry>& old) {
  if (old.has_value()) {
    Release(header.id, old->place, BlobRecordBytes(old->size));
    totals_.live_bytes -= old->size;
    --totals_.blobs;
    // A copy with the same number is as damaged as its original.
    if (old->sequence < header.sequence) RETURN_IF_ERROR(DropDamage(header.id));
  }
  hot_.Forget(header.id);
  Set(Key(kBlobKey, header.id), {header.sequence, header.size, at});
  if (header.kind == RecordKind::kCommit) table_.Delete(Key(kPartialKey, header.id));
  AddLive(at.pack, static_cast<int64_t>(header.record_bytes()));
  totals_.live_bytes += header.size;
  ++totals_.blobs;
  return absl::OkStatus();
}

absl::Status Catalog::Defer(const RecordHeader& commit, Place at) {
  ASSIGN_OR_RETURN(auto other, Find(Key(kDeferredKey, commit.id)));
  const bool newer = !other.has_value() || commit.sequence >= other->sequence;
  if (other.has_value()) Garbage(commit.id, newer ? other->place.pack : at.pack);
  if (newer) Set(Key(kDeferredKey, commit.id), {commit.sequence, commit.size, at});
  return absl::OkStatus();
}

absl::Status Catalog::ResolveDeferred() {
  std::vector<RecordHeader> commits;
  RETURN_IF_ERROR(table_.Scan(Key(kDeferredKey), "", [&](absl::string_view key, absl::string_view) {
    commits.emplace_back();
    commits.back().kind = RecordKind::kCommit;
    commits.back().id = IdOf(key);
    return true;
  }));
  for (RecordHeader& commit : commits) {
    const std::string key = Key(kDeferredKey, commit.id);
    ASSIGN_OR_RETURN(auto entry, Find(key));
    if (!entry.has_value()) return BadIndex("key");
    commit.sequence = entry->sequence;
    commit.size = entry->size;
    ASSIGN_OR_RETURN(auto applied, Apply(commit, entry->place));
    if (applied == Applied::kIncomplete) {
      ASSIGN_OR_RETURN(auto old, FindBlob(commit.id));
      // It was durable, so somebody may have been promised the blob: it is damaged, not unknown.
      RETURN_IF_ERROR(Accept(commit, entry->place, old));
      MarkDamaged({commit.id, "a part of the blob is missing", ToString(entry->place)});
    }
    table_.Delete(key);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Catalog::PiecesComplete(const RecordHeader& commit) const {
  for (const auto& [kind, bytes] : {std::pair(RecordKind::kChunk, commit.size),
                                    std::pair(RecordKind::kOutboard, base::OutboardSize(commit.size))}) {
    for (uint32_t i = 0; i < Pieces(bytes); ++i) {
      ASSIGN_OR_RETURN(const auto piece, FindPiece(kind, commit.id, i));
      if (!piece.has_value() || piece->size != PieceBytes(bytes, i)) return false;
      // A later one is of another attempt, which nobody has proven.
      if (piece->sequence > commit.sequence) return false;
    }
  }
  return true;
}

absl::StatusOr<Catalog::Applied> Catalog::ApplyPiece(const RecordHeader& header, Place at) {
  const std::string key = Key(PieceKey(header.kind), header.id, header.index());
  ASSIGN_OR_RETURN(auto old, Find(key));
  if (old.has_value() && old->place == at) return Applied::kLive;
  if (old.has_value() && old->sequence > header.sequence) {
    Garbage(header.id, at.pack);
    return Applied::kGarbage;
  }
  if (old.has_value()) Release(header.id, old->place, kRecordHeaderBytes + old->size);
  Set(key, {header.sequence, header.length, at});
  AddLive(at.pack, static_cast<int64_t>(header.record_bytes()));
  ASSIGN_OR_RETURN(auto blob, FindBlob(header.id));
  // A small blob has no pieces: whoever declared another size for its id has begun something else,
  // which must be found to be dropped.
  if (!blob.has_value() || IsSmall(blob->size)) {
    base::Writer writer;
    writer.U64(header.size);
    table_.Put(Key(kPartialKey, header.id), base::AsText(writer.view()));
  }
  return Applied::kLive;
}

absl::StatusOr<Catalog::Applied> Catalog::ApplyTombstone(const RecordHeader& header, Place at) {
  ASSIGN_OR_RETURN(auto old, FindTombstone(header.kind, header.id));
  if (old.has_value() && old->place == at) return Applied::kLive;
  if (old.has_value() && old->sequence > header.sequence) return Applied::kGarbage;
  if (old.has_value()) AddLive(old->place.pack, -static_cast<int64_t>(kRecordHeaderBytes));
  // Pieces first: the blob's entry tells whether there are any.
  RETURN_IF_ERROR(KillPieces(header));
  if (header.kind == RecordKind::kTombstone) RETURN_IF_ERROR(KillBlob(header));
  Set(Key(TombstoneKey(header.kind), header.id), {header.sequence, 0, at});
  AddLive(at.pack, kRecordHeaderBytes);
  return Applied::kLive;
}

absl::Status Catalog::KillPieces(const RecordHeader& tombstone) {
  const base::ContentId& id = tombstone.id;
  ASSIGN_OR_RETURN(auto blob, FindBlob(id));
  ASSIGN_OR_RETURN(auto partial, FindPartial(id));
  // Most deletes are of small blobs, and a scan costs more than all the rest.
  if (!partial.has_value() && (!blob.has_value() || IsSmall(blob->size))) return absl::OkStatus();
  RETURN_IF_ERROR(ReleasePieces(RecordKind::kChunk, id, tombstone.sequence));
  RETURN_IF_ERROR(ReleasePieces(RecordKind::kOutboard, id, tombstone.sequence));
  ASSIGN_OR_RETURN(auto first, FindPiece(RecordKind::kChunk, id, 0));
  if (!first.has_value()) table_.Delete(Key(kPartialKey, id));
  return absl::OkStatus();
}

absl::Status Catalog::KillBlob(const RecordHeader& tombstone) {
  ASSIGN_OR_RETURN(auto blob, FindBlob(tombstone.id));
  // Stored again since. A replay may meet the tombstone later: compaction has copied it.
  if (!blob.has_value() || blob->sequence > tombstone.sequence) return absl::OkStatus();
  Release(tombstone.id, blob->place, BlobRecordBytes(blob->size));
  hot_.Forget(tombstone.id);
  table_.Delete(Key(kBlobKey, tombstone.id));
  totals_.live_bytes -= blob->size;
  --totals_.blobs;
  return DropDamage(tombstone.id);
}

absl::Status Catalog::ReleasePieces(RecordKind kind, const base::ContentId& id,
                                    uint64_t below_sequence) {
  // Gathered first: the table must not change under a scan.
  std::vector<std::pair<std::string, Entry>> dead;
  absl::Status status;
  RETURN_IF_ERROR(
      table_.Scan(Key(PieceKey(kind), id), "", [&](absl::string_view key, absl::string_view value) {
        absl::StatusOr<Entry> entry = DecodeEntry(value);
        status = entry.status();
        if (entry.ok() && entry->sequence < below_sequence) dead.emplace_back(key, *entry);
        return status.ok();
      }));
  RETURN_IF_ERROR(status);
  for (const auto& [key, entry] : dead) {
    Release(id, entry.place, kRecordHeaderBytes + entry.size);
    table_.Delete(key);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Catalog::Entry>> Catalog::Find(absl::string_view key) const {
  ASSIGN_OR_RETURN(auto value, table_.Get(key));
  if (!value.has_value()) return std::optional<Entry>();
  ASSIGN_OR_RETURN(Entry entry, DecodeEntry(*value));
  return std::optional<Entry>(entry);
}

void Catalog::Set(absl::string_view key, const Entry& entry) {
  base::Writer writer;
  writer.U64(entry.sequence);
  writer.U64(entry.size);
  writer.U32(entry.place.pack);
  writer.U32(entry.place.offset);
  table_.Put(key, base::AsText(writer.view()));
}

absl::StatusOr<std::optional<Catalog::Entry>> Catalog::FindBlob(const base::ContentId& id) const {
  return Find(Key(kBlobKey, id));
}

absl::StatusOr<std::optional<Catalog::Entry>> Catalog::FindPiece(RecordKind kind,
                                                                 const base::ContentId& id,
                                                                 uint32_t index) const {
  return Find(Key(PieceKey(kind), id, index));
}

absl::StatusOr<std::optional<Catalog::Entry>> Catalog::FindTombstone(
    RecordKind kind, const base::ContentId& id) const {
  return Find(Key(TombstoneKey(kind), id));
}

absl::StatusOr<std::optional<uint64_t>> Catalog::FindPartial(const base::ContentId& id) const {
  ASSIGN_OR_RETURN(auto value, table_.Get(Key(kPartialKey, id)));
  if (!value.has_value()) return std::optional<uint64_t>();
  base::Reader reader(base::AsBytes(*value));
  const uint64_t size = reader.U64();
  if (!reader.Finish().ok()) return BadIndex("partial blob");
  return std::optional<uint64_t>(size);
}

absl::StatusOr<std::optional<DamagedBlob>> Catalog::FindDamage(const base::ContentId& id) const {
  // As almost always: it saves a look into the index for every read.
  if (totals_.damaged == 0) return std::optional<DamagedBlob>();
  ASSIGN_OR_RETURN(auto value, table_.Get(Key(kDamageKey, id)));
  if (!value.has_value()) return std::optional<DamagedBlob>();
  ASSIGN_OR_RETURN(DamagedBlob damage, DecodeDamage(id, *value));
  return std::optional<DamagedBlob>(std::move(damage));
}

absl::StatusOr<std::vector<DamagedBlob>> Catalog::Damage() const {
  std::vector<DamagedBlob> all;
  if (totals_.damaged == 0) return all;
  absl::Status status;
  RETURN_IF_ERROR(
      table_.Scan(Key(kDamageKey), "", [&](absl::string_view key, absl::string_view value) {
        auto damage = DecodeDamage(IdOf(key), value);
        status = damage.status();
        if (damage.ok()) all.push_back(*std::move(damage));
        return status.ok();
      }));
  RETURN_IF_ERROR(status);
  return all;
}

absl::StatusOr<bool> Catalog::IsLive(const RecordHeader& header, Place at) const {
  std::optional<Entry> entry;
  switch (header.kind) {
    case RecordKind::kFiller:
      return false;
    case RecordKind::kBlob:
    case RecordKind::kCommit: {
      ASSIGN_OR_RETURN(entry, FindBlob(header.id));
      break;
    }
    case RecordKind::kTombstone:
    case RecordKind::kAbandon: {
      ASSIGN_OR_RETURN(entry, FindTombstone(header.kind, header.id));
      break;
    }
    default: {
      ASSIGN_OR_RETURN(entry, FindPiece(header.kind, header.id, header.index()));
    }
  }
  return entry.has_value() && entry->place == at;
}

std::string Catalog::KeyOf(const RecordHeader& header) {
  if (header.kind == RecordKind::kFiller) return "";
  if (IsTombstone(header.kind)) return Key(TombstoneKey(header.kind), header.id);
  if (IsPiece(header.kind)) return Key(PieceKey(header.kind), header.id, header.index());
  return Key(kBlobKey, header.id);
}

absl::StatusOr<bool> Catalog::IsMistaken(const RecordHeader& header, Place at) const {
  if (header.kind == RecordKind::kFiller) return false;
  ASSIGN_OR_RETURN(const auto entry, Find(KeyOf(header)));
  const uint64_t size = IsPiece(header.kind) ? header.length : header.size;
  return entry.has_value() && entry->place == at &&
         (entry->size != size || entry->sequence != header.sequence);
}

void Catalog::Correct(const RecordHeader& header, Place at) {
  hot_.Forget(header.id);
  const uint64_t size = IsPiece(header.kind) ? header.length : header.size;
  Set(KeyOf(header), {header.sequence, size, at});
}

absl::StatusOr<bool> Catalog::IsForgotten(const RecordHeader& header, uint32_t pack) const {
  std::optional<Entry> known;
  if (header.kind == RecordKind::kBlob || header.kind == RecordKind::kCommit) {
    ASSIGN_OR_RETURN(known, FindBlob(header.id));
  } else if (IsPiece(header.kind)) {
    ASSIGN_OR_RETURN(known, FindPiece(header.kind, header.id, header.index()));
  } else {
    return false;
  }
  if (known.has_value()) return false;
  ASSIGN_OR_RETURN(auto noted, table_.Get(Key(kGarbageKey, header.id, pack)));
  ASSIGN_OR_RETURN(auto doomed, table_.Get(Key(kDoomedKey, pack)));
  return !noted.has_value() && !doomed.has_value();
}

absl::StatusOr<bool> Catalog::HasGarbage(const base::ContentId& id) const {
  bool found = false;
  RETURN_IF_ERROR(table_.Scan(Key(kGarbageKey, id), "", [&](absl::string_view, absl::string_view) {
    found = true;
    return false;
  }));
  return found;
}

absl::StatusOr<std::vector<BlobInfo>> Catalog::List(const base::ContentId& after,
                                                    size_t limit) const {
  std::vector<BlobInfo> out;
  if (limit == 0) return out;
  absl::Status status;
  const auto visit = [&](absl::string_view key, absl::string_view value) {
    absl::StatusOr<Entry> entry = DecodeEntry(value);
    status = entry.status();
    if (entry.ok()) out.push_back({IdOf(key), entry->size});
    return status.ok() && out.size() < limit;
  };
  RETURN_IF_ERROR(table_.Scan(Key(kBlobKey), Key(kBlobKey, after), visit));
  RETURN_IF_ERROR(status);
  return out;
}

absl::StatusOr<std::vector<PartialBlob>> Catalog::Partials() const {
  std::vector<PartialBlob> out;
  RETURN_IF_ERROR(table_.Scan(Key(kPartialKey), "", [&](absl::string_view key, absl::string_view) {
    out.push_back({.id = IdOf(key)});
    return true;
  }));
  for (PartialBlob& partial : out) {
    ASSIGN_OR_RETURN(auto size, FindPartial(partial.id));
    partial.size = size.value_or(0);
    for (uint32_t i = 0; i < Pieces(partial.size); ++i) {
      ASSIGN_OR_RETURN(auto piece, FindPiece(RecordKind::kChunk, partial.id, i));
      // What lies behind a hole is written anew by whoever goes on.
      if (!piece.has_value()) break;
      partial.held += piece->size;
    }
  }
  return out;
}

absl::StatusOr<std::set<base::ContentId>> Catalog::FindInRegion(uint32_t pack, uint64_t from,
                                                                uint64_t to) const {
  std::set<base::ContentId> found;
  absl::Status status;
  for (char table : {kBlobKey, kChunkKey, kOutboardKey}) {
    RETURN_IF_ERROR(
        table_.Scan(Key(table), "", [&](absl::string_view key, absl::string_view value) {
          absl::StatusOr<Entry> entry = DecodeEntry(value);
          status = entry.status();
          if (!entry.ok()) return false;
          const Place& place = entry->place;
          if (place.pack == pack && place.offset >= from && place.offset < to)
            found.insert(IdOf(key));
          return true;
        }));
    RETURN_IF_ERROR(status);
  }
  return found;
}

absl::StatusOr<std::vector<RecordHeader>> Catalog::TombstonesInRegion(uint32_t pack, uint64_t from,
                                                                      uint64_t to) const {
  std::vector<RecordHeader> found;
  absl::Status status;
  for (const RecordKind kind : {RecordKind::kTombstone, RecordKind::kAbandon}) {
    RETURN_IF_ERROR(table_.Scan(
        Key(TombstoneKey(kind)), "", [&](absl::string_view key, absl::string_view value) {
          absl::StatusOr<Entry> entry = DecodeEntry(value);
          status = entry.status();
          if (!entry.ok()) return false;
          const Place& place = entry->place;
          if (place.pack != pack || place.offset < from || place.offset >= to) return true;
          found.emplace_back();
          found.back().kind = kind;
          found.back().sequence = entry->sequence;
          found.back().id = IdOf(key);
          return true;
        }));
    RETURN_IF_ERROR(status);
  }
  return found;
}

void Catalog::Remember(const base::ContentId& id, const Entry& entry) const {
  if (!IsSmall(entry.size)) return;
  hot_.Remember(id, {entry.place.pack, entry.place.offset, static_cast<uint32_t>(entry.size)});
}

void Catalog::MarkDamaged(const DamagedBlob& damage) {
  hot_.Forget(damage.id);
  const std::string key = Key(kDamageKey, damage.id);
  const auto known = table_.Get(key);
  if (!known.ok() || !known->has_value()) ++totals_.damaged;
  base::Writer writer;
  writer.Var(absl::string_view(damage.what).substr(0, kMaxDamageText));
  writer.Var(absl::string_view(damage.where).substr(0, kMaxDamageText));
  table_.Put(key, base::AsText(writer.view()));
}

absl::Status Catalog::DropDamage(const base::ContentId& id) {
  if (totals_.damaged == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(auto known, table_.Get(Key(kDamageKey, id)));
  if (!known.has_value()) return absl::OkStatus();
  table_.Delete(Key(kDamageKey, id));
  --totals_.damaged;
  return absl::OkStatus();
}

absl::Status Catalog::ForgetGarbage(const base::ContentId& id, uint32_t pack) {
  const std::string key = Key(kGarbageKey, id, pack);
  ASSIGN_OR_RETURN(auto known, table_.Get(key));
  if (!known.has_value()) return absl::OkStatus();
  table_.Delete(key);
  ASSIGN_OR_RETURN(bool more, HasGarbage(id));
  return more ? absl::OkStatus() : DropTombstones(id);
}

absl::Status Catalog::DropTombstones(const base::ContentId& id) {
  for (RecordKind kind : {RecordKind::kTombstone, RecordKind::kAbandon}) {
    ASSIGN_OR_RETURN(auto tombstone, FindTombstone(kind, id));
    if (!tombstone.has_value()) continue;
    table_.Delete(Key(TombstoneKey(kind), id));
    AddLive(tombstone->place.pack, -static_cast<int64_t>(kRecordHeaderBytes));
  }
  return absl::OkStatus();
}

void Catalog::Doom(uint32_t pack) { table_.Put(Key(kDoomedKey, pack), "1"); }

absl::StatusOr<std::vector<uint32_t>> Catalog::Doomed() const {
  std::vector<uint32_t> out;
  RETURN_IF_ERROR(table_.Scan(Key(kDoomedKey), "", [&](absl::string_view key, absl::string_view) {
    out.push_back(FromBigEndian(key.substr(1)));
    return true;
  }));
  return out;
}

void Catalog::ErasePack(uint32_t pack) {
  if (auto it = packs_.find(pack); it != packs_.end()) {
    disk_bytes_ -= it->second.bytes;
    packs_.erase(it);
  }
  changed_packs_.erase(pack);
  table_.Delete(Key(kPackKey, pack));
  table_.Delete(Key(kDoomedKey, pack));
}

void Catalog::NotePackBytes(uint32_t pack, uint64_t bytes) {
  PackStats& stats = packs_[pack];
  changed_packs_.insert(pack);
  if (bytes <= stats.bytes) return;
  disk_bytes_ += bytes - stats.bytes;
  stats.bytes = bytes;
}

void Catalog::Garbage(const base::ContentId& id, uint32_t pack) {
  table_.Put(Key(kGarbageKey, id, pack), "1");
}

void Catalog::Release(const base::ContentId& id, Place place, uint64_t record_bytes) {
  AddLive(place.pack, -static_cast<int64_t>(record_bytes));
  Garbage(id, place.pack);
}

void Catalog::AddLive(uint32_t pack, int64_t bytes) {
  const auto it = packs_.find(pack);
  if (it == packs_.end()) return;  // a pack that was lost
  it->second.live += static_cast<uint64_t>(bytes);
  changed_packs_.insert(pack);
}

base::KvBatch Catalog::Freeze(const base::StoreId& store, Place position) {
  base::Writer meta;
  meta.Raw(store.view());
  // In the batch itself: what the index holds and how far it reaches become durable together.
  meta.U32(position.pack);
  meta.U32(position.offset);
  meta.U64(next_sequence_);
  meta.U64(totals_.blobs);
  meta.U64(totals_.live_bytes);
  meta.U64(totals_.damaged);
  table_.Put(Key(kMetaKey), base::AsText(meta.view()));
  for (uint32_t pack : changed_packs_) {
    base::Writer stats;
    stats.U64(packs_[pack].bytes);
    stats.U64(packs_[pack].live);
    table_.Put(Key(kPackKey, pack), base::AsText(stats.view()));
  }
  changed_packs_.clear();
  return table_.Freeze();
}

}  // namespace cairn::storage
