#include "apps/storectl/history.h"

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "apps/storectl/output.h"
#include "cairn/base/status.h"
#include "cairn/chain/client.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"

namespace cairn::storectl {
namespace {

namespace pb = chain::pb;

// What an event does to the money of the account that it names in `role`.
struct Effect {
  const char* event;
  const char* role;
  const char* what;
  std::vector<const char*> amounts;  // added up
  const char* with;                  // attribute of the other side; empty: the ledger itself
};

const std::vector<Effect>& Effects() {
  static const auto& effects = *new std::vector<Effect>{
      {"account.transferred", "from", "sent", {"amount"}, "to"},
      {"account.transferred", "to", "received", {"amount"}, "from"},
      {"object.created", "payer", "locked", {"lock"}, "primary"},
      {"object.created", "owner", "locked", {"bond"}, "primary"},
      {"object.deleted", "payer", "released", {"lock"}, ""},
      {"object.deleted", "owner", "released", {"bond"}, ""},
      {"object.cancelled", "payer", "released", {"lock"}, "primary"},
      {"object.cancelled", "owner", "released", {"bond"}, "primary"},
      {"object.expired", "payer", "released", {"lock"}, "primary"},
      {"object.expired", "owner", "released", {"bond"}, "primary"},
      {"object.rejected", "payer", "released", {"lock"}, "primary"},
      {"object.rejected", "owner", "released", {"bond"}, "primary"},
      {"object.lock_released", "payer", "released", {"amount"}, ""},
      {"object.ingress_paid", "payer", "sent", {"amount"}, "receiver"},
      {"object.ingress_paid", "receiver", "received", {"amount"}, "payer"},
      {"object.term_paid", "payer", "sent", {"amount"}, "receiver"},
      {"object.term_paid", "receiver", "received", {"amount"}, "payer"},
      {"object.refunded", "payer", "received", {"rebate"}, ""},
      {"stream.flowed", "account", "streamed out", {"paid"}, ""},
      {"stream.flowed", "account", "streamed in", {"received"}, ""},
      {"stream.forfeited", "payer", "sent", {"amount"}, "receiver"},
      {"stream.forfeited", "receiver", "received", {"amount"}, "payer"},
      {"payment_account.deposited", "from", "sent", {"amount"}, "account"},
      {"payment_account.deposited", "account", "received", {"amount"}, "from"},
      {"payment_account.withdrawal_announced", "account", "locked", {"amount"}, "owner"},
      {"payment_account.withdrawal_cancelled", "account", "released", {"amount"}, "owner"},
      {"payment_account.withdrawn", "account", "sent", {"amount"}, "owner"},
      {"payment_account.withdrawn", "owner", "received", {"amount"}, "account"},
      {"object.effort_paid", "payer", "sent", {"amount"}, "primary"},
      {"object.effort_paid", "primary", "received", {"amount"}, "payer"},
      {"bucket.created", "owner", "locked", {"bond"}, ""},
      {"bucket.deleted", "owner", "released", {"bond"}, ""},
      {"provider.fined", "owner", "fine received", {"amount"}, "provider"},
      {"provider.fined", "provider", "fine paid", {"amount"}, "owner"},
      {"provider.registered", "provider", "locked", {"deposit"}, ""},
      {"provider.deposit_added", "provider", "locked", {"amount"}, ""},
      {"provider.exited", "provider", "released", {"deposit"}, ""},
  };
  return effects;
}

struct Entry {
  uint64_t height = 0;
  absl::Time time;
  std::string type;  // of the event; "fee" for a fee
  std::string what;  // empty: no money moved
  base::Amount amount;
  bool usdc = false;
  std::string with;  // account text
  std::string about;
  std::string attributes = "{}";
};

std::string AccountText(const std::string& hex) {
  const auto bytes = base::FromHex(hex);
  const auto id = base::AccountId::From(bytes.ok() ? *bytes : base::Bytes{});
  return id.ok() ? base::ToText(*id) : hex;
}

class Reader {
 public:
  explicit Reader(const base::AccountId& account) : account_(account), hex_(account.ToHexString()) {}

  void Block(const pb::Block& block) {
    pb::BlockHeader header;
    if (!header.ParseFromString(block.header())) return;
    height_ = header.height();
    time_ = absl::FromUnixMillis(static_cast<int64_t>(header.time_ms()));
    for (int i = 0; i < block.transactions_size() && i < block.receipts_size(); ++i)
      Fee(block.transactions(i), block.receipts(i));
    for (const pb::Event& event : block.events()) Event(event);
  }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  Entry& Add(const std::string& type) {
    Entry& entry = entries_.emplace_back();
    entry.height = height_;
    entry.time = time_;
    entry.type = type;
    return entry;
  }

  void Fee(const pb::SignedTransaction& transaction, const pb::TransactionReceipt& receipt) {
    const auto body = chain::DecodeBody(transaction);
    if (!body.ok()) return;
    const auto signer = base::PublicKey::Decode(base::AsBytes(body->signer()));
    const bool ours = signer.ok() && signer->Account() == account_ && !body->has_sponsor();
    if (!ours || chain::FromProto(receipt.fee()).zero()) return;
    std::map<std::string, int> kinds;
    for (const pb::Operation& operation : body->operations()) {
      const auto* field = pb::Operation::descriptor()->FindFieldByNumber(operation.kind_case());
      if (field != nullptr) ++kinds[field->name()];
    }
    Entry& entry = Add("fee");
    entry.what = "fee";
    entry.amount = chain::FromProto(receipt.fee());
    entry.about = absl::StrJoin(kinds, ", ", [](std::string* out, const auto& kind) {
      absl::StrAppend(out, kind.first, kind.second > 1 ? absl::StrCat(" x", kind.second) : "");
    });
    if (receipt.verdict() != 0) absl::StrAppend(&entry.about, " (refused)");
  }

