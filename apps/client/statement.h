// Statements: what was promised over a channel or a lane of a pool, voucher by voucher, as one of its sides has it.
//
// A line is the last claim under a voucher, the oldest first; the last line is the newest claim. Payer and payee write
// them in the same two forms (FORMATS.md), so each can hold its own against the other's, asked for or from a file.
// Pure functions, but for what `ask` does. Rules: CD-09, CD-40, JS-15.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cairn/payment/channel_facts.h"
#include "cairn/payment/claim_store.h"

namespace cairn::rpc::v1 {
class ChannelStatementResponse;
}  // namespace cairn::rpc::v1

namespace cairn::client {

using Statement = std::vector<base::Claim>;

// What a store keeps, and the newest claim.
inline constexpr size_t kMaxStatementLines = payment::kMaxStatement + 1;
inline constexpr size_t kMaxStatementText = 64 << 20;  // of a file, in bytes

// number,epoch,rate,opened_at_bytes,ticks,bytes,amount,claim
std::string StatementCsv(const Statement& lines);
// {"vouchers":[...]}, and one of its objects.
std::string StatementJson(const Statement& lines);
std::string StatementLineJson(size_t number, const base::Claim& claim);
// Either form, as it was written; spaces and line feeds between the values of JSON do not matter. InvalidArgument
// (BAD_STATEMENT) with the voucher's number: not such a text, too long, or a line that says something else than the claim
// in it.
absl::StatusOr<Statement> ParseStatement(absl::string_view text);

// All lines that `ask` gives, a page at a time from the line of that number on. ResourceExhausted (STATEMENT_TOO_LONG)
// when they do not end within `most`.
using AskLines = std::function<absl::StatusOr<rpc::v1::ChannelStatementResponse>(uint32_t from)>;
absl::StatusOr<Statement> CollectLines(const AskLines& ask, size_t most);

// PermissionDenied (FORGED_CLAIM): not everything in it was signed by the channel's signer for this channel. What the
// deposit covers is not looked at: a pool's cover of a lane falls below what was promised when other payees are faster.
absl::Status CheckStatement(const payment::ChannelFacts& facts, const Statement& lines);

// Index of the first line that differs; nullopt when they are the same.
std::optional<size_t> FirstDifference(const Statement& ours, const Statement& theirs);
// DataLoss (STATEMENTS_DIFFER), with both sides of the first voucher that differs as evidence.
absl::Status CompareStatements(const Statement& ours, const Statement& theirs);

}  // namespace cairn::client
