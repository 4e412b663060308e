// Who a peer says it is: a certificate, a pin, an address. Only what the system itself reads as an address of this
// machine counts as one.
#include <arpa/inet.h>

#include "absl/strings/match.h"
#include "apps/rpc/tls.h"
#include "fuzz.h"

namespace cairn {
namespace {

bool IsAddressOfThisMachine(absl::string_view endpoint) {
  const size_t colon = endpoint.rfind(':');
  const std::string host(endpoint.substr(0, colon));
  in_addr address{};
  return host.find('\0') == std::string::npos && inet_pton(AF_INET, host.c_str(), &address) == 1 && (ntohl(address.s_addr) >> 24) == 127;
}

}  // namespace

void FuzzOne(base::ByteView input) {
  const absl::string_view text = base::AsText(input);
  auto pin = rpc::PeerPin::FromHex(text);
  if (pin.ok()) FUZZ_CHECK(pin->pin().has_value() == !text.empty());
  auto bytes = rpc::PeerPin::FromBytes(input);
  FUZZ_CHECK(bytes.ok() == (input.empty() || input.size() == 32));
  (void)rpc::PinOf(text);
  const bool named = absl::StartsWith(text, "unix:") || absl::StartsWith(text, "[::1]:") ||
                     text.substr(0, text.rfind(':')) == "localhost" || text.substr(0, text.rfind(':')) == "::1";
  if (!named) FUZZ_CHECK(rpc::IsLoopback(text) == IsAddressOfThisMachine(text));
}

}  // namespace cairn
