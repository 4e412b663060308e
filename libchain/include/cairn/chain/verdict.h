// What the rules say about a transaction. Numbers are stable and never reused; receipts and roots contain them.
//
// Grouped by consequence: 0 done; 1xx the bytes are wrong, no fee; 2xx not in this state or not yet (signature,
// sequence, expiry, fee), no fee and no number used; from 3xx on the transaction paid its fee and used its number but
// changed nothing else. 3xx accounts and anything, 4xx providers and approvals, 5xx groups and buckets, 6xx objects,
// 7xx payments, 8xx channels and pools.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "cairn/chain/pb.h"

namespace cairn::chain {

enum class [[nodiscard]] Verdict : uint16_t {
  kOk = 0,

  kMalformed = 100,
  kNotCanonical = 101,
  kTooLarge = 102,
  kOperationCount = 103,
  kUnknownOperation = 104,
  kBadAccountId = 110,
  kBadAmount = 111,
  kBadKey = 112,
  kBadName = 113,
  kBadPolicy = 114,
  kBadText = 115,
  kBadSize = 116,
  kBadNonce = 117,
  kBadKeyWrap = 118,
  kNotSorted = 119,
  kRepeated = 120,
  kBadPosition = 121,
  kBadLane = 122,
  kBadManifest = 123,
  kBadLayout = 124,
  kBadCount = 125,
  kBadDigest = 126,
  kBadObjectId = 127,
  kBadStoreId = 128,
  kBadSignatureField = 129,
  kBadVersions = 130,
  kBadPrices = 131,

  kBadChannelId = 150,
  kBadClaim = 151,

  kWrongChain = 200,
  kBadSignature = 201,
  kBadSequence = 202,
  kExpired = 203,
  kValidTooLong = 204,
  kUnknownAccount = 205,
  kNoFeeFunds = 206,
  kTooManyLanes = 207,
  kBadSponsor = 208,
  kSponsorExpired = 209,
  kSponsorExhausted = 210,

  kNoFunds = 300,
  kNotOwner = 301,
  kUnknownLane = 302,
  kLaneInUse = 303,
  kInvariant = 399,

  kProviderExists = 400,
  kUnknownProvider = 401,
  kProviderNotActive = 402,
  kDepositTooLow = 403,
  kBadNodeSignature = 404,
  kNodeKeyTaken = 405,
  kProviderInUse = 406,
  kCapacityTooLow = 407,
  kMaintenanceTooLong = 408,
  kStoreNotNew = 409,
  kBadApproval = 420,
  kApprovalUsed = 421,
  kApprovalExpired = 422,
  kApprovalTooLong = 423,
  kWrongApprover = 424,

  kNotEnoughProviders = 500,
  kOperatorSpread = 501,
  kUnknownGroup = 502,
  kPolicyDiffers = 503,
  kGroupFull = 504,
  kNotRebuilding = 505,
  kSuccessionIncomplete = 506,
  kHolderTwice = 507,
  kNoSuchPosition = 508,
  kSamePrimary = 509,
  kNotPrimary = 510,
  kUnknownBucket = 520,
  kBucketExists = 521,
  kTooManyBuckets = 522,
  kBucketNotEmpty = 523,
  kOwnerWrapMissing = 524,

  kUnknownObject = 600,
  kUnknownName = 601,
  kNameExists = 602,
  kVersionMismatch = 603,
  kUploadPending = 604,
  kPriceChanged = 605,
  kChargeOverflow = 606,
  kNotCreated = 607,
  kDeadlinePassed = 608,
  kLayoutDiffers = 609,
  kBadCopySource = 610,
  kWrongGroup = 611,
  kBadReceipt = 612,
  kWrongStore = 613,
  kQuorumMissing = 614,
  kNotHolder = 615,
  kRequestedBefore = 616,
  kNotRequested = 617,
  kNothingToFine = 618,
  kBadUploadReceipt = 619,
  kObjectExists = 620,

  kNoStream = 700,
  kPayerFrozen = 701,
  kNotClearable = 702,
  kUnknownPaymentAccount = 710,
  kTooManyPaymentAccounts = 711,
  kNonRefundable = 712,
  kWithdrawalPending = 713,
  kNoWithdrawal = 714,
  kWrongAsset = 715,
  kNoConsent = 716,
  kConsentExhausted = 717,
  kNotSponsorable = 718,
  kSamePayer = 719,
  kConsentAhead = 720,
  kPackageTooSoon = 730,
  kSamePackage = 731,
  kBadPriceNumber = 740,
  kStalePrice = 741,
  kPriceTooSoon = 742,
  kPriceOutOfBounds = 743,
  kPriceQuorumMissing = 744,
  kFeedSpeaks = 745,
  kNoNewPrice = 746,
  kWrongEpoch = 750,
  kEpochAnchored = 751,
  kFewerRecords = 752,

  kUnknownChannel = 800,
  kNotParty = 801,
  kChannelNotOpen = 802,
  kChannelNotClosing = 803,
  kBadVoucher = 804,
  kClaimAboveDeposit = 805,
  kClaimNotHigher = 806,
  kDisputeTooLate = 807,
  kChannelNotExpired = 808,
  kBadExpiry = 809,
  kSelfPayment = 810,
  kBadAppointment = 811,
  kBadClosing = 812,
  kBelowWithdrawn = 813,
  kUnknownPool = 820,
  kPoolClosed = 821,
  kBadCapability = 822,
  kCapabilityExpired = 823,
  kCapabilitySpent = 824,
  kSignerRevoked = 825,
  kPoolEmpty = 826,
};

// "OK", "NO_FUNDS". For a number that is no verdict: "UNKNOWN".
absl::string_view Name(Verdict verdict);
// What was expected, in one sentence; and what to do next.
absl::string_view Explain(Verdict verdict);
absl::string_view Hint(Verdict verdict);
// Every verdict there is, ascending.
const std::vector<Verdict>& AllVerdicts();

// Did the transaction enter a block (its number is used and its fee paid)?
inline bool Included(Verdict verdict) { return verdict == Verdict::kOk || static_cast<int>(verdict) >= 300; }
inline Verdict VerdictOf(const pb::TransactionReceipt& receipt) { return static_cast<Verdict>(receipt.verdict()); }

// OK, or base::Error(code, "VERDICT_NO_FUNDS", explanation and detail, hint, {transaction, verdict, operation, ...}).
absl::Status ToStatus(const pb::TransactionReceipt& receipt);

}  // namespace cairn::chain
