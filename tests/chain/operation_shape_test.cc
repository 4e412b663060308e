// The shape of every operation, before anything is read: each malformed field has its verdict, and what is just within a
// limit passes.
#include "cairn/chain/domain/accounts.h"
#include "cairn/chain/domain/buckets.h"
#include "cairn/chain/domain/channels.h"
#include "cairn/chain/domain/groups.h"
#include "cairn/chain/domain/objects.h"
#include "cairn/chain/domain/payments.h"
#include "cairn/chain/domain/providers.h"
#include "cairn/chain/transaction.h"
#include "chain/money_rig.h"

namespace cairn::chain {
namespace {

std::string Bytes(size_t size, char fill = 'x') { return std::string(size, fill); }
const std::string kAccount = Bytes(base::AccountId::kSize), kId = Bytes(base::ObjectId::kSize),
                  kDigest = Bytes(base::Digest::kSize), kChannel = Bytes(base::ChannelId::kSize),
                  kNonce = Bytes(base::Nonce16::kSize), kSignature = Bytes(base::Signature::kSize);

std::string PublicKey() {
  base::SeededEntropy entropy(1);
  return base::ToString(base::SigningKey::Generate(entropy).public_key().Encode());
}

// An operation in good shape, and what is wrong with it after a change.
template <class Op>
class Shape {
 public:
  explicit Shape(Op good) : good_(std::move(good)) { CHECK(Validate(good_) == Verdict::kOk); }
  template <class Change>
  Shape& Is(Verdict verdict, Change change) {
    Op op = good_;
    change(op);
    INFO(op.GetDescriptor()->name() << ": " << op.ShortDebugString().substr(0, 300));
    CHECK(Validate(op) == verdict);
    return *this;
  }
  // A list of object ids, of 1 to 256, sorted.
  template <class List>
  Shape& ObjectIds(List list) {
    const auto fill = [list](int count) {
      return [list, count](Op& op) {
        list(op)->Clear();
        for (int i = 0; i < count; ++i) *list(op)->Add() = Bytes(base::ObjectId::kSize - 1) + static_cast<char>(i);
      };
    };
    Is(Verdict::kBadCount, fill(0)).Is(Verdict::kOk, fill(100)).Is(Verdict::kBadCount, fill(257));
    Is(Verdict::kBadObjectId, [&](Op& op) { *list(op)->Mutable(0) = Bytes(base::ObjectId::kSize + 1); });
    Is(Verdict::kNotSorted, [&](Op& op) { *list(op)->Add() = list(op)->Get(0); });
    return Is(Verdict::kNotSorted, [&](Op& op) { *list(op)->Add() = Bytes(base::ObjectId::kSize, 'a'); });
  }
  Shape& Approval() {
    Is(Verdict::kBadAccountId, [](Op& op) { op.mutable_approval()->set_provider(Bytes(19)); });
    Is(Verdict::kBadNonce, [](Op& op) { op.mutable_approval()->set_nonce(Bytes(17)); });
    return Is(Verdict::kBadSignatureField, [](Op& op) { op.mutable_approval()->set_signature(Bytes(63)); });
  }

