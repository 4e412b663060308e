#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "apps/client/buckets.h"
#include "apps/client/get.h"
#include "apps/client/list.h"
#include "apps/client/put.h"
#include "apps/client/remove.h"
#include "apps/client/sync.h"
#include "apps/client/verify.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "catch.h"
#include "fake_network.h"
#include "support/temp_dir.h"

namespace cairn::client {
namespace {

base::Bytes Pattern(size_t size, uint64_t seed = 1) {
  base::Bytes out(size);
  base::SeededEntropy(seed).Fill(base::MutableByteView(out.data(), out.size()));
  return out;
}

absl::StatusOr<base::Bytes> Fetch(Client& client, const Reference& ref,
                                  base::ByteRange range = {0, UINT64_MAX}) {
  base::Bytes out;
  RETURN_IF_ERROR(Get(client, ref, {.range = range}, [&](base::ByteView bytes) {
                    out.insert(out.end(), bytes.begin(), bytes.end());
                    return absl::OkStatus();
                  }).status());
  return out;
}

absl::StatusOr<PutResult> Store(Client& client, const Reference& ref, base::Bytes bytes,
                                const PutOptions& options = {}) {
  return Put(client, *MemorySource(std::move(bytes)), ref, options);
}

void MakeBucket(Client& client, const std::string& name, const std::string& policy = "rs:4+2",
                bool open = false) {
  auto made =
      CreateBucket(client, name, {.policy = *base::Redundancy::Parse(policy), .public_read = open});
  INFO(made.status());
  REQUIRE(made.ok());
}

// Positions of the object's group as indices into the fake network.
std::vector<FakeProvider*> HoldersOf(FakeNetwork& network, Client& client,
                                     const std::string& bucket) {
  const auto group = client.Group(FindBucket(client, bucket)->group());
  std::vector<FakeProvider*> out;
  for (const auto& position : group->positions())
    out.push_back(network.Find(chain::AccountOf(position.provider())));
  return out;
}

FakeProvider& PrimaryOf(FakeNetwork& network, Client& client, const std::string& bucket) {
  const auto group = client.Group(FindBucket(client, bucket)->group());
  return *network.Find(chain::AccountOf(group->primary()));
}

}  // namespace

TEST_CASE(
    "objects of every size come back equal from a client that has nothing but the key, two holders "
    "lost",
    "[GF-40][MP-08]") {
  FakeNetwork network;
  const std::vector<size_t> sizes{0,       1,         65'535,    65'536,   262'143,
                                  262'144, 1'048'575, 1'048'577, 5'000'011};
  {
    auto client = network.NewClient();
    MakeBucket(*client, "photos");
    for (size_t size : sizes) {
      auto put = Store(*client, {"photos", absl::StrCat("dir/", size)}, Pattern(size));
      INFO(size << " " << put.status());
      REQUIRE(put.ok());
      CHECK(put->durable);
    }
    auto holders = HoldersOf(network, *client, "photos");
    holders[0]->dead = true;
    holders[3]->dead = true;
  }
  auto fresh = network.NewClient();
  for (size_t size : sizes) {
    auto back = Fetch(*fresh, {"photos", absl::StrCat("dir/", size)});
    INFO(size << " " << back.status());
    REQUIRE(back.ok());
    CHECK(*back == Pattern(size));
  }
  auto part = Fetch(*fresh, {"photos", "dir/5000011"}, {1'000'000, 70'000});
  REQUIRE(part.ok());
  const base::Bytes whole = Pattern(5'000'011);
  CHECK(std::equal(part->begin(), part->end(), whole.begin() + 1'000'000));
  CHECK(part->size() == 70'000);
}

TEST_CASE("with fewer than k holders a get fails with each holder named and leaves no file") {
  FakeNetwork network;
  auto client = network.NewClient();
  MakeBucket(*client, "photos");
  REQUIRE(Store(*client, {"photos", "a"}, Pattern(3'000'000)).ok());
  auto holders = HoldersOf(network, *client, "photos");
  for (int i : {0, 2, 4}) holders[i]->dead = true;
  TempDir folder;
  auto got = GetFile(*client, {"photos", "a"}, {}, folder.path() + "/a");
  REQUIRE_FALSE(got.ok());
  CHECK(base::ReasonOf(got.status()) == "NOT_ENOUGH_SHARDS");
  CHECK(base::DetailOf(got.status()).evidence.size() >= 3);
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("a get never asks for more than kReadAhead beyond what it has written [CD-10]") {
  const std::string policy = GENERATE("replicate:3", "rs:4+2");
  INFO(policy);
  FakeNetwork network;
  MakeBucket(*network.NewClient(), "sold", policy, /*open=*/true);
  const base::Bytes content = Pattern(24 << 20);
  REQUIRE(Store(*network.NewClient(), {"sold", "a"}, content).ok());
  auto client = network.NewClient("", nullptr, {.when = PayWhen::kNeeded});
  const auto bucket = OpenBucket(*client, "sold");
  REQUIRE(bucket.ok());
  const auto object = FindObject(*client, **bucket, {"sold", "a"});
  REQUIRE(object.ok());
  std::mutex mutex;
  std::condition_variable more;
  uint64_t asked = 0, written = 0, ahead = 0;
  network.on_get = [&](const GetPart& what) {
    std::unique_lock<std::mutex> lock(mutex);
    const bool first = asked == 0;
    asked += what.range.length;
    ahead = std::max(ahead, asked - written);
    more.notify_all();
    // The first answer comes when everything is asked for that may be.
    if (first) more.wait(lock, [&] { return asked >= kReadAhead; });
  };
  base::Bytes got;
  const auto result = GetObject(*client, **bucket, *object, {}, [&](base::ByteView bytes) {
    got.insert(got.end(), bytes.begin(), bytes.end());
    const std::lock_guard<std::mutex> lock(mutex);
    written += bytes.size();
    return absl::OkStatus();
  });
  INFO(result.status().ToString());
  REQUIRE(result.ok());
  CHECK(got == content);
  CHECK(ahead == kReadAhead);
}

TEST_CASE("bytes that a holder damaged are never delivered and the others make up for them",
          "[MP-20]") {
  FakeNetwork network;
  auto client = network.NewClient();
  MakeBucket(*client, "photos");
  REQUIRE(Store(*client, {"photos", "a"}, Pattern(3'000'000)).ok());
  auto holders = HoldersOf(network, *client, "photos");
  holders[1]->wrong_bytes = true;
  auto back = Fetch(*client, {"photos", "a"});
  REQUIRE(back.ok());
  CHECK(*back == Pattern(3'000'000));
  auto bucket = OpenBucket(*client, "photos");
  auto object = FindObject(*client, **bucket, {"photos", "a"});
  auto report = VerifyObject(*client, **bucket, *object);
  REQUIRE(report.ok());
  CHECK(report->good == 5);
  for (const PartReport& part : report->parts)
    CHECK(part.status.ok() == (part.provider != holders[1]->account()));
}

TEST_CASE("neither content nor names of a private bucket reach a provider or the ledger",
          "[MP-19][CS-26]") {
  FakeNetwork network;
  auto client = network.NewClient();
  MakeBucket(*client, "secrets");
  const std::string needle = "the-plaintext-needle-0123456789abcdef";
  base::Bytes bytes;
  while (bytes.size() < 600'000) bytes.insert(bytes.end(), needle.begin(), needle.end());
  REQUIRE(Store(*client, {"secrets", "folder-of-mine/secret-name"}, bytes).ok());
  REQUIRE(Store(*client, {"secrets", "folder-of-mine/small"}, base::ToBytes(base::AsBytes(needle)))
              .ok());
  for (int i = 0; i < network.size(); ++i) {
    for (const std::string& part : network.provider(i).PartTexts())
      CHECK(part.find(needle) == std::string::npos);
  }
  chain::pb::QueryRequest request;
  for (uint64_t height = 1;; ++height) {
    request.set_block(height);
    auto answer = network.chain().Query(request);
    if (!answer.ok()) break;
    const std::string block = answer->block().SerializeAsString();
    CHECK(block.find("secret-name") == std::string::npos);
    CHECK(block.find("folder-of-mine") == std::string::npos);
  }
  auto bucket = OpenBucket(*client, "secrets");
  auto listed = ListObjects(*client, **bucket, "folder-of-mine/", {});
  REQUIRE(listed.ok());
  REQUIRE(listed->size() == 2);
  CHECK((*listed)[0].ref.key == "folder-of-mine/secret-name");
  CHECK((*listed)[0].status == ObjectStatus::kDurable);
}

TEST_CASE("a public object's content id is the hash of the file") {
  FakeNetwork network;
  auto client = network.NewClient();
  MakeBucket(*client, "open", "replicate:3", true);
  for (size_t size : {100, 700'000}) {
    auto put = Store(*client, {"open", "a.bin"}, Pattern(size, size));
    INFO(put.status());
    REQUIRE(put.ok());
    CHECK(put->content_id == base::ContentId::Of(Pattern(size, size)));
    CHECK(*Fetch(*client, {"open", "a.bin"}) == Pattern(size, size));
  }
}

TEST_CASE("a primary that takes receipts and does not seal is replaced, and the put is durable",
          "[GF-12]") {
  FakeNetwork network;
  auto client = network.NewClient();
  MakeBucket(*client, "photos");
  FakeProvider& primary = PrimaryOf(network, *client, "photos");
  primary.refuses_seal = true;
  for (size_t size : {1'000, 900'000}) {
    auto put = Store(*client, {"photos", absl::StrCat(size)}, Pattern(size));
    INFO(put.status());
    REQUIRE(put.ok());
    CHECK(put->durable);
  }
  CHECK(&PrimaryOf(network, *client, "photos") != &primary);
}

TEST_CASE("a holder that signs something else, or is dead, is replaced by another provider",
          "[GF-24]") {
  FakeNetwork network;
  auto client = network.NewClient();
  MakeBucket(*client, "photos");
  auto holders = HoldersOf(network, *client, "photos");
  FakeProvider* liar =
      holders[2] == &PrimaryOf(network, *client, "photos") ? holders[3] : holders[2];
  SECTION("a liar") { liar->wrong_receipt = true; }
  SECTION("a dead one") { liar->dead = true; }
  auto put = Store(*client, {"photos", "a"}, Pattern(900'000));
  INFO(put.status());
  REQUIRE(put.ok());
  CHECK(put->durable);
  CHECK(*Fetch(*client, {"photos", "a"}) == Pattern(900'000));
  const auto now = HoldersOf(network, *client, "photos");
  CHECK(std::find(now.begin(), now.end(), liar) == now.end());
}

TEST_CASE("with --wait available a dead holder leaves the object available and named as missing") {
  FakeNetwork network;
  auto client = network.NewClient();
  MakeBucket(*client, "photos");
  auto holders = HoldersOf(network, *client, "photos");
  FakeProvider* dead =
      holders[2] == &PrimaryOf(network, *client, "photos") ? holders[3] : holders[2];
  dead->dead = true;
  auto put = Store(*client, {"photos", "a"}, Pattern(900'000), {.wait = WaitFor::kAvailable});
  INFO(put.status());
  REQUIRE(put.ok());
  CHECK_FALSE(put->durable);
  REQUIRE(put->missing.size() == 1);
  CHECK(put->missing[0].provider == dead->account());
}

TEST_CASE("where every holder must sign, a dead one is replaced however little a put waits for", "[GF-24]") {
  const size_t size = GENERATE(1'000, 900'000);
  FakeNetwork network;
  auto client = network.NewClient();
  MakeBucket(*client, "two", "replicate:2", /*open=*/true);
  const auto holders = HoldersOf(network, *client, "two");
  FakeProvider* dead = holders[0] == &PrimaryOf(network, *client, "two") ? holders[1] : holders[0];
  dead->dead = true;
  auto put = Store(*client, {"two", "a"}, Pattern(size), {.wait = WaitFor::kAvailable});
  INFO(put.status());
  REQUIRE(put.ok());
  CHECK(put->missing.empty());
  const auto now = HoldersOf(network, *client, "two");
  CHECK(std::find(now.begin(), now.end(), dead) == now.end());
}

namespace {

uint64_t ReceivedByAll(FakeNetwork& network) {
  uint64_t bytes = 0;
  for (int i = 0; i < network.size(); ++i) bytes += network.provider(i).received();
  return bytes;
}

// Puts the file until the first holder has got so many bytes.
void PutUntil(FakeNetwork& network, const std::string& state, const std::string& path,
              uint64_t received) {
  StopFlag stop;
  auto client = network.NewClient(state, &stop);
  auto holders = HoldersOf(network, *client, "photos");
  base::ThreadExecutor watcher(1);
  std::atomic<bool> done{false};
  watcher.Post([&] {
    while (!done && holders[0]->received() < received)
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    stop.Set();
  });
  auto source = OpenFileSource(path);
  auto put = Put(*client, **source, {"photos", "big"}, {});
  done = true;
  REQUIRE_FALSE(put.ok());
  CHECK(base::ReasonOf(put.status()) == "INTERRUPTED");
}

}  // namespace

TEST_CASE("an interrupted put goes on under the same object id and sends only what is missing",
          "[JS-22]") {
  FakeNetwork network;
  TempDir state, files;
  const std::string path = files.path() + "/big.bin";
  const base::Bytes bytes = Pattern(24 << 20);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  MakeBucket(*network.NewClient(), "photos");
  PutUntil(network, state.path(), path, 3 << 20);
  const uint64_t before = ReceivedByAll(network);
  CHECK(before > (3 << 20));
  auto client = network.NewClient(state.path());
  auto source = OpenFileSource(path);
  auto put = Put(*client, **source, {"photos", "big"}, {});
  INFO(put.status());
  REQUIRE(put.ok());
  CHECK(put->resumed);
  CHECK(put->version == 1);
  const uint64_t all = 6 * ((uint64_t{24} << 20) / 4);
  CHECK(ReceivedByAll(network) < all + (16 << 20));  // at most one part was sent twice
  CHECK(*Fetch(*client, {"photos", "big"}) == bytes);
  // A flock file may stay for a moment; no journal does.
  for (const auto& entry : std::filesystem::directory_iterator(state.path()))
    CHECK(entry.path().extension() == ".lock");
}

TEST_CASE("what was sent and a holder has not said it keeps is never more than one part") {
  for (const std::string policy : {"rs:4+2", "replicate:3"}) {
    FakeNetwork network;
    TempDir state, files;
    const std::string path = files.path() + "/big.bin";
    const base::Bytes bytes = Pattern(60 << 20);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    MakeBucket(*network.NewClient(), "photos", policy);
    for (int i = 0; i < network.size(); ++i) network.provider(i).forgets = true;
    PutUntil(network, state.path(), path, 12 << 20);
    const uint64_t before = ReceivedByAll(network);
    auto client = network.NewClient(state.path());
    auto source = OpenFileSource(path);
    auto put = Put(*client, **source, {"photos", "big"}, {});
    INFO(put.status());
    REQUIRE(put.ok());
    CHECK(put->resumed);
    const base::Redundancy how = *base::Redundancy::Parse(policy);
    const uint64_t needed =
        put->parts * (how.kind == base::LayoutKind::kShards
                          ? base::ShardSize(put->stored_size, how.data)
                          : put->stored_size);
    INFO(policy << ": " << before << " bytes before, " << put->sent_bytes << " after");
    CHECK(before + put->sent_bytes >= needed);
    CHECK(before + put->sent_bytes <= needed + kRepeatBytes);
    CHECK(*Fetch(*client, {"photos", "big"}) == bytes);
  }
}

TEST_CASE("a broken stream is taken up where the holder stands") {
  FakeNetwork network;
  auto client = network.NewClient();
  MakeBucket(*client, "photos");
  auto holders = HoldersOf(network, *client, "photos");
  holders[1]->dies_after = 1 << 20;
  auto put = Store(*client, {"photos", "a"}, Pattern(16 << 20));
  INFO(put.status());
  REQUIRE(put.ok());
  CHECK(put->durable);
  CHECK(*Fetch(*client, {"photos", "a"}) == Pattern(16 << 20));
}

namespace {

// Reads as one thing during the first pass and as another afterwards.
class Fickle final : public Source {
 public:
  explicit Fickle(size_t size) : size_(size) {}
  uint64_t size() const override { return size_; }
  absl::StatusOr<size_t> ReadAt(uint64_t offset, base::MutableByteView out) override {
    if (offset >= size_) return 0;
    if (offset == 0) ++passes_;
    const size_t n = std::min<uint64_t>(out.size(), size_ - offset);
    std::fill_n(out.begin(), n, passes_ == 1 ? 'a' : 'b');
    return n;
  }

 private:
  const size_t size_;
  int passes_ = 0;
};

}  // namespace

TEST_CASE("a source that changes between the passes is stored as it is at last, under a new key") {
  FakeNetwork network;
  auto client = network.NewClient();
  MakeBucket(*client, "photos");
  Fickle source(2 << 20);
  auto put = Put(*client, source, {"photos", "a"}, {});
  INFO(put.status());
  REQUIRE(put.ok());
  CHECK(*Fetch(*client, {"photos", "a"}) == base::Bytes(2 << 20, 'b'));
}

TEST_CASE("many small files take few transactions") {
  FakeNetwork network;
  auto client = network.NewClient();
  MakeBucket(*client, "tree");
  TempDir files;
  std::vector<PutItem> items;
  for (int i = 0; i < 1'000; ++i) {
    const std::string path = absl::StrCat(files.path(), "/", i);
    std::ofstream(path) << "file number " << i;
    items.push_back({path, {"tree", absl::StrCat("src/", i % 10, "/", i)}});
  }
  items.push_back({files.path() + "/none", {"tree", "src/none"}});
  const uint64_t before = network.Transactions();
  auto results = PutMany(*client, items, {});
  CHECK(network.Transactions() - before <= 12);
  for (size_t i = 0; i < 1'000; ++i) {
    INFO(i << " " << results[i].status());
    REQUIRE(results[i].ok());
    CHECK(results[i]->durable);
  }
  CHECK(base::ReasonOf(results.back().status()) == "NO_SUCH_FILE");
  auto bucket = OpenBucket(*client, "tree");
  CHECK(ListObjects(*client, **bucket, "src/", {})->size() == 1'000);
  auto back = Fetch(*client, {"tree", "src/7/777"});
  REQUIRE(back.ok());
  CHECK(base::ToString(*back) == "file number 777");

  // The same again: names exist, versions grow.
  items.resize(40);
  auto again = PutMany(*client, items, {});
  REQUIRE(again.front().ok());
  CHECK(again.front()->version == 2);
  REQUIRE(RemoveNames(*client, **bucket, {"src/7/777"}).ok());
  CHECK(base::ReasonOf(RemoveNames(*client, **bucket, {"src/7/777"})) == "NO_SUCH_OBJECT");
}

TEST_CASE("above --max-cost nothing is stored and nothing is paid") {
  FakeNetwork network;
  auto client = network.NewClient();
  MakeBucket(*client, "photos");
  const uint64_t before = network.Transactions();
  auto put = Store(*client, {"photos", "a"}, Pattern(1'000'000), {.max_cost = base::Amount(1)});
  CHECK(base::ReasonOf(put.status()) == "PRICE_GUARD");
  CHECK(network.Transactions() == before);
  auto dry = Store(*client, {"photos", "a"}, Pattern(1'000'000), {.dry_run = true});
  REQUIRE(dry.ok());
  CHECK_FALSE(dry->quote.lock.zero());
  CHECK(network.Transactions() == before);
  auto real = Store(*client, {"photos", "a"}, Pattern(1'000'000), {.max_cost = dry->quote.total});
  INFO(real.status());
  REQUIRE(real.ok());
  CHECK(real->quote.lock == dry->quote.lock);
}

TEST_CASE("a copy within a bucket sends no bytes, a move leaves one name") {
  FakeNetwork network;
  auto client = network.NewClient();
  MakeBucket(*client, "photos");
  MakeBucket(*client, "other");
  for (size_t size : {0, 5'000, 800'000}) {
    const Reference from{"photos", absl::StrCat("a", size)};
    REQUIRE(Store(*client, from, Pattern(size)).ok());
    auto copy = Copy(*client, from, {"photos", absl::StrCat("b", size)}, {});
    INFO(size << " " << copy.status());
    REQUIRE(copy.ok());
    CHECK(copy->sent_bytes == 0);
    CHECK(*Fetch(*client, copy->ref) == Pattern(size));
    auto moved = Rename(*client, copy->ref, {"photos", absl::StrCat("c", size)}, {});
    INFO(moved.status());
    REQUIRE(moved.ok());
    CHECK(base::ReasonOf(Fetch(*client, copy->ref).status()) == "NO_SUCH_OBJECT");
    auto across = Copy(*client, from, {"other", absl::StrCat("x", size)}, {});
    INFO(across.status());
    REQUIRE(across.ok());
    CHECK(*Fetch(*client, across->ref) == Pattern(size));
  }
}

TEST_CASE("a pipe of unknown length is stored and comes back equal") {
  FakeNetwork network;
  TempDir state;
  auto client = network.NewClient(state.path());
  MakeBucket(*client, "photos");
  for (size_t size : {10, 262'144, 3'000'001}) {
    const base::Bytes bytes = Pattern(size);
    size_t at = 0;
    auto put = PutPipe(*client,
                       [&](base::MutableByteView out) -> absl::StatusOr<size_t> {
                         const size_t n = std::min<size_t>({out.size(), 10'007, bytes.size() - at});
                         std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(at), n, out.begin());
                         at += n;
                         return n;
                       },
                       {"photos", absl::StrCat(size)}, {});
    INFO(size << " " << put.status());
    REQUIRE(put.ok());
    CHECK(*Fetch(*client, {"photos", absl::StrCat(size)}) == bytes);
  }
  auto bucket = OpenBucket(*client, "photos");
  auto object = FindObject(*client, **bucket, {"photos", "3000001"});
  CHECK(VerifySource(*client, **bucket, *object, *MemorySource(Pattern(3'000'001))).ok());
  CHECK(base::ReasonOf(VerifySource(*client, **bucket, *object,
                                    *MemorySource(Pattern(3'000'001, 2)))) == "CONTENT_DIFFERS");
}

TEST_CASE("sync copies what differs, deletes what is extra, and does nothing the second time") {
  FakeNetwork network;
  auto client = network.NewClient();
  MakeBucket(*client, "site");
  TempDir here, there;
  std::filesystem::create_directories(here.path() + "/css");
  std::ofstream(here.path() + "/index.html") << "hello";
  std::ofstream(here.path() + "/css/a.css") << "body{}";
  SyncRun run;
  run.plan.delete_extra = true;
  auto up = SyncUp(*client, here.path(), {"site", "www/"}, run);
  INFO(up.status());
  REQUIRE(up.ok());
  CHECK(up->copied == 2);
  auto idle = SyncUp(*client, here.path(), {"site", "www/"}, run);
  CHECK(idle->copied == 0);
  CHECK(idle->same == 2);
  std::filesystem::remove(here.path() + "/css/a.css");
  auto pruned = SyncUp(*client, here.path(), {"site", "www/"}, run);
  CHECK(pruned->deleted == 1);
  std::ofstream(there.path() + "/extra") << "x";
  auto down = SyncDown(*client, {"site", "www/"}, there.path(), run);
  REQUIRE(down.ok());
  CHECK(down->copied == 1);
  CHECK(down->deleted == 1);
  std::ifstream file(there.path() + "/index.html");
  std::string text;
  std::getline(file, text);
  CHECK(text == "hello");
}

TEST_CASE("an unknown bucket, an unknown name and a bad name are three errors") {
  FakeNetwork network;
  auto client = network.NewClient();
  MakeBucket(*client, "photos");
  CHECK(base::ReasonOf(Fetch(*client, {"nowhere", "a"}).status()) == "NO_SUCH_BUCKET");
  CHECK(base::ReasonOf(Fetch(*client, {"photos", "a"}).status()) == "NO_SUCH_OBJECT");
  CHECK(base::ReasonOf(Store(*client, {"photos", std::string(10 << 20, 'x')}, {}).status()) ==
        "BAD_NAME");
  CHECK(base::ReasonOf(Store(*client, {"photos", "a/../b"}, {}).status()) == "BAD_NAME");
  CHECK(base::ReasonOf(CreateBucket(*client, "photos", {}).status()) == "BUCKET_EXISTS");
  REQUIRE(Store(*client, {"photos", "a"}, Pattern(10)).ok());
  CHECK(base::ReasonOf(DeleteBucket(*client, "photos")) == "BUCKET_NOT_EMPTY");
}

}  // namespace cairn::client
