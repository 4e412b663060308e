#include "cairn/storage/manifest.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/codec.h"
#include "cairn/base/key.h"
#include "cairn/base/status.h"
#include "cairn/storage/bucket_keys.h"

namespace cairn::storage {
namespace {

constexpr absl::string_view kMagic = "CMF1";
constexpr uint8_t kFlagSealed = 1;
constexpr uint8_t kFlagWholeAtPrimary = 2;
constexpr uint8_t kKnownFlags = kFlagSealed | kFlagWholeAtPrimary;
// The body under one key differs between manifests of a version (a renewed history); GCM-SIV stands
// that.
constexpr std::array<uint8_t, base::kAeadNonceBytes> kZeroNonce{};

absl::Status BadManifest(absl::string_view why) {
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_MANIFEST",
                     absl::StrCat("bad manifest: ", why));
}

base::Aead BodyAead(const VersionKey& key) {
  return base::Aead::GcmSiv(base::DeriveSecret("cairn v1 manifest body", key));
}

// ---- rules, the same when writing and reading ----

absl::Status CheckHead(const ManifestHead& head) {
  RETURN_IF_ERROR(head.stored.Check());
  if (head.seal && head.seal->wrapped_key.size() != kWrappedVersionKeyBytes) {
    return BadManifest("a wrapped key of the wrong size");
  }
  if (head.seal && !UnsealedSize(head.stored.stored_size).ok()) {
    return BadManifest("a stored size that no sealed object has");
  }
  if (head.history.size() > kMaxHistory) return BadManifest("too many earlier versions");
  for (size_t i = 1; i < head.history.size(); ++i) {
    if (head.history[i - 1].version <= head.history[i].version) {
      return BadManifest("earlier versions out of order");
    }
  }
  return absl::OkStatus();
}

// What may become a header of HTTP must not be able to end one.
bool Printable(absl::string_view text, bool ascii_only) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    const auto u = static_cast<uint8_t>(c);
    return u >= 0x20 && u != 0x7f && (!ascii_only || u < 0x7f);
  });
}

absl::Status CheckBody(const Manifest& m) {
  if (m.content_type.size() > kMaxContentTypeBytes || !Printable(m.content_type, true)) {
    return BadManifest("a content type that is too long or not printable ASCII");
  }
  size_t bytes = 0;
  for (const auto& [key, value] : m.metadata) {
    bytes += key.size() + value.size();
    if (key.empty() || !Printable(key, true) || !Printable(value, false)) {
      return BadManifest("user metadata with an empty key or control characters");
    }
  }
  if (bytes > kMaxMetadataBytes) {
    return base::Error(absl::StatusCode::kInvalidArgument, "METADATA_TOO_LARGE",
                       absl::StrCat(bytes, " bytes of user metadata, at most ", kMaxMetadataBytes));
  }
  return absl::OkStatus();
}

// Of a head that CheckHead has passed: there is one.
uint64_t PlaintextSizeOf(const ManifestHead& head) {
  return head.seal ? UnsealedSize(head.stored.stored_size).value() : head.stored.stored_size;
}

// ---- head ----

void WriteHead(const ManifestHead& head, base::Writer& w) {
  const base::Redundancy& policy = head.stored.policy;
  w.Raw(base::AsBytes(kMagic));
  w.U8((head.seal ? kFlagSealed : 0) | (policy.whole_at_primary ? kFlagWholeAtPrimary : 0));
  w.U8(static_cast<uint8_t>(head.stored.layout));
  w.U8(static_cast<uint8_t>(policy.kind));
  w.U8(static_cast<uint8_t>(policy.data));
  w.U8(static_cast<uint8_t>(policy.parity));
  w.U8(static_cast<uint8_t>(policy.copies));
  w.U64(head.stored.stored_size);
  w.Raw(head.stored.content_id.digest.view());
  w.U8(static_cast<uint8_t>(head.stored.shard_ids.size()));
  for (const base::ContentId& id : head.stored.shard_ids) w.Raw(id.digest.view());
  if (head.seal) {
    w.Raw(head.seal->key_id.view());
    w.U64(head.seal->epoch);
    w.Raw(head.seal->wrapped_key);
  }
  w.U16(static_cast<uint16_t>(head.history.size()));
  for (const PastVersion& past : head.history) {
    w.U64(past.version);
    w.Raw(past.manifest.digest.view());
  }
}

