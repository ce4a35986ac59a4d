#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "dataplane/io/gso_send.h"
#include "dataplane/io/syscalls.h"
#include "dataplane/io/udp_socket.h"

namespace adit::io {

// A shard's sockets: IPv4 and IPv6 on one port, or only one of them where the host lacks the other.
class UdpSockets {
 public:
  // Fails when neither family can be had, or one fails for another reason than that the host lacks
  // it. With port 0 both get the same free port.
  [[nodiscard]] static absl::StatusOr<UdpSockets> Open(Syscalls& syscalls,
                                                       const UdpOptions& options);

  // The same for `count` shards, in their order (UdpSocket::OpenGroup). A group is always made
  // whole: steering goes by the order of binding.
  [[nodiscard]] static absl::StatusOr<std::vector<UdpSockets>> OpenGroup(
      Syscalls& syscalls, const UdpOptions& options, std::size_t count,
      std::span<const packet::SteeringByte> steering);

  // nullptr: the host lacks this family.
  [[nodiscard]] const UdpSocket* Of(IpFamily family) const {
    const std::optional<UdpSocket>& socket = sockets_[IndexOf(family)];
    return socket ? &*socket : nullptr;
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  // What was not granted and what it costs, a sentence each, to be logged once.
  [[nodiscard]] std::vector<std::string> limitations() const;
  // Of both. On error the sockets may differ: set it again.
  [[nodiscard]] absl::Status SetMark(std::uint32_t mark);

 private:
  UdpSockets() = default;

  std::array<std::optional<UdpSocket>, kFamilyCount> sockets_;
  std::uint16_t port_ = 0;
};

}  // namespace adit::io
