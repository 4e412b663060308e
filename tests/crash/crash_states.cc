#include "crash/crash_states.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

namespace cairn::crash {
namespace {

using Kind = Operation::Kind;
using Files = std::map<FileNumber, base::Bytes>;  // copies that are being changed

constexpr size_t kSubsetsOf = 4;  // of so many changes, all subsets
constexpr size_t kSingles = 12;   // of so many changes, each alone

enum class Fate { kKept, kLost, kLength };

uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Some seeds keep most, some lose most.
bool DrawKept(uint64_t seed, size_t change, size_t piece) {
  const uint64_t drawn = Mix(Mix(Mix(seed) ^ change) ^ piece) % 8;
  constexpr uint64_t kKept[] = {4, 7, 1};
  return drawn < kKept[Mix(seed) % 3];
}

Fate FateOf(const Choice& choice, size_t change, size_t last, size_t piece) {
  const auto kept = [](bool yes) { return yes ? Fate::kKept : Fate::kLost; };
  switch (choice.kind) {
    case Choice::Kind::kAll:
      return Fate::kKept;
    case Choice::Kind::kNone:
      return Fate::kLost;
    case Choice::Kind::kOnly:
      return kept(change == choice.argument);
    case Choice::Kind::kWithout:
      return kept(change != choice.argument);
    case Choice::Kind::kFirst:
      return kept(change < choice.argument);
    case Choice::Kind::kSubset:
      return kept((choice.argument >> change & 1) != 0);
    case Choice::Kind::kDrawn:
      return kept(DrawKept(choice.argument, change, piece));
    case Choice::Kind::kTorn:
      return kept(change != last || piece < choice.argument);
    case Choice::Kind::kLengths:
      return DrawKept(choice.argument, change, piece) ? Fate::kKept : Fate::kLength;
  }
  return Fate::kKept;
}

base::Bytes& Changing(Files& files, const Tree& tree, FileNumber file) {
  auto found = files.find(file);
  if (found != files.end()) return found->second;
  const auto content = tree.contents.find(file);
  return files[file] = content == tree.contents.end() ? base::Bytes() : content->second->bytes();
}

void Patch(base::Bytes& file, uint64_t offset, base::ByteView bytes, Fate fate) {
  if (fate == Fate::kLost) return;
  if (file.size() < offset + bytes.size()) file.resize(offset + bytes.size());
  if (fate == Fate::kKept) std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<ptrdiff_t>(offset));
}

void ApplyWrite(base::Bytes& file, const Operation& write, size_t sector, const std::function<Fate(size_t)>& fate) {
  const base::ByteView bytes = write.bytes;
  if (sector == 0) return Patch(file, write.offset, bytes, fate(0));
  for (size_t at = 0, piece = 0; at < bytes.size(); ++piece) {
    const size_t length = std::min<size_t>(sector - (write.offset + at) % sector, bytes.size() - at);
    Patch(file, write.offset + at, bytes.subspan(at, length), fate(piece));
    at += length;
  }
}

void ApplyName(Tree& tree, const Operation& change) {
  switch (change.kind) {
    case Kind::kCreate:
      tree.names[change.path] = change.file;
      break;
    case Kind::kMakeFolder:
      tree.folders.insert(change.path);
      break;
    case Kind::kRename: {
      const auto old = tree.names.find(change.path);
      if (old != tree.names.end() && old->second == change.file) tree.names.erase(old);
      tree.names[change.target] = change.file;
      break;
    }
    default: {  // a removal
      tree.folders.erase(change.path);
      const auto old = tree.names.find(change.path);
      if (old != tree.names.end() && old->second == change.file) tree.names.erase(old);
    }
  }
}

void Apply(Tree& tree, Files& files, const Operation& change, size_t sector, const std::function<Fate(size_t)>& fate) {
  if (change.kind == Kind::kWrite) {
    ApplyWrite(Changing(files, tree, change.file), change, sector, fate);
  } else if (fate(0) == Fate::kKept) {
    if (change.kind == Kind::kTruncate) {
      Changing(files, tree, change.file).resize(change.offset);
    } else {
      ApplyName(tree, change);
    }
  }
}

void Finish(Tree& tree, Files files) {
  for (auto& [file, bytes] : files) tree.contents[file] = std::make_shared<Content>(std::move(bytes));
  for (const auto& [path, file] : tree.names) {
    auto& content = tree.contents[file];
    if (content == nullptr) content = std::make_shared<Content>(base::Bytes());
  }
}

}  // namespace

