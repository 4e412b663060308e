// Keys of the journal's tables in the index. Numbers are big endian, so that order of keys is order of numbers.
#pragma once

#include <string>

#include "cairn/base/id.h"

namespace cairn::storaged {

inline std::string BigEndian(uint64_t number) {
  std::string out(8, '\0');
  for (int i = 7; i >= 0; --i, number >>= 8) out[static_cast<size_t>(i)] = static_cast<char>(number & 0xff);
  return out;
}
inline uint64_t FromBigEndian(absl::string_view bytes) {
  uint64_t number = 0;
  for (char c : bytes.substr(0, 8)) number = number << 8 | static_cast<uint8_t>(c);
  return number;
}

inline constexpr char kJournalTotals[] = "mreads";
inline constexpr char kJournalPending[] = "manchor";
inline std::string ReadsKey(base::BucketId bucket) { return "b" + BigEndian(bucket.value); }
inline std::string RecordKey(base::BucketId bucket, uint64_t sequence) {
  return "j" + BigEndian(bucket.value) + BigEndian(sequence);
}
inline std::string TimeKey(uint64_t time_ms, base::BucketId bucket, uint64_t sequence) {
  return "t" + BigEndian(time_ms) + BigEndian(bucket.value) + BigEndian(sequence);
}
inline std::string ObjectKey(base::BucketId bucket, const base::ObjectId& object) {
  return "q" + BigEndian(bucket.value) + base::ToString(object.view());
}
inline std::string AnchorKey(base::BucketId bucket, uint64_t sequence) {
  return "a" + BigEndian(bucket.value) + BigEndian(sequence);
}

}  // namespace cairn::storaged
