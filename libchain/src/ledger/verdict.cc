#include "cairn/chain/verdict.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "cairn/base/bytes.h"
#include "cairn/base/status.h"
#include "cairn/chain/convert.h"

namespace cairn::chain {
namespace {

struct Row {
  Verdict verdict;
  absl::string_view name;
  absl::string_view explain;
  absl::string_view hint;
};

constexpr absl::string_view kRebuild = "build the transaction anew with a current version of the program";
constexpr absl::string_view kFixField = "correct the field that the detail names and sign again";
constexpr absl::string_view kAskAgain = "ask the provider for a new approval and sign again";
constexpr absl::string_view kNewVoucher = "ask the payer for a voucher of this channel, chain and asset";
constexpr absl::string_view kReRead = "read the record again and repeat with what it says now";

using enum Verdict;
constexpr Row kRows[] = {
    {kOk, "OK", "the transaction took effect", ""},

    {kMalformed, "MALFORMED", "the bytes are not a transaction", kRebuild},
    {kNotCanonical, "NOT_CANONICAL", "the bytes are not the one encoding of what they say", kRebuild},
    {kTooLarge, "TOO_LARGE", "a transaction has at most 1 MiB", "split it into several transactions"},
    {kOperationCount, "OPERATION_COUNT", "a transaction has 1 to 256 operations", "split it into several transactions"},
    {kUnknownOperation, "UNKNOWN_OPERATION", "an operation is of no known kind", kRebuild},
    {kBadAccountId, "BAD_ACCOUNT_ID", "an account id has 20 bytes", kFixField},
    {kBadAmount, "BAD_AMOUNT", "an amount is zero or its asset is unknown", kFixField},
    {kBadKey, "BAD_KEY", "a key is not of a known type and length", kFixField},
    {kBadName, "BAD_NAME", "a name breaks the rules for names", "use 3 to 63 of a-z, 0-9, '-' and '.' for a bucket, 1 to 4,096 bytes for an object"},
    {kBadPolicy, "BAD_POLICY", "a redundancy policy is out of range", "use rs:k+m with k + m up to 40, or replicate:n with n from 2 to 40"},
    {kBadText, "BAD_TEXT", "a text is empty, too long or has characters that are not allowed", kFixField},
    {kBadSize, "BAD_SIZE", "a size is out of range", kFixField},
    {kBadNonce, "BAD_NONCE", "a nonce has 16 bytes", kFixField},
    {kBadKeyWrap, "BAD_KEY_WRAP", "a key wrap is missing or malformed", "wrap the bucket's key at least to its owner; a public bucket has no wraps"},
    {kNotSorted, "NOT_SORTED", "a list that must be sorted is not", kRebuild},
    {kRepeated, "REPEATED", "a list names one thing twice", kFixField},
    {kBadPosition, "BAD_POSITION", "a position is outside every group", kFixField},
    {kBadLane, "BAD_LANE", "a lane is a number from 0 to 65,535", kFixField},
    {kBadManifest, "BAD_MANIFEST", "an object has either an inline manifest of at most 512 bytes or the id of one", kFixField},
    {kBadLayout, "BAD_LAYOUT", "a layout is neither copies nor shards", kFixField},
    {kBadCount, "BAD_COUNT", "a list is empty or too long, or a count is out of range", "split the operation"},
    {kBadDigest, "BAD_DIGEST", "a hash has 32 bytes, and an empty object the hash of nothing", kFixField},
    {kBadObjectId, "BAD_OBJECT_ID", "an object id has 16 bytes", kFixField},
    {kBadStoreId, "BAD_STORE_ID", "a store id has 16 bytes", kFixField},
    {kBadSignatureField, "BAD_SIGNATURE_FIELD", "a signature has 64 bytes", kFixField},
    {kBadVersions, "BAD_VERSIONS", "a bucket keeps 1 to 100 versions", kFixField},
    {kBadPrices, "BAD_PRICES", "prices are missing, or an oracle is named twice", kFixField},

    {kBadChannelId, "BAD_CHANNEL_ID", "the id of a channel or pool has 16 bytes", kFixField},
    {kBadClaim, "BAD_CLAIM", "a claim is out of shape: lengths, ticks above 1,024 or above the voucher's, bytes below the base", kNewVoucher},

    {kWrongChain, "WRONG_CHAIN", "the transaction was signed for another ledger", "sign with the chain id of this ledger"},
    {kBadSignature, "BAD_SIGNATURE", "the signature is not the signer's over these bytes", "sign again with the account's key"},
    {kBadSequence, "BAD_SEQUENCE", "the number is not the lane's last number + 1", "read the lane and sign again with its next number"},
    {kExpired, "EXPIRED", "the ledger's time reached valid_until", "sign again with a later valid_until"},
    {kValidTooLong, "VALID_TOO_LONG", "valid_until is too far ahead of the ledger's time", "sign again with an earlier valid_until"},
    {kUnknownAccount, "UNKNOWN_ACCOUNT", "the signer's account does not exist", "transfer some crn to it: the first credit creates it"},
    {kNoFeeFunds, "NO_FEE_FUNDS", "the payer's free balance does not cover fee and lane bond", "add crn to the account, or let a sponsor pay"},
    {kTooManyLanes, "TOO_MANY_LANES", "the account has the most lanes it may have", "use a lane you have, or drop an idle one"},
    {kBadSponsor, "BAD_SPONSOR", "the fee allowance is malformed, not for this signer or not signed by its sponsor", "ask the sponsor for an allowance for your account"},
    {kSponsorExpired, "SPONSOR_EXPIRED", "the fee allowance has expired", "ask the sponsor for a new allowance"},
    {kSponsorExhausted, "SPONSOR_EXHAUSTED", "the fee allowance is used up", "ask the sponsor for a new allowance"},

    {kNoFunds, "NO_FUNDS", "the free balance does not cover what is paid or locked", "add funds to the account, or store less"},
    {kNotOwner, "NOT_OWNER", "only the owner may do this", "sign with the owner's key"},
    {kUnknownLane, "UNKNOWN_LANE", "the lane has no record", kReRead},
    {kLaneInUse, "LANE_IN_USE", "the lane may still be needed to refuse a repeated transaction", "wait until its keep_until has passed"},
    {kInvariant, "INVARIANT", "the transaction would break an invariant of the ledger and was undone", "report this: it is a defect of the ledger's program"},

    {kProviderExists, "PROVIDER_EXISTS", "the account is a provider already", "edit the provider instead"},
    {kUnknownProvider, "UNKNOWN_PROVIDER", "no such provider is registered", "list the providers and choose again"},
    {kProviderNotActive, "PROVIDER_NOT_ACTIVE", "the provider takes nothing new", "choose another provider, or wait until its maintenance ends"},
    {kDepositTooLow, "DEPOSIT_TOO_LOW", "the deposit is below the network's minimum", "deposit more"},
    {kBadNodeSignature, "BAD_NODE_SIGNATURE", "the node key did not sign this registration", "sign the registration with the node's key"},
    {kNodeKeyTaken, "NODE_KEY_TAKEN", "another provider has this node key", "use a node key of its own for every provider"},
    {kProviderInUse, "PROVIDER_IN_USE", "groups name the provider, or an upload it approved may still be fined", "let owners replace it, wait for open uploads, then exit"},
    {kCapacityTooLow, "CAPACITY_TOO_LOW", "the provider's capacity does not cover what it has committed", "choose another provider, or raise the capacity"},
    {kMaintenanceTooLong, "MAINTENANCE_TOO_LONG", "a maintenance ends after now and within the network's limit", "give an earlier end"},
    {kStoreNotNew, "STORE_NOT_NEW", "the store id is the one already recorded", "report a loss with the id of the new store"},
    {kBadApproval, "BAD_APPROVAL", "the approval's signature is not the provider's over this operation", kAskAgain},
    {kApprovalUsed, "APPROVAL_USED", "the approval was used before", kAskAgain},
    {kApprovalExpired, "APPROVAL_EXPIRED", "the approval has expired", kAskAgain},
    {kApprovalTooLong, "APPROVAL_TOO_LONG", "the approval expires too far in the future", kAskAgain},
    {kWrongApprover, "WRONG_APPROVER", "the approval is not from the provider this operation needs", "ask the provider that the detail names"},

    {kNotEnoughProviders, "NOT_ENOUGH_PROVIDERS", "the policy cannot be placed on these providers", "name as many distinct active providers as the policy has positions"},
    {kOperatorSpread, "OPERATOR_SPREAD", "one operator would hold more than the policy can lose", "choose providers of more operators"},
    {kUnknownGroup, "UNKNOWN_GROUP", "no such holder group", kReRead},
    {kPolicyDiffers, "POLICY_DIFFERS", "the group has another policy", "choose a group of the bucket's policy, or a new group"},
    {kGroupFull, "GROUP_FULL", "the group's byte cap is reached", "use a bucket with another group"},
    {kNotRebuilding, "NOT_REBUILDING", "the position is not being rebuilt", kReRead},
    {kSuccessionIncomplete, "SUCCESSION_INCOMPLETE", "objects of the position are not receipted yet", "post the missing receipts first"},
    {kHolderTwice, "HOLDER_TWICE", "the provider holds another position of the group", "choose another provider"},
    {kNoSuchPosition, "NO_SUCH_POSITION", "the group has no such position", kReRead},
    {kSamePrimary, "SAME_PRIMARY", "the provider is the primary already", kReRead},
    {kNotPrimary, "NOT_PRIMARY", "only the group's primary may do this", "sign with the primary's key"},
    {kUnknownBucket, "UNKNOWN_BUCKET", "no such bucket", "create the bucket first"},
    {kBucketExists, "BUCKET_EXISTS", "the owner has a bucket of this name", "choose another name"},
    {kTooManyBuckets, "TOO_MANY_BUCKETS", "the owner has the most buckets it may have", "delete a bucket, or use one you have"},
    {kBucketNotEmpty, "BUCKET_NOT_EMPTY", "the bucket has objects or open uploads", "delete its objects first"},
    {kOwnerWrapMissing, "OWNER_WRAP_MISSING", "no key wrap is for the owner of the private bucket", "wrap the bucket's key to its owner too"},

    {kUnknownObject, "UNKNOWN_OBJECT", "no such object", kReRead},
    {kUnknownName, "UNKNOWN_NAME", "nothing has this name", kReRead},
    {kNameExists, "NAME_EXISTS", "the name exists", "update it: give the version it has as after_version"},
    {kVersionMismatch, "VERSION_MISMATCH", "the name's last version is another one", kReRead},
    {kUploadPending, "UPLOAD_PENDING", "an upload under this name is not finished", "wait for it, or cancel it"},
    {kPriceChanged, "PRICE_CHANGED", "the lock would be above max_lock; nothing moved", "quote again and accept the new price"},
    {kChargeOverflow, "CHARGE_OVERFLOW", "the charge leaves the range of amounts", "choose providers with sane prices"},
    {kNotCreated, "NOT_CREATED", "the object is sealed already", kReRead},
    {kDeadlinePassed, "DEADLINE_PASSED", "the deadline has passed", "create the object anew"},
    {kLayoutDiffers, "LAYOUT_DIFFERS", "the layout is not what the policy gives an object of this size", "lay the object out by the bucket's policy"},
    {kBadCopySource, "BAD_COPY_SOURCE", "the source is not a sealed object of the same group and owner with these bytes", "upload the bytes instead"},
    {kWrongGroup, "WRONG_GROUP", "an object belongs to another group", "name objects of one group in one operation"},
    {kBadReceipt, "BAD_RECEIPT", "a receipt is not the holder's over these objects", "ask the holder for a receipt under the group's epoch"},
    {kWrongStore, "WRONG_STORE", "a receipt names a store that the holder no longer has", "ask the holder for a new receipt"},
    {kQuorumMissing, "QUORUM_MISSING", "too few holders or operators gave receipts", "collect more receipts before sealing"},
    {kNotHolder, "NOT_HOLDER", "the signer is neither primary nor the holder of the position", "sign with the key of the position's provider"},
    {kRequestedBefore, "REQUESTED_BEFORE", "the upload was requested before", "wait for the deadline"},
    {kNotRequested, "NOT_REQUESTED", "no upload was requested, or it was answered", kReRead},
    {kNothingToFine, "NOTHING_TO_FINE", "no expired upload of yours is among the objects, or its window has closed", "claim within the window after the deadline"},
    {kBadUploadReceipt, "BAD_UPLOAD_RECEIPT", "the upload receipt is not the primary's over exactly these objects", "name all objects of the receipt, sorted by id"},
    {kObjectExists, "OBJECT_EXISTS", "an object with this id exists", kAskAgain},

    {kNoStream, "NO_STREAM", "nothing flows to or from the account", kReRead},
    {kPayerFrozen, "PAYER_FROZEN", "the payer's reserve is spent and its flows stand still", "deposit crn to the payer: it pays again in the deposit's block"},
    {kNotClearable, "NOT_CLEARABLE", "the payer's notice has not run out", "wait until the payer is clearable"},
    {kUnknownPaymentAccount, "UNKNOWN_PAYMENT_ACCOUNT", "no such payment account", "create one, or name an existing one"},
    {kTooManyPaymentAccounts, "TOO_MANY_PAYMENT_ACCOUNTS", "the owner has the most payment accounts it may have", "use one you have"},
    {kNonRefundable, "NON_REFUNDABLE", "nothing leaves a non-refundable account but what it pays", "let it pay for storage"},
    {kWithdrawalPending, "WITHDRAWAL_PENDING", "a withdrawal is on its way", "wait for it, or cancel it"},
    {kNoWithdrawal, "NO_WITHDRAWAL", "no withdrawal is on its way", kReRead},
    {kWrongAsset, "WRONG_ASSET", "storage is paid in crn alone", "send crn"},
    {kNoConsent, "NO_CONSENT", "the payment account's owner did not agree to pay for this bucket", "ask its owner for a consent"},
    {kConsentExhausted, "CONSENT_EXHAUSTED", "the bucket would cost more a second than the payment account's owner agreed to", "ask its owner for a higher limit, or store less"},
    {kNotSponsorable, "NOT_SPONSORABLE", "only non-refundable payment accounts take sponsors", "let its owner make it non-refundable first"},
    {kSamePayer, "SAME_PAYER", "the account pays for it already", kReRead},
    {kConsentAhead, "CONSENT_AHEAD", "the payment account has paid more at once for the bucket than its owner agreed to ahead of time", "wait until it is worked off, or ask its owner for a higher limit"},
    {kPackageTooSoon, "PACKAGE_TOO_SOON", "a package becomes smaller only after its period", "wait until the detail's second"},
    {kSamePackage, "SAME_PACKAGE", "the package is of this size already", kReRead},
    {kBadPriceNumber, "BAD_PRICE_NUMBER", "the price is not the one after the newest", kReRead},
    {kStalePrice, "STALE_PRICE", "the oracles observed the price too long ago, or after now", "sign a fresh observation"},
    {kPriceTooSoon, "PRICE_TOO_SOON", "an announced price has not come into effect, or the epoch has had its change", "wait for the next epoch"},
    {kPriceOutOfBounds, "PRICE_OUT_OF_BOUNDS", "a price changes by more than an epoch allows", "come nearer in several epochs"},
    {kPriceQuorumMissing, "PRICE_QUORUM_MISSING", "too few oracles signed this price", "collect more signatures"},
    {kFeedSpeaks, "FEED_SPEAKS", "the oracles are not silent", "let them set the price"},
    {kNoNewPrice, "NO_NEW_PRICE", "the price would stay as it is", kReRead},
    {kWrongEpoch, "WRONG_EPOCH", "the root is not of the epoch that runs", "anchor the root of the epoch in the detail"},
    {kEpochAnchored, "EPOCH_ANCHORED", "the provider has anchored a root of this epoch", "wait for the next epoch"},
    {kFewerRecords, "FEWER_RECORDS", "a root before counted more records", "restore the journal from a backup"},
    {kUnknownChannel, "UNKNOWN_CHANNEL", "no such channel", kReRead},
    {kNotParty, "NOT_PARTY", "the signer is not the party of the channel that may do this", "sign with the key of the party"},
    {kChannelNotOpen, "CHANNEL_NOT_OPEN", "the channel is closing or settled", "open another channel"},
    {kChannelNotClosing, "CHANNEL_NOT_CLOSING", "nobody is closing the channel, or it has settled", kReRead},
    {kBadVoucher, "BAD_VOUCHER", "the voucher is not the channel signer's for this channel, chain and asset, or the tick does not lead to its tip", kNewVoucher},
    {kClaimAboveDeposit, "CLAIM_ABOVE_DEPOSIT", "the claim is worth more than the deposit", "show a claim that the deposit covers, or let the payer top up"},
    {kClaimNotHigher, "CLAIM_NOT_HIGHER", "the claim is not worth more than what was shown or paid before", "show a higher claim, or none: on equal amounts the first stands"},
    {kDisputeTooLate, "DISPUTE_TOO_LATE", "the dispute window has ended", "let a watchtower act while you are away"},
    {kChannelNotExpired, "CHANNEL_NOT_EXPIRED", "the channel has not reached its expiry", "wait for the expiry, or close the channel"},
    {kBadExpiry, "BAD_EXPIRY", "the expiry is not between one dispute window and the longest life of a channel", "give an expiry that the detail allows"},
    {kSelfPayment, "SELF_PAYMENT", "payer and payee are one account", "name another payee"},
    {kBadAppointment, "BAD_APPOINTMENT", "the appointment is not the payee's for this signer and channel, or has expired", "dispute without it, or ask the payee for a new one"},
    {kBadClosing, "BAD_CLOSING", "a signature of the close by both is not its party's over these terms, or the terms have expired", "let both parties sign the same amount and expiry again"},
    {kBelowWithdrawn, "BELOW_WITHDRAWN", "the amount is below what was withdrawn already", "agree on an amount that covers it"},
    {kUnknownPool, "UNKNOWN_POOL", "no such pool", kReRead},
    {kPoolClosed, "POOL_CLOSED", "the pool is closing or closed", "open another pool"},
    {kBadCapability, "BAD_CAPABILITY", "the capability is not the pool owner's, or lasts too long", "ask the pool's owner for a capability of at most 30 days"},
    {kCapabilityExpired, "CAPABILITY_EXPIRED", "the capability has expired", "redeem earlier; ask the pool's owner for a new capability"},
    {kCapabilitySpent, "CAPABILITY_SPENT", "the signer's spending cap is used up", "ask the pool's owner for a capability with a higher cap"},
    {kSignerRevoked, "SIGNER_REVOKED", "the pool's owner revoked the signer", "take vouchers of another signer"},
    {kPoolEmpty, "POOL_EMPTY", "the pool's deposit is used up", "let the owner top the pool up"},
};

const Row* Find(Verdict verdict) {
  for (const Row& row : kRows) {
    if (row.verdict == verdict) return &row;
  }
  return nullptr;
}

}  // namespace

absl::string_view Name(Verdict verdict) {
  const Row* row = Find(verdict);
  return row == nullptr ? "UNKNOWN" : row->name;
}

absl::string_view Explain(Verdict verdict) {
  const Row* row = Find(verdict);
  return row == nullptr ? "this program does not know the verdict" : row->explain;
}

absl::string_view Hint(Verdict verdict) {
  const Row* row = Find(verdict);
  return row == nullptr ? "use a newer version of the program" : row->hint;
}

const std::vector<Verdict>& AllVerdicts() {
  static const auto& all = *[] {
    auto* list = new std::vector<Verdict>;
    for (const Row& row : kRows) list->push_back(row.verdict);
    std::sort(list->begin(), list->end());
    return list;
  }();
  return all;
}

absl::Status ToStatus(const pb::TransactionReceipt& receipt) {
  const Verdict verdict = VerdictOf(receipt);
  if (verdict == Verdict::kOk) return absl::OkStatus();
  std::string message(Explain(verdict));
  if (!receipt.detail().empty()) absl::StrAppend(&message, ": ", receipt.detail());
  base::Evidence evidence = {
      {"transaction", base::ToHex(base::AsBytes(receipt.transaction()))},
      {"verdict", absl::StrCat(receipt.verdict())},
      {"operation", absl::StrCat(receipt.operation())},
  };
  if (receipt.height() != 0) evidence.emplace_back("height", absl::StrCat(receipt.height()));
  return base::Error(absl::StatusCode::kFailedPrecondition, absl::StrCat("VERDICT_", Name(verdict)), message,
                     Hint(verdict), std::move(evidence));
}

}  // namespace cairn::chain
