// ls, du, rm, verify; stat is in stat.cc.
#include "apps/storectl/inspect.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "apps/client/holders.h"
#include "apps/client/list.h"
#include "apps/client/remove.h"
#include "apps/client/verify.h"
#include "apps/common/errors.h"
#include "apps/storectl/commands.h"
#include "apps/storectl/money_text.h"
#include "apps/storectl/results.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::storectl {
namespace {

using client::ObjectInfo;
using client::Reference;

uint32_t PartsHere(const ObjectInfo& object) {
  return static_cast<uint32_t>(object.record->positions_size()) -
         static_cast<uint32_t>(object.missing.size());
}

// ---- ls ----

struct ListFlags {
  std::string ref;
  bool details = false;
  bool recursive = false;
  bool pending = false;
  bool versions = false;
};

absl::Status ListCommand(Context& context, const ListFlags& flags) {
  if (flags.ref.empty() || flags.ref == client::kScheme) return ListBucketsCommand(context);
  ASSIGN_OR_RETURN(Reference ref, client::ParseReference(flags.ref));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(auto bucket, client::OpenBucket(*client, ref.bucket));
  ASSIGN_OR_RETURN(std::vector<ObjectInfo> objects,
                   client::ListObjects(
                       *client, *bucket, ref.key,
                       {.pending = flags.pending, .versions = flags.versions, .manifests = true}));
  Table table(flags.details ? std::vector<std::string>{"SIZE", "MODIFIED", "PARTS", "STATE", "NAME"}
                            : std::vector<std::string>{"NAME"},
              flags.details ? std::vector<bool>{true, false, true, false, false}
                            : std::vector<bool>{false});
  std::vector<std::string> items;
  std::set<std::string> folders;
  const size_t slash = ref.key.rfind('/');
  const size_t base = slash == std::string::npos ? 0 : slash + 1;
  bool any = false;
  for (const ObjectInfo& object : objects) {
    // "photos" means the object or the folder of that name, not "photos2".
    if (!ref.folder() && object.ref.key != ref.key &&
        !absl::StartsWith(object.ref.key, ref.key + "/"))
      continue;
    any = true;
    const std::string rest = object.ref.key.substr(base);
    const size_t deeper = rest.find('/');
    if (!flags.recursive && deeper != std::string::npos) {
      const std::string folder = rest.substr(0, deeper + 1);
      if (!folders.insert(folder).second) continue;
      items.push_back(
          Json().Text("name", object.ref.key.substr(0, base) + folder).Bool("folder", true).Done());
      table.Row(flags.details ? std::vector<std::string>{"-", "", "", "", folder}
                              : std::vector<std::string>{folder});
      continue;
    }
    items.push_back(ObjectJson(object).Done());
    std::string name = rest;
    if (flags.versions) absl::StrAppend(&name, "?version=", object.version);
    if (!flags.details) {
      table.Row({name});
      continue;
    }
    table.Row({HumanBytes(object.size()), HumanTime(Modified(object)),
               absl::StrCat(PartsHere(object), "/", object.record->positions_size()),
               std::string(client::ToText(object.status)), name});
  }
  if (!any && !ref.folder()) {
    return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_OBJECT",
                       absl::StrCat("no object ", ref.ToText()),
                       absl::StrCat("storectl ls cairn://", ref.bucket, "/"));
  }
  ItemsAndSpent(context, "items", items, table);
  return absl::OkStatus();
}

// ---- du ----

