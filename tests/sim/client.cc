#include "sim/client.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "apps/client/buckets.h"
#include "apps/client/get.h"
#include "apps/client/remove.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "sim/chain.h"
#include "sim/intercept.h"
#include "sim/rpc.h"
#include "sim/world.h"

namespace cairn::sim {
namespace {

constexpr char kBucket[] = "things";
// After everything healed: until streams that nobody closed were noticed and records in caches are forgotten.
constexpr absl::Duration kPatience = absl::Seconds(60);

// As many threads as are asked for, of the process that asks.
class FiberExecutor final : public base::Executor {
 public:
  explicit FiberExecutor(Scheduler& scheduler) : scheduler_(scheduler), process_(scheduler.current()) {}
  void Post(Task task) override {
    auto shared = std::make_shared<Task>(std::move(task));
    scheduler_.Spawn(process_, [shared] { std::move (*shared)(); });
  }
  void PostAfter(absl::Duration delay, Task task) override {
    auto shared = std::make_shared<Task>(std::move(task));
    scheduler_.After(delay, [this, shared] { scheduler_.Spawn(process_, [shared] { std::move (*shared)(); }); });
  }

 private:
  Scheduler& scheduler_;
  const Process process_;
};

bool Changes(Op::Kind kind) {
  return kind == Op::Kind::kPut || kind == Op::Kind::kPutMany || kind == Op::Kind::kRemove || kind == Op::Kind::kCopy;
}

}  // namespace

struct ClientNode::Run {
  explicit Run(Scheduler& scheduler) : executor(scheduler) {}
  base::RealClock clock;
  FiberExecutor executor;
  std::unique_ptr<client::Client> client;
};

ClientNode::ClientNode(World& world, int index, const std::string& policy, bool open)
    : world_(world),
      self_(absl::StrCat("client", index)),
      home_(absl::StrCat(world.folder(), "/", self_)),
      policy_(*base::Redundancy::Parse(policy)),
      open_(open),
      seed_(world.entropy().DrawSecret<32>()),
      keys_(base::AccountKeys::FromSeed(seed_)),
      entropy_(world.entropy().DrawNumber()) {
  for (const Op& op : world.plan().ops) {
    if (op.client == index) ops_.push_back(op);
  }
  mkdir(home_.c_str(), 0700);
}

void ClientNode::Start() {
  if (running_) return;
  running_ = true;
  process_ = world_.scheduler().NewProcess(self_);
  world_.scheduler().Spawn(process_, [this] { Main(*new Run(world_.scheduler())); });
}

void ClientNode::Kill() {
  if (!running_) return;
  running_ = false;
  world_.scheduler().Kill(process_);
  CloseFileLocks(process_);
  world_.network().OnDeath(process_, /*power_lost=*/false);
}

std::unique_ptr<client::Client> ClientNode::Open(Run& run) {
  client::ClientOptions options{
      .chain = std::shared_ptr<chain::Client>(NewChainClient(world_.network(), self_)),
      .transport = NewTransport(world_.network(), self_, world_.chain().id(), keys_.signing, run.clock),
      .keys = base::AccountKeys::FromSeed(seed_),
      .chain_id = world_.chain().id(),
      .clock = &run.clock,
      .entropy = &entropy_,
      .executor = &run.executor,
      .transfer_folder = home_ + "/transfers",
      .lane_folder = home_ + "/lanes",
      .channel_folder = home_ + "/channels"};
  return *client::Client::Open(std::move(options));
}

void ClientNode::Main(Run& run) {
  run.client = Open(run);
  while (!EnsureBucket(*run.client).ok()) {
    if (world_.healed() && world_.scheduler().now() > world_.healed_at() + kPatience * 2)
      return world_.oracles().Fail("liveness", "no bucket can be made");
    world_.scheduler().Sleep(absl::Seconds(2));
  }
  while (!done()) {
    world_.scheduler().Sleep(ops_[next_].pause);
    Do(*run.client, ops_[next_]);
    ++next_;
  }
  running_ = false;
}

absl::Status ClientNode::EnsureBucket(client::Client& client) {
  if (has_bucket_) return absl::OkStatus();
  absl::Status made = client::CreateBucket(client, kBucket,
                                           {.policy = policy_, .public_read = open_, .byte_cap = uint64_t{64} << 20})
                          .status();
  if (base::ReasonOf(made) == "BUCKET_EXISTS") made = absl::OkStatus();
  if (!made.ok()) world_.Say(absl::StrCat(self_, " makes a bucket: ", Brief(made)));
  has_bucket_ = made.ok();
  return made;
}

std::string ClientNode::NameOf(int index) const { return absl::StrCat("folder/n", index); }
client::Reference ClientNode::At(const std::string& name) const { return {kBucket, name}; }

// A file with the content, the same one whenever it is asked for.
std::string ClientNode::File(const Content& content) {
  const std::string path = absl::StrCat(home_, "/", content.seed, "-", content.size);
  if (access(path.c_str(), F_OK) == 0) return path;
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const base::Bytes bytes = BytesOf(content);
  if (write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::abort();
  const timespec when{.tv_sec = 1'700'000'000, .tv_nsec = 0};
  const timespec times[2] = {when, when};
  futimens(fd, times);
  close(fd);
  return path;
}

void ClientNode::Do(client::Client& client, const Op& op) {
  const bool calm = world_.healed() && world_.scheduler().now() > world_.healed_at() + kPatience;
  absl::Status status;
  switch (op.kind) {
    case Op::Kind::kPut:
      status = Put(client, op);
      break;
    case Op::Kind::kPutMany:
      status = PutMany(client, op);
      break;
    case Op::Kind::kGet:
      status = Get(client, NameOf(op.name), {0, UINT64_MAX});
      break;
    case Op::Kind::kRange:
      status = Get(client, NameOf(op.name), {op.content % 9000, 1 + op.content % 77777});
      break;
    case Op::Kind::kRemove:
      status = Remove(client, op);
      break;
    case Op::Kind::kCopy:
      status = Copy(client, op);
      break;
    case Op::Kind::kList:
      status = List(client);
      break;
  }
  world_.Say(absl::StrCat(self_, " op ", next_, ": ", Brief(status)));
  if (status.ok() && Changes(op.kind)) ++acknowledged_;
  if (!status.ok() && calm)
    world_.oracles().Fail("liveness", absl::StrCat(self_, " op ", next_, ": ", Brief(status)));
}

absl::Status ClientNode::Put(client::Client& client, const Op& op) {
  const std::string name = NameOf(op.name);
  const Content content{op.content, op.size};
  model_.Attempt(name, content);
  std::unique_ptr<client::Source> source;
  if (op.content % 3 == 0) {
    source = client::MemorySource(BytesOf(content));
  } else {
    ASSIGN_OR_RETURN(source, client::OpenFileSource(File(content)));
  }
  client::PutOptions options;
  options.wait = static_cast<client::WaitFor>(op.wait);
  ASSIGN_OR_RETURN(const client::PutResult result, client::Put(client, *source, At(name), options));
  // With kCreated the seal is the primary's to make: its word is held against it, not the name.
  if (options.wait != client::WaitFor::kCreated || result.durable) model_.Settle(name, content);
  return absl::OkStatus();
}

absl::Status ClientNode::PutMany(client::Client& client, const Op& op) {
  std::vector<client::PutItem> items;
  std::vector<Content> contents;
  std::vector<std::string> names;
  for (int i = 0; i <= op.other; ++i) {
    contents.push_back({op.content + static_cast<uint64_t>(i), i == 0 ? op.size : (op.size * 7 + 13) % 5000});
    names.push_back(NameOf((op.name + i) % 6));
    items.push_back({File(contents.back()), At(names.back())});
    model_.Attempt(names.back(), contents.back());
  }
  client::ManyOptions options;
  options.put.wait = static_cast<client::WaitFor>(op.wait);
  const auto results = client::PutMany(client, items, options);
  absl::Status worst;
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i].ok()) worst = results[i].status();
    if (results[i].ok() && (options.put.wait != client::WaitFor::kCreated || results[i]->durable))
      model_.Settle(names[i], contents[i]);
  }
  return worst;
}

