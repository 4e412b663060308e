// Seal and code an object into 4 + 2 shards, lose any two, and read it back.
#include <iostream>
#include <string>
#include <vector>

#include "cairn/base/entropy.h"
#include "cairn/base/status.h"
#include "cairn/storage/decode.h"
#include "cairn/storage/encode.h"

namespace {

using cairn::base::Bytes;
using cairn::base::ByteView;
namespace base = cairn::base;
namespace storage = cairn::storage;

absl::Status SurviveTwoLosses() {
  base::SystemEntropy entropy;
  const storage::VersionKey key = entropy.DrawSecret<32>();
  Bytes photo(3'000'000);
  entropy.Fill(absl::MakeSpan(photo));

  // Six shards; in a network each goes to a provider of its own.
  ASSIGN_OR_RETURN(base::Redundancy policy, base::Redundancy::Parse("rs:4+2"));
  std::vector<Bytes> shards(policy.width());
  auto keep = [&](uint32_t shard, ByteView piece) {
    shards[shard].insert(shards[shard].end(), piece.begin(), piece.end());
    return absl::OkStatus();
  };
  ASSIGN_OR_RETURN(auto encoder, storage::ObjectEncoder::Create({.policy = policy, .key = &key},
                                                                photo.size(), keep));
  RETURN_IF_ERROR(encoder->Feed(photo));
  ASSIGN_OR_RETURN(storage::EncodedObject object, encoder->Finish());

  // Shards 1 and 4 are gone. A reader takes any four of the others, each checked against its id.
  Bytes back;
  auto collect = [&](ByteView plaintext) {
    back.insert(back.end(), plaintext.begin(), plaintext.end());
    return absl::OkStatus();
  };
  const storage::SealedWith seal{&key, storage::KeyIdOf(key)};
  ASSIGN_OR_RETURN(auto reader,
                   storage::ObjectReader::Create(object.stored, &seal, {0, photo.size()}, collect));
  for (uint32_t shard : {0, 2, 3, 5}) {
    if (base::ContentId::Of(shards[shard]) != object.stored.blob(shard))
      return absl::DataLossError("a damaged shard");
    RETURN_IF_ERROR(reader->Add(shard, 0, shards[shard]));
  }
  RETURN_IF_ERROR(reader->Finish());
  if (back != photo) return absl::DataLossError("not what was put in");
  std::cout << photo.size() << " bytes came back from 4 of 6 shards of " << object.shard_size
            << " bytes each\n";
  return absl::OkStatus();
}

}  // namespace

int main() {
  absl::Status status = SurviveTwoLosses();
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
