#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <variant>

#include "cairn/base/disk.h"
#include "disk_path.h"

namespace cairn::base {
namespace {

constexpr uint64_t kPage = 4096;

// The bytes of a file; pages never written are not there and read as zeros.
struct Content {
  uint64_t size = 0;
  std::map<uint64_t, std::array<uint8_t, kPage>> pages;

  size_t Read(uint64_t offset, MutableByteView out) const {
    if (offset >= size) return 0;
    size_t count = static_cast<size_t>(std::min<uint64_t>(out.size(), size - offset));
    for (size_t done = 0; done < count;) {
      uint64_t at = offset + done;
      size_t n = static_cast<size_t>(std::min<uint64_t>(kPage - at % kPage, count - done));
      auto page = pages.find(at / kPage);
      if (page == pages.end()) {
        std::fill_n(out.begin() + done, n, 0);
      } else {
        std::copy_n(page->second.begin() + at % kPage, n, out.begin() + done);
      }
      done += n;
    }
    return count;
  }

  // Within one page.
  void Write(uint64_t offset, ByteView bytes) {
    auto page = pages.try_emplace(offset / kPage).first;
    std::copy(bytes.begin(), bytes.end(), page->second.begin() + offset % kPage);
    size = std::max(size, offset + bytes.size());
  }

  void Zero(uint64_t from, uint64_t to) {
    for (auto it = pages.lower_bound(from / kPage); it != pages.end() && it->first * kPage < to;) {
      uint64_t start = it->first * kPage;
      if (from <= start && start + kPage <= to) {
        it = pages.erase(it);
        continue;
      }
      uint64_t first = std::max(from, start) - start, last = std::min(to, start + kPage) - start;
      std::fill(it->second.begin() + first, it->second.begin() + last, 0);
      ++it;
    }
  }

  void Truncate(uint64_t to) {
    if (to < size) Zero(to, (size + kPage - 1) / kPage * kPage);
    size = to;
  }
};

// A file or a folder. `live` is what callers see, `durable` what a crash leaves.
struct Node {
  explicit Node(bool folder) : is_folder(folder) {}
  bool is_folder;
  Content live, durable;
  std::map<std::string, std::shared_ptr<Node>> names, durable_names;
  std::vector<uint64_t> unsynced;  // numbers of journal entries that a sync of this node makes durable
  std::vector<uint64_t> given_up;  // those of a sync that failed
  int links = 1;
  int opens = 0;
};
using NodePtr = std::shared_ptr<Node>;

struct Name {
  NodePtr folder;
  std::string name;
};
struct WriteChange {
  uint64_t offset;
  Bytes bytes;
};
struct SizeChange {
  uint64_t size;
};
struct HoleChange {
  uint64_t from, to;
};
// `node` takes the name `to`, gives up the name `from`, or both at once.
struct NameChange {
  std::optional<Name> from, to;
};
struct Change {
  NodePtr node;
  std::variant<WriteChange, SizeChange, HoleChange, NameChange> what;
};

void Apply(Content& content, const WriteChange& c) { content.Write(c.offset, c.bytes); }
void Apply(Content& content, const SizeChange& c) { content.Truncate(c.size); }
void Apply(Content& content, const HoleChange& c) { content.Zero(c.from, std::min(c.to, content.size)); }

void MakeDurable(const Change& change) {
  if (const auto* name = std::get_if<NameChange>(&change.what)) {
    if (name->from) {
      // Another file may have taken the old name since, in a folder that was synced on its own.
      auto& names = name->from->folder->durable_names;
      auto it = names.find(name->from->name);
      if (it != names.end() && it->second == change.node) names.erase(it);
    }
    if (name->to) name->to->folder->durable_names[name->to->name] = change.node;
    return;
  }
  Content& content = change.node->durable;
  if (const auto* write = std::get_if<WriteChange>(&change.what)) Apply(content, *write);
  if (const auto* size = std::get_if<SizeChange>(&change.what)) Apply(content, *size);
  if (const auto* hole = std::get_if<HoleChange>(&change.what)) Apply(content, *hole);
}

absl::Status NotFound(absl::string_view path) {
  return Error(absl::StatusCode::kNotFound, "NO_SUCH_FILE", absl::StrCat("no such file: ", path));
}
absl::Status WrongKind(absl::string_view why, absl::string_view path) {
  return Error(absl::StatusCode::kFailedPrecondition, "WRONG_KIND", absl::StrCat(why, ": ", path));
}

}  // namespace

struct SimDisk::State {
  struct Fault {
    uint64_t after;
    absl::Status status;
  };

