#include "dataplane/host/route_monitor.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "common/status.h"
#include "dataplane/host/interface_query.h"

namespace adit::host {
namespace {

constexpr std::uint32_t GroupBit(unsigned group) { return 1U << (group - 1); }
constexpr std::uint32_t kGroups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                                  RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE |
                                  GroupBit(RTNLGRP_IPV4_RULE) | GroupBit(RTNLGRP_IPV6_RULE);
constexpr std::size_t kNoticeSize = std::size_t{32} * 1024;

template <typename Body>
const Body& BodyOf(const nlmsghdr& message) {
  return *static_cast<const Body*>(mnl_nlmsg_get_payload(&message));
}

RouteEvent::Route ReadRoute(const nlmsghdr& message) {
  const auto& body = BodyOf<rtmsg>(message);
  // A default route names no destination.
  constexpr std::array<std::uint8_t, 16> kAnywhere{};
  IpAddress destination = body.rtm_family == AF_INET6 ? IpAddress::V6(kAnywhere.data())
                                                      : IpAddress::V4(kAnywhere.data());
  RouteEvent::Route route;
  ForEachAttribute(message, sizeof(rtmsg), [&](const nlattr* attribute) {
    if (mnl_attr_get_type(attribute) == RTA_DST) {
      destination = AddressOf(attribute);
    } else if (mnl_attr_get_type(attribute) == RTA_OIF) {
      route.interface_index = mnl_attr_get_u32(attribute);
    }
  });
  route.destination =
      IpPrefix(destination, std::min<unsigned>(body.rtm_dst_len, destination.bit_count()));
  route.is_removed = message.nlmsg_type == RTM_DELROUTE;
  return route;
}

void Note(const nlmsghdr& message, RouteChanges& changes) {
  switch (message.nlmsg_type) {
    case RTM_DELADDR:
      changes.event.Add(OwnAddress(message));
      [[fallthrough]];
    case RTM_NEWADDR:
      changes.addresses_changed = true;
      break;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      changes.routes_changed = true;
      changes.event.Add(ReadRoute(message));
      break;
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      // The IPv4 routes that end with a link are not announced.
      const auto& link = BodyOf<ifinfomsg>(message);
      constexpr unsigned kUsable = IFF_UP | IFF_RUNNING;
      changes.routes_changed = true;
      if (message.nlmsg_type == RTM_DELLINK || (link.ifi_flags & kUsable) != kUsable) {
        changes.event.AddVanishedLink(static_cast<std::uint32_t>(link.ifi_index));
      }
      break;
    }
    case RTM_NEWRULE:
    case RTM_DELRULE:
      changes.routes_changed = true;
      changes.event.is_everything = true;
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
      changes.event.is_everything = true;
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
      Note(*message, changes);
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