absl::Status UsageCommand(Context& context, const std::string& text, bool by_prefix) {
  client::Client* client;
  ASSIGN_OR_RETURN(client, context.client());
  std::vector<Reference> roots;
  if (text.empty()) {
    ASSIGN_OR_RETURN(auto buckets, client::ListBuckets(*client));
    for (const auto& bucket : buckets) roots.push_back({bucket.name(), ""});
  } else {
    ASSIGN_OR_RETURN(Reference ref, client::ParseReference(text));
    roots.push_back(ref);
  }
  struct Sum {
    uint64_t objects = 0, bytes = 0, stored = 0;
    base::Amount rate;
  };
  std::map<std::string, Sum> sums;
  for (const Reference& root : roots) {
    ASSIGN_OR_RETURN(auto bucket, client::OpenBucket(*client, root.bucket));
    ASSIGN_OR_RETURN(std::vector<ObjectInfo> objects,
                     client::ListObjects(*client, *bucket, root.key, {}));
    if (objects.empty()) sums[root.ToText()];
    for (const ObjectInfo& object : objects) {
      std::string name = root.ToText();
      if (by_prefix) {
        const size_t slash = object.ref.key.find('/', root.key.size());
        if (slash != std::string::npos)
          name = Reference{root.bucket, object.ref.key.substr(0, slash + 1)}.ToText();
      }
      Sum& sum = sums[name];
      ++sum.objects;
      sum.bytes += object.size();
      sum.stored += object.record->stored_size();
      if (const auto more = sum.rate.Plus(chain::FullRate(*object.record))) sum.rate = *more;
    }
  }
  Table table({"SIZE", "STORED", "OBJECTS", "A MONTH", "NAME"}, {true, true, true, true, false});
  std::vector<std::string> items;
  for (const auto& [name, sum] : sums) {
    items.push_back(Json()
                        .Text("ref", name)
                        .Number("objects", sum.objects)
                        .Number("size_bytes", sum.bytes)
                        .Number("stored_bytes", sum.stored)
                        .Crn("per_month", PerMonth(sum.rate))
                        .Done());
    table.Row({HumanBytes(sum.bytes), HumanBytes(sum.stored), absl::StrCat(sum.objects),
               Crn(PerMonth(sum.rate)), name});
  }
  context.Items("items", items, table);
  return absl::OkStatus();
}

// ---- rm ----

absl::Status RemoveCommand(Context& context, const std::vector<std::string>& refs, bool recursive) {
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  std::map<std::string, std::vector<std::string>> names;  // by bucket
  for (const std::string& text : refs) {
    ASSIGN_OR_RETURN(Reference ref, client::ParseReference(text));
    if (!recursive) {
      if (ref.folder()) {
        return base::Error(absl::StatusCode::kInvalidArgument, "IS_A_FOLDER",
                           ref.ToText() + " stands for many objects", "add -r");
      }
      names[ref.bucket].push_back(ref.key);
      continue;
    }
    ASSIGN_OR_RETURN(auto bucket, client::OpenBucket(*client, ref.bucket));
    ASSIGN_OR_RETURN(
        std::vector<ObjectInfo> objects,
        client::ListObjects(*client, *bucket, ref.key,
                            {.pending = false, .versions = false, .manifests = false}));
    for (const ObjectInfo& object : objects) {
      const bool below = ref.folder() || object.ref.key == ref.key ||
                         absl::StartsWith(object.ref.key, ref.key + "/");
      if (below) names[ref.bucket].push_back(object.ref.key);
    }
  }
  uint64_t removed = 0;
  std::vector<std::string> items;
  for (auto& [bucket_name, keys] : names) {
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    for (const std::string& key : keys)
      items.push_back(Json().Text("ref", Reference{bucket_name, key}.ToText()).Done());
    if (!context.globals.dry_run && !keys.empty()) {
      ASSIGN_OR_RETURN(auto bucket, client::OpenBucket(*client, bucket_name));
      RETURN_IF_ERROR(client::RemoveNames(*client, *bucket, keys));
    }
    removed += keys.size();
  }
  if (removed == 0)
    return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_OBJECT", "nothing of that name",
                       "storectl ls");
  Json json;
  json.List("removed", items).Bool("dry_run", context.globals.dry_run);
  context.Result(json, absl::StrCat(context.globals.dry_run ? "would remove " : "removed ", removed,
                                    removed == 1 ? " object\n" : " objects\n"));
  return absl::OkStatus();
}

// ---- verify ----

