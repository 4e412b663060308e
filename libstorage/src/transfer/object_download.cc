#include <map>

#include "cairn/base/status.h"
#include "cairn/storage/download.h"

namespace cairn::storage {

using base::ByteView;

struct ObjectDownload::State {
  struct Request {
    base::SliceDecoder decoder;
    uint32_t shard;
  };

  // Keeps one decoder for each request that is running.
  std::vector<FetchAction> Note(std::vector<FetchAction> actions) {
    for (const FetchAction& action : actions) {
      if (action.kind == FetchAction::Kind::kCancel) {
        requests.erase(action.fetch);
      } else {
        base::SliceDecoder decoder(version.blob(action.shard).digest, action.range,
                                   reader->plan().map.shard_size());
        requests.emplace(action.fetch, Request{std::move(decoder), action.shard});
      }
    }
    if (download->state() == TransferState::kFailed) {
      state = TransferState::kFailed;
      status = download->status();
    }
    return actions;
  }

  // Ends the download as done or failed, and every request with it.
  std::vector<FetchAction> End(absl::Status result, std::vector<FetchAction> actions = {}) {
    status = std::move(result);
    state = status.ok() ? TransferState::kDone : TransferState::kFailed;
    for (const auto& [fetch, request] : requests) {
      FetchAction cancel;
      cancel.kind = FetchAction::Kind::kCancel;
      cancel.fetch = fetch;
      cancel.shard = request.shard;
      actions.push_back(cancel);
    }
    requests.clear();
    return actions;
  }

  bool running() const { return state == TransferState::kRunning; }

  VersionLayout version;
  std::unique_ptr<ObjectReader> reader;
  std::unique_ptr<Download> download;
  std::map<uint64_t, Request> requests;
  std::function<void(uint64_t, uint64_t)> verified;
  TransferState state = TransferState::kRunning;
  absl::Status status;
};

ObjectDownload::ObjectDownload(std::unique_ptr<State> state) : state_(std::move(state)) {}
ObjectDownload::~ObjectDownload() = default;

absl::StatusOr<std::unique_ptr<ObjectDownload>> ObjectDownload::Create(
    const VersionLayout& version, const SealedWith* seal, base::ByteRange range,
    std::vector<ShardHolder> holders, const DownloadOptions& options, ByteSink sink) {
  for (const ShardHolder& holder : holders) {
    if (holder.shard >= version.blobs()) return absl::InvalidArgumentError("a holder of no shard");
  }
  auto state = std::make_unique<State>();
  state->version = version;
  state->verified = options.verified;
  ASSIGN_OR_RETURN(state->reader, ObjectReader::Create(version, seal, range, std::move(sink)));
  state->download = std::make_unique<Download>(state->reader->plan(), version.blobs(),
                                               std::move(holders), options);
  return std::unique_ptr<ObjectDownload>(new ObjectDownload(std::move(state)));
}

std::vector<FetchAction> ObjectDownload::Start(absl::Duration now) {
  State& s = *state_;
  if (s.reader->plan().stripe_count == 0) return s.End(s.reader->Finish());
  return s.Note(s.download->Start(now));
}

std::vector<FetchAction> ObjectDownload::OnPiece(uint64_t fetch, ByteView slice,
                                                 absl::Duration now) {
  State& s = *state_;
  auto at = s.requests.find(fetch);
  if (!s.running() || at == s.requests.end()) return {};
  // What the reader says concerns the object, what the decoder says concerns the holder.
  absl::Status reading;
  absl::Status verified = at->second.decoder.Feed(slice, [&](uint64_t offset, ByteView bytes) {
    if (s.verified) s.verified(fetch, bytes.size());
    return reading = s.reader->Add(at->second.shard, offset, bytes);
  });
  if (!reading.ok()) return s.End(std::move(reading));
  // Before the decoder is heard: what else this holder sent does not matter any more.
  if (s.reader->stripes_done() == s.reader->plan().stripe_count) {
    return s.End(s.reader->Finish());
  }
  if (!verified.ok()) {
    s.requests.erase(at);
    return s.Note(s.download->OnFailed(fetch, verified, now));
  }
  return s.Note(s.download->OnProgress(fetch, at->second.decoder.verified_bytes(), now));
}

std::vector<FetchAction> ObjectDownload::OnEnd(uint64_t fetch, absl::Duration now) {
  return OnFailed(fetch, absl::UnavailableError("the holder ended its answer early"), now);
}

std::vector<FetchAction> ObjectDownload::OnFailed(uint64_t fetch, const absl::Status& why,
                                                  absl::Duration now) {
  State& s = *state_;
  if (!s.running() || s.requests.erase(fetch) == 0) return {};
  return s.Note(s.download->OnFailed(fetch, why, now));
}

std::vector<FetchAction> ObjectDownload::OnTimer(absl::Duration now) {
  State& s = *state_;
  if (!s.running()) return {};
  return s.Note(s.download->OnTimer(now));
}

std::optional<absl::Duration> ObjectDownload::next_timer() const {
  return state_->running() ? state_->download->next_timer() : std::nullopt;
}

TransferState ObjectDownload::state() const { return state_->state; }
const absl::Status& ObjectDownload::status() const { return state_->status; }
uint64_t ObjectDownload::buffered_bytes() const { return state_->reader->buffered_bytes(); }
uint32_t ObjectDownload::hedges() const { return state_->download->hedges(); }

}  // namespace cairn::storage
