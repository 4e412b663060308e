// A provider, a reader, and records as an honest provider writes them.
#pragma once

#include "cairn/base/codec.h"
#include "cairn/payment/quota.h"
#include "cairn/payment/read_audit.h"

namespace cairn::payment {

inline base::SigningKey KeyOf(uint8_t seed) {
  base::Secret<32> bytes;
  bytes.Fill()[0] = seed;
  return base::SigningKey::FromSeed(bytes);
}

template <class Id>
Id Filled(uint8_t byte) {
  Id id;
  id.value.fill(byte);
  return id;
}

// What readers sign in these tests: the ranges, in the codec.
inline std::string RequestOf(const ReadRecord& record, uint64_t length, uint64_t nonce) {
  base::Writer out;
  out.Raw(record.object.view());
  out.Raw(record.part.digest.view());
  out.U64(record.offset);
  out.U64(length);
  out.Var(record.channel);
  out.U64(nonce);
  return base::ToString(out.view());
}
inline std::optional<RequestedRead> ReadRequest(absl::string_view request) {
  base::Reader in(base::AsBytes(request));
  RequestedRead read;
  read.object = in.Fixed<base::ObjectId>();
  read.part.digest = in.Fixed<base::Digest>();
  read.offset = in.U64();
  read.length = in.U64();
  read.channel = in.Text(32);
  in.U64();
  if (!in.Finish().ok()) return std::nullopt;
  return read;
}

struct JournalRig {
  base::SigningKey node = KeyOf(1);
  base::SigningKey reader = KeyOf(2);
  JournalOwner owner{Filled<base::ChainId>(7), Filled<base::AccountId>(8), node.public_key()};
  base::BucketId bucket{5};
  uint64_t now_ms = 1'790'000'000'000;  // September 2026
  uint64_t count = 0;
  uint64_t nonce = 0;

  ReadRecord Facts(uint64_t sent) {
    ReadRecord record;
    record.bucket = bucket;
    record.sequence = ++count;
    record.time_ms = now_ms;
    record.object = Filled<base::ObjectId>(3);
    record.part.digest = Filled<base::Digest>(4);
    record.offset = 100;
    record.length = 1000;
    record.sent = sent;
    record.weight = 4;
    record.free_bytes = sent * 4;
    return record;
  }
  void Sign(ReadRecord& record, const base::SigningKey& key) {
    SignedRead call;
    call.reader = key.public_key();
    call.expires_ms = now_ms + 150'000;
    call.request = RequestOf(record, 1000, ++nonce);
    base::CallClaim claim{owner.chain, key.account(), owner.node_key, call.expires_ms,
                          base::CallRequestHash(kGetMethod, base::AsBytes(call.request))};
    call.signature = key.Sign(base::SigningDigest(claim));
    record.call = std::move(call);
  }
  ReadRecord Signed(uint64_t sent) {
    ReadRecord record = Facts(sent);
    Sign(record, reader);
    return record;
  }
  ReadRecord Unsigned(uint64_t sent) {
    ReadRecord record = Facts(sent);
    record.own = node.Sign(OwnReadDigest(owner, record));
    return record;
  }
  ReadAudit Audit(bool public_read = false) const {
    return ReadAudit({owner, bucket, public_read, 4, ReadRequest}, {bucket, 0, EmptyJournal(owner, bucket)});
  }
};

}  // namespace cairn::payment
