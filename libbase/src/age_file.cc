#include "cairn/base/age_file.h"

#include <openssl/aead.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cairn/base/key.h"
#include "cairn/base/status.h"
#include "check.h"

namespace cairn::base {
namespace {

constexpr char kVersionLine[] = "age-encryption.org/v1\n";
constexpr char kSaltLabel[] = "age-encryption.org/v1/scrypt";
constexpr char kArmorBegin[] = "-----BEGIN AGE ENCRYPTED FILE-----";
constexpr char kArmorEnd[] = "-----END AGE ENCRYPTED FILE-----";
constexpr size_t kArmorColumns = 64;
constexpr size_t kSaltBytes = 16;
constexpr size_t kFileKeyBytes = 16;
constexpr size_t kTagBytes = 16;
constexpr size_t kChunkBytes = 64 * 1024;
constexpr size_t kMaxHeaderBytes = 512;

using FileKey = Secret<kFileKeyBytes>;

absl::Status BadFile(absl::string_view why) {
  return Error(absl::StatusCode::kDataLoss, "BAD_AGE_FILE",
               absl::StrCat("the key file cannot be used: ", why),
               "restore it from a copy or from the recovery phrase");
}

// ---- base64 ----

std::string Base64NoPad(ByteView bytes) {
  std::string padded = absl::Base64Escape(AsText(bytes));
  while (absl::EndsWith(padded, "=")) padded.pop_back();
  return padded;
}

// Only what Base64NoPad would print.
absl::StatusOr<Bytes> FromBase64NoPad(absl::string_view text) {
  std::string decoded;
  if (!absl::Base64Unescape(text, &decoded) || Base64NoPad(AsBytes(decoded)) != text)
    return BadFile("bad base64");
  return ToBytes(AsBytes(decoded));
}

std::string Armor(absl::string_view binary) {
  std::string text = absl::Base64Escape(binary);
  std::string out = absl::StrCat(kArmorBegin, "\n");
  for (size_t at = 0; at < text.size(); at += kArmorColumns) {
    absl::StrAppend(&out, absl::string_view(text).substr(at, kArmorColumns), "\n");
  }
  return absl::StrCat(out, kArmorEnd, "\n");
}

absl::StatusOr<std::string> Unarmor(absl::string_view file) {
  absl::string_view text = absl::StripAsciiWhitespace(file);
  if (!absl::ConsumePrefix(&text, kArmorBegin)) return std::string(file);
  if (!absl::ConsumeSuffix(&text, kArmorEnd)) return BadFile("the armor does not end");
  std::string joined, binary;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    absl::StrAppend(&joined, absl::StripSuffix(line, "\r"));
  }
  if (!absl::Base64Unescape(joined, &binary) || absl::Base64Escape(binary) != joined)
    return BadFile("bad armor");
  return binary;
}

// ---- keys ----

absl::StatusOr<Secret<32>> Stretch(const SecretString& passphrase, ByteView salt, int work_factor) {
  std::string labelled = absl::StrCat(kSaltLabel, AsText(salt));
  uint64_t n = uint64_t{1} << work_factor;
  Secret<32> out;
  absl::string_view text = passphrase.Reveal();
  // The limit on memory: N * 128 * r bytes with r = 8, and a little for the rest.
  if (EVP_PBE_scrypt(text.data(), text.size(), reinterpret_cast<const uint8_t*>(labelled.data()),
                     labelled.size(), n, 8, 1, n * 1024 + (1 << 20), out.Fill().data(),
                     Secret<32>::kSize) != 1) {
    return Error(absl::StatusCode::kResourceExhausted, "NO_MEMORY",
                 "not enough memory to stretch the passphrase");
  }
  return out;
}

Secret<32> Derive(const FileKey& file_key, ByteView salt, absl::string_view info) {
  Bytes derived = Hkdf(file_key.Reveal(), salt, AsBytes(info), 32);
  absl::StatusOr<Secret<32>> out = Secret<32>::From(derived);
  SecureWipe(derived.data(), derived.size());
  Require(out.ok());
  return *std::move(out);
}

Bytes HeaderMac(const FileKey& file_key, absl::string_view header) {
  Secret<32> key = Derive(file_key, {}, "header");
  Bytes mac(32);
  unsigned size = 0;
  HMAC(EVP_sha256(), key.Reveal().data(), Secret<32>::kSize,
       reinterpret_cast<const uint8_t*>(header.data()), header.size(), mac.data(), &size);
  Require(size == mac.size());
  return mac;
}

// ---- ChaCha20-Poly1305, alone and as a stream of chunks ----

class ChaCha {
 public:
  explicit ChaCha(const Secret<32>& key) {
    Require(EVP_AEAD_CTX_init(context_.get(), EVP_aead_chacha20_poly1305(), key.Reveal().data(), 32,
                              kTagBytes, nullptr) == 1);
  }
  // BoringSSL leaves the key in the context when it cleans up.
  ~ChaCha() {
    context_.Reset();
    SecureWipe(context_.get(), sizeof(EVP_AEAD_CTX));
  }
  ChaCha(const ChaCha&) = delete;
  ChaCha& operator=(const ChaCha&) = delete;
  Bytes Seal(ByteView nonce, ByteView plaintext) const {
    Bytes out(plaintext.size() + kTagBytes);
    size_t written = 0;
    Require(EVP_AEAD_CTX_seal(context_.get(), out.data(), &written, out.size(), nonce.data(),
                              nonce.size(), plaintext.data(), plaintext.size(), nullptr, 0) == 1);
    return out;
  }
  // `out` has sealed.size() - 16 bytes.
  bool Open(ByteView nonce, ByteView sealed, MutableByteView out) const {
    size_t written = 0;
    return EVP_AEAD_CTX_open(context_.get(), out.data(), &written, out.size(), nonce.data(),
                             nonce.size(), sealed.data(), sealed.size(), nullptr, 0) == 1;
  }