CrashPoint::CrashPoint(const DiskLog& log, const std::function<bool(size_t)>& forgotten)
    : log_(log), forgotten_(forgotten), base_(log.start) {}

bool CrashPoint::Step() {
  if (returned_ < issued_) {
    // A write that is durable when it returns; it is the newest change.
    changes_.back().durable = true;
    Settle();
    returned_ = issued_;
    return true;
  }
  if (issued_ == log_.operations.size()) return false;
  const size_t number = issued_++;
  Take(number);
  const Operation& operation = log_.operations[number];
  const bool forgotten = forgotten_ != nullptr && forgotten_(number);
  if (!operation.through || operation.failed || forgotten) returned_ = issued_;
  return true;
}

void CrashPoint::Take(size_t number) {
  const Operation& operation = log_.operations[number];
  const bool sync = operation.kind == Kind::kSyncFile || operation.kind == Kind::kSyncFolder;
  if (!sync) {
    if (!operation.failed) changes_.push_back({.number = number});
  } else if (forgotten_ == nullptr || !forgotten_(number)) {
    Cover(operation, operation.failed);
  }
}

bool CrashPoint::Covers(const Operation& sync, const Operation& change) const {
  if (sync.kind == Kind::kSyncFile) return !change.is_name() && change.file == sync.file;
  if (!change.is_name()) return false;
  return FolderOf(change.kind == Kind::kRename ? change.target : change.path) == sync.path;
}

void CrashPoint::Cover(const Operation& sync, bool failed) {
  for (Change& change : changes_) {
    if (change.durable || change.orphan || !Covers(sync, At(change))) continue;
    (failed ? change.orphan : change.durable) = true;
  }
  Settle();
}

// Moves into the base what is durable and has nothing loose of the same file, or of the same folder, before it.
void CrashPoint::Settle() {
  Files files;
  std::set<FileNumber> blocked_files;
  bool blocked_names = false;
  std::deque<Change> rest;
  for (const Change& change : changes_) {
    const Operation& operation = At(change);
    const bool blocked = operation.is_name() ? blocked_names : blocked_files.count(operation.file) > 0;
    if (change.durable && !blocked) {
      Apply(base_, files, operation, 0, [](size_t) { return Fate::kKept; });
      continue;
    }
    if (operation.is_name()) {
      blocked_names = true;
    } else {
      blocked_files.insert(operation.file);
    }
    rest.push_back(change);
  }
  for (auto& [file, bytes] : files) base_.contents[file] = std::make_shared<Content>(std::move(bytes));
  changes_ = std::move(rest);
}

size_t CrashPoint::loose() const {
  return static_cast<size_t>(
      std::count_if(changes_.begin(), changes_.end(), [](const Change& change) { return !change.durable; }));
}

std::vector<size_t> CrashPoint::LooseOperations() const {
  std::vector<size_t> out;
  for (const Change& change : changes_) {
    if (!change.durable) out.push_back(change.number);
  }
  return out;
}

Tree CrashPoint::Build(const Choice& choice) const {
  Tree tree = base_;
  Files files;
  const size_t last = loose() == 0 ? 0 : loose() - 1;
  size_t number = 0;
  for (const Change& change : changes_) {
    const size_t mine = change.durable ? 0 : number++;
    Apply(tree, files, At(change), change.durable ? 0 : choice.sector, [&](size_t piece) {
      return change.durable ? Fate::kKept : FateOf(choice, mine, last, piece);
    });
  }
  Finish(tree, std::move(files));
  return tree;
}