  std::mutex mutex;
  uint64_t capacity = 0;
  uint64_t used = 0;  // by the pages of live content
  uint64_t age = 0;   // crashes so far
  uint64_t syncs = 0;
  uint64_t next_change = 0;
  NodePtr root = std::make_shared<Node>(true);
  std::map<uint64_t, Change> journal;
  std::map<Op, Fault> faults;

  absl::Status Inject(Op op) {
    auto it = faults.find(op);
    if (it == faults.end()) return absl::OkStatus();
    if (it->second.after == 0) return it->second.status;
    --it->second.after;
    return absl::OkStatus();
  }

  // `owner` is the node whose sync makes the change durable.
  template <class What>
  void Record(Node& owner, const NodePtr& node, What what) {
    owner.unsynced.push_back(next_change);
    journal.emplace(next_change++, Change{node, std::move(what)});
  }

  void SyncNode(Node& node) {
    // Nothing of them reaches the disk behind newer bytes.
    if (!node.unsynced.empty()) {
      for (uint64_t number : node.given_up) journal.erase(number);
      node.given_up.clear();
    }
    for (uint64_t number : node.unsynced) {
      auto it = journal.find(number);
      if (it == journal.end()) continue;
      Change change = std::move(it->second);
      journal.erase(it);
      if (const auto* name = std::get_if<NameChange>(&change.what)) ForgetFormerName(*name, change.node, number);
      MakeDurable(change);
    }
    node.unsynced.clear();
  }

  // A durable rename also settles that the old name, if its making is still unsynced, never comes back.
  void ForgetFormerName(const NameChange& change, const NodePtr& node, uint64_t number) {
    if (!change.from || !change.to) return;
    for (uint64_t earlier : change.from->folder->unsynced) {
      auto it = journal.find(earlier);
      if (it == journal.end() || earlier >= number || it->second.node != node) continue;
      const auto* made = std::get_if<NameChange>(&it->second.what);
      if (made && made->to && made->to->folder == change.from->folder && made->to->name == change.from->name) {
        journal.erase(it);
      }
    }
  }

  // The content of a file that nobody can reach any more gives its space back.
  void Release(Node& node) {
    if (node.links > 0 || node.opens > 0) return;
    used -= node.live.pages.size() * kPage;
    node.live = Content();
  }

  template <class Work>
  void Account(Node& node, Work work) {
    used -= node.live.pages.size() * kPage;
    work();
    used += node.live.pages.size() * kPage;
  }

  NodePtr Find(absl::string_view path) const {
    NodePtr at = root;
    if (path.empty()) return at;
    for (absl::string_view part : absl::StrSplit(path, '/')) {
      auto it = at->names.find(std::string(part));
      if (it == at->names.end()) return nullptr;
      at = it->second;
    }
    return at;
  }

  // The place of a name that need not exist yet, in a folder that must.
  absl::StatusOr<Name> Place(absl::string_view path) const {
    RETURN_IF_ERROR(CheckDiskPath(path));
    size_t slash = path.rfind('/');
    bool top = slash == absl::string_view::npos;
    NodePtr folder = Find(top ? absl::string_view() : path.substr(0, slash));
    if (folder == nullptr || !folder->is_folder) return NotFound(path);
    return Name{folder, std::string(top ? path : path.substr(slash + 1))};
  }

  NodePtr At(const Name& name) const {
    auto it = name.folder->names.find(name.name);
    return it == name.folder->names.end() ? nullptr : it->second;
  }

  NodePtr Make(const Name& at, bool folder) {
    NodePtr node = std::make_shared<Node>(folder);
    at.folder->names[at.name] = node;
    Record(*at.folder, node, NameChange{std::nullopt, at});
    return node;
  }

  // After a crash callers see what is durable.
  void Restart(Node& node) {
    node.unsynced.clear();
    node.given_up.clear();
    node.opens = 0;
    node.links = 1;
    node.live = node.durable;
    node.names = node.durable_names;
    used += node.live.pages.size() * kPage;
    for (auto& [name, child] : node.names) Restart(*child);
  }
};

namespace {

class SimFile final : public File {
 public:
  SimFile(std::shared_ptr<SimDisk::State> state, NodePtr node, bool writable)
      : state_(std::move(state)), node_(std::move(node)), writable_(writable), age_(state_->age) {
    ++node_->opens;
  }
  ~SimFile() override {
    std::lock_guard lock(state_->mutex);
    // A crash has set all counts anew.
    if (age_ != state_->age) return;
    --node_->opens;
    state_->Release(*node_);
  }

  absl::StatusOr<size_t> ReadAt(uint64_t offset, MutableByteView out) override {
    std::lock_guard lock(state_->mutex);
    RETURN_IF_ERROR(Begin(SimDisk::Op::kRead));
    return node_->live.Read(offset, out);
  }

