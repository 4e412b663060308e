#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "apps/storectl/commands.h"
#include "apps/storectl/context.h"
#include "apps/storectl/dev/network.h"
#include "cairn/base/status.h"
#include "cairn/rpc/v1/dev.pb.h"

namespace cairn::storectl {
namespace {

// Filled in by the parser, read by the action that runs after it.
struct Arguments {
  DevOptions options;
  std::string provider;
  std::string account;
  std::string amount;
  std::string duration;
  std::string fault;
  uint64_t parameter = 0;
  std::string part;
  std::string process = "chaind";
  bool empty = false;
  bool follow = false;
};

std::string ToJson(const rpc::v1::DevNetwork& network) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string out;
  (void)google::protobuf::util::MessageToJsonString(network, &out, options);
  return out;
}

absl::StatusOr<absl::Duration> ParseDuration(const std::string& text) {
  // Days too: what clocks of a ledger are moved by.
  absl::Duration out;
  std::string number = text;
  if (!number.empty() && number.back() == 'd') {
    number.pop_back();
    double days = 0;
    if (absl::SimpleAtod(number, &days) && days >= 0) return absl::Hours(24) * days;
  }
  if (absl::ParseDuration(text, &out) && out >= absl::ZeroDuration()) return out;
  return base::Error(absl::StatusCode::kInvalidArgument, "BAD_DURATION", absl::StrCat("not a duration: ", text),
                     "write 30s, 5m, 12h or 7d");
}

std::string StateOf(const rpc::v1::DevProvider& provider) {
  if (provider.failed()) return "failed";
  if (!provider.running()) return "stopped";
  return provider.fault().empty() ? "running" : provider.fault();
}

absl::Status ShowStatus(Context& context, DevNetwork& network) {
  ASSIGN_OR_RETURN(rpc::v1::DevNetwork status, network.Status());
  if (!context.text()) {
    context.Print(ToJson(status));
    return absl::OkStatus();
  }
  Table table({"NAME", "STATE", "ADDRESS", "OPERATOR", "REGION", "PID"});
  table.Row({"chaind", status.chaind().running() ? "running" : "stopped", status.chain_endpoint(), "", "",
             absl::StrCat(status.chaind().pid())});
  for (const auto& provider : status.providers()) {
    table.Row({provider.name(), StateOf(provider), provider.endpoint(), provider.operator_().substr(0, 14),
               provider.region(), absl::StrCat(provider.process().pid())});
  }
  context.Print(table.Done(true));
  return absl::OkStatus();
}

absl::Status Up(Context& context, DevNetwork& network, const Arguments& arguments) {
  absl::Time start = absl::Now();
  RETURN_IF_ERROR(network.Up(arguments.options));
  ASSIGN_OR_RETURN(rpc::v1::DevNetwork status, network.Status());
  context.Say(absl::StrCat("ready after ", absl::FormatDuration(absl::Trunc(absl::Now() - start, absl::Milliseconds(10))),
                           ": a ledger at ", status.chain_endpoint(), " and ", status.providers_size(),
                           " providers; the wallet key \"main\" has funds"));
  if (!context.text()) context.Print(ToJson(status));
  return absl::OkStatus();
}

absl::Status Fund(Context& context, DevNetwork& network, const Arguments& arguments) {
  base::AccountId to;
  if (arguments.account.empty()) {
    ASSIGN_OR_RETURN(client::WalletKey key, context.Key());
    to = key.account;
  } else {
    ASSIGN_OR_RETURN(to, base::ParseAccountId(arguments.account));
  }
  ASSIGN_OR_RETURN(base::Amount amount, base::Amount::FromDecimal(arguments.amount, base::kCrnDecimals));
  RETURN_IF_ERROR(network.Fund(to, amount));
  context.Say(absl::StrCat("sent ", Crn(amount), " to ", base::ToText(to)));
  return absl::OkStatus();
}

absl::Status Advance(Context& context, DevNetwork& network, const Arguments& arguments) {
  ASSIGN_OR_RETURN(absl::Duration by, ParseDuration(arguments.duration));
  ASSIGN_OR_RETURN(absl::Time time, network.Advance(by));
  context.Result(Json().Time("time", time), absl::StrCat("the network's time is ", Rfc3339(time), "\n"));
  return absl::OkStatus();
}

absl::Status Scrub(Context& context, DevNetwork& network, const Arguments& arguments) {
  ASSIGN_OR_RETURN(std::vector<std::string> damaged, network.Scrub(arguments.provider));
  std::string text;
  for (const std::string& line : damaged) absl::StrAppend(&text, line, "\n");
  if (damaged.empty()) text = "nothing is damaged\n";
  context.Result(Json().Texts("damaged", damaged), text);
  return absl::OkStatus();
}

absl::Status ShowLog(Context& context, DevNetwork& network, const Arguments& arguments) {
  ASSIGN_OR_RETURN(std::string path, network.LogPath(arguments.process));
  constexpr auto kPoll = std::chrono::milliseconds(200);
  std::ifstream in(path);
  std::string line;
  for (;;) {
    while (std::getline(in, line)) std::cout << line << "\n";
    std::cout.flush();
    if (!arguments.follow || context.stop().stopped()) return absl::OkStatus();
    in.clear();
    std::this_thread::sleep_for(kPoll);
  }
}

using Run = absl::Status (*)(Context&, DevNetwork&, const Arguments&);

}  // namespace

