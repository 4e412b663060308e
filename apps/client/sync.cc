#include "apps/client/sync.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "apps/client/get.h"
#include "apps/client/local_file.h"
#include "apps/client/remove.h"
#include "apps/common/key_file.h"
#include "cairn/base/status.h"

namespace cairn::client {
namespace {

using storage::SyncAction;
using storage::SyncEntry;

absl::Status FolderError(const std::string& path) {
  return base::Error(errno == ENOENT ? absl::StatusCode::kNotFound : absl::StatusCode::kUnknown,
                     errno == ENOENT ? "NO_SUCH_FILE" : "LOCAL_FILE",
                     absl::StrCat(path, ": ", std::strerror(errno)));
}

absl::StatusOr<base::Digest> HashFile(const std::string& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<Source> source, OpenFileSource(path));
  base::Hasher hasher;
  base::Bytes buffer(1 << 20);
  uint64_t offset = 0;
  while (true) {
    ASSIGN_OR_RETURN(size_t got,
                     source->ReadAt(offset, base::MutableByteView(buffer.data(), buffer.size())));
    if (got == 0) return hasher.Finish();
    hasher.Update(base::ByteView(buffer.data(), got));
    offset += got;
  }
}

absl::Status Scan(const std::string& folder, const std::string& below, bool checksum, int depth,
                  std::vector<SyncEntry>& out) {
  if (depth > 128) return absl::OkStatus();
  const std::string here = below.empty() ? folder : folder + "/" + below;
  DIR* open = opendir(here.c_str());
  if (open == nullptr) return FolderError(here);
  std::vector<std::string> names;
  while (dirent* entry = readdir(open)) {
    const std::string name = entry->d_name;
    if (name != "." && name != ".." && !absl::StartsWith(name, ".cairn-")) names.push_back(name);
  }
  closedir(open);
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    const std::string relative = below.empty() ? name : below + "/" + name;
    const std::string path = folder + "/" + relative;
    struct stat link, facts;
    if (lstat(path.c_str(), &link) != 0 || stat(path.c_str(), &facts) != 0) continue;
    if (S_ISDIR(facts.st_mode) && !S_ISLNK(link.st_mode)) {
      RETURN_IF_ERROR(Scan(folder, relative, checksum, depth + 1, out));
    } else if (S_ISREG(facts.st_mode)) {
      SyncEntry entry{.name = relative,
                      .size = static_cast<uint64_t>(facts.st_size),
                      .mtime_ms = facts.st_mtim.tv_sec * 1000 + facts.st_mtim.tv_nsec / 1'000'000,
                      .hash = std::nullopt};
      if (checksum) {
        ASSIGN_OR_RETURN(entry.hash, HashFile(path));
      }
      out.push_back(std::move(entry));
    }
  }
  return absl::OkStatus();
}

std::string FolderKey(const Reference& ref) {
  return ref.key.empty() || ref.key.back() == '/' ? ref.key : ref.key + "/";
}

SyncEntry EntryOf(const ObjectInfo& object, size_t prefix) {
  SyncEntry entry;
  entry.name = object.ref.key.substr(prefix);
  entry.size = object.size();
  entry.mtime_ms = object.manifest ? object.manifest->mtime_ms : 0;
  if (object.manifest) entry.hash = object.manifest->plaintext_hash;
  return entry;
}

void CountPlan(SyncReport& report) {
  for (const SyncAction& action : report.actions) {
    if (action.kind == SyncAction::Kind::kSkip) ++report.same;
    if (action.kind == SyncAction::Kind::kConflict) {
      report.failures.emplace_back(
          action.name, base::Error(absl::StatusCode::kFailedPrecondition, "SYNC_CONFLICT",
                                   absl::StrCat(action.name, ": ", action.reason)));
    }
  }
}

std::vector<std::string> NamesOf(const SyncReport& report, SyncAction::Kind kind) {
  std::vector<std::string> out;
  for (const SyncAction& action : report.actions) {
    if (action.kind == kind) out.push_back(action.name);
  }
  return out;
}

// Deletes stand before copies where they make room: a name cannot be a file and a folder at once.
void RemoveFiles(const std::string& folder, const std::vector<std::string>& names,
                 SyncReport& report) {
  for (const std::string& name : names) {
    const std::string path = folder + "/" + name;
    if (unlink(path.c_str()) != 0 && errno != ENOENT) {
      report.failures.emplace_back(name, FolderError(path));
      continue;
    }
    ++report.deleted;
    for (size_t slash = name.rfind('/'); slash != std::string::npos && slash > 0;
         slash = name.rfind('/', slash - 1)) {
      if (rmdir((folder + "/" + name.substr(0, slash)).c_str()) != 0) break;  // not empty: stays
    }
  }
}

}  // namespace

absl::StatusOr<std::vector<SyncEntry>> ScanFolder(const std::string& folder, bool checksum) {
  std::vector<SyncEntry> out;
  RETURN_IF_ERROR(Scan(folder, "", checksum, 0, out));
  return out;
}

