// A record of the state: its stored bytes, its parsed form, or both.
//
// The missing form is made from the other when first asked for, and kept: so a record is parsed once and encoded once,
// however many transactions of a block read and change it. What it says never changes. One thread at a time, except that
// a record whose bytes have been asked for may be asked for them again by another thread at the same time.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "cairn/chain/keys.h"

namespace cairn::chain {

class Record {
 public:
  explicit Record(std::string bytes) : stored_{std::move(bytes)}, encoded_(true) {}
  // Not null.
  explicit Record(std::unique_ptr<const google::protobuf::MessageLite> message) : message_(std::move(message)) {}

  const std::string& bytes() const {
    if (!encoded_) {
      stored_.bytes = keys::Encode(*message_);
      encoded_ = true;
    }
    return stored_.bytes;
  }
  // Null when the bytes are not those of an R.
  template <class R>
  const R* As() const {
    if constexpr (std::is_same_v<R, Raw>) {
      bytes();
      return &stored_;
    } else {
      if (message_ == nullptr) {
        auto parsed = std::make_unique<R>();
        if (!keys::Decode(stored_.bytes, parsed.get())) return nullptr;
        message_ = std::move(parsed);
      }
      const google::protobuf::MessageLite& message = *message_;
      return typeid(message) == typeid(R) ? static_cast<const R*>(&message) : nullptr;
    }
  }

 private:
  mutable Raw stored_;
  mutable bool encoded_ = false;
  mutable std::unique_ptr<const google::protobuf::MessageLite> message_;
};

// Null: there is no such record.
using RecordPtr = std::shared_ptr<const Record>;

inline RecordPtr MakeRecord(std::string bytes) { return std::make_shared<const Record>(std::move(bytes)); }
inline RecordPtr MakeRecord(Raw raw) { return MakeRecord(std::move(raw.bytes)); }
template <class R>
  requires std::is_base_of_v<google::protobuf::MessageLite, R>
RecordPtr MakeRecord(R record) {
  return std::make_shared<const Record>(std::make_unique<const R>(std::move(record)));
}

// A record that was looked for, used like an optional. Keeps what it found alive.
template <class R>
class Found {
 public:
  Found() = default;
  explicit Found(RecordPtr record) : record_(std::move(record)), value_(record_ ? record_->template As<R>() : nullptr) {}

  explicit operator bool() const { return value_ != nullptr; }
  const R& operator*() const { return *value_; }
  const R* operator->() const { return value_; }
  R value_or(R otherwise) const { return value_ != nullptr ? *value_ : std::move(otherwise); }

 private:
  RecordPtr record_;
  const R* value_ = nullptr;
};

}  // namespace cairn::chain