 private:
  bssl::ScopedEVP_AEAD_CTX context_;
};

// 11 bytes of counter, big endian, then 1 in the last chunk.
std::array<uint8_t, 12> ChunkNonce(uint64_t index, bool last) {
  std::array<uint8_t, 12> nonce{};
  for (int i = 0; i < 8; ++i) nonce[10 - i] = static_cast<uint8_t>(index >> (8 * i));
  nonce[11] = last ? 1 : 0;
  return nonce;
}

std::string SealPayload(const Secret<32>& key, ByteView plaintext) {
  ChaCha cipher(key);
  std::string out;
  uint64_t index = 0;
  do {
    ByteView chunk = plaintext.subspan(0, kChunkBytes);
    plaintext.remove_prefix(chunk.size());
    out += ToString(cipher.Seal(ChunkNonce(index++, plaintext.empty()), chunk));
  } while (!plaintext.empty());
  return out;
}

absl::StatusOr<SecretString> OpenPayload(const Secret<32>& key, ByteView sealed) {
  ChaCha cipher(key);
  size_t chunks = sealed.size() / (kChunkBytes + kTagBytes) + 1;
  if (sealed.size() < kTagBytes || sealed.size() > kAgeMaxPlaintextBytes + chunks * kTagBytes) {
    return BadFile("a payload of this length");
  }
  std::string out(sealed.size(), '\0');
  size_t size = 0;
  for (uint64_t index = 0; index == 0 || !sealed.empty(); ++index) {
    ByteView chunk = sealed.subspan(0, kChunkBytes + kTagBytes);
    sealed.remove_prefix(chunk.size());
    // An empty last chunk behind others would be a second form of the same plaintext.
    bool empty_last = index > 0 && chunk.size() == kTagBytes;
    size_t plain = chunk.size() < kTagBytes ? 0 : chunk.size() - kTagBytes;
    MutableByteView room(reinterpret_cast<uint8_t*>(out.data()) + size, plain);
    if (chunk.size() < kTagBytes || empty_last ||
        !cipher.Open(ChunkNonce(index, sealed.empty()), chunk, room)) {
      SecureWipe(out.data(), out.size());
      return BadFile("its payload was changed or cut");
    }
    size += plain;
  }
  out.resize(size);
  return SecretString(std::move(out));
}

// ---- header ----

struct Header {
  Bytes salt;
  int work_factor = 0;
  Bytes body;                     // the sealed file key
  absl::string_view signed_part;  // up to and including "---"
  Bytes mac;
  absl::string_view payload;
};

absl::StatusOr<Header> ParseHeader(absl::string_view file) {
  Header header;
  absl::string_view rest = file;
  if (!absl::ConsumePrefix(&rest, kVersionLine)) return BadFile("it is no age file of version 1");
  size_t end = rest.substr(0, kMaxHeaderBytes).find("\n--- ");
  if (end == absl::string_view::npos) return BadFile("its header does not end");
  std::vector<absl::string_view> lines = absl::StrSplit(rest.substr(0, end), '\n');
  std::vector<absl::string_view> words = absl::StrSplit(lines[0], ' ');
  if (lines.size() != 2 || words.size() != 4 || words[0] != "->" || words[1] != "scrypt") {
    return BadFile("it is not sealed under one passphrase");
  }
  ASSIGN_OR_RETURN(header.salt, FromBase64NoPad(words[2]));
  ASSIGN_OR_RETURN(header.body, FromBase64NoPad(lines[1]));
  if (!absl::SimpleAtoi(words[3], &header.work_factor) ||
      absl::StrCat(header.work_factor) != words[3] || header.work_factor < 1 ||
      header.salt.size() != kSaltBytes || header.body.size() != kFileKeyBytes + kTagBytes) {
    return BadFile("its header is malformed");
  }
  header.signed_part = file.substr(0, sizeof(kVersionLine) - 1 + end + 4);
  rest.remove_prefix(end + 5);
  size_t newline = rest.substr(0, kMaxHeaderBytes).find('\n');
  if (newline == absl::string_view::npos) return BadFile("its header does not end");
  ASSIGN_OR_RETURN(header.mac, FromBase64NoPad(rest.substr(0, newline)));
  header.payload = rest.substr(newline + 1);
  return header;
}

}  // namespace

