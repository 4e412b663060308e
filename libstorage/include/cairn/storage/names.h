// Object names: the rules they obey, and how a private bucket hides them.
//
// A name is UTF-8 without NUL, of 1 to 64 components separated by '/', at most 1,024 bytes in all;
// no component is empty, "." or "..". Public buckets store it as it is. Private buckets encrypt
// each component with AES-256-GCM-SIV under its parent's name key, with the bucket as associated
// data; the child's key is derived from the parent's key and the component. Equal names give equal
// stored names, so the ledger finds them; a stored prefix lists on component boundaries. Stored
// form: for each component u16 length, then ciphertext and tag; at most 4,096 bytes.
#pragma once

#include <string>
#include <vector>

#include "cairn/base/id.h"
#include "cairn/base/secret.h"

namespace cairn::storage {

inline constexpr size_t kMaxNameBytes = 1024;
inline constexpr size_t kMaxNameComponents = 64;
inline constexpr size_t kMaxStoredNameBytes = 4096;

// InvalidArgument (reason BAD_NAME) says which rule a name breaks.
absl::Status CheckName(absl::string_view name);

// How to list what begins with a text: ask the ledger for `stored`, then keep the names that begin
// with `text`.
struct ListPrefix {
  std::string stored;
  std::string text;
};
// For a public bucket: the whole prefix, at any byte.
absl::StatusOr<ListPrefix> PlainListPrefix(absl::string_view prefix);

// Encrypts and decrypts the names below one folder (the root, or the one whose key a grant handed
// over). Remembers the keys of the last path, so listing a folder is cheap. One thread at a time.
class NameCipher {
 public:
  // `folder_key` is the bucket's name key, or the result of FolderKey for a grant; names are
  // relative to that folder.
  NameCipher(const base::Secret<32>& folder_key, const base::Nonce16& bucket);
  ~NameCipher();
  NameCipher(NameCipher&&) noexcept;
  NameCipher& operator=(NameCipher&&) noexcept;

  absl::StatusOr<std::string> Encrypt(absl::string_view name);
  // DataLoss (reason DECRYPT_FAILED) when a component does not open or breaks the rules of names.
  absl::StatusOr<std::string> Decrypt(absl::string_view stored);
  // `prefix` may be empty and may end anywhere: "photos/20" lists the folder "photos" and filters.
  absl::StatusOr<ListPrefix> Prefix(absl::string_view prefix);
  // The key that a grant for everything below `folder` hands over.
  absl::StatusOr<base::Secret<32>> FolderKey(absl::string_view folder);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cairn::storage
