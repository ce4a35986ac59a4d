#pragma once

#include <cstdint>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/unique_fd.h"
#include "dataplane/io/syscalls.h"

namespace adit::io {

// The two limits of our own TUN that the packet path relies on, set over rtnetlink (rtnetlink(7)),
// and its index. Everything else of a link is dataplane/host's.
class LinkLimits {
 public:
  [[nodiscard]] static absl::StatusOr<LinkLimits> Open(Syscalls& syscalls);

  [[nodiscard]] absl::StatusOr<std::uint32_t> IndexOf(const std::string& name);
  // How many packets wait in the kernel for our read (IFLA_TXQLEN).
  [[nodiscard]] absl::Status SetTransmitQueueLength(std::uint32_t index, std::uint32_t packets);
  // The most segments of a super-packet (IFLA_GSO_MAX_SEGS): the kernel cuts what has more.
  [[nodiscard]] absl::Status SetGsoMaxSegments(std::uint32_t index, std::uint32_t segments);

 private:
  LinkLimits(Syscalls& syscalls, UniqueFd fd) : syscalls_(&syscalls), fd_(std::move(fd)) {}
  absl::Status SetAttribute(std::uint32_t index, std::uint16_t attribute, std::uint32_t value,
                            const char* operation);

  Syscalls* syscalls_;
  UniqueFd fd_;
};

}  // namespace adit::io
