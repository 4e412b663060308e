#include "apps/storectl/prices_text.h"

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"
#include "cairn/payment/rate_card.h"

namespace cairn::storectl {
namespace {

namespace pb = chain::pb;

// A component: how to find it in the record, and how people write it.
struct Component {
  const char* name;
  const char* unit;
  const char* doc;
  std::string PriceFlags::*flag;
  const pb::Price& (pb::ProviderPrices::*get)() const;
  pb::Price* (pb::ProviderPrices::*edit)();
  absl::StatusOr<base::Price> (*parse)(absl::string_view);
  base::Amount (*show)(base::Price);
};

const Component kComponents[] = {
    {"primary", "a TB and 30 days", "crn per TB and 30 days, as a group's primary", &PriceFlags::primary,
     &pb::ProviderPrices::primary_storage, &pb::ProviderPrices::mutable_primary_storage, payment::ParseStoragePrice,
     payment::StoragePerTbMonth},
    {"holder", "a TB and 30 days", "crn per TB and 30 days of what a holder keeps", &PriceFlags::holder,
     &pb::ProviderPrices::holder_storage, &pb::ProviderPrices::mutable_holder_storage, payment::ParseStoragePrice,
     payment::StoragePerTbMonth},
    {"egress", "a TB", "crn per TB delivered", &PriceFlags::egress, &pb::ProviderPrices::egress,
     &pb::ProviderPrices::mutable_egress, payment::ParseTransferPrice, payment::TransferPerTb},
    {"ingress", "a TB", "crn per TB received", &PriceFlags::ingress, &pb::ProviderPrices::ingress,
     &pb::ProviderPrices::mutable_ingress, payment::ParseTransferPrice, payment::TransferPerTb},
    {"package", "a TB a month and 30 days", "crn per 30 days for each TB that may be read a month",
     &PriceFlags::package, &pb::ProviderPrices::package, &pb::ProviderPrices::mutable_package,
     payment::ParseStoragePrice, payment::StoragePerTbMonth},
};

base::Price Of(const pb::ProviderPrices& prices, const Component& component) {
  return chain::FromProto((prices.*component.get)());
}

}  // namespace

bool PriceFlags::empty() const {
  for (const Component& component : kComponents) {
    if (!(this->*component.flag).empty()) return false;
  }
  return true;
}

void PriceFlags::AddTo(CLI::App& command) {
  for (const Component& component : kComponents) {
    command.add_option(absl::StrCat("--", component.name), this->*component.flag, component.doc);
  }
}

absl::StatusOr<pb::ProviderPrices> PriceFlags::Over(const pb::ProviderPrices& from) const {
  pb::ProviderPrices out;
  for (const Component& component : kComponents) {
    base::Price price = Of(from, component);
    const std::string& given = this->*component.flag;
    if (!given.empty()) {
      auto parsed = component.parse(given);
      if (!parsed.ok()) return base::Annotate(parsed.status(), absl::StrCat("--", component.name));
      price = *parsed;
    }
    *(out.*component.edit)() = chain::ToProto(price);
  }
  return out;
}

std::string PricesJson(const pb::ProviderPrices& prices) {
  Json out;
  for (const Component& component : kComponents) {
    const base::Price price = Of(prices, component);
    out.Raw(component.name, Json()
                                .Crn("per_tb", component.show(price))
                                .Text("per_unit_e18", price.per_unit_e18.ToString())
                                .Done());
  }
  return out.Done();
}

std::string PricesText(const pb::ProviderPrices& prices, const pb::ProviderPrices* before) {
  std::string out;
  for (const Component& component : kComponents) {
    const base::Price price = Of(prices, component);
    const std::string pad(9 - std::string(component.name).size(), ' ');
    absl::StrAppend(&out, component.name, pad, AboutCrn(component.show(price)), " ", component.unit);
    if (before != nullptr && !(Of(*before, component) == price)) {
      absl::StrAppend(&out, "  (", AboutCrn(component.show(Of(*before, component))), " now)");
    }
    absl::StrAppend(&out, "\n");
  }
  return out;
}

}  // namespace cairn::storectl
