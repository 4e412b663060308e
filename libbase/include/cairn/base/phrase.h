// The recovery phrase: 24 words that are an account's master secret.
//
// 256 bits and an 8-bit checksum are split into 24 numbers of 11 bits; each number is one pronounceable four-letter
// word (consonant, vowel, consonant, vowel; table in libbase/FORMATS.md). From the phrase alone come the account key,
// the wrap key and everything they open.
#pragma once

#include "cairn/base/key.h"

namespace cairn::base {

inline constexpr int kPhraseWords = 24;

SecretString PhraseFromSeed(const Secret<32>& seed);
// Case and surplus white space do not matter. InvalidArgument (reason BAD_PHRASE) gives the position of the first wrong
// word (never the word: it is part of a secret), or says that the number of words or the checksum is wrong.
absl::StatusOr<Secret<32>> SeedFromPhrase(absl::string_view phrase);

// The keys of an account, derived from the phrase's seed.
struct AccountKeys {
  SigningKey signing;  // Ed25519: the account
  WrapKey wrap;        // X25519: what bucket keys are wrapped to
  static AccountKeys FromSeed(const Secret<32>& seed);
};

}  // namespace cairn::base
