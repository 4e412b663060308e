#include "sim/oracles.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "apps/client/sender.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"
#include "cairn/rpc/v1/provider.pb.h"
#include "sim/chain.h"
#include "sim/client.h"
#include "sim/provider.h"
#include "sim/rpc.h"
#include "sim/world.h"

namespace cairn::sim {
namespace {

namespace pb = chain::pb;

std::string Hex(const std::string& bytes) { return base::ToHex(base::AsBytes(bytes)); }

std::string AttributeOf(const pb::Event& event, absl::string_view key) {
  for (const pb::Attribute& attribute : event.attributes()) {
    if (attribute.key() == key) return attribute.value();
  }
  return "";
}

ProviderNode* Find(World& world, const std::string& account) {
  for (const auto& provider : world.providers()) {
    if (chain::ToField(provider->account()) == account) return provider.get();
  }
  return nullptr;
}

}  // namespace

std::string Brief(const absl::Status& status) {
  if (status.ok()) return "ok";
  return absl::StrCat(base::ReasonOf(status), ": ", status.message());
}

base::Bytes BytesOf(const Content& content) {
  base::Bytes bytes(content.size);
  uint64_t state = content.seed * 0x9e3779b97f4a7c15u + content.size + 1;
  for (size_t i = 0; i < bytes.size(); i += 8) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    std::memcpy(bytes.data() + i, &state, std::min<size_t>(8, bytes.size() - i));
  }
  return bytes;
}

void Model::Attempt(const std::string& name, const Value& value) {
  std::set<Value>& allowed = values_[name];
  if (allowed.empty()) allowed.insert(std::nullopt);
  allowed.insert(value);
}
void Model::Settle(const std::string& name, const Value& value) { values_[name] = {value}; }
std::set<Model::Value> Model::Allowed(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::set<Value>{std::nullopt} : found->second;
}
std::vector<std::string> Model::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, values] : values_) names.push_back(name);
  return names;
}

void Oracles::Fail(const std::string& oracle, const std::string& what) {
  if (failed()) return;
  oracle_ = oracle;
  what_ = what;
  world_.Say(absl::StrCat("FAILED ", oracle, ": ", what));
}

void Oracles::OnChainOpen(const chain::EmbeddedEngine& engine) {
  if (!headers_.empty() && engine.height() < headers_.rbegin()->first) {
    return Fail("ledger", absl::StrCat("height ", engine.height(), " after a restart, ", headers_.rbegin()->first,
                                       " before"));
  }
  for (const auto& [height, header] : headers_) {
    auto block = engine.NextBlock(height, absl::ZeroDuration());
    if (!block.ok() || !block->has_value() || (*block)->header() != header) {
      return Fail("ledger", absl::StrCat("block ", height, " is another one after a restart"));
    }
  }
}

void Oracles::OnBlock(const pb::Block& block, uint64_t height) {
  const auto [known, fresh] = headers_.try_emplace(height, block.header());
  if (!fresh && known->second != block.header()) Fail("ledger", absl::StrCat("two blocks at height ", height));
  world_.network().Trace(block.header());
  for (const pb::Event& event : block.events()) {
    if (event.type() == "ledger.invariant_broken") Fail("money", absl::StrCat("an invariant broke at height ", height));
    if (event.type() == "object.expired") ClaimFine(AttributeOf(event, "object"));
    if (event.type() == "provider.fined") {
      ++fined_;
      Fail("fines", absl::StrCat("provider ", AttributeOf(event, "provider"), " at height ", height));
    }
  }
}

void Oracles::OnMessage(const Call& call, bool up, const std::string& bytes) {
  if (call.method() != "/cairn.rpc.v1.Provider/SubmitReceipts") return;
  if (up) {
    rpc::v1::SubmitReceiptsRequest request;
    if (bytes.empty() || !request.ParseFromString(bytes)) return;
    asked_[&call] = {request.objects().begin(), request.objects().end()};
    return;
  }
  const auto asked = asked_.find(&call);
  rpc::v1::SubmitReceiptsResponse response;
  if (asked == asked_.end() || !response.ParseFromString(bytes)) return;
  if (!response.upload_signature().empty()) {
    for (const std::string& object : asked->second)
      uploads_[Hex(object)] = {asked->second, response.upload_signature()};
  }
  asked_.erase(asked);
}