absl::Status VerifyStored(Context& context, client::Client& client, const Reference& ref) {
  ASSIGN_OR_RETURN(auto bucket, client::OpenBucket(client, ref.bucket));
  std::vector<ObjectInfo> objects;
  if (ref.folder()) {
    ASSIGN_OR_RETURN(objects, client::ListObjects(client, *bucket, ref.key, {}));
  } else {
    ASSIGN_OR_RETURN(ObjectInfo object, client::FindObject(client, *bucket, ref));
    objects.push_back(std::move(object));
  }
  std::vector<std::string> items;
  Table table({"GOOD", "NEEDED", "OBJECT", "TROUBLE"}, {true, true, false, false});
  bool damaged = false, unreachable = false, lost = false;
  for (const ObjectInfo& object : objects) {
    ASSIGN_OR_RETURN(client::VerifyReport report, client::VerifyObject(client, *bucket, object));
    std::vector<std::string> parts;
    std::string trouble;
    const auto look = [&](const client::PartReport& part, Json& json) {
      const std::string provider = base::ToText(part.provider);
      parts.push_back(json.Text("provider", provider)
                          .Bool("ok", part.status.ok())
                          .Text("why", part.status.message())
                          .Done());
      if (part.status.ok()) return;
      const bool wrong = absl::IsDataLoss(part.status);
      damaged = damaged || wrong;
      unreachable = unreachable || !wrong;
      absl::StrAppend(&trouble, trouble.empty() ? "" : "; ", wrong ? "damaged at " : "missing at ",
                      provider, ": ", part.status.message());
    };
    for (const client::PartReport& part : report.parts)
      look(part, Json().Small("position", part.position));
    if (report.whole) look(*report.whole, Json().Text("position", "primary"));
    const bool whole = report.whole && report.whole->status.ok();
    lost = lost || (!whole && report.good < report.needed && object.record->stored_size() != 0);
    items.push_back(Json()
                        .Text("ref", object.ref.ToText())
                        .Small("good", report.good)
                        .Small("needed", report.needed)
                        .List("parts", parts)
                        .Done());
    table.Row({absl::StrCat(report.good), absl::StrCat(report.needed), object.ref.ToText(),
               trouble.empty() ? "none" : trouble});
  }
  ItemsAndSpent(context, "items", items, table);
  if (damaged) {
    return base::Error(absl::StatusCode::kDataLoss, "DAMAGED",
                       "a holder gave bytes that are not the object's",
                       "storectl provider replace-holder, or wait for its scrub to repair it");
  }
  if (lost)
    return base::Error(absl::StatusCode::kUnavailable, "NOT_ENOUGH_SHARDS",
                       "too few parts to read an object");
  if (unreachable)
    return base::Error(absl::StatusCode::kUnknown, "PARTIAL", "some parts could not be read");
  return absl::OkStatus();
}

absl::Status VerifyCommand(Context& context, const std::vector<std::string>& what) {
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  if (what.size() == 1) {
    ASSIGN_OR_RETURN(Reference ref, client::ParseReference(what[0]));
    return VerifyStored(context, *client, ref);
  }
  ASSIGN_OR_RETURN(Reference ref, client::ParseReference(what[1]));
  ASSIGN_OR_RETURN(auto source, client::OpenFileSource(what[0]));
  if (ref.folder()) ref = ref.Child(client::BaseName(what[0]));
  ASSIGN_OR_RETURN(auto bucket, client::OpenBucket(*client, ref.bucket));
  ASSIGN_OR_RETURN(ObjectInfo object, client::FindObject(*client, *bucket, ref));
  RETURN_IF_ERROR(client::VerifySource(*client, *bucket, object, *source));
  Json json;
  json.Text("path", what[0])
      .Text("ref", ref.ToText())
      .Bool("same", true)
      .Number("size_bytes", object.size());
  const std::vector<std::string> spent = SpentJson(context);
  if (!spent.empty()) json.List("spent", spent);
  if (context.text()) SaySpent(context);
  context.Result(json,
                 absl::StrCat("ok  ", app::Printable(what[0]), " is ", app::Printable(ref.ToText()), "  ", object.size(), " B\n"));
  return absl::OkStatus();
}

}  // namespace

absl::Time Modified(const ObjectInfo& object) {
  const int64_t ms = object.manifest && object.manifest->mtime_ms != 0
                         ? object.manifest->mtime_ms
                         : static_cast<int64_t>(object.record->created_ms());
  return absl::FromUnixMillis(ms);
}

