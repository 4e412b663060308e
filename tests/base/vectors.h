// Golden files under tests/vectors: hexadecimal text, 32 bytes a line.
#pragma once

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "cairn/base/bytes.h"
#include "catch.h"

namespace cairn::base {

inline Bytes ReadVector(const std::string& name) {
  std::ifstream file(std::string(CAIRN_VECTORS) + "/" + name);
  REQUIRE(file.good());
  std::string line, text;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] != '#') text += line;
  }
  const auto bytes = FromHex(text);
  REQUIRE(bytes.ok());
  return *bytes;
}

// The file must hold exactly `bytes`. With CAIRN_WRITE_VECTORS=1 in the environment it is written
// instead: for a new format, never to make a test pass that guards an old one.
inline void CheckVector(const std::string& name, ByteView bytes) {
  if (std::getenv("CAIRN_WRITE_VECTORS") != nullptr) {
    std::ofstream file(std::string(CAIRN_VECTORS) + "/" + name);
    for (size_t at = 0; at < bytes.size(); at += 32) file << ToHex(bytes.subspan(at, 32)) << "\n";
  }
  INFO(name);
  CHECK(ToHex(ReadVector(name)) == ToHex(bytes));
}

}  // namespace cairn::base