absl::StatusOr<SyncReport> SyncUp(Client& client, const std::string& folder, const Reference& to,
                                  const SyncRun& run) {
  ASSIGN_OR_RETURN(std::shared_ptr<Bucket> bucket, OpenBucket(client, to.bucket));
  const std::string prefix = FolderKey(to);
  ASSIGN_OR_RETURN(std::vector<SyncEntry> here, ScanFolder(folder, run.plan.checksum));
  ASSIGN_OR_RETURN(std::vector<ObjectInfo> there, ListObjects(client, *bucket, prefix, {}));
  std::vector<SyncEntry> target;
  for (const ObjectInfo& object : there) target.push_back(EntryOf(object, prefix.size()));
  SyncReport report;
  ASSIGN_OR_RETURN(report.actions, storage::PlanSync(std::move(here), std::move(target), run.plan));
  CountPlan(report);
  if (run.dry_run) return report;

  std::vector<std::string> doomed;
  for (const std::string& name : NamesOf(report, SyncAction::Kind::kDelete))
    doomed.push_back(prefix + name);
  if (!doomed.empty()) {
    const absl::Status removed = RemoveNames(client, *bucket, doomed);
    if (!removed.ok()) {
      report.failures.emplace_back(prefix, removed);
    } else {
      report.deleted = doomed.size();
      report.transactions += static_cast<uint32_t>((doomed.size() + 255) / 256);
    }
  }
  std::vector<PutItem> items;
  for (const std::string& name : NamesOf(report, SyncAction::Kind::kCopy)) {
    items.push_back({folder + "/" + name, Reference{to.bucket, prefix + name}});
  }
  const auto results = PutMany(client, items, run.many);
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i].ok()) {
      report.failures.emplace_back(items[i].to.key.substr(prefix.size()), results[i].status());
      continue;
    }
    ++report.copied;
    report.bytes += results[i]->size;
    report.transactions += results[i]->transactions;
  }
  return report;
}

std::vector<absl::Status> GetMany(Client& client, const Bucket& bucket,
                                  const std::vector<ObjectInfo>& objects,
                                  const std::vector<std::string>& paths, uint32_t parallel) {
  std::vector<absl::Status> out(objects.size());
  std::mutex mutex;
  size_t next = 0;
  const auto work = [&] {
    while (true) {
      size_t i;
      {
        std::lock_guard<std::mutex> lock(mutex);
        if (next == objects.size()) return;
        i = next++;
      }
      out[i] = client.CheckStop();
      if (!out[i].ok()) continue;
      const size_t slash = paths[i].rfind('/');
      if (slash != std::string::npos && slash != 0)
        out[i] = app::MakeFolders(paths[i].substr(0, slash), 0777);
      if (!out[i].ok()) continue;
      client.progress().Begin(objects[i].ref.ToText(), objects[i].size());
      const int64_t mtime = objects[i].manifest ? objects[i].manifest->mtime_ms : 0;
      out[i] = WriteFileWhole(paths[i], mtime, [&](const storage::ByteSink& sink) {
        return GetObject(client, bucket, objects[i], {}, sink).status();
      });
      client.progress().End(objects[i].ref.ToText(), out[i]);
    }
  };
  client.RunAll(std::vector<std::function<void()>>(std::max<uint32_t>(parallel, 1), work));
  return out;
}

absl::StatusOr<SyncReport> SyncDown(Client& client, const Reference& from,
                                    const std::string& folder, const SyncRun& run) {
  ASSIGN_OR_RETURN(std::shared_ptr<Bucket> bucket, OpenBucket(client, from.bucket));
  const std::string prefix = FolderKey(from);
  ASSIGN_OR_RETURN(std::vector<ObjectInfo> objects, ListObjects(client, *bucket, prefix, {}));
  std::vector<SyncEntry> there;
  std::map<std::string, size_t> by_name;
  for (size_t i = 0; i < objects.size(); ++i) {
    there.push_back(EntryOf(objects[i], prefix.size()));
    by_name[there.back().name] = i;
  }
  if (!run.dry_run) RETURN_IF_ERROR(app::MakeFolders(folder, 0777));
  std::vector<SyncEntry> here;
  if (access(folder.c_str(), F_OK) == 0) {
    ASSIGN_OR_RETURN(here, ScanFolder(folder, run.plan.checksum));
  }
  SyncReport report;
  ASSIGN_OR_RETURN(report.actions, storage::PlanSync(std::move(there), std::move(here), run.plan));
  CountPlan(report);
  if (run.dry_run) return report;
  RemoveFiles(folder, NamesOf(report, SyncAction::Kind::kDelete), report);
  std::vector<ObjectInfo> wanted;
  std::vector<std::string> paths;
  for (const std::string& name : NamesOf(report, SyncAction::Kind::kCopy)) {
    wanted.push_back(std::move(objects[by_name[name]]));
    paths.push_back(folder + "/" + name);
  }
  const std::vector<absl::Status> statuses =
      GetMany(client, *bucket, wanted, paths, run.many.parallel);
  for (size_t i = 0; i < statuses.size(); ++i) {
    if (!statuses[i].ok()) {
      report.failures.emplace_back(wanted[i].ref.key.substr(prefix.size()), statuses[i]);
      continue;
    }
    ++report.copied;
    report.bytes += wanted[i].size();
  }
  return report;
}

}  // namespace cairn::client
