#include "dataplane/host/route_monitor.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "common/status.h"
#include "dataplane/host/interface_query.h"

namespace adit::host {
namespace {

constexpr std::uint32_t kGroups =
    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
constexpr std::size_t kNoticeSize = std::size_t{32} * 1024;

void Note(std::uint16_t message_type, RouteChanges& changes) {
  switch (message_type) {
    case RTM_NEWADDR:
    case RTM_DELADDR:
      changes.addresses_changed = true;
      break;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
    case RTM_NEWLINK:
    case RTM_DELLINK:
      changes.routes_changed = true;
      break;
    default:
      break;
  }
}

}  // namespace

absl::StatusOr<RouteMonitor> RouteMonitor::Open(const std::string& interface_name) {
  ASSIGN_OR_RETURN(const unsigned index, InterfaceIndex(interface_name));
  ASSIGN_OR_RETURN(NetlinkSocket queries, NetlinkSocket::Open());
  UniqueFd events(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!events.is_open()) {
    return ErrnoStatus(errno, "open rtnetlink socket");
  }
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = kGroups;
  if (bind(events.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return ErrnoStatus(errno, "join rtnetlink groups");
  }
  // Asked after joining, so that no change falls between the two.
  ASSIGN_OR_RETURN(InterfaceState state, QueryInterface(queries, index));
  state.index = index;
  return RouteMonitor(std::move(events), std::move(queries), std::move(state));
}

RouteMonitor::RouteMonitor(UniqueFd events, NetlinkSocket queries, InterfaceState interface)
    : events_(std::move(events)),
      queries_(std::move(queries)),
      index_(interface.index),
      interface_(std::move(interface)) {}

absl::StatusOr<RouteChanges> RouteMonitor::Read() {
  RouteChanges changes;
  alignas(nlmsghdr) std::array<char, kNoticeSize> buffer;
  while (true) {
    sockaddr_nl from{};
    socklen_t from_size = sizeof from;
    const ssize_t got = recvfrom(events_.get(), buffer.data(), buffer.size(), 0,
                                 reinterpret_cast<sockaddr*>(&from), &from_size);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0 && errno == ENOBUFS) {
      changes.addresses_changed = true;
      changes.routes_changed = true;
      continue;
    }
    if (got < 0 && errno == EAGAIN) {
      break;
    }
    if (got < 0) {
      return ErrnoStatus(errno, "read rtnetlink notifications");
    }
    if (from.nl_pid != 0) {
      continue;  // only the kernel is believed
    }
    int left = static_cast<int>(got);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
         mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
      Note(message->nlmsg_type, changes);
    }
  }
  if (changes.any()) {
    ASSIGN_OR_RETURN(InterfaceState state, QueryInterface(queries_, index_));
    changes.interface_changed = !(state == interface_);
    interface_ = std::move(state);
  }
  return changes;
}

}  // namespace adit::host
