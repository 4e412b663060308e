#include "apps/storectl/raw_transactions.h"

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "apps/common/key_file.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "cairn/chain/verdict.h"

namespace cairn::storectl {
namespace {

namespace pb = chain::pb;

// The largest body and what is signed around it.
constexpr size_t kMaxFileBytes = chain::kMaxTransactionBytes + 4096;

struct Arguments {
  std::string hash;
  std::string file;
};

std::string Hex(const std::string& bytes) { return base::ToHex(base::AsBytes(bytes)); }

absl::StatusOr<pb::SignedTransaction> FromItsBlock(chain::Client& chain,
                                                   const pb::TransactionReceipt& receipt) {
  pb::QueryRequest request;
  request.set_block(receipt.height());
  ASSIGN_OR_RETURN(pb::QueryResponse answer, chain.Query(request));
  const int index = static_cast<int>(receipt.index());
  if (index >= 0 && index < answer.block().transactions_size()) {
    const pb::SignedTransaction& found = answer.block().transactions(index);
    if (chain::ToField(chain::TransactionHash(found)) == receipt.transaction()) return found;
  }
  return base::Error(absl::StatusCode::kDataLoss, "BAD_RECORD",
                     "the block does not hold the transaction that its receipt names", "",
                     {{"height", absl::StrCat(receipt.height())}});
}

absl::Status Save(Context& context, const Arguments& arguments) {
  ASSIGN_OR_RETURN(pb::TransactionReceipt receipt, FindReceipt(context, arguments.hash));
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  ASSIGN_OR_RETURN(pb::SignedTransaction transaction, FromItsBlock(*chain, receipt));
  RETURN_IF_ERROR(app::WriteFileAtomically(arguments.file, transaction.SerializeAsString(), 0644));
  context.Say(absl::StrCat("wrote ", arguments.file));
  return absl::OkStatus();
}

absl::Status Submit(Context& context, const Arguments& arguments) {
  ASSIGN_OR_RETURN(std::string bytes, app::ReadSmallFile(arguments.file, kMaxFileBytes));
  pb::SignedTransaction transaction;
  if (bytes.empty() || !transaction.ParseFromString(bytes)) {
    return base::Error(absl::StatusCode::kInvalidArgument, "BAD_TRANSACTION_FILE",
                       absl::StrCat(arguments.file, " is no signed transaction"),
                       "storectl chain tx save writes one", {{"file", arguments.file}});
  }
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  ASSIGN_OR_RETURN(pb::TransactionReceipt receipt,
                   chain->Submit(transaction, chain::WaitFor::kCommitted));
  RETURN_IF_ERROR(chain::ToStatus(receipt));
  Json json;
  json.Text("transaction", Hex(receipt.transaction())).Number("height", receipt.height());
  context.Result(json, absl::StrCat("transaction  ", Hex(receipt.transaction()),
                                    "\nblock        ", receipt.height(), "\n"));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<pb::TransactionReceipt> FindReceipt(Context& context, const std::string& hash) {
  ASSIGN_OR_RETURN(base::Bytes bytes, base::FromHex(hash));
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  pb::QueryRequest request;
  request.set_transaction(base::ToString(bytes));
  auto answer = chain->Query(request);
  if (absl::IsNotFound(answer.status())) {
    return base::Error(absl::StatusCode::kNotFound, "NO_SUCH_TRANSACTION",
                       absl::StrCat("no transaction ", hash.substr(0, 64)),
                       "it was never in a block, or its block was pruned");
  }
  RETURN_IF_ERROR(answer.status());
  return std::move(*answer->mutable_transaction());
}

void AddRawTransactionCommands(CLI::App& tx, Context& context) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* save = tx.add_subcommand("save", "write a signed transaction out of its block");
  save->add_option("hash", arguments->hash, "64 hex digits")->required();
  save->add_option("file", arguments->file, "what to write")->required();
  save->callback([&context, arguments] {
    context.action = [&context, arguments] { return Save(context, *arguments); };
  });
  CLI::App* submit = tx.add_subcommand(
      "submit", "hand a signed transaction in as it is; the same one again has its first outcome");
  submit->add_option("file", arguments->file, "a signed transaction")->required();
  submit->callback([&context, arguments] {
    context.action = [&context, arguments] { return Submit(context, *arguments); };
  });
}

}  // namespace cairn::storectl
