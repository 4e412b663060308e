// Who pays for what one command stores: the bucket's payer, unless another is named.
//
// The bucket's payer locks the reserve while the upload lasts; once the objects are sealed the named account takes over,
// and the lock is free again.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/client/put.h"
#include "apps/storectl/context.h"

namespace cairn::storectl {

class Pinning {
 public:
  // `payer`: "cairn1...", the number of one of the key's own, or empty. NotFound (NO_SUCH_PAYMENT_ACCOUNT) before
  // anything is stored; InvalidArgument (USAGE) when the command would not wait for seals.
  static absl::StatusOr<Pinning> For(Context& context, const std::string& payer);

  void Took(const absl::StatusOr<client::PutResult>& result);
  // Names the payer of everything taken. An error says that the objects are stored all the same.
  absl::Status Finish(Context& context) const;

 private:
  explicit Pinning(std::string payer) : payer_(std::move(payer)) {}
  std::string payer_;  // account id; empty: the bucket's
  std::map<std::string, std::vector<base::ObjectId>> stored_;
};

}  // namespace cairn::storectl
