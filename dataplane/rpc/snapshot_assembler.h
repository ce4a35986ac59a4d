#pragma once

#include <optional>

#include "adit/dataplane/v1/control.pb.h"
#include "dataplane/rpc/desired_state.h"
#include "dataplane/rpc/object.h"

namespace adit::rpc {

// Puts the chunks of a snapshot together. They come in order and agree on everything but their
// objects; anything else ends the snapshot with a refusal, and a first chunk begins another one.
// Memory is bounded by Limits::max_state_bytes.
class SnapshotAssembler {
 public:
  static constexpr std::size_t kMaxChunkBytes = std::size_t{1} << 20;  // keys and bodies

  explicit SnapshotAssembler(const Limits& limits) : limits_(&limits) {}

  // Neither: the chunk was taken, more have to come.
  struct Result {
    std::optional<ProposedSnapshot> whole;
    std::optional<Refusal> refusal;
  };
  [[nodiscard]] Result Add(adit::dataplane::v1::Snapshot&& chunk);
  // Forgets what came so far: the stream ended.
  void Reset();

 private:
  [[nodiscard]] std::optional<Refusal> Check(const adit::dataplane::v1::Snapshot& chunk) const;

  const Limits* limits_;
  bool is_open_ = false;
  std::uint64_t nonce_ = 0;
  std::uint32_t chunk_count_ = 0;
  std::uint32_t next_chunk_ = 0;
  std::size_t bytes_ = 0;
  ProposedSnapshot snapshot_;
};

// The key and body of a message's object, moved out of it: it may hold a secret.
[[nodiscard]] state::StoredObject TakeObject(adit::dataplane::v1::Object& object);

}  // namespace adit::rpc