  void Event(const pb::Event& event) {
    std::map<std::string, std::string> attributes;
    for (const pb::Attribute& attribute : event.attributes()) attributes[attribute.key()] = attribute.value();
    const bool named = std::any_of(attributes.begin(), attributes.end(),
                                   [&](const auto& attribute) { return attribute.second == hex_; });
    if (!named) return;
    bool moved = false;
    for (const Effect& effect : Effects()) {
      const auto role = attributes.find(effect.role);
      if (event.type() != effect.event || role == attributes.end() || role->second != hex_) continue;
      Fill(Add(event.type()), event, attributes, &effect);
      if (entries_.back().amount.zero()) {
        entries_.pop_back();
      } else {
        moved = true;
      }
    }
    if (!moved) Fill(Add(event.type()), event, attributes, nullptr);
  }

  static void Fill(Entry& entry, const pb::Event& event, const std::map<std::string, std::string>& attributes,
                   const Effect* effect) {
    Json json;
    for (const pb::Attribute& attribute : event.attributes()) json.Text(attribute.key(), attribute.value());
    entry.attributes = json.Done();
    const auto find = [&](const char* key) {
      const auto found = attributes.find(key);
      return found == attributes.end() ? std::string() : found->second;
    };
    // A warning says what comes, and when; a step says what it is.
    if (event.type() == "payer.warned") {
      uint64_t at_ms = 0;
      const bool known = absl::SimpleAtoi(find("at_ms"), &at_ms);
      entry.about = absl::StrCat(find("next"), known ? " on " : "",
                                 known ? HumanTime(absl::FromUnixMillis(static_cast<int64_t>(at_ms))) : "",
                                 " unless money comes in");
    }
    for (const char* key : {"name", "object", "bucket", "group"}) {
      if (!entry.about.empty() || find(key).empty()) continue;
      entry.about = absl::StrCat(key, " ", find(key));
    }
    if (effect == nullptr) return;
    entry.what = effect->what;
    entry.usdc = find("asset") == "usdc";
    for (const char* key : effect->amounts) {
      const auto amount = base::Amount::FromString(find(key));
      const auto sum = amount.ok() ? entry.amount.Plus(*amount) : std::nullopt;
      if (sum) entry.amount = *sum;
    }
    entry.with = AccountText(find(effect->with));
  }

  const base::AccountId account_;
  const std::string hex_;
  uint64_t height_ = 0;
  absl::Time time_;
  std::vector<Entry> entries_;
};

std::string Money(const Entry& entry) {
  if (entry.what.empty()) return "";
  return entry.usdc ? entry.amount.ToDecimal(base::kUsdcDecimals) + " usdc" : Crn(entry.amount);
}

void Show(Context& context, const std::vector<Entry>& entries) {
  Table table({"HEIGHT", "TIME", "WHAT", "AMOUNT", "WITH", "FOR"}, {true, false, false, true, false, false});
  std::vector<std::string> items;
  for (const Entry& entry : entries) {
    Json json;
    json.Number("height", entry.height).Time("time", entry.time).Text("type", entry.type);
    if (!entry.what.empty()) {
      json.Text("what", entry.what);
      Json amount;
      amount.Text("amount", entry.amount.ToDecimal(entry.usdc ? base::kUsdcDecimals : base::kCrnDecimals))
          .Text("asset", entry.usdc ? "usdc" : "crn");
      json.Raw("amount", amount.Done()).Text("with", entry.with);
    }
    items.push_back(json.Text("for", entry.about).Raw("attributes", entry.attributes).Done());
    table.Row({absl::StrCat(entry.height), HumanTime(entry.time), entry.what.empty() ? entry.type : entry.what,
               Money(entry), entry.with, entry.type == "fee" ? entry.about : absl::StrCat(entry.type, " ", entry.about)});
  }
  context.Items("events", items, table);
}

}  // namespace

absl::Status ShowHistory(Context& context, const base::AccountId& account, uint64_t blocks) {
  ASSIGN_OR_RETURN(chain::Client * chain, context.chain());
  pb::QueryRequest ask;
  ask.set_status(true);
  ASSIGN_OR_RETURN(pb::QueryResponse status, chain->Query(ask));
  const uint64_t top = status.status().height();
  uint64_t from = std::max<uint64_t>(status.status().earliest_height(), 1);
  if (blocks != 0 && top > blocks) from = std::max(from, top - blocks + 1);
  Reader reader(account);
  for (uint64_t height = from; height <= top; ++height) {
    RETURN_IF_ERROR(context.stop().Check());
    pb::QueryRequest request;
    request.set_block(height);
    auto answer = chain->Query(request);
    if (absl::IsNotFound(answer.status()) || absl::IsOutOfRange(answer.status())) continue;  // pruned meanwhile
    RETURN_IF_ERROR(answer.status());
    reader.Block(answer->block());
  }
  Show(context, reader.entries());
  return absl::OkStatus();
}

}  // namespace cairn::storectl
