// cp, mv, get, cat, put, sync.
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "apps/client/get.h"
#include "apps/client/list.h"
#include "apps/client/remove.h"
#include "apps/client/sync.h"
#include "apps/common/errors.h"
#include "apps/storectl/commands.h"
#include "apps/storectl/pinning.h"
#include "apps/storectl/results.h"
#include "cairn/base/status.h"

namespace cairn::storectl {
namespace {

using client::Reference;

absl::Status Invalid(absl::string_view reason, absl::string_view message,
                     absl::string_view hint = "") {
  return base::Error(absl::StatusCode::kInvalidArgument, reason, message, hint);
}

bool IsFolder(const std::string& path) {
  struct stat facts;
  return stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

std::string Join(const std::string& folder, const std::string& name) {
  return folder.empty() || folder.back() == '/' ? folder + name : folder + "/" + name;
}

struct CopyFlags {
  std::vector<std::string> paths;
  bool recursive = false;
  uint32_t parallel = 4;
  std::string content_type;
  bool no_resume = false;
  bool no_overwrite = false;
  std::string payer;
};

// Shows what was stored, then names its payer.
absl::Status Finish(Context& context, Batch& batch, const Pinning& pinning) {
  absl::Status status = batch.Finish();
  status.Update(pinning.Finish(context));
  return status;
}

absl::StatusOr<client::ManyOptions> ManyFlags(const Context& context, const CopyFlags& flags) {
  client::ManyOptions out;
  ASSIGN_OR_RETURN(out.put, context.PutFlags());
  out.put.content_type = flags.content_type;
  out.put.resume = !flags.no_resume;
  out.put.must_be_new = flags.no_overwrite;
  out.parallel = flags.parallel;
  return out;
}

// ---- up: local files to references ----

absl::Status AddTree(const std::string& source, const Reference& to, bool into,
                     std::vector<client::PutItem>& items) {
  std::string folder = source;
  const bool contents =
      absl::EndsWith(folder, "/") || absl::EndsWith(folder, "/.") || folder == ".";
  while (folder.size() > 1 && (absl::EndsWith(folder, "/") || absl::EndsWith(folder, "/.")))
    folder.pop_back();
  std::string prefix = to.key;
  if (into && !contents) prefix = Join(prefix, client::BaseName(folder));
  ASSIGN_OR_RETURN(std::vector<storage::SyncEntry> entries, client::ScanFolder(folder, false));
  for (const storage::SyncEntry& entry : entries) {
    items.push_back({Join(folder, entry.name),
                     Reference{to.bucket, prefix.empty() ? entry.name : Join(prefix, entry.name)}});
  }
  return absl::OkStatus();
}

absl::Status CopyUp(Context& context, const CopyFlags& flags,
                    const std::vector<std::string>& sources, const Reference& to) {
  std::vector<client::PutItem> items;
  const bool into = to.folder() || sources.size() > 1;
  for (const std::string& source : sources) {
    if (IsFolder(source)) {
      if (!flags.recursive) return Invalid("IS_A_FOLDER", source + " is a folder", "add -r");
      RETURN_IF_ERROR(AddTree(source, to, into, items));
    } else {
      items.push_back({source, into ? to.Child(client::BaseName(source)) : to});
    }
  }
  if (items.empty())
    return base::Error(absl::StatusCode::kFailedPrecondition, "NOTHING_TO_DO", "no files to copy");
  ASSIGN_OR_RETURN(client::ManyOptions many, ManyFlags(context, flags));
  ASSIGN_OR_RETURN(Pinning pinning, Pinning::For(context, flags.payer));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  Batch batch(context, "copied");
  std::vector<absl::StatusOr<client::PutResult>> results;
  if (items.size() == 1) {
    auto source = client::OpenFileSource(items[0].path);
    RETURN_IF_ERROR(source.status());
    results.push_back(client::Put(*client, **source, items[0].to, many.put));
  } else {
    results = client::PutMany(*client, items, many);
  }
  for (size_t i = 0; i < items.size(); ++i) {
    pinning.Took(results[i]);
    batch.Put(results[i], items[i].path, many.put.wait);
  }
  return Finish(context, batch, pinning);
}

// ---- down: references to local files ----

absl::Status CopyTreeDown(Context& context, const CopyFlags& flags, const Reference& from,
                          const std::string& to) {
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(auto bucket, client::OpenBucket(*client, from.bucket));
  const std::string prefix = from.folder() ? from.key : from.key + "/";
  ASSIGN_OR_RETURN(std::vector<client::ObjectInfo> objects,
                   client::ListObjects(*client, *bucket, prefix, {}));
  if (objects.empty()) {
    return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_OBJECT",
                       absl::StrCat("nothing under ", from.ToText()),
                       absl::StrCat("storectl ls cairn://", from.bucket, "/"));
  }
  std::string folder = to;
  if (!from.folder() && IsFolder(to)) folder = Join(to, client::BaseName(from.key));
  std::vector<std::string> paths;
  uint64_t bytes = 0;
  for (const client::ObjectInfo& object : objects) {
    paths.push_back(Join(folder, object.ref.key.substr(prefix.size())));
    bytes += object.size();
  }
  Batch batch(context, "fetched");
  if (context.globals.dry_run) {
    for (const client::ObjectInfo& object : objects)
      batch.Done(object.ref.ToText(), object.size(), absl::OkStatus());
    return batch.Finish();
  }
  client->progress().Totals(objects.size(), bytes);
  const std::vector<absl::Status> statuses =
      client::GetMany(*client, *bucket, objects, paths, std::max<uint32_t>(flags.parallel, 1));
  for (size_t i = 0; i < objects.size(); ++i) batch.Done(paths[i], objects[i].size(), statuses[i]);
  return batch.Finish();
}

absl::Status GetOne(Context& context, const Reference& from, const std::string& to,
                    const client::GetOptions& options, Batch& batch) {
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  const std::string path = IsFolder(to) ? Join(to, client::BaseName(from.key)) : to;
  if (absl::EndsWith(path, "/"))
    return Invalid("IS_A_FOLDER", path + " is no folder", "make it first: mkdir -p");
  auto result = client::GetFile(*client, from, options, path);
  batch.Done(path, result.ok() ? result->bytes : 0, result.status());
  return absl::OkStatus();
}

absl::Status CopyDown(Context& context, const CopyFlags& flags,
                      const std::vector<std::string>& sources, const std::string& to) {
  if (sources.size() > 1 && !IsFolder(to))
    return Invalid("NOT_A_FOLDER", to + " is no folder", "mkdir -p it first");
  Batch batch(context, "fetched");
  for (const std::string& source : sources) {
    ASSIGN_OR_RETURN(Reference from, client::ParseReference(source));
    if (flags.recursive) {
      RETURN_IF_ERROR(CopyTreeDown(context, flags, from, to));
      if (sources.size() == 1) return absl::OkStatus();
      continue;
    }
    if (from.folder())
      return Invalid("IS_A_FOLDER", from.ToText() + " stands for many objects", "add -r");
    RETURN_IF_ERROR(GetOne(context, from, to, {}, batch));
  }
  return batch.Finish();
}

// ---- across ----

absl::Status CopyAcross(Context& context, const CopyFlags& flags,
                        const std::vector<std::string>& sources, const Reference& to, bool move) {
  ASSIGN_OR_RETURN(client::ManyOptions many, ManyFlags(context, flags));
  ASSIGN_OR_RETURN(Pinning pinning, Pinning::For(context, flags.payer));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  Batch batch(context, move ? "moved" : "copied");
  std::vector<std::pair<Reference, Reference>> pairs;
  for (const std::string& source : sources) {
    ASSIGN_OR_RETURN(Reference from, client::ParseReference(source));
    if (!flags.recursive && from.folder())
      return Invalid("IS_A_FOLDER", from.ToText() + " stands for many objects", "add -r");
    if (!flags.recursive) {
      pairs.emplace_back(from, to.folder() ? to.Child(client::BaseName(from.key)) : to);
      continue;
    }
    ASSIGN_OR_RETURN(auto bucket, client::OpenBucket(*client, from.bucket));
    const std::string prefix = from.folder() ? from.key : from.key + "/";
    ASSIGN_OR_RETURN(std::vector<client::ObjectInfo> objects,
                     client::ListObjects(*client, *bucket, prefix, {}));
    const std::string below =
        from.folder() || !to.folder() ? to.key : Join(to.key, client::BaseName(from.key));
    for (const client::ObjectInfo& object : objects) {
      const std::string rest = object.ref.key.substr(prefix.size());
      pairs.emplace_back(object.ref,
                         Reference{to.bucket, below.empty() ? rest : Join(below, rest)});
    }
  }
  for (const auto& [from, target] : pairs) {
    if (context.globals.dry_run) {
      batch.Done(target.ToText(), 0, absl::OkStatus());
      continue;
    }
    const auto result = move ? client::Rename(*client, from, target, many.put)
                             : client::Copy(*client, from, target, many.put);
    pinning.Took(result);
    batch.Put(result, from.ToText(), many.put.wait);
  }
  return Finish(context, batch, pinning);
}

absl::Status CopyAny(Context& context, const CopyFlags& flags) {
  if (flags.paths.size() < 2)
    return Invalid("USAGE", "cp needs a source and a destination", "storectl cp SRC... DST");
  std::vector<std::string> sources(flags.paths.begin(), flags.paths.end() - 1);
  const std::string& to = flags.paths.back();
  const size_t remote = std::count_if(sources.begin(), sources.end(),
                                      [](const auto& s) { return client::IsReference(s); });
  if (remote != 0 && remote != sources.size())
    return Invalid("USAGE", "sources are local or stored, not both");
  if (client::IsReference(to)) {
    ASSIGN_OR_RETURN(Reference target, client::ParseReference(to));
    if (remote == 0) return CopyUp(context, flags, sources, target);
    return CopyAcross(context, flags, sources, target, false);
  }
  if (remote == 0)
    return Invalid("USAGE", "neither source nor destination is stored", "write cairn://bucket/key");
  return CopyDown(context, flags, sources, to);
}

absl::Status Move(Context& context, const CopyFlags& flags) {
  if (flags.paths.size() < 2)
    return Invalid("USAGE", "mv needs a source and a destination", "storectl mv SRC... DST");
  std::vector<std::string> sources(flags.paths.begin(), flags.paths.end() - 1);
  ASSIGN_OR_RETURN(Reference to, client::ParseReference(flags.paths.back()));
  return CopyAcross(context, flags, sources, to, true);
}

// ---- get, put, cat ----

absl::Status ToStdout(base::ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      return base::Error(absl::StatusCode::kUnknown, "LOCAL_FILE",
                         absl::StrCat("stdout: ", std::strerror(errno)));
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

struct GetFlags {
  std::string from;
  std::string to;
  std::string range;
  uint64_t version = 0;
};

absl::Status GetCommand(Context& context, const GetFlags& flags) {
  ASSIGN_OR_RETURN(Reference from, client::ParseReference(flags.from));
  if (from.folder())
    return Invalid("IS_A_FOLDER", from.ToText() + " stands for many objects", "storectl cp -r");
  client::GetOptions options;
  options.version = flags.version;
  if (!flags.range.empty()) {
    ASSIGN_OR_RETURN(options.range, client::ParseByteRange(flags.range));
  }
  if (flags.to == "-") {
    ASSIGN_OR_RETURN(client::Client * client, context.client());
    const absl::Status shown = client::Get(*client, from, options, ToStdout).status();
    SaySpent(context);
    return shown;
  }
  Batch batch(context, "fetched");
  RETURN_IF_ERROR(GetOne(context, from, flags.to.empty() ? client::BaseName(from.key) : flags.to,
                         options, batch));
  return batch.Finish();
}

absl::Status PutCommand(Context& context, const CopyFlags& flags, const std::string& path,
                        const std::string& to) {
  ASSIGN_OR_RETURN(Reference target, client::ParseReference(to));
  if (path != "-") return CopyUp(context, flags, {path}, target);
  ASSIGN_OR_RETURN(client::ManyOptions many, ManyFlags(context, flags));
  ASSIGN_OR_RETURN(Pinning pinning, Pinning::For(context, flags.payer));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  const client::ReadFn read = [](base::MutableByteView out) -> absl::StatusOr<size_t> {
    while (true) {
      const ssize_t n = ::read(STDIN_FILENO, out.data(), out.size());
      if (n >= 0) return static_cast<size_t>(n);
      if (errno != EINTR)
        return base::Error(absl::StatusCode::kUnknown, "LOCAL_FILE",
                           absl::StrCat("stdin: ", std::strerror(errno)));
    }
  };
  Batch batch(context, "stored");
  const auto result = client::PutPipe(*client, read, target, many.put);
  pinning.Took(result);
  batch.Put(result, to, many.put.wait);
  return Finish(context, batch, pinning);
}

// ---- sync ----

struct SyncFlags {
  std::string from;
  std::string to;
  storage::SyncOptions plan;
  uint32_t parallel = 4;
};

absl::string_view Word(storage::SyncAction::Kind kind) {
  switch (kind) {
    case storage::SyncAction::Kind::kCopy:
      return "copy";
    case storage::SyncAction::Kind::kDelete:
      return "delete";
    case storage::SyncAction::Kind::kSkip:
      return "skip";
    case storage::SyncAction::Kind::kConflict:
      return "conflict";
  }
  return "";
}

absl::Status SyncCommand(Context& context, const SyncFlags& flags) {
  const bool up = client::IsReference(flags.to);
  if (up == client::IsReference(flags.from)) {
    return Invalid("USAGE", "sync goes between a local folder and cairn://",
                   "storectl sync DIR cairn://bucket/prefix/");
  }
  client::SyncRun run;
  run.plan = flags.plan;
  run.dry_run = context.globals.dry_run;
  CopyFlags copy;
  copy.parallel = flags.parallel;
  ASSIGN_OR_RETURN(run.many, ManyFlags(context, copy));
  run.many.put.dry_run = false;
  ASSIGN_OR_RETURN(Reference ref, client::ParseReference(up ? flags.to : flags.from));
  ASSIGN_OR_RETURN(client::Client * client, context.client());
  ASSIGN_OR_RETURN(client::SyncReport report, up ? client::SyncUp(*client, flags.from, ref, run)
                                                 : client::SyncDown(*client, ref, flags.to, run));
  std::vector<std::string> items;
  std::string text;
  for (const storage::SyncAction& action : report.actions) {
    if (action.kind == storage::SyncAction::Kind::kSkip) continue;
    items.push_back(Json()
                        .Text("action", Word(action.kind))
                        .Text("name", action.name)
                        .Text("reason", action.reason)
                        .Number("size_bytes", action.size)
                        .Done());
    absl::StrAppend(&text, Word(action.kind), "  ", action.name, "  (", action.reason, ")\n");
  }
  Json json;
  json.List("actions", items)
      .Bool("dry_run", run.dry_run)
      .Number("copied", report.copied)
      .Number("deleted", report.deleted)
      .Number("same", report.same)
      .Number("bytes", report.bytes)
      .Small("transactions", report.transactions)
      .Number("failed", report.failures.size());
  absl::StrAppend(&text,
                  run.dry_run
                      ? "would copy and delete as above"
                      : absl::StrCat(report.copied, " copied, ", report.deleted, " deleted"),
                  ", ", report.same, " the same\n");
  context.Result(json, text);
  for (const auto& [name, status] : report.failures)
    context.Say(absl::StrCat(name, ": ", status.message()));
  if (report.failures.empty()) return absl::OkStatus();
  return base::Error(
      absl::StatusCode::kUnknown, "PARTIAL",
      absl::StrCat(report.failures.size(), " of ", report.actions.size(), " items failed"),
      "run the same command again",
      {{"first", std::string(report.failures.front().second.message())}});
}

void AddCopyFlags(CLI::App* command, CopyFlags* flags) {
  command->add_option("--parallel", flags->parallel, "large files at once")
      ->check(CLI::Range(1, 16));
  command->add_option("--content-type", flags->content_type, "instead of what the name suggests");
  command->add_flag("--no-resume", flags->no_resume,
                    "begin anew where an earlier run was interrupted");
  command->add_flag("--no-overwrite", flags->no_overwrite, "refuse names that exist");
  command->add_option("--payer", flags->payer, "payment account that pays for it from its seal on, in place of the bucket's");
}

}  // namespace

void AddFileCommands(CLI::App& app, Context& context) {
  auto copy = std::make_shared<CopyFlags>();
  CLI::App* cp = app.add_subcommand("cp", "copy files up, down, or between references");
  cp->add_option("paths", copy->paths, "SRC... DST; cairn://bucket/key or a local path")
      ->required();
  cp->add_flag("-r,--recursive", copy->recursive, "whole folders");
  AddCopyFlags(cp, copy.get());
  cp->callback(
      [&context, copy] { context.action = [&context, copy] { return CopyAny(context, *copy); }; });

  auto moved = std::make_shared<CopyFlags>();
  CLI::App* mv = app.add_subcommand("mv", "give what is stored another name");
  mv->add_option("paths", moved->paths, "SRC... DST; references")->required();
  mv->add_flag("-r,--recursive", moved->recursive, "whole folders");
  mv->callback(
      [&context, moved] { context.action = [&context, moved] { return Move(context, *moved); }; });

  auto get = std::make_shared<GetFlags>();
  CLI::App* fetch = app.add_subcommand("get", "fetch an object into a file or to stdout");
  fetch->add_option("ref", get->from, "cairn://bucket/key")->required();
  fetch->add_option("dst", get->to, "file, folder, or - for stdout");
  fetch->add_option("--range", get->range, "FIRST-LAST, bytes counted from 0");
  fetch->add_option("--object-version", get->version, "an earlier version");
  fetch->callback(
      [&context, get] { context.action = [&context, get] { return GetCommand(context, *get); }; });

  auto shown = std::make_shared<GetFlags>();
  shown->to = "-";
  CLI::App* cat = app.add_subcommand("cat", "write an object to stdout");
  cat->add_option("ref", shown->from, "cairn://bucket/key")->required();
  cat->add_option("--range", shown->range, "FIRST-LAST, bytes counted from 0");
  cat->callback([&context, shown] {
    context.action = [&context, shown] { return GetCommand(context, *shown); };
  });

  auto put = std::make_shared<CopyFlags>();
  auto target = std::make_shared<std::pair<std::string, std::string>>();
  CLI::App* store = app.add_subcommand("put", "store a file, or what comes from stdin (-)");
  store->add_option("file", target->first, "file or -")->required();
  store->add_option("ref", target->second, "cairn://bucket/key")->required();
  AddCopyFlags(store, put.get());
  store->callback([&context, put, target] {
    context.action = [&context, put, target] {
      return PutCommand(context, *put, target->first, target->second);
    };
  });

  auto sync = std::make_shared<SyncFlags>();
  CLI::App* synchronise =
      app.add_subcommand("sync", "make a folder and a prefix the same, one way");
  synchronise->add_option("src", sync->from, "folder or cairn://bucket/prefix/")->required();
  synchronise->add_option("dst", sync->to, "folder or cairn://bucket/prefix/")->required();
  synchronise->add_flag("--delete", sync->plan.delete_extra,
                        "remove from the target what the source has not");
  synchronise->add_flag("--checksum", sync->plan.checksum,
                        "compare content instead of size and time");
  synchronise->add_flag("--protect-newer", sync->plan.protect_newer,
                        "never replace what is newer in the target");
  synchronise->add_option("--parallel", sync->parallel, "large files at once")
      ->check(CLI::Range(1, 16));
  synchronise->callback([&context, sync] {
    context.action = [&context, sync] { return SyncCommand(context, *sync); };
  });
}

}  // namespace cairn::storectl
