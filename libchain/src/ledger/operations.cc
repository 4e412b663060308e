#include "ledger/operations.h"

#include "cairn/chain/domain/accounts.h"
#include "cairn/chain/domain/buckets.h"
#include "cairn/chain/domain/channels.h"
#include "cairn/chain/domain/groups.h"
#include "cairn/chain/domain/objects.h"
#include "cairn/chain/domain/payments.h"
#include "cairn/chain/domain/providers.h"

namespace cairn::chain {
namespace {

// Weight of an operation: `base`, and `each` for every item of its list (objects, names, receipts, hashes of a claim).
template <class Op>
uint64_t Items(const Op&) {
  return 0;
}
uint64_t Items(const pb::CreateObjects& op) { return op.objects_size(); }
uint64_t Items(const pb::SealObjects& op) { return op.objects_size() + op.receipts_size(); }
uint64_t Items(const pb::PostReceipts& op) { return op.objects_size() + op.receipts_size(); }
uint64_t Items(const pb::RejectObjects& op) { return op.objects_size(); }
uint64_t Items(const pb::CancelObjects& op) { return op.objects_size(); }
uint64_t Items(const pb::DeleteObjects& op) { return op.names_size() + op.versions_size(); }
// A claim costs its hashes: as much as a signature for every 256.
uint64_t Items(const pb::Claim& claim) { return (uint64_t{claim.tick()} + 255) / 256; }
uint64_t Items(const pb::WithdrawChannel& op) { return Items(op.claim()); }
uint64_t Items(const pb::CloseChannel& op) { return Items(op.claim()); }
uint64_t Items(const pb::DisputeChannel& op) { return Items(op.claim()); }
uint64_t Items(const pb::RedeemPool& op) { return Items(op.claim()); }
uint64_t Items(const pb::ClaimFine& op) { return op.objects_size(); }
uint64_t Items(const pb::SetPayer& op) { return op.objects_size(); }
uint64_t Items(const pb::ClearUnpaid& op) { return op.objects_size(); }
uint64_t Items(const pb::PostPrice& op) { return op.signatures_size(); }

#define RULES(Kind, field, base, each)                                                          \
  {                                                                                             \
    pb::Operation::Kind,                                                                        \
        [](const pb::Operation& op) -> uint64_t { return base + each * Items(op.field()); },    \
        [](const pb::Operation& op) { return Validate(op.field()); },                           \
        [](const pb::Operation& op, const Context& context, const ReadView& view) {             \
          return Check(op.field(), context, view);                                              \
        },                                                                                      \
        [](const pb::Operation& op, const Context& context, Edits& edits) {                     \
          Apply(op.field(), context, edits);                                                    \
        },                                                                                      \
  }

constexpr OperationRules kRules[] = {
    RULES(kTransfer, transfer, 1, 0),
    RULES(kSetWrapKey, set_wrap_key, 1, 0),
    RULES(kSetRootPointer, set_root_pointer, 1, 0),
    RULES(kDropLane, drop_lane, 1, 0),

    RULES(kRegisterProvider, register_provider, 10, 0),
    RULES(kEditProvider, edit_provider, 2, 0),
    RULES(kAddDeposit, add_deposit, 1, 0),
    RULES(kSetMaintenance, set_maintenance, 1, 0),
    RULES(kReportNewStore, report_new_store, 5, 0),
    RULES(kExitProvider, exit_provider, 2, 0),

    RULES(kCreateBucket, create_bucket, 10, 0),
    RULES(kEditBucket, edit_bucket, 1, 0),
    RULES(kDeleteBucket, delete_bucket, 2, 0),
    RULES(kReplacePrimary, replace_primary, 5, 0),
    RULES(kAssignSuccessor, assign_successor, 5, 0),
    RULES(kCompleteSuccession, complete_succession, 2, 0),

    RULES(kCreateObjects, create_objects, 1, 2),
    RULES(kSealObjects, seal_objects, 1, 1),
    RULES(kPostReceipts, post_receipts, 1, 1),
    RULES(kRejectObjects, reject_objects, 1, 1),
    RULES(kCancelObjects, cancel_objects, 1, 1),
    RULES(kDeleteObjects, delete_objects, 1, 2),
    RULES(kRequestUpload, request_upload, 2, 0),
    RULES(kAnswerUpload, answer_upload, 1, 0),
    RULES(kClaimFine, claim_fine, 1, 1),

    RULES(kCreatePaymentAccount, create_payment_account, 2, 0),
    RULES(kDepositPayment, deposit_payment, 1, 0),
    RULES(kWithdrawPayment, withdraw_payment, 2, 0),
    RULES(kCancelWithdrawal, cancel_withdrawal, 1, 0),
    RULES(kDisableRefund, disable_refund, 1, 0),
    RULES(kSetPaymentConsent, set_payment_consent, 2, 0),
    RULES(kSetPayer, set_payer, 2, 2),
    RULES(kSetSponsorship, set_sponsorship, 2, 0),
    RULES(kSettleStream, settle_stream, 1, 0),
    RULES(kClearUnpaid, clear_unpaid, 1, 2),
    RULES(kSetPackage, set_package, 2, 0),
    RULES(kSetFreeCap, set_free_cap, 1, 0),
    RULES(kPostPrice, post_price, 2, 1),
    RULES(kRefreshPrice, refresh_price, 2, 0),
    RULES(kAnchorJournal, anchor_journal, 2, 0),

    RULES(kOpenChannel, open_channel, 10, 0),
    RULES(kTopUpChannel, top_up_channel, 1, 0),
    RULES(kWithdrawChannel, withdraw_channel, 2, 1),
    RULES(kCloseChannel, close_channel, 2, 1),
    RULES(kDisputeChannel, dispute_channel, 2, 1),
    RULES(kCloseTogether, close_together, 4, 0),
    RULES(kReclaimChannel, reclaim_channel, 2, 0),
    RULES(kOpenPool, open_pool, 10, 0),
    RULES(kTopUpPool, top_up_pool, 1, 0),
    RULES(kRedeemPool, redeem_pool, 4, 1),
    RULES(kRevokePoolSigner, revoke_pool_signer, 2, 0),
    RULES(kClosePool, close_pool, 2, 0),
};
#undef RULES

}  // namespace

const OperationRules* RulesFor(pb::Operation::KindCase kind) {
  for (const OperationRules& rules : kRules) {
    if (rules.kind == kind) return &rules;
  }
  return nullptr;
}

}  // namespace cairn::chain