void AddDevCommands(CLI::App& root, Context& context) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* dev = root.add_subcommand("dev", "a whole network of the real daemons on loopback");
  dev->require_subcommand(1);
  dev->add_option("--name", arguments->options.name, "which dev network")->capture_default_str();

  auto add = [&](const char* name, const char* doc, Run run) {
    CLI::App* command = dev->add_subcommand(name, doc);
    command->callback([&context, arguments, run] {
      context.action = [&context, arguments, run]() -> absl::Status {
        ASSIGN_OR_RETURN(auto network, DevNetwork::Open(context.paths(), arguments->options.name));
        return run(context, *network, *arguments);
      };
    });
    return command;
  };
  auto provider = [&](CLI::App* command) {
    command->add_option("provider", arguments->provider, "p1, p2, ...")->required();
    return command;
  };

  CLI::App* up = add("up", "start a network: a ledger, providers, a funded account", Up);
  up->add_option("--providers", arguments->options.providers, "how many")->capture_default_str();
  up->add_option("--oracles", arguments->options.oracles, "how many wallet keys (oracle1, ...) may sign prices")
      ->check(CLI::Range(0, 100));
  up->add_option("--param", arguments->options.params, "NAME=VALUE of a parameter, in smallest units, when the network is made")
      ->take_all()->allow_extra_args(false);
  up->add_option("--size", arguments->options.provider_size, "disk that each provider offers")->capture_default_str();
  add("down", "stop it; the data stays",
      [](Context&, DevNetwork& network, const Arguments&) { return network.Down(); });
  add("reset", "stop it and remove its data",
      [](Context&, DevNetwork& network, const Arguments&) { return network.Reset(); });
  add("status", "what is running",
      [](Context& c, DevNetwork& network, const Arguments&) { return ShowStatus(c, network); });
  add("env", "shell lines that select the network: eval \"$(storectl dev env)\"",
      [](Context& c, DevNetwork& network, const Arguments&) -> absl::Status {
        ASSIGN_OR_RETURN(std::string lines, network.Environment());
        c.Print(lines);
        return absl::OkStatus();
      });
  CLI::App* fund = add("fund", "send crn from the network's faucet", Fund);
  fund->add_option("amount", arguments->amount, "crn")->required();
  fund->add_option("account", arguments->account, "cairn1...; the wallet's key when left out");
  add("advance", "move the clocks of the ledger and of every daemon", Advance)
      ->add_option("duration", arguments->duration, "30s, 5m, 12h, 7d")
      ->required();
  provider(add("fail", "kill a provider and take its disk away",
               [](Context&, DevNetwork& n, const Arguments& a) { return n.Fail(a.provider); }));
  provider(add("heal", "bring a failed provider back",
               [](Context&, DevNetwork& n, const Arguments& a) { return n.Heal(a.provider, a.empty); }))
      ->add_flag("--empty", arguments->empty, "with its keys and an empty store");
  provider(add("corrupt", "flip one bit in a provider's packs",
               [](Context& c, DevNetwork& n, const Arguments& a) -> absl::Status {
                 ASSIGN_OR_RETURN(std::string where, n.Corrupt(a.provider, a.part));
                 c.Say(absl::StrCat("flipped a bit of ", where));
                 return absl::OkStatus();
               }))
      ->add_option("--part", arguments->part, "of the blob with this content id");
  provider(add("slow", "hold back every read of a provider",
               [](Context&, DevNetwork& n, const Arguments& a) -> absl::Status {
                 ASSIGN_OR_RETURN(absl::Duration by, ParseDuration(a.duration));
                 return n.Misbehave(a.provider, by > absl::ZeroDuration() ? "slow" : "none",
                                    static_cast<uint64_t>(absl::ToInt64Milliseconds(by)));
               }))
      ->add_option("duration", arguments->duration, "200ms, 2s; 0s ends it")
      ->required();
  CLI::App* misbehave = provider(add("misbehave", "make a provider lie, keep silent or refuse",
               [](Context&, DevNetwork& n, const Arguments& a) {
                 return n.Misbehave(a.provider, a.fault, a.parameter);
               }));
  misbehave->add_option("fault", arguments->fault,
                        "wrong_bytes, wrong_receipt, silent_after_approval, refuse_seal, forged_reads, none")
      ->required();
  misbehave->add_option("--parameter", arguments->parameter, "of the fault, as rpc.v1.SetFaultRequest says");
  provider(add("scrub", "check everything a provider keeps", Scrub));
  CLI::App* logs = add("logs", "the log of a daemon", ShowLog);
  logs->add_option("process", arguments->process, "chaind, p1, p2, ...")->capture_default_str();
  logs->add_flag("-f,--follow", arguments->follow, "go on");
}

}  // namespace cairn::storectl
