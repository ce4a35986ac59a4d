#pragma once

#include "dataplane/shard/group.h"
#include "dataplane/uapi/device.h"

namespace adit::app {

// The text protocol's device is a group of shards: each request becomes tasks for them, in pieces,
// so that thousands of peers do not stop the packets.
//
// Thread: the uapi server's. Borrows the shards, which go on until the last call has returned.
class UapiDevice final : public uapi::Device {
 public:
  explicit UapiDevice(shard::ShardGroup& shards) : shards_(shards) {}

  [[nodiscard]] absl::StatusOr<uapi::DeviceReport> Report() override;
  // What does not fit any more (ENOMEM: the key arena is full; ENOSPC: kMaxPeers) ends it with its
  // piece, in all shards alike; what was applied stays.
  [[nodiscard]] absl::Status Apply(const uapi::SetRequest& request) override;

  static constexpr std::size_t kMaxPeers = 65'536;
  static constexpr std::size_t kPeersPerTask = 256;

 private:
  shard::ShardGroup& shards_;
};

}  // namespace adit::app
