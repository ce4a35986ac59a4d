#include "dataplane/rpc/snapshot_assembler.h"

#include <fmt/format.h>

namespace adit::rpc {
namespace {

namespace pb = ::adit::dataplane::v1;

std::size_t SizeOf(const pb::Snapshot& chunk) {
  std::size_t size = 0;
  for (const pb::Object& object : chunk.objects()) {
    size += object.key().size() + object.body().size();
  }
  return size;
}

}  // namespace

state::StoredObject TakeObject(pb::Object& object) {
  return {static_cast<std::uint32_t>(object.kind()), std::move(*object.mutable_key()),
          std::move(*object.mutable_body())};
}

std::optional<Refusal> SnapshotAssembler::Check(const pb::Snapshot& chunk) const {
  if (chunk.chunk() >= chunk.chunk_count()) {
    return Refusal{
        {}, true, fmt::format("there is no chunk {} of {}", chunk.chunk(), chunk.chunk_count())};
  }
  const std::size_t size = SizeOf(chunk);
  if (size > kMaxChunkBytes + limits_->max_body_bytes) {
    return Refusal{
        {}, false, fmt::format("a chunk of {} bytes is more than {}", size, kMaxChunkBytes)};
  }
  if (chunk.chunk() == 0) {
    return std::nullopt;
  }
  if (!is_open_ || chunk.nonce() != nonce_ || chunk.chunk() != next_chunk_) {
    return Refusal{
        {}, true, fmt::format("chunk {} does not follow what came before", chunk.chunk())};
  }
  if (chunk.chunk_count() != chunk_count_ || chunk.epoch() != snapshot_.epoch ||
      chunk.revision() != snapshot_.revision || chunk.digest() != snapshot_.digest) {
    return Refusal{{}, true, "the chunks of the snapshot do not agree"};
  }
  if (bytes_ + size > limits_->max_state_bytes) {
    return Refusal{
        {}, false, fmt::format("the snapshot has more than {} bytes", limits_->max_state_bytes)};
  }
  return std::nullopt;
}

SnapshotAssembler::Result SnapshotAssembler::Add(pb::Snapshot&& chunk) {
  if (auto refusal = Check(chunk)) {
    Reset();
    return {std::nullopt, std::move(refusal)};
  }
  if (chunk.chunk() == 0) {
    Reset();
    is_open_ = true;
    nonce_ = chunk.nonce();
    chunk_count_ = chunk.chunk_count();
    snapshot_.epoch = chunk.epoch();
    snapshot_.revision = chunk.revision();
    snapshot_.digest = chunk.digest();
  }
  bytes_ += SizeOf(chunk);
  for (pb::Object& object : *chunk.mutable_objects()) {
    snapshot_.objects.push_back(TakeObject(object));
  }
  ++next_chunk_;
  if (next_chunk_ < chunk_count_) {
    return {};
  }
  Result result{std::move(snapshot_), std::nullopt};
  Reset();
  return result;
}

void SnapshotAssembler::Reset() {
  is_open_ = false;
  nonce_ = 0;
  chunk_count_ = 0;
  next_chunk_ = 0;
  bytes_ = 0;
  snapshot_ = {};
}

}  // namespace adit::rpc
