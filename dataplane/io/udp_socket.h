#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/ip_address.h"
#include "common/unique_fd.h"
#include "dataplane/io/offload_switch.h"
#include "dataplane/io/syscalls.h"
#include "dataplane/packet/steering_byte.h"

namespace adit::io {

struct UdpOptions {
  std::uint16_t port = 0;                    // 0: any free one
  std::uint32_t mark = 0;                    // SO_MARK (fwmark); 0: none
  OffloadSwitch gso = OffloadSwitch::kAuto;  // UDP_SEGMENT
  OffloadSwitch gro = OffloadSwitch::kAuto;  // UDP_GRO
  std::uint32_t buffer_bytes = 7U << 20;     // each way; beyond the system's limit with NET_ADMIN
};

// The UDP socket of one family: bound to every address of the host, non-blocking, with the local
// address, interface and traffic class of what is received, and outer fragments allowed (DF clear,
// whatever is known of the path's MTU). Receiving is UdpReceiver's and sending UdpSender's.
class UdpSocket {
 public:
  // The errors name the remedy: the port is in use, or below 1024 without the capability; an
  // offload that is kOn and that the kernel does not have. EAFNOSUPPORT (ErrnoOf) when the host
  // does not have the family.
  [[nodiscard]] static absl::StatusOr<UdpSocket> Open(Syscalls& syscalls, IpFamily family,
                                                      const UdpOptions& options);

  // `count` sockets on one port (SO_REUSEPORT), with SteerGroup's steering by their order. The
  // first is bound without the option, so that a port that another program has is refused and not
  // shared.
  [[nodiscard]] static absl::StatusOr<std::vector<UdpSocket>> OpenGroup(
      Syscalls& syscalls, IpFamily family, const UdpOptions& options, std::size_t count,
      std::span<const packet::SteeringByte> steering);

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] IpFamily family() const { return family_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] bool has_gso() const { return has_gso_; }
  [[nodiscard]] bool has_gro() const { return has_gro_; }
  // What was not granted and what it costs, a sentence each, to be logged once.
  [[nodiscard]] const std::vector<std::string>& limitations() const { return limitations_; }

  [[nodiscard]] absl::Status SetMark(std::uint32_t mark);

 private:
  UdpSocket(Syscalls& syscalls, IpFamily family) : syscalls_(&syscalls), family_(family) {}
  [[nodiscard]] static absl::StatusOr<UdpSocket> OpenOne(Syscalls& syscalls, IpFamily family,
                                                         const UdpOptions& options,
                                                         bool joins_group);
  absl::Status Configure(const UdpOptions& options);
  absl::Status SetOption(int level, int option, int value, const char* name);
  absl::Status EnableOffloads(const UdpOptions& options);
  void EnlargeBuffers(int forced_option, int option, const char* limit_name, std::uint32_t bytes);
  absl::Status BindTo(std::uint16_t port);

  Syscalls* syscalls_;
  IpFamily family_;
  UniqueFd fd_;
  std::uint16_t port_ = 0;
  bool has_gso_ = false;
  bool has_gro_ = false;
  std::vector<std::string> limitations_;
};

}  // namespace adit::io
