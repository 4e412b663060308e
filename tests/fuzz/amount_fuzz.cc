// An amount of money as somebody typed it: u8 decimals of the asset, then the text.
#include "cairn/base/amount.h"
#include "fuzz.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  if (input.empty()) return;
  int decimals = input[0] % 39;
  absl::string_view text = base::AsText(input.subspan(1));
  auto units = base::Amount::FromString(text);
  if (units.ok()) FUZZ_CHECK(*base::Amount::FromString(units->ToString()) == *units);
  auto amount = base::Amount::FromDecimal(text, decimals);
  if (amount.ok()) FUZZ_CHECK(*base::Amount::FromDecimal(amount->ToDecimal(decimals), decimals) == *amount);
}

}  // namespace cairn
