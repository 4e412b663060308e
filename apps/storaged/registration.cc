#include "apps/storaged/registration.h"

#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/chain/transaction.h"

namespace cairn::storaged {
namespace {

pb::ProviderPrices PricesOf(const Settings& settings) {
  pb::ProviderPrices prices;
  *prices.mutable_primary_storage() = chain::ToProto(settings.prices.primary_storage);
  *prices.mutable_holder_storage() = chain::ToProto(settings.prices.holder_storage);
  *prices.mutable_egress() = chain::ToProto(settings.prices.egress);
  *prices.mutable_ingress() = chain::ToProto(settings.prices.ingress);
  *prices.mutable_package() = chain::ToProto(settings.prices.package);
  return prices;
}

base::AccountId OperatorOf(const Settings& settings, const base::AccountId& self) {
  if (settings.operator_account.empty()) return self;
  return base::ParseAccountId(settings.operator_account).value_or(self);
}

}  // namespace

absl::StatusOr<pb::Provider> FindRegistration(chain::Client& client,
                                              const base::AccountId& account) {
  pb::QueryRequest request;
  request.set_provider(chain::ToField(account));
  auto answer = client.Query(request);
  if (absl::IsNotFound(answer.status()) || (answer.ok() && answer->providers().empty())) {
    return base::Error(
        absl::StatusCode::kNotFound, "NOT_REGISTERED", "the ledger does not know this provider",
        "fund the account, then run `storaged register`", {{"account", base::ToText(account)}});
  }
  RETURN_IF_ERROR(answer.status());
  return answer->providers(0);
}

pb::Operation RegisterOperation(const Settings& settings, const base::ChainId& chain,
                                const NodeKeys& keys, const base::Digest& tls_pin,
                                const base::StoreId& store) {
  base::AccountId self = keys.account.account();
  base::AccountId operator_account = OperatorOf(settings, self);
  pb::Operation operation;
  pb::RegisterProvider& provider = *operation.mutable_register_provider();
  provider.set_operator_(chain::ToField(operator_account));
  provider.set_node_key(base::ToString(keys.node.public_key().Encode()));
  provider.set_node_signature(
      chain::ToField(keys.node.Sign(chain::RegistrationDigest(chain, self, operator_account))));
  provider.set_tls_pin(chain::ToField(tls_pin));
  provider.set_endpoint(settings.advertise);
  provider.set_network(settings.network);
  provider.set_region(settings.region);
  provider.set_capacity_bytes(settings.store_bytes);
  *provider.mutable_prices() = PricesOf(settings);
  *provider.mutable_deposit() = chain::ToProto(settings.deposit);
  provider.set_store_id(chain::ToField(store));
  return operation;
}

std::optional<pb::Operation> EditOperation(const Settings& settings, const base::Digest& tls_pin,
                                           const pb::Provider& record) {
  pb::Operation operation;
  pb::EditProvider& edit = *operation.mutable_edit_provider();
  if (record.endpoint() != settings.advertise) edit.set_endpoint(settings.advertise);
  if (record.tls_pin() != chain::ToField(tls_pin)) edit.set_tls_pin(chain::ToField(tls_pin));
  if (record.capacity_bytes() != settings.store_bytes)
    edit.set_capacity_bytes(settings.store_bytes);
  if (record.network() != settings.network) edit.set_network(settings.network);
  if (record.region() != settings.region) edit.set_region(settings.region);
  pb::ProviderPrices prices = PricesOf(settings);
  if (chain::Canonical(prices) != chain::Canonical(record.prices()))
    *edit.mutable_prices() = prices;
  if (edit.ByteSizeLong() == 0) return std::nullopt;
  return operation;
}

}  // namespace cairn::storaged
