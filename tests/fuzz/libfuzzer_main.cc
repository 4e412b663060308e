#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cairn::FuzzOne(cairn::base::ByteView(data, size));
  return 0;
}
