// A statement of the other side, from a foreign file. What is read is written again, in both forms, as the same statement.
#include "apps/client/statement.h"
#include "fuzz.h"

namespace cairn {

void FuzzOne(base::ByteView input) {
  const auto read = client::ParseStatement(base::AsText(input));
  if (!read.ok()) return;
  for (const std::string& text : {client::StatementCsv(*read), client::StatementJson(*read)}) {
    const auto again = client::ParseStatement(text);
    FUZZ_CHECK(again.ok() && *again == *read);
  }
  FUZZ_CHECK(client::CompareStatements(*read, *read).ok());
}

}  // namespace cairn