 private:
  const Op good_;
};

void Approve(pb::Approval* approval) {
  approval->set_provider(kAccount);
  approval->set_nonce(kNonce);
  approval->set_signature(kSignature);
}

pb::Amount One() { return ToProto(base::Amount(1)); }

pb::Claim GoodClaim() { return ToProto(base::ClaimOf(base::Voucher())); }

}  // namespace

TEST_CASE("an account's operations have their shape") {
  pb::Transfer transfer;
  transfer.set_to(kAccount);
  transfer.set_asset(pb::ASSET_USDC);
  *transfer.mutable_amount() = One();
  Shape(transfer)
      .Is(Verdict::kOk, [](auto& op) { op.set_asset(pb::ASSET_CRN); })
      .Is(Verdict::kBadAccountId, [](auto& op) { op.set_to(Bytes(21)); })
      .Is(Verdict::kBadAmount, [](auto& op) { op.set_asset(pb::ASSET_UNSPECIFIED); })
      .Is(Verdict::kBadAmount, [](auto& op) { op.clear_amount(); });
  pb::SetWrapKey wrap;
  wrap.set_wrap_key(Bytes(32));
  Shape(wrap).Is(Verdict::kBadKey, [](auto& op) { op.set_wrap_key(Bytes(33)); });
  pb::SetRootPointer pointer;
  pointer.set_pointer(Bytes(512));
  Shape(pointer).Is(Verdict::kBadSize, [](auto& op) { op.set_pointer(Bytes(513)); });
  pb::DropLane lane;
  lane.set_lane(1);
  Shape(lane)
      .Is(Verdict::kOk, [](auto& op) { op.set_lane(65'535); })
      .Is(Verdict::kBadLane, [](auto& op) { op.set_lane(0); })
      .Is(Verdict::kBadLane, [](auto& op) { op.set_lane(65'536); });
}

TEST_CASE("a bucket's operations have their shape: name, policy, key wraps, group and approval") {
  pb::CreateBucket create;
  create.set_name("abc");
  create.mutable_policy()->set_kind(pb::LAYOUT_KIND_SHARDS);
  create.mutable_policy()->set_data(30);
  create.mutable_policy()->set_parity(10);
  create.set_nonce(kNonce);
  create.set_keep_versions(100);
  create.mutable_new_group()->set_primary(kAccount);
  for (int i = 0; i < 40; ++i) create.mutable_new_group()->add_holders(kAccount);
  for (int i = 0; i < 256; ++i) {
    pb::KeyWrap& wrap = *create.add_wraps();
    wrap.set_member(kAccount);
    wrap.set_wrapped(Bytes(256));
    wrap.set_key_epoch(3);
  }
  Approve(create.mutable_approval());
  Shape shape(create);
  for (const char* name : {"ab", "Abc", "-abc", "abc-", "a_c", ""}) {
    shape.Is(Verdict::kBadName, [&](auto& op) { op.set_name(name); });
  }
  shape.Is(Verdict::kOk, [](auto& op) { op.set_name("a-." + Bytes(60)); })
      .Is(Verdict::kBadName, [](auto& op) { op.set_name(Bytes(64)); })
      .Is(Verdict::kBadPolicy, [](auto& op) { op.mutable_policy()->set_parity(11); })
      .Is(Verdict::kBadPolicy, [](auto& op) { op.mutable_policy()->set_parity(0); })
      .Is(Verdict::kBadPolicy, [](auto& op) { op.mutable_policy()->set_data(0); })
      .Is(Verdict::kBadPolicy, [](auto& op) { op.mutable_policy()->set_data(41); })
      .Is(Verdict::kBadPolicy, [](auto& op) { op.mutable_policy()->set_copies(1); })
      .Is(Verdict::kBadPolicy, [](auto& op) { op.mutable_policy()->set_kind(pb::LAYOUT_KIND_UNSPECIFIED); });
  const auto copies = [](uint32_t count, uint32_t data = 0, uint32_t parity = 0) {
    return [=](pb::CreateBucket& op) {
      op.mutable_policy()->Clear();
      op.mutable_policy()->set_kind(pb::LAYOUT_KIND_COPIES);
      op.mutable_policy()->set_copies(count);
      op.mutable_policy()->set_data(data);
      op.mutable_policy()->set_parity(parity);
    };
  };
  shape.Is(Verdict::kOk, copies(2)).Is(Verdict::kOk, copies(40));
  for (const auto& wrong : {copies(1), copies(41), copies(3, 1), copies(3, 0, 1)}) shape.Is(Verdict::kBadPolicy, wrong);
  shape.Is(Verdict::kBadNonce, [](auto& op) { op.set_nonce(Bytes(15)); })
      .Is(Verdict::kBadVersions, [](auto& op) { op.set_keep_versions(101); })
      .Is(Verdict::kBadCount, [](auto& op) { op.clear_new_group(); })
      .Is(Verdict::kOk, [](auto& op) { op.set_group(7); })
      .Is(Verdict::kBadAccountId, [](auto& op) { op.mutable_new_group()->set_primary(Bytes(19)); })
      .Is(Verdict::kBadAccountId, [](auto& op) { op.mutable_new_group()->set_holders(39, Bytes(19)); })
      .Is(Verdict::kBadCount, [](auto& op) { op.mutable_new_group()->add_holders(kAccount); })
      .Is(Verdict::kBadKeyWrap, [](auto& op) { op.clear_wraps(); })
      .Is(Verdict::kOk, [](auto& op) { op.clear_wraps(), op.set_public_read(true); })
      .Is(Verdict::kBadKeyWrap, [](auto& op) { *op.add_wraps() = op.wraps(0); })
      .Is(Verdict::kBadKeyWrap, [](auto& op) { op.mutable_wraps(255)->set_member(Bytes(19)); })
      .Is(Verdict::kBadKeyWrap, [](auto& op) { op.mutable_wraps(255)->clear_wrapped(); })
      .Is(Verdict::kBadKeyWrap, [](auto& op) { op.mutable_wraps(255)->set_wrapped(Bytes(257)); })
      .Is(Verdict::kBadKeyWrap, [](auto& op) { op.mutable_wraps(255)->set_key_epoch(4); })
      .Approval();
  pb::EditBucket edit;
  edit.set_keep_versions(1);
  Shape(edit)
      .Is(Verdict::kOk, [](auto& op) { op.set_keep_versions(100); })
      .Is(Verdict::kOk, [](auto& op) { op.clear_keep_versions(), op.set_public_read(false); })
      .Is(Verdict::kBadCount, [](auto& op) { op.clear_keep_versions(); })
      .Is(Verdict::kBadVersions, [](auto& op) { op.set_keep_versions(0); })
      .Is(Verdict::kBadVersions, [](auto& op) { op.set_keep_versions(101); });
}

TEST_CASE("operations on groups have their shape") {
  pb::ReplacePrimary replace;
  replace.set_primary(kAccount);
  Approve(replace.mutable_approval());
  Shape(replace).Is(Verdict::kBadAccountId, [](auto& op) { op.set_primary(Bytes(19)); }).Approval();
  pb::AssignSuccessor assign;
  assign.set_provider(kAccount);
  assign.set_position(39);
  Approve(assign.mutable_approval());
  Shape(assign)
      .Is(Verdict::kBadAccountId, [](auto& op) { op.set_provider(Bytes(19)); })
      .Is(Verdict::kBadPosition, [](auto& op) { op.set_position(40); })
      .Approval();
  pb::CompleteSuccession complete;
  complete.set_position(39);
  Shape(complete).Is(Verdict::kBadPosition, [](auto& op) { op.set_position(40); });
}

TEST_CASE("operations on objects have their shape: names, digests, receipts") {
  pb::CreateObjects create;
  for (const char* name : {"b", "a"}) {
    pb::NewObject& object = *create.add_objects();
    object.set_name(name);
    object.set_stored_size(base::kMaxObjectBytes);
    object.set_content_id(kDigest);
    object.set_layout_root(kDigest);
    object.set_layout(pb::LAYOUT_KIND_SHARDS);
    object.set_manifest(Bytes(512));
  }
  Approve(create.mutable_approval());
  const auto second = [](auto change) { return [=](pb::CreateObjects& op) { change(*op.mutable_objects(1)); }; };
  Shape(create)
      .Is(Verdict::kBadCount, [](auto& op) { op.clear_objects(); })
      .Is(Verdict::kBadCount, [](auto& op) { for (int i = 0; i < 255; ++i) *op.add_objects() = op.objects(0); })
      .Is(Verdict::kRepeated, second([](auto& o) { o.set_name("b"); }))
      .Is(Verdict::kBadName, second([](auto& o) { o.clear_name(); }))
      .Is(Verdict::kOk, second([](auto& o) { o.set_name(Bytes(4096)); }))
      .Is(Verdict::kBadName, second([](auto& o) { o.set_name(Bytes(4097)); }))
      .Is(Verdict::kBadSize, second([](auto& o) { o.set_stored_size(base::kMaxObjectBytes + 1); }))
      .Is(Verdict::kBadDigest, second([](auto& o) { o.set_content_id(Bytes(31)); }))
      .Is(Verdict::kBadDigest, second([](auto& o) { o.set_layout_root(Bytes(31)); }))
      .Is(Verdict::kBadDigest, second([](auto& o) { o.set_stored_size(0); }))  // of another content than none
      .Is(Verdict::kOk, second([](auto& o) { o.set_stored_size(0), o.set_content_id(ToField(base::Blake3({}))); }))
      .Is(Verdict::kOk, second([](auto& o) { o.set_layout(pb::LAYOUT_KIND_COPIES); }))
      .Is(Verdict::kBadLayout, second([](auto& o) { o.set_layout(pb::LAYOUT_KIND_UNSPECIFIED); }))
      .Is(Verdict::kBadManifest, second([](auto& o) { o.set_manifest(Bytes(513)); }))
      .Is(Verdict::kBadManifest, second([](auto& o) { o.set_manifest_id(kDigest); }))  // and one of its own
      .Is(Verdict::kOk, second([](auto& o) { o.clear_manifest(), o.set_manifest_id(kDigest); }))
      .Is(Verdict::kBadManifest, second([](auto& o) { o.clear_manifest(), o.set_manifest_id(Bytes(31)); }))
      .Is(Verdict::kBadManifest, second([](auto& o) {
            o.clear_manifest(), o.set_manifest_id(kDigest);
            o.set_stored_size(0), o.set_content_id(ToField(base::Blake3({})));
          }))
      .Is(Verdict::kOk, second([](auto& o) { o.set_copy_of(Bytes(base::ObjectId::kSize)); }))
      .Is(Verdict::kBadObjectId, second([](auto& o) { o.set_copy_of(Bytes(base::ObjectId::kSize - 1)); }))
      .Approval();

  const auto receipt = [](auto change) { return [=](auto& op) { change(*op.mutable_receipts(1)); }; };
  const auto with_receipts = [&](auto op) {
    op.add_objects(kId);
    for (uint32_t position : {39, 0}) {
      pb::Receipt& each = *op.add_receipts();
      each.set_position(position);
      each.set_store_id(Bytes(base::StoreId::kSize));
      each.set_signature(kSignature);
    }
    return Shape(op)
        .ObjectIds([](auto& o) { return o.mutable_objects(); })
        .Is(Verdict::kRepeated, receipt([](auto& r) { r.set_position(39); }))
        .Is(Verdict::kBadPosition, receipt([](auto& r) { r.set_position(40); }))
        .Is(Verdict::kBadStoreId, receipt([](auto& r) { r.set_store_id(Bytes(base::StoreId::kSize - 1)); }))
        .Is(Verdict::kBadSignatureField, receipt([](auto& r) { r.set_signature(Bytes(65)); }))
        .Is(Verdict::kBadCount, [](auto& o) { for (int i = 0; i < 39; ++i) *o.add_receipts() = o.receipts(0); });
  };
  with_receipts(pb::SealObjects()).Is(Verdict::kOk, [](auto& op) { op.clear_receipts(); });
  with_receipts(pb::PostReceipts()).Is(Verdict::kBadCount, [](auto& op) { op.clear_receipts(); });
}

TEST_CASE("the ends of objects, and what is said about uploads, have their shape") {
  pb::RejectObjects reject;
  reject.add_objects(kId);
  reject.set_reason(Bytes(64, '~'));
  Shape(reject)
      .ObjectIds([](auto& op) { return op.mutable_objects(); })
      .Is(Verdict::kOk, [](auto& op) { op.clear_reason(); })
      .Is(Verdict::kBadText, [](auto& op) { op.set_reason(Bytes(65)); })
      .Is(Verdict::kBadText, [](auto& op) { op.set_reason("a b"); })
      .Is(Verdict::kBadText, [](auto& op) { op.set_reason("\x7f"); });
  pb::CancelObjects cancel;
  cancel.add_objects(kId);
  Shape(cancel).ObjectIds([](auto& op) { return op.mutable_objects(); });
  pb::ClearUnpaid clear;
  clear.add_objects(kId);
  Shape(clear).ObjectIds([](auto& op) { return op.mutable_objects(); });
  pb::DeleteObjects remove;
  remove.add_names(Bytes(4096));
  remove.add_versions(kId);
  Shape(remove)
      .Is(Verdict::kBadCount, [](auto& op) { op.clear_names(), op.clear_versions(); })
      .Is(Verdict::kOk, [](auto& op) { for (int i = 0; i < 254; ++i) op.add_names("n" + std::to_string(i)); })
      .Is(Verdict::kBadCount, [](auto& op) { for (int i = 0; i < 255; ++i) op.add_names("n" + std::to_string(i)); })
      .Is(Verdict::kBadName, [](auto& op) { op.add_names(""); })
      .Is(Verdict::kBadName, [](auto& op) { op.add_names(Bytes(4097)); })
      .Is(Verdict::kRepeated, [](auto& op) { op.add_names(Bytes(4096)); })
      .Is(Verdict::kBadObjectId, [](auto& op) { op.add_versions(Bytes(base::ObjectId::kSize - 1)); })
      .Is(Verdict::kRepeated, [](auto& op) { op.add_versions(kId); });
  pb::RequestUpload request;
  request.set_object(kId);
  Shape(request).Is(Verdict::kBadObjectId, [](auto& op) { op.set_object(Bytes(base::ObjectId::kSize + 1)); });
  pb::AnswerUpload answer;
  answer.set_object(kId);
  Shape(answer).Is(Verdict::kBadObjectId, [](auto& op) { op.set_object(Bytes(base::ObjectId::kSize + 1)); });
  pb::ClaimFine fine;
  fine.add_objects(kId);
  fine.set_signature(kSignature);
  Shape(fine)
      .ObjectIds([](auto& op) { return op.mutable_objects(); })
      .Is(Verdict::kBadSignatureField, [](auto& op) { op.set_signature(Bytes(63)); });
}

TEST_CASE("a provider's operations have their shape") {
  pb::RegisterProvider enter;
  enter.set_operator_(kAccount);
  enter.set_node_key(PublicKey());
  enter.set_node_signature(kSignature);
  enter.set_tls_pin(Bytes(32));
  enter.set_endpoint(Bytes(256));
  enter.set_network(Bytes(64));
  enter.set_region(Bytes(64));
  enter.set_capacity_bytes((uint64_t{1} << 60) - 1);
  enter.set_store_id(Bytes(base::StoreId::kSize));
  Shape(enter)
      .Is(Verdict::kBadAccountId, [](auto& op) { op.set_operator_(Bytes(19)); })
      .Is(Verdict::kBadKey, [](auto& op) { op.set_node_key(Bytes(5)); })
      .Is(Verdict::kBadSignatureField, [](auto& op) { op.set_node_signature(Bytes(63)); })
      .Is(Verdict::kBadDigest, [](auto& op) { op.set_tls_pin(Bytes(31)); })
      .Is(Verdict::kBadText, [](auto& op) { op.set_endpoint(Bytes(257)); })
      .Is(Verdict::kBadText, [](auto& op) { op.clear_endpoint(); })
      .Is(Verdict::kBadText, [](auto& op) { op.set_network(Bytes(65)); })
      .Is(Verdict::kBadText, [](auto& op) { op.clear_network(); })
      .Is(Verdict::kBadText, [](auto& op) { op.set_region(Bytes(65)); })
      .Is(Verdict::kBadText, [](auto& op) { op.set_region("\n"); })
      .Is(Verdict::kBadSize, [](auto& op) { op.set_capacity_bytes(0); })
      .Is(Verdict::kBadSize, [](auto& op) { op.set_capacity_bytes(uint64_t{1} << 60); })
      .Is(Verdict::kBadStoreId, [](auto& op) { op.set_store_id(Bytes(base::StoreId::kSize + 1)); });
  Shape(pb::EditProvider())
      .Is(Verdict::kOk, [](auto& op) { op.set_endpoint(Bytes(256)), op.set_network("n"), op.set_region("r"); })
      .Is(Verdict::kBadText, [](auto& op) { op.set_endpoint(Bytes(257)); })
      .Is(Verdict::kBadText, [](auto& op) { op.set_network(""); })
      .Is(Verdict::kBadText, [](auto& op) { op.set_region(Bytes(65)); })
      .Is(Verdict::kBadDigest, [](auto& op) { op.set_tls_pin(Bytes(33)); })
      .Is(Verdict::kBadSize, [](auto& op) { op.set_capacity_bytes(0); })
      .Is(Verdict::kBadSize, [](auto& op) { op.set_capacity_bytes(uint64_t{1} << 60); });
  pb::AddDeposit deposit;
  deposit.set_provider(kAccount);
  *deposit.mutable_amount() = One();
  Shape(deposit)
      .Is(Verdict::kBadAccountId, [](auto& op) { op.set_provider(Bytes(19)); })
      .Is(Verdict::kBadAmount, [](auto& op) { op.clear_amount(); });
  Shape(pb::SetMaintenance())
      .Is(Verdict::kOk, [](auto& op) { op.set_on(true), op.set_until_ms(1); })
      .Is(Verdict::kBadCount, [](auto& op) { op.set_until_ms(1); });
  pb::ReportNewStore store;
  store.set_store_id(Bytes(base::StoreId::kSize));
  Shape(store).Is(Verdict::kBadStoreId, [](auto& op) { op.clear_store_id(); });
}

TEST_CASE("operations on channels and pools have their shape") {
  const auto named = [](auto op) {
    op.set_channel(kChannel);
    return op;
  };
  const auto bad_channel = [](auto& op) { op.set_channel(Bytes(base::ChannelId::kSize - 1)); };
  const auto bad_claim = [](auto& op) { op.mutable_claim()->mutable_voucher()->set_ticks(base::kMaxTicks + 1); };
  pb::OpenChannel open;
  open.set_payee(kAccount);
  *open.mutable_deposit() = One();
  open.set_signer(PublicKey());
  Shape(open)
      .Is(Verdict::kOk, [](auto& op) { op.set_asset(pb::ASSET_CRN); })
      .Is(Verdict::kBadAccountId, [](auto& op) { op.set_payee(Bytes(19)); })
      .Is(Verdict::kBadAmount, [](auto& op) { op.clear_deposit(); })
      .Is(Verdict::kBadKey, [](auto& op) { op.set_signer(Bytes(3)); });
  pb::TopUpChannel top_up = named(pb::TopUpChannel());
  *top_up.mutable_amount() = One();
  Shape(top_up).Is(Verdict::kBadChannelId, bad_channel).Is(Verdict::kBadAmount, [](auto& op) { op.clear_amount(); });
  pb::WithdrawChannel withdraw = named(pb::WithdrawChannel());
  *withdraw.mutable_claim() = GoodClaim();
  Shape(withdraw).Is(Verdict::kBadChannelId, bad_channel).Is(Verdict::kBadClaim, bad_claim);
  pb::CloseChannel close = named(pb::CloseChannel());
  Shape(close)
      .Is(Verdict::kBadChannelId, bad_channel)
      .Is(Verdict::kOk, [](auto& op) { *op.mutable_claim() = GoodClaim(); })
      .Is(Verdict::kBadClaim, [&](auto& op) { *op.mutable_claim() = GoodClaim(), bad_claim(op); });
  pb::DisputeChannel dispute = named(pb::DisputeChannel());
  *dispute.mutable_claim() = GoodClaim();
  dispute.mutable_appointment()->set_signature(kSignature);
  Shape(dispute)
      .Is(Verdict::kBadChannelId, bad_channel)
      .Is(Verdict::kBadClaim, bad_claim)
      .Is(Verdict::kOk, [](auto& op) { op.clear_appointment(); })
      .Is(Verdict::kBadSignatureField, [](auto& op) { op.mutable_appointment()->set_signature(Bytes(63)); });
  pb::CloseTogether together = named(pb::CloseTogether());
  together.set_signer_signature(kSignature);
  together.set_payee_signature(kSignature);
  together.set_payee_key(PublicKey());
  Shape(together)
      .Is(Verdict::kBadChannelId, bad_channel)
      .Is(Verdict::kBadSignatureField, [](auto& op) { op.set_signer_signature(Bytes(63)); })
      .Is(Verdict::kBadSignatureField, [](auto& op) { op.set_payee_signature(Bytes(65)); })
      .Is(Verdict::kBadKey, [](auto& op) { op.clear_payee_key(); });
  Shape(named(pb::ReclaimChannel())).Is(Verdict::kBadChannelId, bad_channel);

  const auto bad_pool = [](auto& op) { op.set_pool(Bytes(base::ChannelId::kSize - 1)); };
  pb::OpenPool pool;
  *pool.mutable_deposit() = One();
  pool.set_owner_key(PublicKey());
  Shape(pool)
      .Is(Verdict::kBadAmount, [](auto& op) { op.clear_deposit(); })
      .Is(Verdict::kBadKey, [](auto& op) { op.set_owner_key(Bytes(3)); });
  pb::TopUpPool more;
  more.set_pool(kChannel);
  *more.mutable_amount() = One();
  Shape(more).Is(Verdict::kBadChannelId, bad_pool).Is(Verdict::kBadAmount, [](auto& op) { op.clear_amount(); });
  pb::RedeemPool redeem;
  redeem.set_pool(kChannel);
  redeem.mutable_capability()->set_signer(PublicKey());
  redeem.mutable_capability()->set_signature(kSignature);
  *redeem.mutable_claim() = GoodClaim();
  Shape(redeem)
      .Is(Verdict::kBadChannelId, bad_pool)
      .Is(Verdict::kBadKey, [](auto& op) { op.mutable_capability()->clear_signer(); })
      .Is(Verdict::kBadSignatureField, [](auto& op) { op.mutable_capability()->set_signature(Bytes(63)); })
      .Is(Verdict::kBadClaim, bad_claim);
  pb::RevokePoolSigner revoke;
  revoke.set_pool(kChannel);
  revoke.set_signer(PublicKey());
  Shape(revoke).Is(Verdict::kBadChannelId, bad_pool).Is(Verdict::kBadKey, [](auto& op) { op.clear_signer(); });
  pb::ClosePool end;
  end.set_pool(kChannel);
  Shape(end).Is(Verdict::kBadChannelId, bad_pool);
}

TEST_CASE("operations on payment accounts, prices, packages and journals have their shape") {
  const auto bad_account = [](auto& op) { op.set_account(Bytes(19)); };
  const auto of_account = [&](auto op) {
    op.set_account(kAccount);
    return Shape(op).Is(Verdict::kBadAccountId, bad_account);
  };
  of_account(pb::CancelWithdrawal());
  of_account(pb::DisableRefund());
  of_account(pb::SetPaymentConsent());
  of_account(pb::SetSponsorship());
  of_account(pb::SettleStream());
  const auto of_amount = [&](auto op) {
    *op.mutable_amount() = One();
    op.set_account(kAccount);
    Shape(op).Is(Verdict::kBadAccountId, bad_account).Is(Verdict::kBadAmount, [](auto& o) { o.clear_amount(); });
  };
  of_amount(pb::DepositPayment());
  of_amount(pb::WithdrawPayment());
  pb::SetPayer payer;
  payer.set_payer(kAccount);
  payer.add_objects(kId);
  Shape(payer)
      .Is(Verdict::kOk, [](auto& op) { op.clear_payer(), op.clear_objects(); })
      .Is(Verdict::kBadAccountId, [](auto& op) { op.set_payer(Bytes(19)); })
      .Is(Verdict::kNotSorted, [](auto& op) { op.add_objects(kId); })
      .Is(Verdict::kBadObjectId, [](auto& op) { op.set_objects(0, Bytes(base::ObjectId::kSize - 1)); });
  pb::SetPackage package;
  package.set_bytes_per_month((uint64_t{1} << 60) - 1);
  Shape(package).Is(Verdict::kBadSize, [](auto& op) { op.set_bytes_per_month(uint64_t{1} << 60); });
  pb::PostPrice price;
  price.mutable_prices();
  for (uint32_t oracle : {4, 2}) {
    price.add_signatures()->set_oracle(oracle);
    price.mutable_signatures(price.signatures_size() - 1)->set_signature(kSignature);
  }
  Shape(price)
      .Is(Verdict::kBadPrices, [](auto& op) { op.clear_prices(); })
      .Is(Verdict::kBadPrices, [](auto& op) { op.mutable_signatures(1)->set_oracle(4); })
      .Is(Verdict::kBadSignatureField, [](auto& op) { op.mutable_signatures(1)->set_signature(Bytes(63)); });
  pb::AnchorJournal anchor;
  anchor.set_root(kDigest);
  anchor.set_journals(2);
  anchor.set_records(2);
  Shape(anchor)
      .Is(Verdict::kBadDigest, [](auto& op) { op.set_root(Bytes(31)); })
      .Is(Verdict::kBadSize, [](auto& op) { op.set_journals(0); })
      .Is(Verdict::kBadSize, [](auto& op) { op.set_records(1); });
}

}  // namespace cairn::chain