// An upload ended without a seal: whoever holds the primary's word asks for the fine, as an owner would.
void Oracles::ClaimFine(const std::string& object) {
  const auto found = uploads_.find(object);
  if (found == uploads_.end()) return;
  const Signed upload = found->second;
  const Process process = world_.scheduler().NewProcess("claimant");
  world_.scheduler().Spawn(process, [this, upload] {
    world_.scheduler().Sleep(absl::Seconds(1));
    pb::Operation operation;
    for (const std::string& id : upload.objects) operation.mutable_claim_fine()->add_objects(id);
    operation.mutable_claim_fine()->set_signature(upload.signature);
    const auto chain = NewChainClient(world_.network(), "claimant");
    for (const auto& owner : world_.clients()) {
      base::RealClock clock;
      client::Sender sender(*chain, owner->keys().signing, clock, world_.entropy(),
                            {.chain_id = world_.chain().id(), .lane_folder = ""});
      const auto receipt = sender.Send({operation});
      world_.Say(absl::StrCat("claim of a fine: ", Brief(receipt.status())));
    }
  });
}

std::vector<pb::Object> Oracles::AllObjects(chain::EmbeddedEngine& engine, std::vector<pb::Group>& groups) {
  std::vector<pb::Object> out;
  for (const auto& client : world_.clients()) {
    pb::QueryRequest ask;
    ask.mutable_buckets_of()->assign(chain::ToField(client->keys().signing.account()));
    auto buckets = engine.Query(ask);
    if (!buckets.ok()) continue;
    for (const pb::Bucket& bucket : buckets->buckets()) {
      pb::QueryRequest group;
      group.set_group(bucket.group());
      auto record = engine.Query(group);
      if (!record.ok()) continue;
      groups.push_back(record->groups(0));
      pb::QueryRequest objects;
      objects.mutable_group_objects()->set_group(bucket.group());
      objects.mutable_group_objects()->set_missing_position(-1);
      objects.mutable_page()->set_limit(1000);
      auto answer = engine.Query(objects);
      if (answer.ok()) out.insert(out.end(), answer->objects().begin(), answer->objects().end());
    }
  }
  return out;
}

std::string Oracles::Unsettled() {
  chain::EmbeddedEngine* engine = world_.chain().engine();
  if (engine == nullptr) return "the ledger does not run";
  std::vector<pb::Group> groups;
  for (const pb::Object& object : AllObjects(*engine, groups)) {
    if (object.state() != pb::OBJECT_STATE_SEALED) return absl::StrCat("object ", Hex(object.id()), " is not sealed");
    for (const pb::Group& group : groups) {
      if (group.id() != object.group()) continue;
      const std::vector<uint32_t> missing = chain::MissingPositions(object, group);
      if (!missing.empty()) return absl::StrCat("object ", Hex(object.id()), " misses position ", missing.front());
    }
  }
  for (const auto& provider : world_.providers()) {
    if (provider->running() && !provider->ready()) return absl::StrCat(provider->endpoint(), " is not ready");
    if (provider->ready() && !provider->provider()->scrubber().Damaged().empty())
      return absl::StrCat(provider->endpoint(), " has damaged parts");
  }
  return "";
}

void Oracles::CheckReceipts() {
  chain::EmbeddedEngine* engine = world_.chain().engine();
  std::vector<pb::Group> groups;
  for (const pb::Object& object : AllObjects(*engine, groups)) {
    for (const pb::Group& group : groups) {
      if (group.id() != object.group()) continue;
      const std::vector<uint32_t> missing = chain::MissingPositions(object, group);
      for (uint32_t position : object.positions()) {
        if (std::find(missing.begin(), missing.end(), position) != missing.end()) continue;
        ProviderNode* holder = Find(world_, group.positions(static_cast<int>(position)).provider());
        if (holder == nullptr || !holder->ready()) continue;
        const auto parts = holder->provider()->index().PartsOf(chain::Trusted<base::ObjectId>(object.id()));
        const std::string who = absl::StrCat(holder->endpoint(), " signed for position ", position, " of object ",
                                             Hex(object.id()));
        if (!parts.ok() || parts->empty()) return Fail("receipts", absl::StrCat(who, " and has no part of it"));
        for (const storaged::Part& part : *parts) {
          const auto bytes = holder->store()->Read(part.id, part.size);
          if (!bytes.ok()) return Fail("receipts", absl::StrCat(who, ": ", Brief(bytes.status())));
          const bool copy = object.layout() == pb::LAYOUT_KIND_COPIES && !part.manifest;
          if (copy && chain::ToField(part.id.digest) != object.content_id())
            return Fail("receipts", absl::StrCat(who, " and has something else"));
        }
      }
    }
  }
}

}  // namespace cairn::sim