std::vector<Choice> CrashPoint::Choices(uint64_t seed, size_t drawn) const {
  using Of = Choice::Kind;
  const size_t count = loose();
  std::vector<Choice> out = {{.kind = Of::kAll}};
  if (count == 0) return out;
  out.push_back({.kind = Of::kNone});
  if (count <= kSubsetsOf) {
    for (uint64_t bits = 1; bits + 1 < uint64_t{1} << count; ++bits) out.push_back({Of::kSubset, bits});
  } else {
    for (size_t i = 0; i < std::min(count, kSingles); ++i) {
      const uint64_t change = count <= kSingles ? i : Mix(seed + issued_ * 131 + i) % count;
      out.push_back({Of::kOnly, change});
      out.push_back({Of::kWithout, change});
      out.push_back({Of::kFirst, change});
    }
  }
  const Operation& newest = log_.operations[LooseOperations().back()];
  for (size_t sector : {size_t{512}, size_t{4096}}) {
    const size_t pieces = newest.bytes.size() / sector;
    for (size_t i = 0; i < std::min(pieces, drawn + 1); ++i) {
      out.push_back({Of::kTorn, pieces <= drawn + 1 ? i : Mix(seed + issued_ * 17 + i) % pieces, sector});
    }
    for (size_t i = 0; i < drawn; ++i) {
      out.push_back({Of::kDrawn, Mix(seed * 7 + issued_) + i, sector});
      out.push_back({Of::kLengths, Mix(seed * 11 + issued_) + i, sector});
    }
  }
  for (size_t i = 0; i < drawn; ++i) out.push_back({Of::kDrawn, Mix(seed * 13 + issued_) + i});
  return out;
}

size_t NextSync(const DiskLog& log, size_t sync) {
  const Operation& first = log.operations[sync];
  const bool folder = first.kind == Kind::kSyncFolder;
  for (size_t i = sync + 1; i < log.operations.size(); ++i) {
    const Operation& next = log.operations[i];
    if (next.failed || next.kind != (folder ? Kind::kSyncFolder : Kind::kSyncFile)) continue;
    if (folder ? next.path == first.path : next.file == first.file) return i;
  }
  return log.operations.size();
}

std::vector<size_t> CoveredBy(const DiskLog& log, size_t sync) {
  const auto loose_behind = [&](bool forgotten) {
    CrashPoint at(log, [&](size_t number) { return forgotten && number == sync; });
    while (at.returned() <= sync) at.Step();
    return at.LooseOperations();
  };
  const std::vector<size_t> with = loose_behind(false), without = loose_behind(true);
  std::vector<size_t> covered;
  std::set_difference(without.begin(), without.end(), with.begin(), with.end(), std::back_inserter(covered));
  return covered;
}

size_t ToldBy(const std::vector<size_t>& told_at, size_t returned) {
  return static_cast<size_t>(std::upper_bound(told_at.begin(), told_at.end(), returned) - told_at.begin());
}

size_t Explore(const DiskLog& log, const ExploreOptions& options, const std::function<bool(const CrashState&)>& visit) {
  absl::flat_hash_set<std::pair<base::Digest, size_t>> seen;
  CrashPoint at(log, options.forgotten);
  size_t point = 0;
  do {
    if (at.issued() < options.from || at.issued() > options.until) continue;
    const std::vector<Choice> choices = at.Choices(options.seed, options.drawn);
    for (size_t i = 0; i < choices.size(); ++i) {
      CrashState state{.point = point, .choice = i, .returned = at.returned(), .id = absl::StrCat(point, ".", i)};
      if (!options.only.empty() && options.only != state.id) continue;
      state.tree = at.Build(choices[i]);
      const auto key = std::pair(DigestOf(state.tree), ToldBy(options.told_at, at.returned()));
      if (!seen.insert(key).second) continue;
      if (!visit(state)) return seen.size();
    }
  } while (++point, at.Step());
  return seen.size();
}

}  // namespace cairn::crash
