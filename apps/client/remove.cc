#include "apps/client/remove.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"

namespace cairn::client {

absl::Status RemoveNames(Client& client, const Bucket& bucket,
                         const std::vector<std::string>& names) {
  for (size_t first = 0; first < names.size(); first += chain::kMaxObjectsPerOperation) {
    RETURN_IF_ERROR(client.CheckStop());
    chain::pb::Operation operation;
    operation.mutable_delete_objects()->set_bucket(bucket.id().value);
    std::vector<std::string> stored;
    for (size_t i = first; i < std::min(names.size(), first + chain::kMaxObjectsPerOperation);
         ++i) {
      ASSIGN_OR_RETURN(std::string name, bucket.StoredName(names[i]));
      stored.push_back(std::move(name));
    }
    std::sort(stored.begin(), stored.end());
    for (std::string& name : stored) operation.mutable_delete_objects()->add_names(std::move(name));
    const absl::Status done = client.sender().Send({operation}).status();
    if (base::ReasonOf(done) == "VERDICT_UNKNOWN_NAME") {
      return base::Error(
          absl::StatusCode::kNotFound, "NO_SUCH_OBJECT",
          absl::StrCat("no object ", names.size() == 1 ? names[0] : "of one of these names"),
          "storectl ls");
    }
    RETURN_IF_ERROR(done);
  }
  return absl::OkStatus();
}

}  // namespace cairn::client