absl::Status ClientNode::Get(client::Client& client, const std::string& name, base::ByteRange range) {
  base::Bytes bytes;
  const auto result = client::Get(client, At(name), {.range = range}, [&](base::ByteView piece) {
    bytes.insert(bytes.end(), piece.begin(), piece.end());
    return absl::OkStatus();
  });
  const std::set<Model::Value> allowed = model_.Allowed(name);
  if (base::ReasonOf(result.status()) == "NO_SUCH_OBJECT") {
    if (!allowed.contains(std::nullopt)) world_.oracles().Fail("read", absl::StrCat(self_, " finds no ", name));
    return absl::OkStatus();
  }
  const bool outside = base::ReasonOf(result.status()) == "RANGE_NOT_SATISFIABLE";
  if (!result.ok() && !outside) return result.status();
  for (const Model::Value& value : allowed) {
    if (!value) continue;
    const base::Bytes whole = BytesOf(*value);
    const uint64_t begin = std::min<uint64_t>(range.offset, whole.size());
    const uint64_t end = begin + std::min<uint64_t>(range.length, whole.size() - begin);
    if (outside ? range.offset >= whole.size()
                : std::equal(bytes.begin(), bytes.end(), whole.begin() + static_cast<ptrdiff_t>(begin),
                             whole.begin() + static_cast<ptrdiff_t>(end)))
      return absl::OkStatus();
  }
  world_.oracles().Fail("read", absl::StrCat(self_, " reads ", bytes.size(), " bytes of ", name,
                                             " that nobody put there"));
  return absl::OkStatus();
}

