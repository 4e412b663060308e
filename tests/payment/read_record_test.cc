#include "cairn/payment/read_record.h"

#include "catch.h"
#include "payment/read_journal_rig.h"
#include "base/vectors.h"

namespace cairn::payment {
namespace {

TEST_CASE("a read record keeps its layout, its digests and its chain", "[GF-73][GF-74]") {
  JournalRig rig;
  const base::Bytes first = Encode(rig.Signed(1000));
  ReadRecord other = rig.Unsigned(250);
  const base::Bytes second = Encode(other);
  const base::Digest empty = EmptyJournal(rig.owner, rig.bucket);
  const base::Digest head = NextHead(NextHead(empty, first), second);
  base::Bytes all = first;
  const auto add = [&](base::ByteView bytes) { all.insert(all.end(), bytes.begin(), bytes.end()); };
  add(second);
  add(OwnReadDigest(rig.owner, other).view());
  add(empty.view());
  add(head.view());
  add(SigningDigest(rig.owner, JournalHead{rig.bucket, 2, head}).view());
  add(JournalTree(std::vector<JournalHead>{{rig.bucket, 2, head}, {{9}, 1, empty}, {{11}, 4, head}}).root().view());
  base::CheckVector("payment/read_record.hex", all);
}

TEST_CASE("a record decodes to what was encoded, and to nothing when a byte is missing or more") {
  JournalRig rig;
  ReadRecord paid = rig.Facts(10);
  paid.payer = ReadPayer::kChannel;
  paid.free_bytes = 0;
  paid.channel = std::string(16, 'c');
  rig.Sign(paid, rig.reader);
  for (const ReadRecord& record : {rig.Signed(1000), rig.Unsigned(0), paid}) {
    base::Bytes bytes = Encode(record);
    REQUIRE(bytes.size() <= kMaxReadRecordBytes);
    const auto back = DecodeReadRecord(bytes);
    REQUIRE(back.ok());
    CHECK(*back == record);
    CHECK_FALSE(DecodeReadRecord(base::ByteView(bytes).subspan(0, bytes.size() - 1)).ok());
    bytes.push_back(0);
    CHECK_FALSE(DecodeReadRecord(bytes).ok());
  }
}

TEST_CASE("a record is by its reader, or by the provider when nobody signed; any other byte breaks it", "[GF-74]") {
  JournalRig rig;
  for (const ReadRecord& record : {rig.Signed(1000), rig.Unsigned(1000)}) {
    CHECK(CheckSignature(rig.owner, record));
    JournalOwner other = rig.owner;
    other.node_key = KeyOf(9).public_key();
    CHECK_FALSE(CheckSignature(other, record));
    other = rig.owner;
    other.chain.value[0] ^= 1;
    CHECK_FALSE(CheckSignature(other, record));
  }
  ReadRecord forged = rig.Unsigned(10);
  forged.sent = 11;
  CHECK_FALSE(CheckSignature(rig.owner, forged));
  forged = rig.Signed(10);
  forged.call->request.back() ^= 1;
  CHECK_FALSE(CheckSignature(rig.owner, forged));
  forged = rig.Signed(10);
  ++forged.call->expires_ms;
  CHECK_FALSE(CheckSignature(rig.owner, forged));
}

TEST_CASE("every head of an epoch is proven under its root, and no other", "[GF-73]") {
  for (uint32_t count = 1; count <= 33; ++count) {
    std::vector<JournalHead> heads;
    for (uint32_t i = 0; i < count; ++i) heads.push_back({{i + 1}, i + 7, Filled<base::Digest>(static_cast<uint8_t>(i))});
    const JournalTree tree(heads);
    for (uint32_t i = 0; i < count; ++i) {
      const auto path = tree.Path(i);
      CHECK(CheckJournalPath(tree.root(), heads[i], i, count, path));
      JournalHead other = heads[i];
      ++other.sequence;
      CHECK_FALSE(CheckJournalPath(tree.root(), other, i, count, path));
      CHECK_FALSE(CheckJournalPath(tree.root(), heads[i], i + 1, count, path));
      auto longer = path;
      longer.push_back(tree.root());
      CHECK_FALSE(CheckJournalPath(tree.root(), heads[i], i, count, longer));
      if (!path.empty())
        CHECK_FALSE(CheckJournalPath(tree.root(), heads[i], i, count, absl::MakeConstSpan(path).subspan(1)));
    }
  }
}

}  // namespace
}  // namespace cairn::payment
