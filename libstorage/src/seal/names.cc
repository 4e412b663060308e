#include "cairn/storage/names.h"

#include <algorithm>

#include "absl/strings/str_split.h"
#include "cairn/base/aead.h"
#include "cairn/base/codec.h"
#include "cairn/base/key.h"
#include "cairn/base/status.h"
#include "cairn/base/utf8.h"

namespace cairn::storage {
namespace {

// Equal names must be stored equally, for the ledger to find them; GCM-SIV gives away nothing else.
constexpr std::array<uint8_t, base::kAeadNonceBytes> kZeroNonce{};
constexpr absl::string_view kChildContext = "cairn v1 name folder";

absl::Status BadName(absl::string_view why) {
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_NAME",
                     "bad object name: " + std::string(why),
                     "Use UTF-8, components separated by single '/', none of them '.' or '..'.");
}

absl::Status Damaged(absl::string_view why) {
  return base::Error(absl::StatusCode::kDataLoss, "DECRYPT_FAILED",
                     "a stored name does not open: " + std::string(why));
}

absl::Status CheckComponent(absl::string_view component) {
  if (component.empty()) return BadName("an empty component");
  if (component == "." || component == "..") return BadName("a component '.' or '..'");
  if (component.find('\0') != absl::string_view::npos) return BadName("a NUL byte");
  if (component.find('/') != absl::string_view::npos) return BadName("a '/' inside a component");
  if (!base::IsUtf8(component)) return BadName("not UTF-8");
  return absl::OkStatus();
}

// What a prefix may be: a name, perhaps cut off in the middle of its last component or of a
// character of it.
absl::Status CheckPrefix(absl::string_view prefix) {
  const size_t slash = prefix.rfind('/');
  if (slash != absl::string_view::npos) RETURN_IF_ERROR(CheckName(prefix.substr(0, slash)));
  if (prefix.size() > kMaxNameBytes) return BadName("a prefix above 1,024 bytes");
  if (prefix.find('\0') != absl::string_view::npos) return BadName("a NUL byte");
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckName(absl::string_view name) {
  if (name.empty()) return BadName("it is empty");
  if (name.size() > kMaxNameBytes) {
    return BadName(std::to_string(name.size()) + " bytes, more than 1,024");
  }
  const size_t components = static_cast<size_t>(std::count(name.begin(), name.end(), '/')) + 1;
  if (components > kMaxNameComponents) {
    return BadName(std::to_string(components) + " components, more than 64");
  }
  for (absl::string_view component : absl::StrSplit(name, '/')) {
    RETURN_IF_ERROR(CheckComponent(component));
  }
  return absl::OkStatus();
}

absl::StatusOr<ListPrefix> PlainListPrefix(absl::string_view prefix) {
  RETURN_IF_ERROR(CheckPrefix(prefix));
  return ListPrefix{std::string(prefix), std::string(prefix)};
}

struct NameCipher::State {
  // A folder's key and cipher, and what was last found below it. `levels[0]` is the root; `levels[i
  // + 1]` is the folder `levels[i + 1].component` below `levels[i]`.
  struct Level {
    std::string component;
    base::Secret<32> key;
    base::Aead aead;
  };
  base::Nonce16 bucket;
  std::vector<Level> levels;

  void Push(std::string component, base::Secret<32> key) {
    base::Aead aead =
        base::Aead::GcmSiv(base::DeriveSecret("cairn v1 name cipher", key, bucket.view()));
    levels.push_back({std::move(component), std::move(key), std::move(aead)});
  }

  // The folder `component` below the one at `depth`; keeps deeper levels while the path stays the
  // same.
  Level& Descend(size_t depth, absl::string_view component) {
    if (depth + 1 < levels.size() && levels[depth + 1].component != component) {
      levels.erase(levels.begin() + static_cast<ptrdiff_t>(depth) + 1, levels.end());
    }
    if (depth + 1 == levels.size()) {
      Push(std::string(component),
           base::DeriveSecret(kChildContext, levels[depth].key, base::AsBytes(component)));
    }
    return levels[depth + 1];
  }

  std::string Seal(const std::vector<std::string>& components) {
    base::Writer w;
    for (size_t i = 0; i < components.size(); ++i) {
      if (i > 0) Descend(i - 1, components[i - 1]);
      base::Bytes sealed =
          levels[i].aead.Seal(kZeroNonce, bucket.view(), base::AsBytes(components[i]));
      w.U16(static_cast<uint16_t>(sealed.size()));
      w.Raw(sealed);
    }
    return base::ToString(w.view());
  }
};

NameCipher::NameCipher(const base::Secret<32>& folder_key, const base::Nonce16& bucket)
    : state_(std::make_unique<State>()) {
  state_->bucket = bucket;
  state_->Push("", folder_key.Clone());
}
NameCipher::~NameCipher() = default;
NameCipher::NameCipher(NameCipher&&) noexcept = default;
NameCipher& NameCipher::operator=(NameCipher&&) noexcept = default;

absl::StatusOr<std::string> NameCipher::Encrypt(absl::string_view name) {
  RETURN_IF_ERROR(CheckName(name));
  return state_->Seal(absl::StrSplit(name, '/'));
}

absl::StatusOr<std::string> NameCipher::Decrypt(absl::string_view stored) {
  if (stored.empty() || stored.size() > kMaxStoredNameBytes) return Damaged("its length");
  base::Reader r(base::AsBytes(stored));
  std::string name;
  std::string last;
  for (size_t depth = 0; r.remaining() > 0; ++depth) {
    if (depth == kMaxNameComponents) return Damaged("too many components");
    base::ByteView sealed = r.Raw(r.U16());
    if (!r.ok()) return Damaged("it is cut off");
    if (depth > 0) state_->Descend(depth - 1, last);
    auto opened = state_->levels[depth].aead.Open(kZeroNonce, state_->bucket.view(), sealed);
    if (!opened.ok()) return Damaged("a component was made with another key");
    last = base::ToString(*opened);
    // One with a '/' would give two stored names the same text.
    if (!CheckComponent(last).ok()) return Damaged("a component breaks the rules of names");
    if (depth > 0) name += '/';
    name += last;
  }
  if (!CheckName(name).ok() || !r.Finish().ok()) return Damaged("it breaks the rules of names");
  return name;
}

absl::StatusOr<ListPrefix> NameCipher::Prefix(absl::string_view prefix) {
  RETURN_IF_ERROR(CheckPrefix(prefix));
  const size_t slash = prefix.rfind('/');
  if (slash == absl::string_view::npos) return ListPrefix{"", std::string(prefix)};
  return ListPrefix{state_->Seal(absl::StrSplit(prefix.substr(0, slash), '/')),
                    std::string(prefix)};
}

absl::StatusOr<base::Secret<32>> NameCipher::FolderKey(absl::string_view folder) {
  if (folder.empty()) return state_->levels[0].key.Clone();
  RETURN_IF_ERROR(CheckName(folder));
  std::vector<std::string> components = absl::StrSplit(folder, '/');
  for (size_t i = 0; i < components.size(); ++i) state_->Descend(i, components[i]);
  return state_->levels[components.size()].key.Clone();
}

}  // namespace cairn::storage
