#include "cairn/base/id.h"

#include "cairn/base/status.h"

namespace cairn::base {
namespace {

// --- Base 32 digits, shared by both text forms: five bits a character, the last one padded with
// zero bits.

constexpr absl::string_view kCidDigits = "abcdefghijklmnopqrstuvwxyz234567";
constexpr absl::string_view kBech32Digits = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

Bytes ToFiveBits(ByteView bytes) {
  Bytes digits;
  uint32_t window = 0;
  int bits = 0;
  for (uint8_t byte : bytes) {
    window = window << 8 | byte;
    for (bits += 8; bits >= 5; bits -= 5) digits.push_back(window >> (bits - 5) & 31);
  }
  if (bits > 0) digits.push_back(window << (5 - bits) & 31);
  return digits;
}

// False when the padding is more than four bits or not zero: then `digits` has another spelling.
bool FromFiveBits(ByteView digits, Bytes& bytes) {
  uint32_t window = 0;
  int bits = 0;
  for (uint8_t digit : digits) {
    window = window << 5 | digit;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<uint8_t>(window >> bits));
  }
  return bits < 5 && (window & ((1u << bits) - 1)) == 0;
}

bool ReadDigits(absl::string_view text, absl::string_view alphabet, Bytes& digits) {
  for (char c : text) {
    const size_t digit = alphabet.find(c);
    if (digit == absl::string_view::npos) return false;
    digits.push_back(static_cast<uint8_t>(digit));
  }
  return true;
}

// --- CIDv1

constexpr std::array<uint8_t, 4> kCidPrefix = {0x01, 0x55, 0x1e, 0x20};  // v1, raw, blake3, 32

absl::Status BadContentId(absl::string_view why) {
  return Error(absl::StatusCode::kInvalidArgument, "BAD_CONTENT_ID", why,
               "give a content id as storectl prints it: 59 characters that begin with bafkr4i");
}

// --- Bech32m (BIP-350)

constexpr absl::string_view kAccountPrefix = "cairn";
constexpr uint32_t kBech32mConstant = 0x2bc830a3;
constexpr size_t kChecksumDigits = 6;

uint32_t Polymod(uint32_t checksum, uint8_t digit) {
  constexpr uint32_t kGenerator[5] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
  const uint32_t top = checksum >> 25;
  checksum = (checksum & 0x1ffffff) << 5 ^ digit;
  for (int i = 0; i < 5; ++i) {
    if (top >> i & 1) checksum ^= kGenerator[i];
  }
  return checksum;
}

// Over the prefix, spread as BIP-173 says, and the digits.
uint32_t Checksum(ByteView digits) {
  uint32_t checksum = 1;
  for (char c : kAccountPrefix) checksum = Polymod(checksum, static_cast<uint8_t>(c) >> 5);
  checksum = Polymod(checksum, 0);
  for (char c : kAccountPrefix) checksum = Polymod(checksum, static_cast<uint8_t>(c) & 31);
  for (uint8_t digit : digits) checksum = Polymod(checksum, digit);
  return checksum;
}

absl::Status BadAccountId(absl::string_view why) {
  return Error(absl::StatusCode::kInvalidArgument, "BAD_ACCOUNT_ID", why,
               "give an account id: 44 characters that begin with cairn1");
}

bool HasUpper(absl::string_view text) {
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') return true;
  }
  return false;
}

// All upper case becomes lower case; nothing else changes, so that mixed case is refused later.
std::string Lowered(absl::string_view text) {
  std::string lowered(text);
  for (char& c : lowered) {
    if (c >= 'a' && c <= 'z') return std::string(text);
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lowered;
}

}  // namespace

std::string ContentId::ToText() const {
  Bytes bytes(kCidPrefix.begin(), kCidPrefix.end());
  bytes.insert(bytes.end(), digest.value.begin(), digest.value.end());
  std::string text = "b";
  for (uint8_t digit : ToFiveBits(bytes)) text.push_back(kCidDigits[digit]);
  return text;
}

absl::StatusOr<ContentId> ContentId::Parse(absl::string_view text) {
  constexpr size_t kTextLength = 59;
  if (text.size() != kTextLength || text[0] != 'b') return BadContentId("not a base32 CIDv1");
  Bytes digits, bytes;
  if (!ReadDigits(text.substr(1), kCidDigits, digits) || !FromFiveBits(digits, bytes)) {
    return BadContentId("not lower-case base32");
  }
  if (!std::equal(kCidPrefix.begin(), kCidPrefix.end(), bytes.begin())) {
    return BadContentId("not a raw blob under a BLAKE3-256 hash");
  }
  ASSIGN_OR_RETURN(Digest parsed, Digest::From(ByteView(bytes).subspan(kCidPrefix.size())));
  return ContentId{parsed};
}

std::string ToText(const AccountId& id) {
  Bytes digits = ToFiveBits(id.view());
  Bytes padded = digits;
  padded.resize(digits.size() + kChecksumDigits);
  const uint32_t checksum = Checksum(padded) ^ kBech32mConstant;
  for (size_t i = 0; i < kChecksumDigits; ++i) {
    digits.push_back(checksum >> (5 * (kChecksumDigits - 1 - i)) & 31);
  }
  std::string text(kAccountPrefix);
  text.push_back('1');
  for (uint8_t digit : digits) text.push_back(kBech32Digits[digit]);
  return text;
}

absl::StatusOr<AccountId> ParseAccountId(absl::string_view text) {
  constexpr size_t kTextLength = kAccountPrefix.size() + 1 + 32 + kChecksumDigits;
  if (text.size() != kTextLength) return BadAccountId("an account id has 44 characters");
  const std::string lowered = Lowered(text);
  if (HasUpper(lowered)) return BadAccountId("upper and lower case are mixed");
  if (lowered.compare(0, kAccountPrefix.size() + 1, "cairn1") != 0) {
    return BadAccountId("an account id begins with cairn1");
  }
  Bytes digits, bytes;
  if (!ReadDigits(absl::string_view(lowered).substr(kAccountPrefix.size() + 1), kBech32Digits,
                  digits)) {
    return BadAccountId("not a bech32 character");
  }
  if (Checksum(digits) != kBech32mConstant) return BadAccountId("the checksum is wrong");
  digits.resize(digits.size() - kChecksumDigits);
  if (!FromFiveBits(digits, bytes)) return BadAccountId("padding is not zero");
  return AccountId::From(bytes);
}

ObjectId ObjectIdFor(const ChainId& chain, BucketId bucket, const Nonce16& nonce, uint32_t index) {
  Hasher hasher = Hasher::DeriveKey("cairn v1 object id");
  hasher.Field(chain.view()).Field(bucket.value).Field(nonce.view()).Field(uint64_t{index});
  ObjectId id;
  hasher.FinishXof(MutableByteView(id.value.data(), id.value.size()));
  return id;
}

}  // namespace cairn::base
