// A whole network of the real daemons on loopback: one ledger, some providers, a funded account.
//
// Everything lives in one folder (`network.json`, `chain/`, `p1/` ...), so `Reset`
// is removing it. Providers listen on 127.0.N.1, belong to four operators, three regions and four networks in turn, and
// talk TLS as they would elsewhere. Daemons go on when the command ends; `Down` ends them. The state file is
// replaced atomically once what runs has changed; a command killed in the middle of `Up` may leave daemons running that
// the file does not name yet.
//
// One command at a time a folder, a second one waits for the first (NETWORK_BUSY: the lock cannot be had); calls block.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "apps/client/profile.h"
#include "cairn/base/amount.h"
#include "cairn/base/id.h"

namespace cairn::rpc::v1 {
class DevNetwork;
class DevProcess;
class DevProvider;
}  // namespace cairn::rpc::v1

namespace cairn::storectl {

struct DevOptions {
  std::string name = "dev";
  int providers = 8;
  std::string provider_size = "64GiB";  // quota of each store
  int oracles = 0;                      // wallet keys oracle1, oracle2, ... that sign prices
  std::vector<std::string> params;      // NAME=VALUE of genesis
};

class DevNetwork {
 public:
  // The network of that name under the user's folders; nothing is started.
  static absl::StatusOr<std::unique_ptr<DevNetwork>> Open(const client::Paths& paths, const std::string& name);
  ~DevNetwork();

  // Makes what is missing and starts what is not running; nothing to do is success. Saves a profile of the network's
  // name and, where the user has none, a wallet key "main" and settings that select both.
  absl::Status Up(const DevOptions& options);
  // Stops every daemon; the data stays.
  absl::Status Down();
  // Down, and removes everything but the user's wallet.
  absl::Status Reset();

  // NotFound (reason NO_DEV_NETWORK) when it was never started.
  absl::StatusOr<rpc::v1::DevNetwork> Status() const;
  // Shell lines that select the network.
  absl::StatusOr<std::string> Environment() const;

  // Sends `amount` crn from the network's faucet.
  absl::Status Fund(const base::AccountId& to, base::Amount amount);
  // Moves the clocks of the ledger and of every running provider together. Returns the ledger's time.
  absl::StatusOr<absl::Time> Advance(absl::Duration by);

  // NotFound (reason NO_SUCH_PROVIDER) names those there are.
  // SIGKILL, and its folder is moved away, as if the machine burnt down.
  absl::Status Fail(absl::string_view provider);
  // Its folder is moved back and it starts again; with `empty`, with its keys and an empty store.
  absl::Status Heal(absl::string_view provider, bool empty);
  // Flips one bit in its packs: of the blob with this content id, or of one that it holds, drawn at random.
  absl::StatusOr<std::string> Corrupt(absl::string_view provider, absl::string_view content_id);
  // A misbehaviour of rpc.v1.SetFaultRequest; "none" ends it.
  absl::Status Misbehave(absl::string_view provider, absl::string_view fault, uint64_t parameter);
  // A complete scrub: one line for each damaged blob.
  absl::StatusOr<std::vector<std::string>> Scrub(absl::string_view provider);

  absl::StatusOr<std::string> LogPath(absl::string_view process) const;

 private:
  struct State;
  explicit DevNetwork(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cairn::storectl
