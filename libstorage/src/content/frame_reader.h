// Stored bytes in, in order; plaintext of a range out. Opens frames where sealed, passes through
// otherwise.
#pragma once

#include <optional>

#include "cairn/storage/decode.h"

namespace cairn::storage {

class FrameReader {
 public:
  // `opener` absent: the stored bytes are the plaintext.
  FrameReader(std::optional<Opener> opener, const ReadPlan& plan, ByteSink sink);
  // The next bytes of plan.stored.
  absl::Status Consume(base::ByteView stored);

 private:
  size_t Wanted() const;  // bytes of the header or frame that comes next
  absl::Status Take(base::ByteView whole);
  absl::Status Emit(uint64_t offset, base::ByteView plaintext);

  std::optional<Opener> opener_;
  base::ByteRange range_;  // of the plaintext
  ByteSink sink_;
  uint64_t position_;  // in the stored bytes, of what comes next
  base::Bytes partial_;
  base::Bytes plaintext_;
};

}  // namespace cairn::storage
