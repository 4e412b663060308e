// Store an object in a blob store on disk, delete two of its shards, and fetch it back: libstorage
// alone, no network.
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "cairn/base/entropy.h"
#include "cairn/base/observer.h"
#include "cairn/base/status.h"
#include "cairn/storage/disk_blob_store.h"
#include "cairn/storage/download.h"
#include "cairn/storage/encode.h"

namespace {

using cairn::base::Bytes;
using cairn::base::ByteView;
namespace base = cairn::base;
namespace storage = cairn::storage;

absl::StatusOr<storage::EncodedObject> Store(storage::BlobStore& blobs,
                                             const storage::VersionKey& key, ByteView plaintext) {
  ASSIGN_OR_RETURN(base::Redundancy policy, base::Redundancy::Parse("rs:4+2"));
  std::vector<Bytes> shards(policy.width());
  auto keep = [&](uint32_t shard, ByteView piece) {
    shards[shard].insert(shards[shard].end(), piece.begin(), piece.end());
    return absl::OkStatus();
  };
  ASSIGN_OR_RETURN(auto encoder, storage::ObjectEncoder::Create({.policy = policy, .key = &key},
                                                                plaintext.size(), keep));
  RETURN_IF_ERROR(encoder->Feed(plaintext));
  ASSIGN_OR_RETURN(storage::EncodedObject object, encoder->Finish());
  for (uint32_t i = 0; i < shards.size(); ++i) {
    RETURN_IF_ERROR(
        blobs.Put(object.stored.blob(i), shards[i]).status());  // durable when it returns
  }
  return object;
}

// The download decides what to ask for; here every answer is one call to the store.
absl::StatusOr<Bytes> Fetch(storage::BlobStore& blobs, const storage::EncodedObject& object,
                            const storage::VersionKey& key) {
  Bytes plaintext;
  auto collect = [&](ByteView bytes) {
    plaintext.insert(plaintext.end(), bytes.begin(), bytes.end());
    return absl::OkStatus();
  };
  std::vector<storage::ShardHolder> holders;
  for (uint32_t i = 0; i < object.stored.blobs(); ++i)
    holders.push_back({i, "shard " + std::to_string(i)});
  const storage::SealedWith seal{&key, storage::KeyIdOf(key)};
  ASSIGN_OR_RETURN(auto download,
                   storage::ObjectDownload::Create(object.stored, &seal, {0, object.plaintext_size},
                                                   holders, {}, collect));
  const absl::Duration now;  // nothing here takes time
  std::vector<storage::FetchAction> actions = download->Start(now);
  while (!actions.empty()) {
    const storage::FetchAction action = actions.back();
    actions.pop_back();
    if (action.kind == storage::FetchAction::Kind::kCancel) continue;
    auto take = [&](std::vector<storage::FetchAction> more) {
      actions.insert(actions.end(), more.begin(), more.end());
    };
    absl::Status read =
        blobs.ReadSlice(object.stored.blob(action.shard), action.range, [&](ByteView piece) {
          take(download->OnPiece(action.fetch, piece, now));
          return absl::OkStatus();
        });
    take(read.ok() ? download->OnEnd(action.fetch, now)
                   : download->OnFailed(action.fetch, read, now));
  }
  RETURN_IF_ERROR(download->status());
  return plaintext;
}

absl::Status StoreAndFetch(const std::string& folder) {
  base::SystemEntropy entropy;
  ASSIGN_OR_RETURN(auto blobs,
                   storage::DiskBlobStore::OpenAt(folder, entropy, base::NullObserver()));
  const storage::VersionKey key = entropy.DrawSecret<32>();
  Bytes photo(5'000'000);
  entropy.Fill(absl::MakeSpan(photo));

  ASSIGN_OR_RETURN(storage::EncodedObject object, Store(*blobs, key, photo));
  std::cout << "stored " << blobs->Usage().blobs << " shards, " << blobs->Usage().disk_bytes
            << " bytes on disk\n";
  RETURN_IF_ERROR(blobs->Delete(object.stored.blob(0)).status());
  RETURN_IF_ERROR(blobs->Delete(object.stored.blob(3)).status());
  ASSIGN_OR_RETURN(Bytes back, Fetch(*blobs, object, key));
  if (back != photo) return absl::DataLossError("not what was put in");
  std::cout << "fetched " << back.size() << " bytes from the other " << blobs->Usage().blobs
            << "\n";
  return absl::OkStatus();
}

}  // namespace

int main() {
  char folder[] = "/tmp/cairn-example-XXXXXX";
  if (mkdtemp(folder) == nullptr) return 1;
  absl::Status status = StoreAndFetch(folder);
  std::filesystem::remove_all(folder);
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
