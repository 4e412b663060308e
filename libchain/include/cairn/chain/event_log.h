// Events in the order they happened, each encoded when it happens: a block has thousands, and nobody reads them before
// they are stored. One thread at a time.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "cairn/chain/pb.h"

namespace cairn::chain {

class EventLog {
 public:
  using Attribute = std::pair<absl::string_view, absl::string_view>;  // key and value

  void Add(absl::string_view type, absl::Span<const Attribute> attributes);
  // Those of `other`, behind these.
  void Append(const EventLog& other);
  size_t size() const { return count_; }
  // As the entries of pb::Block's `events`, encoded.
  const std::string& bytes() const { return bytes_; }
  std::vector<pb::Event> Decode() const;

 private:
  std::string bytes_;
  size_t count_ = 0;
};

}  // namespace cairn::chain
