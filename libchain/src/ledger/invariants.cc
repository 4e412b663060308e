#include "cairn/chain/invariants.h"

#include <map>
#include <set>

#include "absl/numeric/int128.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/domain/groups.h"
#include "cairn/chain/params.h"
#include "ledger/tally.h"

namespace cairn::chain {
namespace {

// No balance can come near it: an amount above is one that went below zero.
constexpr base::Amount kMaxAmount = base::Amount::Parts(uint64_t{1} << 48, 0);

// ---- what must hold of single records ----

bool InRange(const pb::Amount& amount) { return FromProto(amount) <= kMaxAmount; }

absl::Status CheckAmounts(const std::string& key, const Record& record) {
  bool sane = true;
  if (key[0] == 'A') {
    const auto& account = Parse<pb::Account>(record);
    sane = InRange(account.crn()) && InRange(account.usdc()) && InRange(account.locked_crn());
  } else if (key[0] == 'S') {
    const auto& supply = Parse<pb::Supply>(record);
    sane = InRange(supply.minted()) && InRange(supply.burnt()) && InRange(supply.free()) && InRange(supply.locked()) &&
           InRange(supply.treasury()) && InRange(supply.streams()) && InRange(supply.channels());
  } else if (key[0] == 'P') {
    sane = InRange(Parse<pb::Provider>(record).deposit());
  } else if (key[0] == 'J') {
    const auto& object = Parse<pb::Object>(record);
    sane = InRange(object.lock()) && InRange(object.bond());
  } else if (key[0] == 'T') {
    const auto& stream = Parse<pb::StreamAccount>(record);
    sane = InRange(stream.buffer()) && InRange(stream.in_rate()) && InRange(stream.out_rate()) &&
           InRange(stream.frozen_rate());
  } else if (key[0] == 'W') {
    sane = InRange(Parse<pb::Flow>(record).rate());
  }
  return sane ? absl::OkStatus() : Broken("an amount below zero or above the supply", key);
}

// A group has its policy's holders, all distinct.
absl::Status CheckHolders(const std::string& key, const pb::Group& group) {
  std::set<std::string> distinct;
  for (const pb::GroupPosition& position : group.positions()) distinct.insert(position.provider());
  const bool sane = distinct.size() == Width(group.policy()) &&
                    group.positions_size() == static_cast<int>(Width(group.policy()));
  return sane ? absl::OkStatus() : Broken("distinct holders of a group", key);
}

// A sealed object has positions of its own group, as many as its policy asks for, each once.
absl::Status CheckSealed(const std::string& key, const pb::Object& object, const ReadView& view) {
  // An empty object is kept by nobody.
  if (object.state() != pb::OBJECT_STATE_SEALED || object.stored_size() == 0) return absl::OkStatus();
  const auto group = view.Find(keys::Group(object.group()));
  if (!group) return Broken("the group of an object", key);
  const bool small = group->policy().kind() == pb::LAYOUT_KIND_SHARDS && object.layout() == pb::LAYOUT_KIND_COPIES;
  const uint32_t expected = small ? group->policy().parity() + 1 : Width(group->policy());
  const std::set<uint32_t> distinct(object.positions().begin(), object.positions().end());
  const bool sane = distinct.size() == expected && object.positions_size() == static_cast<int>(expected) &&
                    *distinct.rbegin() < static_cast<uint32_t>(group->positions_size());
  return sane ? absl::OkStatus() : Broken("holders of a sealed object", key);
}

// A channel never pays out more than its deposit, and a settled one gave back exactly what it held.
absl::Status CheckChannel(const std::string& key, const pb::Channel& channel) {
  const base::Amount deposit = FromProto(channel.deposit());
  const base::Amount reserve = FromProto(channel.reserve());
  bool sane = FromProto(channel.withdrawn()) <= FromProto(channel.claimed()) && FromProto(channel.claimed()) <= deposit;
  if (channel.state() == pb::CHANNEL_STATE_SETTLED) {
    const base::Amount penalty = FromProto(channel.penalty());
    const auto given = FromProto(channel.paid()).Plus(penalty);
    const auto all = given ? given->Plus(FromProto(channel.returned())) : std::nullopt;
    sane = sane && all && all == deposit.Plus(reserve) && FromProto(channel.paid()) <= deposit && penalty <= reserve &&
           FromProto(channel.bounty()).units() <= penalty.units() / 2;
  }
  return sane ? absl::OkStatus() : Broken("a channel never pays out more than its deposit", key);
}

absl::Status CheckPool(const std::string& key, const pb::Pool& pool) {
  const auto given = FromProto(pool.paid()).Plus(FromProto(pool.returned()));
  const bool sane = given && *given <= FromProto(pool.deposit());
  return sane ? absl::OkStatus() : Broken("a pool never pays out more than its deposit", key);
}

absl::Status CheckRecord(const std::string& key, const Record& record, const ReadView& view,
                         pb::NetworkClass network_class) {
  RETURN_IF_ERROR(CheckAmounts(key, record));
  if (key[0] == 'G') return CheckHolders(key, Parse<pb::Group>(record));
  if (key[0] == 'h') return CheckChannel(key, Parse<pb::Channel>(record));
  if (key[0] == 'k') return CheckPool(key, Parse<pb::Pool>(record));
  if (key[0] == 'J') return CheckSealed(key, Parse<pb::Object>(record), view);
  if (key[0] == 'p' && !CheckParams(Parse<pb::Params>(record), network_class).ok()) {
    return Broken("parameters within their bounds", "");
  }
  return absl::OkStatus();
}

// ---- what must hold of a change ----

// A deposit falls by a fine, which the record keeps, or all at once when the provider leaves.
absl::Status CheckDeposit(const std::string& key, const pb::Provider& before, const pb::Provider& after) {
  const base::Amount old_deposit = FromProto(before.deposit());
  const base::Amount new_deposit = FromProto(after.deposit());
  if (new_deposit >= old_deposit || after.state() == pb::PROVIDER_STATE_EXITED) return absl::OkStatus();
  // One transaction may add to a deposit and fine it, or leave and register anew with a smaller one.
  const auto fined = FromProto(after.fined()).Minus(FromProto(before.fined()));
  if (fined && *fined >= old_deposit.MinusOrZero(new_deposit)) return absl::OkStatus();
  const bool anew = after.store_generation() > before.store_generation() && before.groups() == 0 && after.groups() == 0;
  if (anew) return absl::OkStatus();
  return Broken("a deposit that fell without a recorded reason", key);
}

// What was put in or paid out is never taken back, and what was pinned at the open stays.
absl::Status CheckChannelStep(const std::string& key, const pb::Channel& before, const pb::Channel& after) {
  const bool sane = FromProto(before.deposit()) <= FromProto(after.deposit()) &&
                    FromProto(before.reserve()) <= FromProto(after.reserve()) &&
                    FromProto(before.withdrawn()) <= FromProto(after.withdrawn()) &&
                    before.payer() == after.payer() && before.payee() == after.payee() &&
                    before.signer() == after.signer() && before.asset() == after.asset() &&
                    before.expires_ms() == after.expires_ms() && before.state() <= after.state();
  return sane ? absl::OkStatus() : Broken("a channel's terms and money only move forward", key);
}

absl::Status CheckStep(const std::string& key, const RecordPtr& before, const RecordPtr& after) {
  if (key[0] == 'L' && before && after &&
      Parse<pb::Lane>(*after).last_number() < Parse<pb::Lane>(*before).last_number()) {
    return Broken("sequence numbers only grow", key);
  }
  if (key[0] == 'P' && before) {
    if (!after) return Broken("a provider's record that vanished", key);
    return CheckDeposit(key, Parse<pb::Provider>(*before), Parse<pb::Provider>(*after));
  }
  if (key[0] == 'Q' && before) {
    if (!after) return Broken("a payment account that vanished", key);
    if (Parse<pb::PaymentAccount>(*before).non_refundable() && !Parse<pb::PaymentAccount>(*after).non_refundable()) {
      return Broken("once non-refundable, always non-refundable", key);
    }
  }
  if (key[0] == 'r' && before) return Broken("a price that changed", key);
  if (key[0] == 'h' && before && after) {
    return CheckChannelStep(key, Parse<pb::Channel>(*before), Parse<pb::Channel>(*after));
  }
  if (key[0] == 'h' && before && Parse<pb::Channel>(*before).state() != pb::CHANNEL_STATE_SETTLED) {
    return Broken("a channel that vanished unsettled", key);
  }
  if (key[0] == 'S' && before && after) {
    const auto& old_supply = Parse<pb::Supply>(*before);
    const auto& new_supply = Parse<pb::Supply>(*after);
    if (!(FromProto(old_supply.minted()) == FromProto(new_supply.minted()))) return Broken("minted money", key);
  }
  return absl::OkStatus();
}

// Receipts counted at every position under its present generation.
absl::Status RecountReceipts(const ReadView& view) {
  std::map<uint64_t, pb::Group> groups;
  view.Scan(keys::GroupPrefix(), "", [&](const std::string&, const Record& record) {
    const auto& group = Parse<pb::Group>(record);
    groups[group.id()] = group;
    return true;
  });
  std::map<std::string, uint64_t> receipted;
  view.Scan(keys::ObjectPrefix(), "", [&](const std::string&, const Record& record) {
    const auto& object = Parse<pb::Object>(record);
    if (object.state() != pb::OBJECT_STATE_SEALED) return true;
    const pb::Group& group = groups[object.group()];
    for (int i = 0; i < object.positions_size(); ++i) {
      const uint32_t position = object.positions(i);
      if (object.receipt_generations(i) == group.positions(position).generation()) {
        ++receipted[PositionId(group.id(), position)];
      }
    }
    return true;
  });
  for (const auto& [id, group] : groups) {
    for (int i = 0; i < group.positions_size(); ++i) {
      if (group.positions(i).receipted() != receipted[PositionId(id, i)]) {
        return Broken("receipted objects of a position", PositionId(id, i));
      }
    }
  }
  return absl::OkStatus();
}

// What each bill bills at each position, from the objects receipted there under its present generation; and what each
// consent is used for.
absl::Status RecountBills(const ReadView& view) {
  std::map<std::string, std::pair<absl::uint128, absl::uint128>> billed;
  view.Scan(keys::ObjectPrefix(), "", [&](const std::string&, const Record& record) {
    const auto& object = Parse<pb::Object>(record);
    const auto group = view.Find(keys::Group(object.group()));
    if (object.state() != pb::OBJECT_STATE_SEALED || !group) return true;
    const std::string bill = keys::Bill(object.group(), object.bucket(), object.pin()).bytes;
    for (int i = 0; i < object.positions_size(); ++i) {
      const uint32_t position = object.positions(i);
      if (object.receipt_generations(i) != group->positions(position).generation()) continue;
      auto& sum = billed[bill + NumberField(position)];
      sum.first += FromProto(object.holder_rate()).units();
      sum.second += FromProto(object.holder_tax()).units();
    }
    return true;
  });
  absl::Status sound;
  std::map<std::string, absl::uint128> used;
  view.Scan("U", "", [&](const std::string& key, const Record& record) {
    const auto& bill = Parse<pb::Bill>(record);
    const auto group = view.Find(keys::Group(bill.group()));
    if (!group || group->primary() != bill.primary()) sound = Broken("the primary of a bill", key);
    for (int i = 0; group && i < bill.positions_size(); ++i) {
      const auto& sum = billed[key + NumberField(i)];
      const bool same = FromProto(bill.positions(i).rate()).units() == sum.first &&
                        FromProto(bill.positions(i).tax()).units() == sum.second &&
                        bill.positions(i).provider() == group->positions(i).provider();
      if (!same) sound = Broken("billed positions", key);
    }
    used[keys::Consent(AccountOf(bill.payer()), bill.bucket()).bytes] += FromProto(bill.committed_rate()).units();
    return sound.ok();
  });
  RETURN_IF_ERROR(sound);
  view.Scan("E", "", [&](const std::string& key, const Record& record) {
    if (FromProto(Parse<pb::PaymentConsent>(record).used_rate()).units() != used[key]) {
      sound = Broken("used rate of a consent", key);
    }
    return sound.ok();
  });
  return sound;
}

}  // namespace

absl::Status CheckChanges(const WriteView& view, pb::NetworkClass network_class) {
  Tally tally(view);
  for (const auto& [key, after] : view.changes()) {
    const RecordPtr before = view.below().Get(key);
    // The same record, not an equal one: it was put back as it was read.
    if (before == after) continue;
    if (before) tally.Count(key, *before, -1);
    if (after) {
      tally.Count(key, *after, +1);
      RETURN_IF_ERROR(CheckRecord(key, *after, view, network_class));
    }
    RETURN_IF_ERROR(CheckStep(key, before, after));
  }
  return tally.Balanced();
}

absl::Status Recount(const ReadView& view) {
  const auto genesis = view.Find(keys::Genesis());
  if (!genesis) return Broken("a genesis record", "");
  Tally tally(view);
  absl::Status sound;
  view.Scan("", "", [&](const std::string& key, const Record& record) {
    tally.Count(key, record, +1);
    sound = CheckRecord(key, record, view, genesis->network_class());
    return sound.ok();
  });
  RETURN_IF_ERROR(sound);
  RETURN_IF_ERROR(tally.Balanced());
  RETURN_IF_ERROR(RecountReceipts(view));
  RETURN_IF_ERROR(RecountBills(view));
  return view.health();
}

}  // namespace cairn::chain
