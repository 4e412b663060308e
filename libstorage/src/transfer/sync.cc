#include "cairn/storage/sync.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"

namespace cairn::storage {
namespace {

using Kind = SyncAction::Kind;
using Listing = std::map<std::string, SyncEntry>;

absl::StatusOr<Listing> Index(std::vector<SyncEntry> entries) {
  Listing listing;
  for (SyncEntry& entry : entries) {
    std::string name = entry.name;
    if (!listing.emplace(std::move(name), std::move(entry)).second) {
      return base::Error(absl::StatusCode::kInvalidArgument, "BAD_LISTING",
                         "a listing names something twice");
    }
  }
  return listing;
}

// Names of `listing` that cannot stand beside `name`: folders on the way to it that are files
// there, and what lies below it as a folder.
std::vector<std::string> InTheWay(const Listing& listing, const std::string& name) {
  std::vector<std::string> found;
  for (size_t slash = name.find('/'); slash != std::string::npos;
       slash = name.find('/', slash + 1)) {
    if (listing.count(name.substr(0, slash)) != 0) found.push_back(name.substr(0, slash));
  }
  const std::string folder = name + "/";
  for (auto at = listing.lower_bound(folder);
       at != listing.end() && at->first.compare(0, folder.size(), folder) == 0; ++at) {
    found.push_back(at->first);
  }
  return found;
}

// Rounded down, before 1970 too. A manifest may name any time: the least one has no negative.
int64_t Second(int64_t ms) { return ms / 1000 - (ms % 1000 < 0 ? 1 : 0); }

// Why the source's entry must be copied over the target's; empty when they are the same.
std::string Difference(const SyncEntry& source, const SyncEntry& target, bool checksum) {
  if (source.size != target.size) return "size differs";
  if (!checksum) return Second(source.mtime_ms) == Second(target.mtime_ms) ? "" : "time differs";
  if (!source.hash || !target.hash) return "no hash to compare";
  return *source.hash == *target.hash ? "" : "content differs";
}

class Planner {
 public:
  Planner(Listing source, Listing target, const SyncOptions& options)
      : source_(std::move(source)), target_(std::move(target)), options_(options) {}

  std::vector<SyncAction> Plan() {
    for (const auto& [name, entry] : source_) Decide(name, entry);
    if (options_.delete_extra) {
      for (const auto& [name, entry] : target_) {
        if (source_.count(name) == 0 && removed_.count(name) == 0) {
          last_.push_back({Kind::kDelete, name, "not in the source", 0});
        }
      }
    }
    std::vector<SyncAction> all = std::move(first_);
    all.insert(all.end(), middle_.begin(), middle_.end());
    all.insert(all.end(), last_.begin(), last_.end());
    return all;
  }

 private:
  void Decide(const std::string& name, const SyncEntry& entry) {
    // Whichever of the two were copied, the other could not be.
    if (!InTheWay(source_, name).empty()) {
      middle_.push_back({Kind::kConflict, name, "a file and a folder in the source", 0});
      return;
    }
    for (const std::string& blocking : InTheWay(target_, name)) {
      if (!options_.delete_extra) {
        middle_.push_back({Kind::kConflict, name, absl::StrCat(blocking, " is in the way"), 0});
        return;
      }
      if (removed_.insert(blocking).second) {
        first_.push_back({Kind::kDelete, blocking, absl::StrCat("makes room for ", name), 0});
      }
    }
    middle_.push_back(Compare(name, entry));
  }

  SyncAction Compare(const std::string& name, const SyncEntry& entry) {
    auto found = target_.find(name);
    if (found == target_.end()) return {Kind::kCopy, name, "new", entry.size};
    std::string why = Difference(entry, found->second, options_.checksum);
    if (why.empty()) return {Kind::kSkip, name, "same", 0};
    if (options_.protect_newer && Second(found->second.mtime_ms) > Second(entry.mtime_ms)) {
      return {Kind::kConflict, name, "newer in the target", 0};
    }
    return {Kind::kCopy, name, std::move(why), entry.size};
  }

  const Listing source_;
  const Listing target_;
  const SyncOptions options_;
  std::set<std::string> removed_;
  std::vector<SyncAction> first_;
  std::vector<SyncAction> middle_;
  std::vector<SyncAction> last_;
};

}  // namespace

absl::StatusOr<std::vector<SyncAction>> PlanSync(std::vector<SyncEntry> source,
                                                 std::vector<SyncEntry> target,
                                                 const SyncOptions& options) {
  ASSIGN_OR_RETURN(Listing from, Index(std::move(source)));
  ASSIGN_OR_RETURN(Listing to, Index(std::move(target)));
  return Planner(std::move(from), std::move(to), options).Plan();
}

}  // namespace cairn::storage
