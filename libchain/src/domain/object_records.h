// The records around an object that every change of its state keeps in step: counters, indexes, names, money.
#pragma once

#include <string>
#include <vector>

#include "cairn/base/amount.h"
#include "cairn/chain/domain/context.h"
#include "cairn/chain/transaction.h"

namespace cairn::chain {

inline std::string Hex(const std::string& bytes) { return base::ToHex(base::AsBytes(bytes)); }

// Sorted, distinct, 16 bytes each, 1 to 256.
Verdict ValidateObjectIds(const google::protobuf::RepeatedPtrField<std::string>& ids);

// Why a sealed version goes.
enum class EndReason { kDeleted, kCleared };

// Positions that never gave a receipt.
uint64_t Unreceipted(const pb::Object& object);

// A planned object (state created) enters: record, indexes, counters, bill, lock and bond.
void AddObject(const pb::Object& object, const Context& context, Edits& edits);
// The object leaves: record, indexes, counters, flows; lock and bond go back. The name is the caller's.
void RemoveObject(const std::string& id, EndReason reason, const Context& context, Edits& edits);
// A position of the object gave its first receipt: its holder earns the ingress fee.
void PayIngress(pb::Object& object, const std::string& provider, const Context& context, Edits& edits);
// A sealed object's lock covers the reserve of positions that never gave a receipt; the rest returns.
void ReleaseLock(pb::Object& object, const Context& context, Edits& edits);

// A created object becomes its name's current version; versions beyond the bucket's limit go.
void SealObject(const std::string& id, const Context& context, Edits& edits);
// The upload under the name ended without a version.
void ForgetPending(const pb::Object& object, Edits& edits);
// Takes one sealed version out of its name's history and removes it; the name goes with its last version.
void DeleteVersion(const std::string& id, EndReason reason, const Context& context, Edits& edits);
// The current version of a name and all kept before it, newest first.
std::vector<std::string> VersionsOf(const pb::Name& name, const ReadView& view);

// Bytes that each position keeps of the object.
uint64_t HeldBytesOf(const pb::Object& object, const pb::Redundancy& policy);

}  // namespace cairn::chain
