#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/key.h"
#include "common/status.h"
#include "dataplane/crypto/secret.h"
#include "dataplane/engine/config.h"
#include "dataplane/engine/report.h"

// What the text protocol says, as plain values, and whom it is said to.
namespace adit::uapi {

// A whole `set=1`. Absent fields are left as they are.
struct SetRequest {
  std::optional<crypto::SymmetricKey> private_key;  // all zero removes it
  std::optional<std::uint16_t> listen_port;         // 0: any
  std::optional<std::uint32_t> firewall_mark;       // 0: none
  bool replace_peers = false;                       // remove those that are there first
  std::vector<engine::PeerPatch> peers;             // in order; one peer may come several times
};

struct DeviceReport {
  std::optional<crypto::SymmetricKey> private_key;  // not set: the device has none
  PublicKey public_key;                             // zero when it has none
  std::uint16_t listen_port = 0;
  std::uint32_t firewall_mark = 0;
  std::vector<engine::PeerReport> peers;
};

// The device behind the socket. Called by the server's thread, one call at a time; may block for as
// long as the packets' thread needs to take notice.
class Device {
 public:
  virtual ~Device() = default;
  [[nodiscard]] virtual absl::StatusOr<DeviceReport> Report() = 0;
  // The port comes first: when it cannot be had (EADDRINUSE), nothing is changed. The errno of the
  // answer is ErrnoOf(status), EIO when there is none.
  [[nodiscard]] virtual absl::Status Apply(const SetRequest& request) = 0;
};

}  // namespace adit::uapi