absl::Status ClientNode::Remove(client::Client& client, const Op& op) {
  const std::string name = NameOf(op.name);
  ASSIGN_OR_RETURN(std::shared_ptr<client::Bucket> bucket, client::OpenBucket(client, kBucket));
  model_.Attempt(name, std::nullopt);
  absl::Status removed = client::RemoveNames(client, *bucket, {name});
  if (base::ReasonOf(removed) == "NO_SUCH_OBJECT") {
    if (!model_.Allows(name, std::nullopt))
      world_.oracles().Fail("read", absl::StrCat(self_, " cannot remove ", name, ": it is not there"));
    return absl::OkStatus();
  }
  if (removed.ok()) model_.Settle(name, std::nullopt);
  return removed;
}

absl::Status ClientNode::Copy(client::Client& client, const Op& op) {
  const std::string from = NameOf(op.name), to = NameOf(op.other);
  if (from == to) return absl::OkStatus();
  const std::set<Model::Value> values = model_.Allowed(from);
  for (const Model::Value& value : values) {
    if (value) model_.Attempt(to, value);
  }
  const auto copied = client::Copy(client, At(from), At(to), {});
  if (base::ReasonOf(copied.status()) == "NO_SUCH_OBJECT") {
    if (!values.contains(std::nullopt)) world_.oracles().Fail("read", absl::StrCat(self_, " finds no ", from));
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(copied.status());
  if (values.size() == 1) model_.Settle(to, *values.begin());
  return absl::OkStatus();
}

absl::Status ClientNode::List(client::Client& client) {
  ASSIGN_OR_RETURN(std::shared_ptr<client::Bucket> bucket, client::OpenBucket(client, kBucket));
  ASSIGN_OR_RETURN(const std::vector<client::ObjectInfo> objects,
                   client::ListObjects(client, *bucket, "", {.manifests = false}));
  std::set<std::string> listed;
  for (const client::ObjectInfo& object : objects) {
    const std::set<Model::Value> allowed = model_.Allowed(object.ref.key);
    listed.insert(object.ref.key);
    if (allowed == std::set<Model::Value>{std::nullopt})
      world_.oracles().Fail("list", absl::StrCat(self_, " lists ", object.ref.key, ", which is not there"));
  }
  for (const std::string& name : model_.Names()) {
    if (!listed.contains(name) && !model_.Allows(name, std::nullopt))
      world_.oracles().Fail("list", absl::StrCat(self_, " does not list ", name));
  }
  return absl::OkStatus();
}

void ClientNode::ReadAll() {
  if (!has_bucket_) return;
  Run& run = *new Run(world_.scheduler());
  run.client = Open(run);
  for (const std::string& name : model_.Names()) {
    for (const base::ByteRange range : {base::ByteRange{0, UINT64_MAX}, base::ByteRange{777, 5000}}) {
      const absl::Status read = Get(*run.client, name, range);
      if (!read.ok())
        world_.oracles().Fail("read", absl::StrCat(self_, " cannot read ", name, ": ", Brief(read)));
    }
  }
  const absl::Status listed = List(*run.client);
  if (!listed.ok()) world_.oracles().Fail("list", Brief(listed));
}

}  // namespace cairn::sim
