// Sends transactions so that parallel clients of one account do not wait for each other.
//
// A transaction's number counts within a lane. Each process claims lanes of its own (a lock file
// for each, where a folder is given; free lanes are found by what the ledger knows otherwise),
// opens another while the first is busy, and starts over with the ledger's number when another
// machine was quicker. The same bytes are sent again after a lost answer until they expire, so
// nothing is done twice. Thread-safe; calls block.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cairn/base/clock.h"
#include "cairn/base/entropy.h"
#include "cairn/base/key.h"

namespace cairn::chain {
class Client;
namespace v1 {
class Operation;
class SignedTransaction;
class TransactionReceipt;
}  // namespace v1
}  // namespace cairn::chain

namespace cairn::client {

struct SenderOptions {
  base::ChainId chain_id;
  std::string lane_folder;  // lock files; empty: none
  uint32_t max_lanes = 4;   // of this process
  absl::Duration valid_for = absl::Minutes(10);
  uint32_t attempts = 6;  // after lost answers and number conflicts
};

class Sender {
 public:
  // `key`, `chain`, `clock` and `entropy` outlive the sender.
  Sender(chain::Client& chain, const base::SigningKey& key, base::Clock& clock,
         base::Entropy& entropy, const SenderOptions& options);
  ~Sender();

  // Signs, sends and waits until the transaction is in a durable block. A verdict other than kOk
  // comes back as the status of chain::ToStatus with the receipt's detail.
  absl::StatusOr<chain::v1::TransactionReceipt> Send(std::vector<chain::v1::Operation> operations);

  // In two steps, for who must remember the signed bytes before they leave. A prepared transaction
  // holds its lane until it is sent or dropped.
  class Prepared;
  absl::StatusOr<std::unique_ptr<Prepared>> Prepare(std::vector<chain::v1::Operation> operations);
  absl::StatusOr<chain::v1::TransactionReceipt> Send(std::unique_ptr<Prepared> prepared);
  // Bytes that an earlier process signed: the first outcome, or that of sending them now.
  // OutOfRange (reason EXPIRED) when they can no longer be sent and never were in a block.
  absl::StatusOr<chain::v1::TransactionReceipt> Resend(
      const chain::v1::SignedTransaction& transaction);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

class Sender::Prepared {
 public:
  ~Prepared();
  const chain::v1::SignedTransaction& transaction() const;

 private:
  friend class Sender;
  friend struct Sender::State;
  Prepared();
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace cairn::client