base::LayoutKind ReadKind(base::Reader& r) {
  const uint8_t kind = r.U8();
  if (kind != 1 && kind != 2) r.Fail("an unknown layout kind");
  return static_cast<base::LayoutKind>(kind);
}

void ReadStored(base::Reader& r, uint8_t flags, VersionLayout& stored) {
  stored.layout = ReadKind(r);
  stored.policy.kind = ReadKind(r);
  stored.policy.data = r.U8();
  stored.policy.parity = r.U8();
  stored.policy.copies = r.U8();
  stored.policy.whole_at_primary = (flags & kFlagWholeAtPrimary) != 0;
  stored.stored_size = r.U64();
  stored.content_id.digest = r.Fixed<base::Digest>();
  const uint8_t ids = r.U8();
  for (uint8_t i = 0; i < ids && r.ok(); ++i) {
    stored.shard_ids.push_back({r.Fixed<base::Digest>()});
  }
}

ManifestHead ReadHead(base::Reader& r) {
  ManifestHead head;
  if (r.Raw(kMagic.size()) != base::AsBytes(kMagic)) r.Fail("not a manifest");
  const uint8_t flags = r.U8();
  if ((flags & ~kKnownFlags) != 0) r.Fail("unknown flags");
  ReadStored(r, flags, head.stored);
  if ((flags & kFlagSealed) != 0) {
    SealInfo& seal = head.seal.emplace();
    seal.key_id = r.Fixed<KeyId>();
    seal.epoch = r.U64();
    seal.wrapped_key = base::ToBytes(r.Raw(kWrappedVersionKeyBytes));
  }
  const uint16_t past = r.U16();
  if (past > kMaxHistory) r.Fail("too many earlier versions");
  for (uint16_t i = 0; i < past && r.ok(); ++i) {
    const uint64_t version = r.U64();
    head.history.push_back({version, {r.Fixed<base::Digest>()}});
  }
  return head;
}

// ---- body ----

base::Bytes WriteBody(const Manifest& m) {
  base::Writer w;
  w.U64(static_cast<uint64_t>(m.mtime_ms));
  w.Var(m.content_type);
  w.U8(m.plaintext_hash ? 1 : 0);
  if (m.plaintext_hash) w.Raw(m.plaintext_hash->view());
  w.U16(static_cast<uint16_t>(m.metadata.size()));
  for (const auto& [key, value] : m.metadata) {
    w.Var(key);
    w.Var(value);
  }
  return std::move(w).Take();
}

absl::Status ReadBody(base::ByteView body, Manifest& m) {
  base::Reader r(body);
  m.mtime_ms = static_cast<int64_t>(r.U64());
  m.content_type = r.Text(kMaxContentTypeBytes);
  const uint8_t hashed = r.U8();
  if (hashed > 1) r.Fail("an unknown flag");
  if (hashed == 1) m.plaintext_hash = r.Fixed<base::Digest>();
  const uint16_t entries = r.U16();
  std::string last;
  for (uint16_t i = 0; i < entries && r.ok(); ++i) {
    std::string key = r.Text(kMaxMetadataBytes);
    // One order alone: else one manifest would have many encodings, and as many ids.
    if (key <= last) r.Fail("user metadata out of order");
    m.metadata[key] = r.Text(kMaxMetadataBytes);
    last = std::move(key);
  }
  return r.Finish();
}

