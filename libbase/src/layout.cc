#include "cairn/base/layout.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cairn/base/blake3_tree.h"
#include "cairn/base/status.h"
#include "check.h"

namespace cairn::base {
namespace {

constexpr uint64_t kStripeBytes = 1024 * 1024;
constexpr uint64_t kUnitAlignment = 64;
constexpr uint32_t kMinCopies = 2;

Digest LeafDigest(const ContentId& leaf) {
  return Hasher::DeriveKey("cairn v1 layout leaf").Field(leaf.digest.view()).Finish();
}

Digest NodeDigest(const Digest& left, const Digest& right) {
  return Hasher::DeriveKey("cairn v1 layout node").Field(left.view()).Field(right.view()).Finish();
}

std::vector<Digest> LeafLevel(absl::Span<const ContentId> leaves) {
  std::vector<Digest> level;
  level.reserve(leaves.size());
  for (const ContentId& leaf : leaves) level.push_back(LeafDigest(leaf));
  return level;
}

std::vector<Digest> NextLevel(const std::vector<Digest>& level) {
  std::vector<Digest> next;
  next.reserve((level.size() + 1) / 2);
  for (size_t i = 0; i + 1 < level.size(); i += 2) {
    next.push_back(NodeDigest(level[i], level[i + 1]));
  }
  if (level.size() % 2 != 0) next.push_back(level.back());
  return next;
}

absl::Status BadPolicy(absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, "BAD_POLICY",
               absl::StrCat("not a redundancy policy: ", text.substr(0, 64)),
               absl::StrCat("give rs:K+M with K and M at least 1 and at most ", kMaxWidth,
                            " in all, or replicate:N with N from 2 to ", kMaxWidth,
                            "; +primary may follow"));
}

// A number as ToText prints it: digits alone, the first not zero. Larger than any policy allows
// counts as none.
bool ParseCount(absl::string_view text, uint32_t& count) {
  constexpr size_t kMaxDigits = 2;
  if (text.empty() || text.size() > kMaxDigits || text[0] == '0') return false;
  count = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    count = 10 * count + static_cast<uint32_t>(c - '0');
  }
  return true;
}

}  // namespace

std::string Redundancy::ToText() const {
  const absl::string_view suffix = whole_at_primary ? "+primary" : "";
  if (kind == LayoutKind::kShards) return absl::StrCat("rs:", data, "+", parity, suffix);
  return absl::StrCat("replicate:", copies, suffix);
}

absl::StatusOr<Redundancy> Redundancy::Parse(absl::string_view text) {
  Redundancy policy;
  absl::string_view rest = text;
  policy.whole_at_primary = absl::ConsumeSuffix(&rest, "+primary");
  if (absl::ConsumePrefix(&rest, "replicate:")) {
    policy.kind = LayoutKind::kCopies;
    if (!ParseCount(rest, policy.copies)) return BadPolicy(text);
    if (policy.copies < kMinCopies || policy.copies > kMaxWidth) return BadPolicy(text);
    return policy;
  }
  if (!absl::ConsumePrefix(&rest, "rs:")) return BadPolicy(text);
  policy.kind = LayoutKind::kShards;
  const size_t plus = rest.find('+');
  if (plus == absl::string_view::npos || !ParseCount(rest.substr(0, plus), policy.data) ||
      !ParseCount(rest.substr(plus + 1), policy.parity)) {
    return BadPolicy(text);
  }
  // Two digits each cannot overflow the sum.
  if (policy.width() > kMaxWidth) return BadPolicy(text);
  return policy;
}

LayoutKind LayoutFor(const Redundancy& policy, uint64_t stored_size) {
  return stored_size < kSmallObjectBytes ? LayoutKind::kCopies : policy.kind;
}

Digest LayoutRoot(absl::Span<const ContentId> leaves) {
  if (leaves.empty()) return Digest{};
  std::vector<Digest> level = LeafLevel(leaves);
  while (level.size() > 1) level = NextLevel(level);
  return level.front();
}

std::vector<Digest> LayoutPath(absl::Span<const ContentId> leaves, uint32_t index) {
  Require(index < leaves.size());
  std::vector<Digest> path;
  size_t at = index;
  for (std::vector<Digest> level = LeafLevel(leaves); level.size() > 1; level = NextLevel(level)) {
    const size_t sibling = at ^ 1;
    if (sibling < level.size()) path.push_back(level[sibling]);
    at /= 2;
  }
  return path;
}

bool CheckLayoutPath(const Digest& root, const ContentId& leaf, uint32_t index, uint32_t count,
                     absl::Span<const Digest> path) {
  if (index >= count) return false;
  Digest digest = LeafDigest(leaf);
  size_t used = 0;
  uint64_t at = index;
  for (uint64_t width = count; width > 1; width = (width + 1) / 2, at /= 2) {
    if ((at ^ 1) >= width) continue;  // the odd last node moves up
    if (used == path.size()) return false;
    const Digest& sibling = path[used++];
    digest = at % 2 == 0 ? NodeDigest(digest, sibling) : NodeDigest(sibling, digest);
  }
  return used == path.size() && digest == root;
}

uint64_t StripeUnit(uint32_t data) {
  Require(data > 0);
  return std::max(kStripeBytes / data / kTreeGroupBytes * kTreeGroupBytes, kTreeGroupBytes);
}

uint64_t ShardSize(uint64_t stored_size, uint32_t data) {
  const uint64_t unit = StripeUnit(data);
  const uint64_t stripe = unit * data;
  const uint64_t rest = stored_size % stripe;
  const uint64_t last = (rest + data - 1) / data;
  return stored_size / stripe * unit +
         (last + kUnitAlignment - 1) / kUnitAlignment * kUnitAlignment;
}

std::vector<uint32_t> CopyPositions(const ObjectId& object, uint32_t copies,
                                    absl::Span<const AccountId> operators) {
  const uint32_t width = static_cast<uint32_t>(operators.size());
  if (width == 0) return {};
  copies = std::min(copies, width);
  uint64_t start = 0;
  for (int i = 0; i < 8; ++i) start |= uint64_t{object.value[i]} << (8 * i);
  const bool two_operators = std::any_of(operators.begin(), operators.end(),
                                         [&](const auto& o) { return o != operators.front(); });

  std::vector<uint32_t> positions;
  bool spread = !two_operators;
  for (uint32_t j = 0; j < width && positions.size() < copies; ++j) {
    const uint32_t position = static_cast<uint32_t>((start % width + j) % width);
    const bool differs = !positions.empty() && operators[position] != operators[positions.front()];
    // The last place is kept for a second operator while there is only one.
    const bool last = positions.size() + 1 == copies;
    if (last && !positions.empty() && !spread && !differs) continue;
    spread = spread || differs;
    positions.push_back(position);
  }
  std::sort(positions.begin(), positions.end());
  return positions;
}

uint32_t SealQuorum(const Redundancy& policy, LayoutKind kind, uint32_t copies) {
  if (kind == LayoutKind::kShards) return policy.data + (policy.parity + 1) / 2;
  return copies / 2 + 1;  // ceil((c + 1) / 2): one of one, two of two and of three
}

}  // namespace cairn::base
