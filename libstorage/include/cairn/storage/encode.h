// Encoding: plaintext in, the bytes of every shard and the ids that the ledger records out, in one
// pass.
//
// Each stripe is sealed, hashed and erasure coded while it is in cache; memory is a few MiB
// whatever the object's size. The result depends on plaintext, key and policy alone, so a second
// pass (to send, or to resume) gives the same bytes.
//
//   ASSIGN_OR_RETURN(auto encoder, ObjectEncoder::Create({.policy = p, .key = &key}, size, sink));
//   while (more) RETURN_IF_ERROR(encoder->Feed(piece));
//   ASSIGN_OR_RETURN(EncodedObject object, encoder->Finish());
//
// One thread at a time; independent encoders share nothing.
#pragma once

#include <functional>
#include <memory>

#include "cairn/storage/seal.h"
#include "cairn/storage/stripe.h"

namespace cairn::storage {

// Pieces of each shard arrive in order; shards of one stripe one after the other. Index 0 alone
// under kCopies. The view is valid during the call. An error ends the encoding with that error.
using ShardSink = std::function<absl::Status(uint32_t shard, base::ByteView piece)>;

struct EncodeOptions {
  base::Redundancy policy{};
  // Seals when given (private buckets); copied from during Create only. Stored as it is otherwise.
  const VersionKey* key = nullptr;
  // The plaintext's own hash as well (EncodedObject::plaintext_hash), at the cost of one more hash
  // over the input.
  bool hash_plaintext = false;
  // BLAKE3 outboards of every shard (0.4 % of the stored bytes), for who serves slices himself.
  bool keep_outboards = false;
  // Tags of an earlier pass over the same source under the same key. A frame whose tag differs ends
  // the encoding with SOURCE_CHANGED before a byte of it reaches the sink. Must outlive the
  // encoder.
  const base::Bytes* expected_tags = nullptr;
  // Resume: begin at this stripe. Feed from PlaintextOffsetOf(first_stripe) on; Finish gives no ids
  // then.
  uint64_t first_stripe = 0;
};

struct EncodedObject {
  uint64_t plaintext_size = 0;
  VersionLayout stored;  // sizes, content_id, shard_ids
  base::Digest layout_root;
  uint64_t shard_size = 0;             // bytes of each shard; the stored size under kCopies
  base::Digest plaintext_hash;         // zero unless asked for
  base::Bytes frame_tags;              // 16 bytes a frame; empty unless sealed
  std::vector<base::Bytes> outboards;  // one a shard; empty unless asked for
};

class ObjectEncoder {
 public:
  // InvalidArgument: a policy out of bounds (BAD_POLICY) or an object that is too large
  // (OBJECT_TOO_LARGE).
  static absl::StatusOr<std::unique_ptr<ObjectEncoder>> Create(const EncodeOptions& options,
                                                               uint64_t plaintext_size,
                                                               ShardSink sink);
  ~ObjectEncoder();

  // Pieces of any size. FailedPrecondition (reason SOURCE_CHANGED) when more comes than was
  // declared, or when a frame differs from the earlier pass.
  absl::Status Feed(base::ByteView plaintext);
  // FailedPrecondition (reason SOURCE_CHANGED) when less came than was declared. Call once.
  absl::StatusOr<EncodedObject> Finish();

  const StripeMap& stripes() const;
  // Where the plaintext of a stripe begins for EncodeOptions::first_stripe: the start of the frame
  // it begins in.
  static uint64_t PlaintextOffsetOf(const EncodeOptions& options, uint64_t plaintext_size,
                                    uint64_t stripe);

 private:
  struct State;
  explicit ObjectEncoder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cairn::storage