// A decoded manifest, with its body still as it came.
struct Parsed {
  ManifestHead head;
  base::ByteView prefix;  // what stands before the body: its associated data
  base::ByteView body;
};

absl::StatusOr<Parsed> Parse(base::ByteView encoded) {
  if (encoded.size() > kMaxManifestBytes) return BadManifest("it is too large");
  base::Reader r(encoded);
  Parsed parsed;
  parsed.head = ReadHead(r);
  parsed.prefix = encoded.first(encoded.size() - r.remaining());
  parsed.body = r.Var(kMaxManifestBytes);
  absl::Status read = r.Finish();
  if (!read.ok()) return BadManifest(read.message());
  absl::Status fits = CheckHead(parsed.head);
  if (!fits.ok()) return BadManifest(fits.message());
  if (parsed.head.seal && parsed.body.size() < base::kAeadTagBytes) return BadManifest("no body");
  return parsed;
}

}  // namespace

absl::StatusOr<base::Bytes> EncodeManifest(const Manifest& manifest, const VersionKey* key) {
  RETURN_IF_ERROR(CheckHead(manifest.head));
  RETURN_IF_ERROR(CheckBody(manifest));
  const bool sealed = manifest.head.seal.has_value();
  if (sealed != (key != nullptr)) return BadManifest("a key and no seal, or a seal and no key");
  if (sealed && KeyIdOf(*key) != manifest.head.seal->key_id) {
    return BadManifest("a key other than the one it names");
  }
  if (manifest.plaintext_size != PlaintextSizeOf(manifest.head)) {
    return BadManifest("a plaintext size that does not fit the stored size");
  }
  base::Writer w;
  WriteHead(manifest.head, w);
  base::Bytes body = WriteBody(manifest);
  if (sealed) body = BodyAead(*key).Seal(kZeroNonce, w.view(), body);
  w.Var(body);
  return std::move(w).Take();
}

absl::StatusOr<ManifestHead> DecodeManifestHead(base::ByteView encoded) {
  ASSIGN_OR_RETURN(Parsed parsed, Parse(encoded));
  return std::move(parsed.head);
}

absl::StatusOr<Manifest> DecodeManifest(base::ByteView encoded, const VersionKey* key) {
  ASSIGN_OR_RETURN(Parsed parsed, Parse(encoded));
  Manifest manifest;
  base::Bytes opened;
  if (parsed.head.seal) {
    if (key == nullptr || KeyIdOf(*key) != parsed.head.seal->key_id) {
      return base::Error(absl::StatusCode::kPermissionDenied, "WRONG_KEY",
                         "the manifest is sealed with another key",
                         "Use the account or grant that can read the bucket.");
    }
    // The head is associated data: a body taken to another head does not open.
    ASSIGN_OR_RETURN(opened, BodyAead(*key).Open(kZeroNonce, parsed.prefix, parsed.body));
    parsed.body = opened;
  }
  absl::Status read = ReadBody(parsed.body, manifest);
  if (!read.ok()) return BadManifest(read.message());
  RETURN_IF_ERROR(CheckBody(manifest));
  manifest.plaintext_size = PlaintextSizeOf(parsed.head);
  manifest.head = std::move(parsed.head);
  return manifest;
}

absl::Status CheckAgainstLedger(const ManifestHead& head, const base::ContentId& content_id,
                                const base::Digest& layout_root, uint64_t stored_size) {
  auto mismatch = [](absl::string_view field) {
    return base::Error(absl::StatusCode::kDataLoss, "MANIFEST_MISMATCH",
                       absl::StrCat("the manifest's ", field, " is not the one on the ledger"));
  };
  if (head.stored.stored_size != stored_size) return mismatch("stored size");
  if (head.stored.content_id != content_id) return mismatch("content id");
  if (head.stored.LayoutRoot() != layout_root) return mismatch("layout root");
  return absl::OkStatus();
}

}  // namespace cairn::storage
