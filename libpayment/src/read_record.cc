#include "cairn/payment/read_record.h"

#include "cairn/base/codec.h"
#include "cairn/base/status.h"

namespace cairn::payment {
namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kMaxChannelBytes = 32;

void WriteFacts(const ReadRecord& record, base::Writer& out) {
  out.U8(kVersion);
  out.U64(record.bucket.value);
  out.U64(record.sequence);
  out.U64(record.time_ms);
  out.Raw(record.object.view());
  out.Raw(record.part.digest.view());
  out.U64(record.offset);
  out.U64(record.length);
  out.U64(record.sent);
  out.U32(record.weight);
  out.U8(static_cast<uint8_t>(record.payer));
  out.U64(record.free_bytes);
  out.U64(record.package_bytes);
  out.Var(record.channel);
}

void ReadFacts(base::Reader& in, ReadRecord& record) {
  if (in.U8() != kVersion) in.Fail("the record is of another version");
  record.bucket.value = in.U64();
  record.sequence = in.U64();
  record.time_ms = in.U64();
  record.object = in.Fixed<base::ObjectId>();
  record.part.digest = in.Fixed<base::Digest>();
  record.offset = in.U64();
  record.length = in.U64();
  record.sent = in.U64();
  record.weight = in.U32();
  const uint8_t payer = in.U8();
  if (in.ok() && (payer < 1 || payer > 4)) in.Fail("no such payer");
  record.payer = static_cast<ReadPayer>(payer);
  record.free_bytes = in.U64();
  record.package_bytes = in.U64();
  record.channel = in.Text(kMaxChannelBytes);
}

void ReadCall(base::Reader& in, ReadRecord& record) {
  const uint8_t is_signed = in.U8();
  if (is_signed > 1) return in.Fail("neither signed nor not");
  if (is_signed == 0) {
    record.own = in.Fixed<base::Signature>();
    return;
  }
  SignedRead call;
  const base::ByteView key = in.Raw(33);
  auto reader = base::PublicKey::Decode(key);
  if (in.ok() && !reader.ok()) return in.Fail("the reader's key is none");
  if (reader.ok()) call.reader = *reader;
  call.expires_ms = in.U64();
  call.signature = in.Fixed<base::Signature>();
  call.request = in.Text(kMaxReadRequestBytes);
  record.call = std::move(call);
}

base::Digest LeafOf(const JournalHead& head) {
  return base::Hasher::DeriveKey("cairn v1 journal leaf")
      .Field(head.bucket.value)
      .Field(head.sequence)
      .Field(head.hash.view())
      .Finish();
}

base::Digest NodeOf(const base::Digest& left, const base::Digest& right) {
  return base::Hasher::DeriveKey("cairn v1 journal node").Field(left.view()).Field(right.view()).Finish();
}

}  // namespace

absl::string_view Name(ReadPayer payer) {
  switch (payer) {
    case ReadPayer::kQuota:
      return "quota";
    case ReadPayer::kChannel:
      return "channel";
    case ReadPayer::kRepair:
      return "repair";
    case ReadPayer::kGift:
      return "gift";
  }
  return "unknown";
}

base::Bytes Encode(const ReadRecord& record) {
  base::Writer out;
  WriteFacts(record, out);
  out.U8(record.call.has_value() ? 1 : 0);
  if (!record.call.has_value()) {
    out.Raw(record.own.view());
    return std::move(out).Take();
  }
  out.Raw(record.call->reader.Encode());
  out.U64(record.call->expires_ms);
  out.Raw(record.call->signature.view());
  out.Var(record.call->request);
  return std::move(out).Take();
}

absl::StatusOr<ReadRecord> DecodeReadRecord(base::ByteView bytes) {
  base::Reader in(bytes);
  ReadRecord record;
  ReadFacts(in, record);
  ReadCall(in, record);
  RETURN_IF_ERROR(in.Finish());
  return record;
}

base::Digest OwnReadDigest(const JournalOwner& owner, const ReadRecord& record) {
  base::Writer facts;
  WriteFacts(record, facts);
  return base::Hasher::DeriveKey("cairn v1 unsigned read")
      .Field(owner.chain.view())
      .Field(owner.provider.view())
      .Field(facts.view())
      .Finish();
}

bool CheckSignature(const JournalOwner& owner, const ReadRecord& record) {
  if (!record.call.has_value()) return owner.node_key.Verify(OwnReadDigest(owner, record), record.own);
  base::CallClaim claim;
  claim.chain = owner.chain;
  claim.caller = record.call->reader.Account();
  claim.server = owner.node_key;
  claim.expires_ms = record.call->expires_ms;
  claim.request = base::CallRequestHash(kGetMethod, base::AsBytes(record.call->request));
  return record.call->reader.Verify(base::SigningDigest(claim), record.call->signature);
}

base::Digest EmptyJournal(const JournalOwner& owner, base::BucketId bucket) {
  return base::Hasher::DeriveKey("cairn v1 read journal")
      .Field(owner.chain.view())
      .Field(owner.provider.view())
      .Field(bucket.value)
      .Finish();
}

base::Digest NextHead(const base::Digest& head, base::ByteView record) {
  return base::Hasher::DeriveKey("cairn v1 read record").Field(head.view()).Field(record).Finish();
}

base::Digest SigningDigest(const JournalOwner& owner, const JournalHead& head) {
  return base::Hasher::DeriveKey("cairn v1 journal head")
      .Field(owner.chain.view())
      .Field(owner.provider.view())
      .Field(head.bucket.value)
      .Field(head.sequence)
      .Field(head.hash.view())
      .Finish();
}

JournalTree::JournalTree(absl::Span<const JournalHead> heads) {
  std::vector<base::Digest> level;
  for (const JournalHead& head : heads) level.push_back(LeafOf(head));
  levels_.push_back(std::move(level));
  while (levels_.back().size() > 1) {
    const std::vector<base::Digest>& below = levels_.back();
    std::vector<base::Digest> above;
    for (size_t i = 0; i + 1 < below.size(); i += 2) above.push_back(NodeOf(below[i], below[i + 1]));
    if (below.size() % 2 == 1) above.push_back(below.back());
    levels_.push_back(std::move(above));
  }
}

std::vector<base::Digest> JournalTree::Path(uint32_t index) const {
  std::vector<base::Digest> path;
  for (size_t level = 0; level + 1 < levels_.size(); ++level, index /= 2) {
    const uint32_t sibling = index ^ 1;
    if (sibling < levels_[level].size()) path.push_back(levels_[level][sibling]);
  }
  return path;
}

bool CheckJournalPath(const base::Digest& root, const JournalHead& head, uint32_t index, uint32_t count,
                      absl::Span<const base::Digest> path) {
  if (index >= count) return false;
  base::Digest at = LeafOf(head);
  size_t used = 0;
  for (; count > 1; index /= 2, count = (count + 1) / 2) {
    if ((index ^ 1) >= count) continue;
    if (used == path.size()) return false;
    const base::Digest& sibling = path[used++];
    at = index % 2 == 0 ? NodeOf(at, sibling) : NodeOf(sibling, at);
  }
  return used == path.size() && at == root;
}

}  // namespace cairn::payment
