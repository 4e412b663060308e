#include "cairn/chain/event_log.h"

#include <google/protobuf/io/coded_stream.h>

namespace cairn::chain {
namespace {

using google::protobuf::io::CodedOutputStream;

constexpr uint32_t kLengthDelimited = 2;
constexpr size_t kMaxHead = 10;  // two numbers of 32 bits

void AddHead(int field, size_t size, std::string& out) {
  uint8_t head[kMaxHead];
  uint8_t* end = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(field) << 3 | kLengthDelimited, head);
  end = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(size), end);
  out.append(reinterpret_cast<const char*>(head), static_cast<size_t>(end - head));
}

// A field whose number is below 16.
size_t FieldBytes(size_t size) { return 1 + CodedOutputStream::VarintSize32(static_cast<uint32_t>(size)) + size; }

// Empty text is left out, as in every encoding of proto3.
size_t TextBytes(absl::string_view text) { return text.empty() ? 0 : FieldBytes(text.size()); }
void AddText(int field, absl::string_view text, std::string& out) {
  if (text.empty()) return;
  AddHead(field, text.size(), out);
  out.append(text.data(), text.size());
}

size_t AttributeBytes(const EventLog::Attribute& attribute) {
  return TextBytes(attribute.first) + TextBytes(attribute.second);
}

}  // namespace

void EventLog::Add(absl::string_view type, absl::Span<const Attribute> attributes) {
  size_t size = TextBytes(type);
  for (const Attribute& attribute : attributes) size += FieldBytes(AttributeBytes(attribute));
  AddHead(pb::Block::kEventsFieldNumber, size, bytes_);
  AddText(pb::Event::kTypeFieldNumber, type, bytes_);
  for (const Attribute& attribute : attributes) {
    AddHead(pb::Event::kAttributesFieldNumber, AttributeBytes(attribute), bytes_);
    AddText(pb::Attribute::kKeyFieldNumber, attribute.first, bytes_);
    AddText(pb::Attribute::kValueFieldNumber, attribute.second, bytes_);
  }
  ++count_;
}

void EventLog::Append(const EventLog& other) {
  bytes_ += other.bytes_;
  count_ += other.count_;
}

std::vector<pb::Event> EventLog::Decode() const {
  pb::Block block;
  block.ParseFromString(bytes_);
  return {block.events().begin(), block.events().end()};
}

}  // namespace cairn::chain
