// A store in front of another: every call goes through. Tests override what they want to be otherwise.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "cairn/base/kv.h"

namespace cairn::base {

class ForwardingKv : public Kv {
 public:
  explicit ForwardingKv(std::unique_ptr<Kv> inner = NewMemoryKv()) : inner_(std::move(inner)) {}
  std::unique_ptr<KvSnapshot> Snapshot() const override { return inner_->Snapshot(); }
  absl::Status Commit(const KvBatch& batch, bool durable = true) override { return inner_->Commit(batch, durable); }
  absl::Status Sync() override { return inner_->Sync(); }
  absl::StatusOr<uint64_t> EntryCount() const override { return inner_->EntryCount(); }

 private:
  const std::unique_ptr<Kv> inner_;
};

// Every commit fails with `why` while it is told to.
class FailingKv : public ForwardingKv {
 public:
  explicit FailingKv(absl::Status why) : why_(std::move(why)) {}
  absl::Status Commit(const KvBatch& batch, bool durable = true) override {
    return fail ? why_ : ForwardingKv::Commit(batch, durable);
  }
  std::atomic<bool> fail = false;

 private:
  const absl::Status why_;
};

}  // namespace cairn::base
