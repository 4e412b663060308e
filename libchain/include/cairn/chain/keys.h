// Where every record of the state stands: key, value and who writes it. Numbers in keys are big endian, so that order
// of keys is order of numbers. A key is at most 480 bytes; names longer than 400 bytes stand under their first 400
// bytes and 16 bytes of their hash, the record holds the whole name.
#pragma once

#include <string>

#include "cairn/base/id.h"
#include "cairn/base/key.h"
#include "cairn/chain/pb.h"

namespace cairn::chain {

// Bytes of a key that leads to a record of type R.
template <class R>
struct Key {
  std::string bytes;
};

// A record that is not a message: bytes as they are (indexes).
struct Raw {
  std::string bytes;
};

// What falls due, in the order in which entries of one time are handled.
enum class DueKind : uint8_t {
  kSealDeadline = 1,    // id: object
  kFineWindow = 2,      // id: object, of its ExpiredUpload
  kApproval = 3,        // id: provider account, nonce
  kAllowance = 4,       // id: sponsor account, nonce
  kMaintenanceEnd = 5,  // id: provider account
  kPayerStep = 10,      // id: account of a stream
  kWithdrawal = 11,     // id: payment account
  kChannelDue = 40,     // id: channel; its settlement, or the end of its record
  kPoolDue = 41,        // id: pool; return of the rest, then the end of its entries
};

namespace keys {

// 'p' | Params | genesis
Key<pb::Params> Params();
// 'g' | Genesis | genesis
Key<pb::Genesis> Genesis();
// 'c' | Counters | create bucket, open channel, open pool
Key<pb::Counters> Counters();
// 'S' asset (1) | Supply | everything that moves money between free, locked, treasury
Key<pb::Supply> Supply(pb::Asset asset);

// 'A' account (20) | Account | everything that moves money
Key<pb::Account> Account(const base::AccountId& id);
// 'L' account (20) lane (4) | Lane | every transaction; drop lane
Key<pb::Lane> Lane(const base::AccountId& id, uint32_t lane);
// 'F' sponsor account (20) nonce (16) | FeeAllowanceUse | sponsored transactions; dropped at its expiry
Key<pb::FeeAllowanceUse> Allowance(const base::AccountId& sponsor, const std::string& nonce);

// 'P' account (20) | Provider | the providers domain; groups (committed bytes, groups), objects (fines)
Key<pb::Provider> Provider(const base::AccountId& id);
// 'K' node key (33) | Raw: account (20) | register, exit
Key<Raw> NodeKey(const std::string& encoded_key);
// 'I' provider account (20) group (8) | ProviderGroup | every change of a group's members
Key<pb::ProviderGroup> ProviderGroup(const base::AccountId& id, uint64_t group);
// 'N' provider account (20) nonce (16) | UsedApproval | every approved operation; dropped at its expiry
Key<pb::UsedApproval> UsedApproval(const base::AccountId& id, const std::string& nonce);

// 'G' group (8) | Group | the groups domain; objects (counters)
Key<pb::Group> Group(uint64_t id);
// 'H' group (8) object (16) | Raw: "o" | create and end of objects
Key<Raw> GroupObject(uint64_t group, const std::string& object);
// 'B' bucket (8) | Bucket | the buckets domain; objects (counters)
Key<pb::Bucket> Bucket(uint64_t id);
// 'O' owner (20) name | Raw: bucket (8) | create and delete bucket
Key<Raw> BucketName(const base::AccountId& owner, const std::string& name);

// 'J' object (16) | Object | the objects domain
Key<pb::Object> Object(const std::string& id);
// 'V' bucket (8) name, at most 416 bytes of it | Name | the objects domain
Key<pb::Name> Name(uint64_t bucket, const std::string& name);
// 'X' object (16) | ExpiredUpload | seal deadline, reject; dropped when fined or after the window
Key<pb::ExpiredUpload> ExpiredUpload(const std::string& object);

// 't' | StreamClock | the first block after a stop
Key<pb::StreamClock> StreamClock();
// 'T' account (20) | StreamAccount | the payments domain
Key<pb::StreamAccount> Stream(const base::AccountId& id);
// 'W' payer (20) receiver (20) | Flow | the payments domain
Key<pb::Flow> Flow(const base::AccountId& payer, const base::AccountId& receiver);
// 'U' group (8) bucket (8) payer of single objects (20 or none) | Bill | objects, groups, payments
Key<pb::Bill> Bill(uint64_t group, uint64_t bucket, const std::string& pin);
// 'Q' payment account (20) | PaymentAccount | the payments domain
Key<pb::PaymentAccount> PaymentAccount(const base::AccountId& id);
// 'E' payment account (20) bucket (8) | PaymentConsent | the payments domain; objects (used rate)
Key<pb::PaymentConsent> Consent(const base::AccountId& id, uint64_t bucket);
// 'Z' sponsor (20) payment account (20) | Sponsorship | set sponsorship
Key<pb::Sponsorship> Sponsorship(const base::AccountId& sponsor, const base::AccountId& account);
// 'R' | PriceState | prices; providers (what they ask)
Key<pb::PriceState> PriceState();
// 'r' number (8) | PriceRecord | as PriceState
Key<pb::PriceRecord> Price(uint64_t number);
// 'y' provider (20) | JournalAnchors | anchor journal
Key<pb::JournalAnchors> JournalAnchors(const base::AccountId& provider);
// 'h' channel (16) | Channel | the channels domain; dropped some time after its settlement
Key<pb::Channel> Channel(const std::string& id);
// 'i' payer (20) channel (16) | Raw: "c" | open channel, end of its record
Key<Raw> ChannelOfPayer(const base::AccountId& payer, const std::string& id);
// 'j' payee (20) channel (16) | Raw: "c" | open channel, end of its record
Key<Raw> ChannelOfPayee(const base::AccountId& payee, const std::string& id);
// 'k' pool (16) | Pool | the pools of the channels domain
Key<pb::Pool> Pool(const std::string& id);
// 'l' owner (20) pool (16) | Raw: "p" | open pool, end of its record
Key<Raw> PoolOfOwner(const base::AccountId& owner, const std::string& id);
// 'm' pool (16) lane (16) | PoolLane | redeem; dropped with the pool
Key<pb::PoolLane> PoolLane(const std::string& pool, const std::string& lane);
// 'n' pool (16) signer (33) | PoolSigner | redeem, revoke; dropped with the pool
Key<pb::PoolSigner> PoolSigner(const std::string& pool, const std::string& signer);

// 'D' time ms (8) kind (1) id | Raw: "d" | whoever sets a deadline; dropped when handled
Key<Raw> Due(uint64_t time_ms, DueKind kind, const std::string& id);

// First bytes of all keys of a table or of one owner in it.
std::string AccountPrefix();
std::string ProviderPrefix();
std::string ProviderGroupPrefix(const base::AccountId& id);
std::string GroupPrefix();
std::string GroupObjectPrefix(uint64_t group);
std::string BucketPrefix();
std::string BucketNamePrefix(const base::AccountId& owner);
std::string ObjectPrefix();
std::string NamePrefix(uint64_t bucket);
std::string FlowPrefix(const base::AccountId& payer);
std::string BillPrefix(uint64_t group);
std::string ConsentPrefix(const base::AccountId& id);
std::string SponsorshipPrefix(const base::AccountId& sponsor);
std::string PricePrefix();
std::string PayerChannelPrefix(const base::AccountId& payer);
std::string PayeeChannelPrefix(const base::AccountId& payee);
std::string OwnerPoolPrefix(const base::AccountId& owner);
std::string PoolLanePrefix(const std::string& pool);
std::string PoolSignerPrefix(const std::string& pool);
std::string DuePrefix();

struct DueEntry {
  uint64_t time_ms = 0;
  DueKind kind = DueKind::kSealDeadline;
  std::string id;
};
DueEntry ParseDue(const std::string& key);

// Records as stored bytes. Decode refuses what it cannot parse.
std::string Encode(const google::protobuf::MessageLite& record);
std::string Encode(const Raw& record);
bool Decode(const std::string& value, google::protobuf::MessageLite* record);

}  // namespace keys
}  // namespace cairn::chain