Json ObjectJson(const ObjectInfo& object) {
  std::vector<std::string> missing;
  for (uint32_t position : object.missing) missing.push_back(absl::StrCat(position));
  Json out;
  out.Text("ref", object.ref.ToText())
      .Text("name", object.ref.key)
      .Text("object", object.id.ToHexString())
      .Number("version", object.version)
      .Number("size_bytes", object.size())
      .Number("stored_bytes", object.record->stored_size())
      .Text("state", client::ToText(object.status))
      .Small("parts", object.record->positions_size())
      .List("missing_positions", missing)
      .Text("content_id",
            base::ContentId{chain::Trusted<base::Digest>(object.record->content_id())}.ToText())
      .Time("modified", Modified(object));
  if (object.manifest) out.Text("content_type", object.manifest->content_type);
  return out;
}

absl::Status ListBucketsCommand(Context& context) {
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(std::vector<chain::v1::Bucket> buckets, client::ListBuckets(*client));
  Table table({"OBJECTS", "STORED", "POLICY", "BUCKET"}, {true, true, false, false});
  std::vector<std::string> items;
  for (const chain::v1::Bucket& bucket : buckets) {
    const std::string policy = chain::FromProto(bucket.policy()).ToText();
    items.push_back(Json()
                        .Text("name", bucket.name())
                        .Number("id", bucket.id())
                        .Text("policy", policy)
                        .Bool("public_read", bucket.public_read())
                        .Number("objects", bucket.objects())
                        .Number("stored_bytes", bucket.stored_bytes())
                        .Done());
    table.Row({absl::StrCat(bucket.objects()), HumanBytes(bucket.stored_bytes()), policy,
               absl::StrCat("cairn://", bucket.name(), "/")});
  }
  context.Items("buckets", items, table);
  return absl::OkStatus();
}

void AddInspectCommands(CLI::App& app, Context& context) {
  auto list = std::make_shared<ListFlags>();
  CLI::App* ls = app.add_subcommand("ls", "list buckets, or what a bucket holds");
  ls->add_option("ref", list->ref, "cairn://bucket[/prefix]; nothing: your buckets");
  ls->add_flag("-l,--long", list->details, "size, time, parts and state too");
  ls->add_flag("-r,--recursive", list->recursive, "everything below");
  ls->add_flag("--pending", list->pending, "also uploads under way");
  ls->add_flag("--versions", list->versions, "every version that is kept");
  ls->callback([&context, list] {
    context.action = [&context, list] { return ListCommand(context, *list); };
  });

  auto stat = std::make_shared<std::pair<std::string, uint64_t>>();
  CLI::App* show = app.add_subcommand(
      "stat", "all about an object or a bucket: state, holders, content id, cost");
  show->add_option("ref", stat->first, "cairn://bucket[/key]")->required();
  show->add_option("--object-version", stat->second, "an earlier version");
  show->callback([&context, stat] {
    context.action = [&context, stat] { return StatCommand(context, stat->first, stat->second); };
  });

  auto usage = std::make_shared<std::pair<std::string, bool>>();
  CLI::App* du = app.add_subcommand("du", "how much is stored, and what it costs a month");
  du->add_option("ref", usage->first, "cairn://bucket[/prefix]; nothing: all your buckets");
  du->add_flag("--by-prefix", usage->second, "one line a folder");
  du->callback([&context, usage] {
    context.action = [&context, usage] {
      return UsageCommand(context, usage->first, usage->second);
    };
  });

  auto removal = std::make_shared<std::pair<std::vector<std::string>, bool>>();
  CLI::App* rm = app.add_subcommand("rm", "delete objects; what was locked for them comes back");
  rm->add_option("refs", removal->first, "cairn://bucket/key ...")->required();
  rm->add_flag("-r,--recursive", removal->second, "everything below");
  rm->callback([&context, removal] {
    context.action = [&context, removal] {
      return RemoveCommand(context, removal->first, removal->second);
    };
  });

  auto verified = std::make_shared<std::vector<std::string>>();
  CLI::App* verify = app.add_subcommand(
      "verify", "read every part from every holder, or hold a file against an object");
  verify->add_option("what", *verified, "REF, or PATH REF")->required()->expected(1, 2);
  verify->callback([&context, verified] {
    context.action = [&context, verified] { return VerifyCommand(context, *verified); };
  });
}

}  // namespace cairn::storectl
