// Download journals: what a provider writes down about every read, so that nobody has to take its word for it.
//
// One journal a provider and bucket. Its records are numbered from 1 and chained by hash; each holds the reader's own
// signed call, which the provider cannot make up, or the provider's signature when nobody signed. Every epoch the heads
// of the journals that grew are gathered under one root, which the provider anchors on the ledger: from then on no
// record can be changed, taken out or slipped in. Layouts: libpayment/FORMATS.md. Values without I/O.
// Rules: GF-47 to GF-49, GF-73, GF-74.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cairn/base/claim.h"
#include "cairn/base/key.h"

namespace cairn::payment {

// Whose journal: part of every chain's first hash and of every signature.
struct JournalOwner {
  base::ChainId chain{};
  base::AccountId provider{};
  base::PublicKey node_key{};  // of the provider: signed calls name it
};

// Numbers are stored and never reused.
enum class ReadPayer : uint8_t {
  kQuota = 1,    // free quota and package of the bucket
  kChannel = 2,  // the channel of the record
  kRepair = 3,   // nobody: a provider of the group brings home what it should hold
  kGift = 4,     // nobody: the provider asks nothing for egress
};
// "quota", "channel", "repair", "gift".
absl::string_view Name(ReadPayer payer);

// The call as the reader signed it (base::CallClaim).
struct SignedRead {
  base::PublicKey reader{};
  uint64_t expires_ms = 0;
  base::Signature signature{};
  std::string request;  // the message, as it was signed
  friend bool operator==(const SignedRead&, const SignedRead&) = default;
};

struct ReadRecord {
  base::BucketId bucket{};
  uint64_t sequence = 0;      // from 1, without gaps
  uint64_t time_ms = 0;       // when it was admitted: the month whose quota it took from
  base::ObjectId object{};
  base::ContentId part{};
  uint64_t offset = 0;        // of the part
  uint64_t length = 0;        // content bytes asked for, clipped to the part
  uint64_t sent = 0;          // of these
  uint32_t weight = 1;        // what each counts in quotas
  ReadPayer payer = ReadPayer::kQuota;
  uint64_t free_bytes = 0;    // of the free quota; with package_bytes sent * weight when a quota paid, zero otherwise
  uint64_t package_bytes = 0;
  std::string channel;        // id, when a channel paid
  std::optional<SignedRead> call;
  base::Signature own{};      // without a call: the provider's, over everything before it
  friend bool operator==(const ReadRecord&, const ReadRecord&) = default;
};

inline constexpr size_t kMaxReadRequestBytes = 512;
inline constexpr size_t kMaxReadRecordBytes = 1024;
inline constexpr char kGetMethod[] = "/cairn.rpc.v1.Provider/Get";

base::Bytes Encode(const ReadRecord& record);
// InvalidArgument (reason MALFORMED) for anything that Encode does not give.
absl::StatusOr<ReadRecord> DecodeReadRecord(base::ByteView bytes);

// What a provider signs about a read that nobody signed.
base::Digest OwnReadDigest(const JournalOwner& owner, const ReadRecord& record);
// Is the signature in the record, the reader's or the provider's, what it should be?
bool CheckSignature(const JournalOwner& owner, const ReadRecord& record);

// Head of an empty journal, and of one with one record more.
base::Digest EmptyJournal(const JournalOwner& owner, base::BucketId bucket);
base::Digest NextHead(const base::Digest& head, base::ByteView record);

// Where a journal stands.
struct JournalHead {
  base::BucketId bucket{};
  uint64_t sequence = 0;
  base::Digest hash{};
  friend bool operator==(const JournalHead&, const JournalHead&) = default;
};
// What the provider signs when asked, so that it cannot tell two readers two stories.
base::Digest SigningDigest(const JournalOwner& owner, const JournalHead& head);

// The heads of one epoch under one root, in bucket order; an odd last node moves up.
class JournalTree {
 public:
  // Not empty; sorted by bucket.
  explicit JournalTree(absl::Span<const JournalHead> heads);
  const base::Digest& root() const { return levels_.back().front(); }
  // Siblings from leaf to root.
  std::vector<base::Digest> Path(uint32_t index) const;

 private:
  std::vector<std::vector<base::Digest>> levels_;
};
bool CheckJournalPath(const base::Digest& root, const JournalHead& head, uint32_t index, uint32_t count,
                      absl::Span<const base::Digest> path);

}  // namespace cairn::payment