absl::StatusOr<std::string> AgeSeal(ByteView plaintext, const SecretString& passphrase,
                                    int work_factor, Entropy& entropy) {
  if (plaintext.size() > kAgeMaxPlaintextBytes || work_factor < 1 ||
      work_factor > kAgeMaxWorkFactor) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_AGE_INPUT",
                 "plaintext too long or work factor out of range");
  }
  if (passphrase.empty()) {
    return Error(absl::StatusCode::kInvalidArgument, "EMPTY_PASSPHRASE", "the passphrase is empty",
                 "give a passphrase of some length");
  }
  FileKey file_key = entropy.DrawSecret<kFileKeyBytes>();
  Bytes salt(kSaltBytes), nonce(kSaltBytes);
  entropy.Fill(MutableByteView(salt));
  entropy.Fill(MutableByteView(nonce));
  ASSIGN_OR_RETURN(Secret<32> wrapping, Stretch(passphrase, salt, work_factor));
  Bytes body = ChaCha(wrapping).Seal(std::array<uint8_t, 12>{}, file_key.Reveal());
  std::string header = absl::StrCat(kVersionLine, "-> scrypt ", Base64NoPad(salt), " ", work_factor,
                                    "\n", Base64NoPad(body), "\n---");
  std::string mac = Base64NoPad(HeaderMac(file_key, header));
  return Armor(absl::StrCat(header, " ", mac, "\n", AsText(nonce),
                            SealPayload(Derive(file_key, nonce, "payload"), plaintext)));
}

absl::StatusOr<SecretString> AgeOpen(absl::string_view file, const SecretString& passphrase) {
  // Armor adds a third, the header a few hundred bytes.
  if (file.size() > 2 * kAgeMaxPlaintextBytes) return BadFile("it is too long");
  ASSIGN_OR_RETURN(std::string binary, Unarmor(file));
  ASSIGN_OR_RETURN(Header header, ParseHeader(binary));
  if (header.work_factor > kAgeMaxWorkFactor) {
    return Error(absl::StatusCode::kResourceExhausted, "WORK_FACTOR_TOO_HIGH",
                 "opening the key file would take too much memory",
                 "seal it again with a lower work factor",
                 {{"work_factor", absl::StrCat(header.work_factor)},
                  {"limit", absl::StrCat(kAgeMaxWorkFactor)}});
  }
  ASSIGN_OR_RETURN(Secret<32> wrapping, Stretch(passphrase, header.salt, header.work_factor));
  FileKey file_key;
  if (!ChaCha(wrapping).Open(std::array<uint8_t, 12>{}, header.body, file_key.Fill())) {
    return Error(absl::StatusCode::kPermissionDenied, "WRONG_PASSPHRASE",
                 "the passphrase does not open the key file",
                 "check the passphrase; upper and lower case matter");
  }
  if (!ConstantTimeEqual(HeaderMac(file_key, header.signed_part), header.mac))
    return BadFile("its header was changed");
  ByteView payload = AsBytes(header.payload);
  if (payload.size() < kSaltBytes) return BadFile("its payload is cut");
  Secret<32> key = Derive(file_key, payload.subspan(0, kSaltBytes), "payload");
  return OpenPayload(key, payload.subspan(kSaltBytes));
}

}  // namespace cairn::base
