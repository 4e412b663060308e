// A message in Cairn's binary encoding: u8 number of fields, a byte for the kind of each, then the fields.
// A message that reads without fault is written back to the same bytes.
#include "cairn/base/codec.h"
#include "fuzz.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  if (input.empty()) return;
  size_t count = std::min<size_t>(input[0], input.size() - 1);
  base::ByteView kinds = input.subspan(1, count);
  base::ByteView message = input.subspan(1 + count);

  base::Reader reader(message);
  base::Writer writer;
  for (uint8_t kind : kinds) {
    bool was_ok = reader.ok();
    size_t before = reader.remaining();
    size_t limit = kind / 6;
    switch (kind % 6) {
      case 0:
        writer.U8(reader.U8());
        break;
      case 1:
        writer.U16(reader.U16());
        break;
      case 2:
        writer.U32(reader.U32());
        break;
      case 3:
        writer.U64(reader.U64());
        break;
      case 4:
        writer.Raw(reader.Raw(limit));
        break;
      case 5: {
        base::ByteView field = reader.Var(limit);
        FUZZ_CHECK(field.size() <= limit);
        writer.Var(field);
        break;
      }
    }
    FUZZ_CHECK(reader.remaining() <= before);
    FUZZ_CHECK(was_ok || !reader.ok());  // the first failure sticks
  }
  bool finished = reader.Finish().ok();
  FUZZ_CHECK(finished == (reader.ok() && reader.remaining() == 0));
  if (finished) FUZZ_CHECK(writer.view() == message);
}

}  // namespace cairn
