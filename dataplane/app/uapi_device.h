#pragma once

#include "dataplane/shard/shard.h"
#include "dataplane/uapi/device.h"

namespace adit::app {

// The text protocol's device is a shard: each request becomes tasks for it, in pieces, so that
// thousands of peers do not stop the packets.
//
// Thread: the uapi server's. Borrows the shard, whose Run goes on until the last call has returned.
class UapiDevice final : public uapi::Device {
 public:
  explicit UapiDevice(shard::Shard& shard) : shard_(shard) {}

  [[nodiscard]] absl::StatusOr<uapi::DeviceReport> Report() override;
  // What does not fit any more (ENOMEM: the key arena is full; ENOSPC: kMaxPeers) ends it; what
  // came before stays.
  [[nodiscard]] absl::Status Apply(const uapi::SetRequest& request) override;

  static constexpr std::size_t kMaxPeers = 65'536;
  static constexpr std::size_t kPeersPerTask = 256;

 private:
  shard::Shard& shard_;
};

}  // namespace adit::app