  absl::Status WriteAt(uint64_t offset, ByteView bytes) override {
    std::lock_guard lock(state_->mutex);
    RETURN_IF_ERROR(BeginWrite());
    while (!bytes.empty()) {
      size_t n = static_cast<size_t>(std::min<uint64_t>(kPage - offset % kPage, bytes.size()));
      bool fresh = node_->live.pages.count(offset / kPage) == 0;
      if (fresh && state_->used + kPage > state_->capacity) {
        return Error(absl::StatusCode::kResourceExhausted, "DISK_FULL", "the simulated disk is full");
      }
      Change(WriteChange{offset, ToBytes(bytes.subspan(0, n))});
      offset += n;
      bytes.remove_prefix(n);
    }
    return absl::OkStatus();
  }

  absl::Status Truncate(uint64_t size) override {
    std::lock_guard lock(state_->mutex);
    RETURN_IF_ERROR(BeginWrite());
    Change(SizeChange{size});
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Size() override {
    std::lock_guard lock(state_->mutex);
    RETURN_IF_ERROR(CheckAlive());
    return node_->live.size;
  }

  absl::Status Sync() override {
    std::lock_guard lock(state_->mutex);
    RETURN_IF_ERROR(CheckAlive());
    if (poisoned_) return Error(absl::StatusCode::kAborted, "SYNC_FAILED_BEFORE", "an earlier sync of the file failed");
    absl::Status fault = state_->Inject(SimDisk::Op::kSync);
    if (!fault.ok()) {
      poisoned_ = true;
      node_->given_up.insert(node_->given_up.end(), node_->unsynced.begin(), node_->unsynced.end());
      node_->unsynced.clear();
      return fault;
    }
    state_->SyncNode(*node_);
    ++state_->syncs;
    return absl::OkStatus();
  }

  absl::Status PunchHole(uint64_t offset, uint64_t length) override {
    std::lock_guard lock(state_->mutex);
    RETURN_IF_ERROR(BeginWrite());
    uint64_t size = node_->live.size;
    if (offset < size && length > 0) Change(HoleChange{offset, offset + std::min(length, size - offset)});
    return absl::OkStatus();
  }

 private:
  absl::Status CheckAlive() const {
    if (age_ == state_->age) return absl::OkStatus();
    return Error(absl::StatusCode::kAborted, "DISK_CRASHED", "the file was open when the disk crashed");
  }
  absl::Status Begin(SimDisk::Op op) {
    RETURN_IF_ERROR(CheckAlive());
    return state_->Inject(op);
  }
  absl::Status BeginWrite() {
    RETURN_IF_ERROR(Begin(SimDisk::Op::kWrite));
    if (writable_) return absl::OkStatus();
    return WrongKind("the file is open for reading only", "");
  }
  template <class What>
  void Change(What what) {
    state_->Account(*node_, [&] { Apply(node_->live, what); });
    state_->Record(*node_, node_, std::move(what));
  }

  std::shared_ptr<SimDisk::State> state_;
  NodePtr node_;
  bool writable_;
  uint64_t age_;
  bool poisoned_ = false;
};

}  // namespace

SimDisk::SimDisk(uint64_t capacity_bytes) : state_(std::make_shared<State>()) { state_->capacity = capacity_bytes; }
SimDisk::~SimDisk() = default;

void SimDisk::Crash(const std::function<bool(size_t index)>& keep) {
  std::lock_guard lock(state_->mutex);
  size_t index = 0;
  for (const auto& [number, change] : state_->journal) {
    if (keep(index++)) MakeDurable(change);
  }
  state_->journal.clear();
  ++state_->age;
  state_->used = 0;
  state_->Restart(*state_->root);
}

size_t SimDisk::unsynced_count() const {
  std::lock_guard lock(state_->mutex);
  return state_->journal.size();
}

void SimDisk::FailAfter(Op op, uint64_t after, absl::Status status) {
  std::lock_guard lock(state_->mutex);
  state_->faults.erase(op);
  if (!status.ok()) state_->faults.emplace(op, State::Fault{after, std::move(status)});
}

absl::Status SimDisk::Corrupt(absl::string_view path, uint64_t offset, uint8_t mask) {
  std::lock_guard lock(state_->mutex);
  RETURN_IF_ERROR(CheckDiskPath(path));
  NodePtr node = state_->Find(path);
  if (node == nullptr || offset >= node->live.size) return NotFound(path);
  for (Content* content : {&node->live, &node->durable}) {
    auto page = content->pages.find(offset / kPage);
    if (page != content->pages.end()) page->second[offset % kPage] ^= mask;
  }
  return absl::OkStatus();
}

uint64_t SimDisk::sync_count() const {
  std::lock_guard lock(state_->mutex);
  return state_->syncs;
}

absl::StatusOr<std::unique_ptr<File>> SimDisk::Open(absl::string_view path, OpenMode mode) {
  std::lock_guard lock(state_->mutex);
  RETURN_IF_ERROR(state_->Inject(Op::kOpen));
  ASSIGN_OR_RETURN(Name place, state_->Place(path));
  NodePtr node = state_->At(place);
  bool creates = mode == OpenMode::kCreate || mode == OpenMode::kCreateNew;
  if (node != nullptr && mode == OpenMode::kCreateNew) {
    return Error(absl::StatusCode::kAlreadyExists, "FILE_EXISTS", absl::StrCat("the file exists: ", path));
  }
  if (node == nullptr && !creates) return NotFound(path);
  if (node == nullptr) node = state_->Make(place, false);
  if (node->is_folder) return WrongKind("a folder is not a file", path);
  return std::make_unique<SimFile>(state_, node, mode != OpenMode::kRead);
}

absl::Status SimDisk::MakeDirs(absl::string_view path) {
  std::lock_guard lock(state_->mutex);
  RETURN_IF_ERROR(CheckDiskFolder(path));
  for (size_t end = 0; end < path.size();) {
    end = std::min(path.find('/', end + 1), path.size());
    ASSIGN_OR_RETURN(Name place, state_->Place(path.substr(0, end)));
    NodePtr node = state_->At(place);
    if (node == nullptr) node = state_->Make(place, true);
    if (!node->is_folder) return WrongKind("a file is not a folder", path.substr(0, end));
  }
  return absl::OkStatus();
}

absl::Status SimDisk::Rename(absl::string_view from, absl::string_view to) {
  std::lock_guard lock(state_->mutex);
  RETURN_IF_ERROR(state_->Inject(Op::kRename));
  ASSIGN_OR_RETURN(Name source, state_->Place(from));
  ASSIGN_OR_RETURN(Name target, state_->Place(to));
  NodePtr node = state_->At(source);
  if (node == nullptr) return NotFound(from);
  NodePtr replaced = state_->At(target);
  if (replaced == node) return absl::OkStatus();
  if (absl::StartsWith(to, absl::StrCat(from, "/"))) return WrongKind("a folder cannot move into itself", to);
  if (replaced != nullptr) {
    if (replaced->is_folder != node->is_folder || !replaced->names.empty()) return WrongKind("the name is taken", to);
    --replaced->links;
    state_->Release(*replaced);
  }
  source.folder->names.erase(source.name);
  target.folder->names[target.name] = node;
  Node& owner = *target.folder;
  state_->Record(owner, node, NameChange{std::move(source), std::move(target)});
  return absl::OkStatus();
}

absl::Status SimDisk::Remove(absl::string_view path) {
  std::lock_guard lock(state_->mutex);
  RETURN_IF_ERROR(state_->Inject(Op::kRemove));
  ASSIGN_OR_RETURN(Name place, state_->Place(path));
  NodePtr node = state_->At(place);
  if (node == nullptr) return NotFound(path);
  if (!node->names.empty()) return WrongKind("the folder is not empty", path);
  place.folder->names.erase(place.name);
  --node->links;
  state_->Release(*node);
  Node& owner = *place.folder;
  state_->Record(owner, node, NameChange{std::move(place), std::nullopt});
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> SimDisk::List(absl::string_view folder) {
  std::lock_guard lock(state_->mutex);
  RETURN_IF_ERROR(CheckDiskFolder(folder));
  NodePtr node = state_->Find(folder);
  if (node == nullptr) return NotFound(folder);
  if (!node->is_folder) return WrongKind("a file is not a folder", folder);
  std::vector<std::string> names;
  for (const auto& [name, child] : node->names) names.push_back(name);
  return names;
}

absl::StatusOr<bool> SimDisk::Exists(absl::string_view path) {
  std::lock_guard lock(state_->mutex);
  RETURN_IF_ERROR(CheckDiskPath(path));
  return state_->Find(path) != nullptr;
}

absl::Status SimDisk::SyncDir(absl::string_view folder) {
  std::lock_guard lock(state_->mutex);
  RETURN_IF_ERROR(state_->Inject(Op::kSyncDir));
  RETURN_IF_ERROR(CheckDiskFolder(folder));
  NodePtr node = state_->Find(folder);
  if (node == nullptr) return NotFound(folder);
  if (!node->is_folder) return WrongKind("a file is not a folder", folder);
  state_->SyncNode(*node);
  ++state_->syncs;
  return absl::OkStatus();
}

absl::StatusOr<DiskSpace> SimDisk::Space() {
  std::lock_guard lock(state_->mutex);
  return DiskSpace{.total_bytes = state_->capacity,
                   .free_bytes = state_->capacity - std::min(state_->used, state_->capacity)};
}

}  // namespace cairn::base
