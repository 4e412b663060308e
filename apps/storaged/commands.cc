#include "apps/storaged/commands.h"

#include <cmath>
#include <cstdlib>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "apps/common/errors.h"
#include "apps/common/listen.h"
#include "apps/storaged/known_ledger.h"
#include "apps/rpc/provider_service.h"
#include "apps/storaged/identity.h"
#include "apps/storaged/node.h"
#include "apps/storaged/registration.h"
#include "apps/storaged/statement.h"
#include "apps/storaged/submitter.h"
#include "cairn/base/disk.h"
#include "cairn/chain/convert.h"
#include "cairn/rpc/v1/provider.pb.h"

namespace cairn::storaged {
namespace {

constexpr uint32_t kOperatorLane = 0;  // the daemon uses others

// Rows for people, or one object with -o json.
void Print(const app::CommandLine& line,
           const std::vector<std::pair<std::string, std::string>>& rows) {
  std::string out;
  for (const auto& [name, value] : rows) {
    if (line.json()) {
      absl::StrAppend(&out, out.empty() ? "{" : ",", app::JsonQuote(name), ":",
                      app::JsonQuote(value));
    } else {
      absl::StrAppend(&out, name, std::string(12 - name.size(), ' '), value, "\n");
    }
  }
  std::cout << out << (line.json() ? "}\n" : "");
}

absl::Status Init(const app::CommandLine& line) {
  ASSIGN_OR_RETURN(Settings settings, ReadSettings(line.config()));
  InitOptions options;
  options.plain_keys = line.Has("--plain-keys");
  options.work_factor = std::atoi(line.Get("--work-factor", "0").c_str());
  base::SystemEntropy entropy;
  RETURN_IF_ERROR(InitNode(settings, options, entropy));
  ASSIGN_OR_RETURN(NodeKeys keys, LoadKeys(settings));
  ASSIGN_OR_RETURN(rpc::NodeCertificate certificate, LoadCertificate(settings));
  ASSIGN_OR_RETURN(auto store, OpenStore(settings, entropy, base::NullObserver()));
  Print(line, {{"account", base::ToText(keys.account.account())},
               {"node_key", base::ToHex(keys.node.public_key().Encode())},
               {"tls_pin", certificate.pin.ToHexString()},
               {"store_id", store->store_id().ToHexString()}});
  return absl::OkStatus();
}

// From the store, or from the running daemon that has it open.
absl::StatusOr<base::StoreId> FindStoreId(const Settings& settings) {
  base::SystemEntropy entropy;
  auto store = OpenStore(settings, entropy, base::NullObserver());
  if (store.ok()) return (*store)->store_id();
  if (base::ReasonOf(store.status()) != "STORE_LOCKED") return store.status();
  ASSIGN_OR_RETURN(auto admin, rpc::ProviderAdminClient::Connect(settings.admin_listen));
  ASSIGN_OR_RETURN(rpc::v1::GetStatusResponse status, admin->GetStatus(absl::Seconds(5)));
  return base::StoreId::From(base::AsBytes(status.info().store_id()));
}

absl::Status Register(const app::CommandLine& line) {
  ASSIGN_OR_RETURN(Settings settings, ReadSettings(line.config()));
  ASSIGN_OR_RETURN(NodeKeys keys, LoadKeys(settings));
  ASSIGN_OR_RETURN(rpc::NodeCertificate certificate, LoadCertificate(settings));
  ASSIGN_OR_RETURN(base::StoreId store, FindStoreId(settings));
  ASSIGN_OR_RETURN(const KnownLedger ledger, MeetLedger(settings));

  auto record = FindRegistration(*ledger.client, keys.account.account());
  std::optional<pb::Operation> operation;
  if (record.ok()) {
    operation = EditOperation(settings, certificate.pin, *record);
  } else if (absl::IsNotFound(record.status())) {
    operation = RegisterOperation(settings, ledger.chain, keys, certificate.pin, store);
  } else {
    return record.status();
  }
  uint64_t height = 0;
  if (operation.has_value()) {
    Identity identity{ledger.chain, keys.account.Clone(), keys.node.Clone()};
    base::RealClock clock;
    Submitter submitter(*ledger.client, identity, clock, kOperatorLane);
    submitter.Start();
    ASSIGN_OR_RETURN(height, submitter.Run(*std::move(operation)));
  }
  Print(line, {{"account", base::ToText(keys.account.account())},
               {"endpoint", settings.advertise},
               {"result", !record.ok() ? "registered"
                          : height > 0 ? "edited"
                                       : "unchanged"},
               {"height", absl::StrCat(height)}});
  return absl::OkStatus();
}

absl::Status Doctor(const app::CommandLine& line) {
  ASSIGN_OR_RETURN(Settings settings, ReadSettings(line.config()));
  int wrong = 0;
  for (const Finding& finding : Examine(settings)) {
    std::cout << (finding.status.ok() ? "ok    " : "FAIL  ") << finding.check << ": "
              << (finding.status.ok() ? finding.detail : std::string(finding.status.message()));
    if (!finding.status.ok()) {
      ++wrong;
      base::ErrorDetail detail = base::DetailOf(finding.status);
      std::cout << " [" << detail.reason << "]";
      if (!detail.hint.empty()) std::cout << "; try: " << detail.hint;
    }
    std::cout << "\n";
  }
  if (wrong == 0) return absl::OkStatus();
  return base::Error(absl::StatusCode::kFailedPrecondition, "DOCTOR_FOUND_PROBLEMS",
                     absl::StrCat(wrong, wrong == 1 ? " check failed" : " checks failed"),
                     "mend them from top to bottom");
}

absl::Status CheckDisk(const Settings& settings, std::string& detail) {
  std::unique_ptr<base::Disk> disk = base::OpenPosixDisk(settings.data_dir);
  ASSIGN_OR_RETURN(auto file, disk->Open(".doctor", base::OpenMode::kCreate));
  RETURN_IF_ERROR(file->WriteAt(0, base::AsBytes("ok")));
  RETURN_IF_ERROR(file->Sync());
  RETURN_IF_ERROR(disk->Remove(".doctor"));
  ASSIGN_OR_RETURN(base::DiskSpace space, disk->Space());
  detail = absl::StrCat(space.free_bytes / 1'000'000, " MB free");
  if (space.free_bytes > settings.reserve_bytes) return absl::OkStatus();
  return base::Error(absl::StatusCode::kResourceExhausted, "DISK_FULL",
                     absl::StrCat("only ", space.free_bytes, " bytes are free"), "free some space");
}

absl::Status CheckPort(const Settings& settings, std::string& detail) {
  auto admin = rpc::ProviderAdminClient::Connect(settings.admin_listen);
  if (admin.ok() && (*admin)->GetStatus(absl::Seconds(2)).ok()) {
    detail = "the daemon is running";
    return absl::OkStatus();
  }
  detail = absl::StrCat(settings.listen, " is free");
  for (const std::string& address :
       {settings.listen, settings.admin_listen, settings.http_listen}) {
    if (!address.empty()) RETURN_IF_ERROR(app::CanListen(address));
  }
  return absl::OkStatus();
}

absl::Status CheckClock(uint64_t ledger_ms, std::string& detail) {
  int64_t apart_ms = absl::ToUnixMillis(absl::Now()) - static_cast<int64_t>(ledger_ms);
  detail = absl::StrCat("last block ", apart_ms / 1000, " s ago");
  if (apart_ms > -10'000) return absl::OkStatus();
  return base::Error(absl::StatusCode::kFailedPrecondition, "CLOCK_BEHIND",
                     absl::StrCat("this clock is ", -apart_ms / 1000, " s behind the ledger"),
                     "synchronise the clock");
}

absl::Status CheckRegistration(const Settings& settings, chain::Client& client,
                               const NodeKeys& keys, std::string& detail) {
  ASSIGN_OR_RETURN(pb::Provider record, FindRegistration(client, keys.account.account()));
  ASSIGN_OR_RETURN(rpc::NodeCertificate certificate, LoadCertificate(settings));
  if (record.node_key() != base::ToString(keys.node.public_key().Encode())) {
    return base::Error(absl::StatusCode::kFailedPrecondition, "NODE_KEY_DIFFERS",
                       "the ledger names another node key for this account",
                       "restore the node key that was registered");
  }
  detail = absl::StrCat("as ", base::ToText(keys.account.account()), " at ", record.endpoint());
  if (!EditOperation(settings, certificate.pin, record).has_value()) return absl::OkStatus();
  return base::Error(
      absl::StatusCode::kFailedPrecondition, "REGISTRATION_DIFFERS",
      absl::StrCat(
          "the ledger says ", record.endpoint(),
          "; endpoint, certificate, capacity, prices or place differ from the configuration"),
      "run `storaged register` to bring the ledger up to date");
}

absl::Status CheckStore(const Settings& settings, const absl::StatusOr<pb::Provider>& record,
                        std::string& detail) {
  ASSIGN_OR_RETURN(base::StoreId store, FindStoreId(settings));
  detail = store.ToHexString();
  if (!record.ok() || record->store_id() == chain::ToField(store)) return absl::OkStatus();
  return base::Error(
      absl::StatusCode::kFailedPrecondition, "STORE_LOST",
      "the store is not the one that the ledger knows: what it held is gone",
      "start the daemon: it reports the loss and brings everything back from the other holders");
}

}  // namespace

std::vector<Finding> Examine(const Settings& settings) {
  std::vector<Finding> findings;
  auto add = [&](const std::string& check, const absl::Status& status,
                 const std::string& detail = "") {
    findings.push_back({check, status, detail});
    return status.ok();
  };
  add("configuration", absl::OkStatus(), "valid");
  auto keys = LoadKeys(settings);
  add("keys", keys.status(), keys.ok() ? base::ToText(keys->account.account()) : "");
  std::string detail;
  absl::Status disk = CheckDisk(settings, detail);
  add("disk", disk, detail);
  absl::Status port = CheckPort(settings, detail);
  add("port", port, detail);

  rpc::ChainClientOptions options;
  options.query_timeout = absl::Seconds(3);
  options.retry_for = absl::ZeroDuration();
  auto ledger = MeetLedger(settings, options);
  pb::QueryRequest request;
  request.set_status(true);
  auto answer = ledger.ok() ? ledger->client->Query(request)
                            : absl::StatusOr<pb::QueryResponse>(ledger.status());
  if (!answer.ok() && !absl::IsUnavailable(answer.status()) && !absl::IsDeadlineExceeded(answer.status())) {
    add("ledger", answer.status());
    add("store", CheckStore(settings, answer.status(), detail), detail);
    return findings;
  }
  if (!answer.ok()) {
    absl::Status why = base::Error(
        absl::StatusCode::kUnavailable, "CHAIN_UNREACHABLE",
        absl::StrCat("no ledger at ", settings.chain_endpoint, ": ", answer.status().message()),
        "start chaind, or set chain.endpoint and chain.pin");
    add("ledger", why);
    add("store", CheckStore(settings, why, detail), detail);
    return findings;
  }
  add("ledger", absl::OkStatus(),
      absl::StrCat(answer->status().network(), " at height ", answer->status().height()));
  absl::Status clock = CheckClock(answer->status().time_ms(), detail);
  add("clock", clock, detail);
  if (!keys.ok()) return findings;
  detail.clear();
  absl::Status registered = CheckRegistration(settings, *ledger->client, *keys, detail);
  add("registration", registered, detail);
  absl::Status store =
      CheckStore(settings, FindRegistration(*ledger->client, keys->account.account()), detail);
  add("store", store, detail);
  return findings;
}

std::vector<app::Command> Commands() {
  return {
      {"init",
       "Make keys, certificate, index and store where they are missing; print the ids",
       {{"--plain-keys", "Key files without a passphrase (mode 0600)", false, false, true},
        {"--work-factor", "log2 of the cost of opening a key file"}},
       Init},
      {"register",
       "Put this provider on the ledger, or bring its record up to date with the configuration",
       {},
       Register},
      {"doctor",
       "Check configuration, keys, disk, ports, clock, ledger, registration and store",
       {},
       Doctor},
      {"statement",
       "Every voucher of a channel or a pool's lane, as this provider has them; without --channel "
       "the newest claim of each",
       {{"--channel", "32 hex digits"},
        {"--with", "File with the payer's statement, CSV or JSON: compare down to the first voucher "
                   "that differs"}},
       ShowStatement},
  };
}

}  // namespace cairn::storaged
