#include "cairn/chain/keys.h"

#include "absl/strings/str_cat.h"
#include "cairn/base/hash.h"
#include "cairn/chain/convert.h"

namespace cairn::chain::keys {
namespace {

constexpr size_t kNamePrefixBytes = 400;
constexpr size_t kNameHashBytes = 16;

std::string Of(char table, const base::AccountId& id) {
  return absl::StrCat(absl::string_view(&table, 1), base::AsText(id.view()));
}

std::string Of(char table, uint64_t number) {
  return absl::StrCat(absl::string_view(&table, 1), NumberField(number));
}

std::string Of(char table, const std::string& id) { return table + id; }

// Short names stand as they are; a long one never equals a short one because it is longer than any of them.
std::string NameInKey(const std::string& name) {
  if (name.size() <= kNamePrefixBytes) return name;
  const std::string hash = base::ToString(base::Blake3(base::AsBytes(name)).view());
  return name.substr(0, kNamePrefixBytes) + hash.substr(0, kNameHashBytes);
}

}  // namespace

Key<pb::Params> Params() { return {"p"}; }
Key<pb::Genesis> Genesis() { return {"g"}; }
Key<pb::Counters> Counters() { return {"c"}; }
Key<pb::Supply> Supply(pb::Asset asset) { return {std::string("S") + static_cast<char>(asset)}; }

Key<pb::Account> Account(const base::AccountId& id) { return {Of('A', id)}; }
Key<pb::Lane> Lane(const base::AccountId& id, uint32_t lane) {
  return {Of('L', id) + NumberField(lane).substr(4)};
}
Key<pb::FeeAllowanceUse> Allowance(const base::AccountId& sponsor, const std::string& nonce) {
  return {Of('F', sponsor) + nonce};
}

Key<pb::Provider> Provider(const base::AccountId& id) { return {Of('P', id)}; }
Key<Raw> NodeKey(const std::string& encoded_key) { return {Of('K', encoded_key)}; }
Key<pb::ProviderGroup> ProviderGroup(const base::AccountId& id, uint64_t group) {
  return {Of('I', id) + NumberField(group)};
}
Key<pb::UsedApproval> UsedApproval(const base::AccountId& id, const std::string& nonce) {
  return {Of('N', id) + nonce};
}

Key<pb::Group> Group(uint64_t id) { return {Of('G', id)}; }
Key<Raw> GroupObject(uint64_t group, const std::string& object) {
  return {Of('H', group) + object};
}
Key<pb::Bucket> Bucket(uint64_t id) { return {Of('B', id)}; }
Key<Raw> BucketName(const base::AccountId& owner, const std::string& name) {
  return {Of('O', owner) + name};
}

Key<pb::Object> Object(const std::string& id) { return {Of('J', id)}; }
Key<pb::Name> Name(uint64_t bucket, const std::string& name) {
  return {Of('V', bucket) + NameInKey(name)};
}
Key<pb::ExpiredUpload> ExpiredUpload(const std::string& object) { return {Of('X', object)}; }

Key<pb::StreamClock> StreamClock() { return {"t"}; }
Key<pb::StreamAccount> Stream(const base::AccountId& id) { return {Of('T', id)}; }
Key<pb::Flow> Flow(const base::AccountId& payer, const base::AccountId& receiver) {
  return {Of('W', payer) + ToField(receiver)};
}
Key<pb::Bill> Bill(uint64_t group, uint64_t bucket, const std::string& pin) {
  return {Of('U', group) + NumberField(bucket) + pin};
}
Key<pb::PaymentAccount> PaymentAccount(const base::AccountId& id) { return {Of('Q', id)}; }
Key<pb::PaymentConsent> Consent(const base::AccountId& id, uint64_t bucket) {
  return {Of('E', id) + NumberField(bucket)};
}
Key<pb::Sponsorship> Sponsorship(const base::AccountId& sponsor, const base::AccountId& account) {
  return {Of('Z', sponsor) + ToField(account)};
}
Key<pb::PriceState> PriceState() { return {"R"}; }
Key<pb::PriceRecord> Price(uint64_t number) { return {Of('r', number)}; }
Key<pb::JournalAnchors> JournalAnchors(const base::AccountId& provider) { return {Of('y', provider)}; }
Key<pb::Channel> Channel(const std::string& id) { return {Of('h', id)}; }
Key<Raw> ChannelOfPayer(const base::AccountId& payer, const std::string& id) { return {Of('i', payer) + id}; }
Key<Raw> ChannelOfPayee(const base::AccountId& payee, const std::string& id) { return {Of('j', payee) + id}; }
Key<pb::Pool> Pool(const std::string& id) { return {Of('k', id)}; }
Key<Raw> PoolOfOwner(const base::AccountId& owner, const std::string& id) { return {Of('l', owner) + id}; }
Key<pb::PoolLane> PoolLane(const std::string& pool, const std::string& lane) { return {Of('m', pool) + lane}; }
Key<pb::PoolSigner> PoolSigner(const std::string& pool, const std::string& signer) { return {Of('n', pool) + signer}; }

Key<Raw> Due(uint64_t time_ms, DueKind kind, const std::string& id) {
  return {Of('D', time_ms) + static_cast<char>(kind) + id};
}

std::string AccountPrefix() { return "A"; }
std::string ProviderPrefix() { return "P"; }
std::string ProviderGroupPrefix(const base::AccountId& id) { return Of('I', id); }
std::string GroupPrefix() { return "G"; }
std::string GroupObjectPrefix(uint64_t group) { return Of('H', group); }
std::string BucketPrefix() { return "B"; }
std::string BucketNamePrefix(const base::AccountId& owner) { return Of('O', owner); }
std::string ObjectPrefix() { return "J"; }
std::string NamePrefix(uint64_t bucket) { return Of('V', bucket); }
std::string FlowPrefix(const base::AccountId& payer) { return Of('W', payer); }
std::string BillPrefix(uint64_t group) { return Of('U', group); }
std::string ConsentPrefix(const base::AccountId& id) { return Of('E', id); }
std::string SponsorshipPrefix(const base::AccountId& sponsor) { return Of('Z', sponsor); }
std::string PricePrefix() { return "r"; }
std::string PayerChannelPrefix(const base::AccountId& payer) { return Of('i', payer); }
std::string PayeeChannelPrefix(const base::AccountId& payee) { return Of('j', payee); }
std::string OwnerPoolPrefix(const base::AccountId& owner) { return Of('l', owner); }
std::string PoolLanePrefix(const std::string& pool) { return Of('m', pool); }
std::string PoolSignerPrefix(const std::string& pool) { return Of('n', pool); }
std::string DuePrefix() { return "D"; }

DueEntry ParseDue(const std::string& key) {
  DueEntry entry;
  if (key.size() < 10) return entry;
  entry.time_ms = NumberFromField(absl::string_view(key).substr(1, 8));
  entry.kind = static_cast<DueKind>(key[9]);
  entry.id = key.substr(10);
  return entry;
}

std::string Encode(const google::protobuf::MessageLite& record) {
  return record.SerializeAsString();
}
std::string Encode(const Raw& record) { return record.bytes; }

bool Decode(const std::string& value, google::protobuf::MessageLite* record) {
  return record->ParseFromString(value);
}

}  // namespace cairn::chain::keys
