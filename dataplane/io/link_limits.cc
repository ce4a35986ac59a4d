#include "dataplane/io/link_limits.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "common/bytes.h"
#include "common/status.h"

namespace adit::io {
namespace {

// RTM_SETLINK of one attribute, as it lies on the wire.
struct SetLinkRequest {
  nlmsghdr header{};
  ifinfomsg link{};
  rtattr attribute{};
  std::uint32_t value = 0;
};
static_assert(sizeof(SetLinkRequest) == NLMSG_LENGTH(sizeof(ifinfomsg)) + RTA_LENGTH(4));

}  // namespace

absl::StatusOr<LinkLimits> LinkLimits::Open(Syscalls& syscalls) {
  UniqueFd fd(syscalls.Socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.is_open()) {
    return ErrnoStatus(-fd.Release(), "open an rtnetlink socket");
  }
  return LinkLimits(syscalls, std::move(fd));
}

absl::StatusOr<std::uint32_t> LinkLimits::IndexOf(const std::string& name) {
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  const int result = syscalls_->Ioctl(fd_.get(), SIOCGIFINDEX, &request);
  if (result < 0) {
    return ErrnoStatus(-result, "read the index of " + name);
  }
  return static_cast<std::uint32_t>(request.ifr_ifindex);
}

absl::Status LinkLimits::SetTransmitQueueLength(std::uint32_t index, std::uint32_t packets) {
  return SetAttribute(index, IFLA_TXQLEN, packets, "set txqueuelen");
}

absl::Status LinkLimits::SetGsoMaxSegments(std::uint32_t index, std::uint32_t segments) {
  return SetAttribute(index, IFLA_GSO_MAX_SEGS, segments, "set gso_max_segs");
}

absl::Status LinkLimits::SetAttribute(std::uint32_t index, std::uint16_t attribute,
                                      std::uint32_t value, const char* operation) {
  SetLinkRequest request;
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_SETLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  request.link.ifi_family = AF_UNSPEC;
  request.link.ifi_index = static_cast<int>(index);
  request.attribute.rta_type = attribute;
  request.attribute.rta_len = RTA_LENGTH(sizeof value);
  request.value = value;

  iovec part{&request, sizeof request};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const auto sent = Uninterrupted([&] { return syscalls_->SendMsg(fd_.get(), &message, 0); });
  if (sent < 0) {
    return ErrnoStatus(static_cast<int>(-sent), operation);
  }

  // The kernel has answered when sendmsg returns: header, then 0 or -errno.
  std::array<std::uint8_t, 512> answer{};
  part = {answer.data(), answer.size()};
  const auto size =
      Uninterrupted([&] { return syscalls_->RecvMsg(fd_.get(), &message, MSG_DONTWAIT); });
  if (size < 0) {
    return ErrnoStatus(static_cast<int>(-size), operation);
  }
  const bool is_whole = static_cast<std::size_t>(size) >= NLMSG_LENGTH(sizeof(std::int32_t));
  if (!is_whole || LoadNative<nlmsghdr>(answer.data()).nlmsg_type != NLMSG_ERROR) {
    return Internal(std::string(operation) + ": rtnetlink answered something else");
  }
  return ErrnoStatus(-LoadNative<std::int32_t>(&answer[NLMSG_HDRLEN]), operation);
}

}  // namespace adit::io
