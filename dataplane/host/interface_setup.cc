#include "dataplane/host/interface_setup.h"

#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/status.h"
#include "dataplane/host/interface_query.h"

namespace adit::host {
namespace {

// Marks the routes that are ours. Free in /etc/iproute2/rt_protos; iproute2 prints "proto 173".
constexpr std::uint8_t kRouteProtocol = 0xAD;
// Behind what an operator sets by hand (0), before what DHCP brings (100 and up).
constexpr std::uint32_t kRouteMetric = 50;

int FamilyOf(const IpAddress& address) { return address.is_v4() ? AF_INET : AF_INET6; }

void PutAddress(NetlinkRequest& request, std::uint16_t type, const IpAddress& address) {
  mnl_attr_put(request.header(), type, address.bytes().size(), address.bytes().data());
}

template <typename T>
bool Has(const std::vector<T>& items, const T& item) {
  return std::find(items.begin(), items.end(), item) != items.end();
}

int ChangeAddress(NetlinkSocket& socket, unsigned index, std::uint16_t type, std::uint16_t flags,
                  const IpAddress& address, std::uint8_t prefix_length) {
  NetlinkRequest request(type, flags);
  auto& body = request.AddBody<ifaddrmsg>();
  body.ifa_family = static_cast<std::uint8_t>(FamilyOf(address));
  body.ifa_prefixlen = prefix_length;
  body.ifa_scope = RT_SCOPE_UNIVERSE;
  // Nobody else is on the link: without duplicate detection the address can be used at once.
  body.ifa_flags = address.is_v6() ? IFA_F_NODAD : 0;
  body.ifa_index = index;
  PutAddress(request, IFA_LOCAL, address);
  PutAddress(request, IFA_ADDRESS, address);
  return socket.Transact(request);
}

int ChangeRoute(NetlinkSocket& socket, unsigned index, std::uint16_t type, std::uint16_t flags,
                const IpPrefix& prefix) {
  NetlinkRequest request(type, flags);
  auto& body = request.AddBody<rtmsg>();
  body.rtm_family = static_cast<std::uint8_t>(FamilyOf(prefix.address()));
  body.rtm_dst_len = static_cast<std::uint8_t>(prefix.length());
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_protocol = kRouteProtocol;
  body.rtm_scope = prefix.address().is_v4() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  body.rtm_type = RTN_UNICAST;
  PutAddress(request, RTA_DST, prefix.address());
  mnl_attr_put_u32(request.header(), RTA_OIF, index);
  mnl_attr_put_u32(request.header(), RTA_PRIORITY, kRouteMetric);
  return socket.Transact(request);
}

// Our routes of one family through the interface.
absl::StatusOr<std::vector<IpPrefix>> OurRoutes(NetlinkSocket& socket, unsigned index, int family) {
  NetlinkRequest request(RTM_GETROUTE, NLM_F_DUMP);
  auto& filter = request.AddBody<rtmsg>();
  filter.rtm_family = static_cast<std::uint8_t>(family);
  filter.rtm_table = RT_TABLE_MAIN;
  filter.rtm_protocol = kRouteProtocol;
  mnl_attr_put_u32(request.header(), RTA_OIF, index);
  std::vector<IpPrefix> routes;
  const int error_number = socket.Query(request, [&](const nlmsghdr& message) {
    const auto& body = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
    IpAddress destination;
    std::uint32_t output = 0;
    ForEachAttribute(message, sizeof(rtmsg), [&](const nlattr* attribute) {
      if (mnl_attr_get_type(attribute) == RTA_DST) {
        destination = AddressOf(attribute);
      } else if (mnl_attr_get_type(attribute) == RTA_OIF) {
        output = mnl_attr_get_u32(attribute);
      }
    });
    const bool is_ours = message.nlmsg_type == RTM_NEWROUTE && output == index &&
                         body.rtm_protocol == kRouteProtocol && body.rtm_table == RT_TABLE_MAIN;
    if (is_ours && destination.is_set() && body.rtm_dst_len <= destination.bit_count()) {
      routes.emplace_back(destination, body.rtm_dst_len);
    }
  });
  // The kernel was built, or booted, without the family: then there are no routes of it.
  if (error_number != 0 && error_number != EOPNOTSUPP && error_number != EAFNOSUPPORT) {
    return NetlinkError(error_number, "list routes");
  }
  return routes;
}

}  // namespace

absl::StatusOr<InterfaceSetup> InterfaceSetup::Open(const std::string& interface_name) {
  ASSIGN_OR_RETURN(const unsigned index, InterfaceIndex(interface_name));
  ASSIGN_OR_RETURN(NetlinkSocket socket, NetlinkSocket::Open());
  return InterfaceSetup(std::move(socket), interface_name, index);
}

InterfaceSetup::InterfaceSetup(NetlinkSocket socket, std::string name, unsigned index)
    : socket_(std::move(socket)), name_(std::move(name)), index_(index) {}

absl::Status InterfaceSetup::Apply(const InterfaceConfig& wanted) {
  ASSIGN_OR_RETURN(const InterfaceState state, QueryInterface(socket_, index_));
  if (!state.exists) {
    return NetlinkError(ENODEV, fmt::format("set up interface {}", name_));
  }
  if (state.mtu != wanted.mtu) {
    RETURN_IF_ERROR(SetMtu(wanted.mtu));
  }
  RETURN_IF_ERROR(ApplyAddresses(wanted));
  // Up only when the addresses are there: nothing leaves with another source.
  if (state.is_up != wanted.is_up) {
    RETURN_IF_ERROR(SetUp(wanted.is_up));
  }
  return ApplyRoutes(wanted);
}

absl::Status InterfaceSetup::SetMtu(unsigned mtu) {
  NetlinkRequest request(RTM_SETLINK, 0);
  request.AddBody<ifinfomsg>().ifi_index = static_cast<int>(index_);
  mnl_attr_put_u32(request.header(), IFLA_MTU, mtu);
  const int error_number = socket_.Transact(request);
  if (error_number == EINVAL) {
    return ErrnoStatus(error_number,
                       fmt::format("set MTU {} on {} (choose another --mtu)", mtu, name_));
  }
  return NetlinkError(error_number, fmt::format("set MTU {} on {}", mtu, name_));
}

absl::Status InterfaceSetup::SetUp(bool is_up) {
  NetlinkRequest request(RTM_SETLINK, 0);
  auto& body = request.AddBody<ifinfomsg>();
  body.ifi_index = static_cast<int>(index_);
  body.ifi_change = IFF_UP;
  body.ifi_flags = is_up ? IFF_UP : 0;
  return NetlinkError(socket_.Transact(request),
                      fmt::format("bring {} {}", name_, is_up ? "up" : "down"));
}

absl::Status InterfaceSetup::ApplyAddresses(const InterfaceConfig& wanted) {
  ASSIGN_OR_RETURN(const std::vector<HeldAddress> held, QueryAddresses(socket_, index_));
  std::vector<IpAddress> kept;
  // Surplus first: IPv6 refuses an address that is there with another prefix length.
  for (const HeldAddress& there : held) {
    if (there.scope != RT_SCOPE_UNIVERSE) {
      continue;
    }
    if (there.prefix_length == there.address.bit_count() && Has(wanted.addresses, there.address)) {
      kept.push_back(there.address);
      continue;
    }
    const int error_number =
        ChangeAddress(socket_, index_, RTM_DELADDR, 0, there.address, there.prefix_length);
    if (error_number != 0 && error_number != EADDRNOTAVAIL) {
      return NetlinkError(error_number,
                          fmt::format("remove address {}/{} from {}", there.address.ToString(),
                                      there.prefix_length, name_));
    }
  }
  for (const IpAddress& address : wanted.addresses) {
    if (Has(kept, address)) {
      continue;
    }
    const int error_number = ChangeAddress(socket_, index_, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL,
                                           address, static_cast<std::uint8_t>(address.bit_count()));
    const std::string what = fmt::format("add address {} to {}", address.ToString(), name_);
    const bool has_no_ipv6 =
        address.is_v6() &&
        (error_number == EACCES || error_number == EOPNOTSUPP || error_number == EAFNOSUPPORT);
    if (has_no_ipv6) {
      return ErrnoStatus(error_number, what + " (IPv6 is switched off: set net.ipv6.conf." + name_ +
                                           ".disable_ipv6=0)");
    }
    if (error_number != 0 && error_number != EEXIST) {
      return NetlinkError(error_number, what);
    }
    kept.push_back(address);
  }
  return absl::OkStatus();
}

absl::Status InterfaceSetup::ApplyRoutes(const InterfaceConfig& wanted) {
  std::vector<IpPrefix> held;
  for (const int family : {AF_INET, AF_INET6}) {
    ASSIGN_OR_RETURN(const std::vector<IpPrefix> routes, OurRoutes(socket_, index_, family));
    held.insert(held.end(), routes.begin(), routes.end());
  }
  // Missing first: what moves into a wider route is never without one.
  for (const IpPrefix& prefix : wanted.routes) {
    if (!wanted.is_up || Has(held, prefix)) {
      continue;
    }
    const int error_number =
        ChangeRoute(socket_, index_, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, prefix);
    const std::string what = fmt::format("add route {} via {}", prefix.ToString(), name_);
    if (error_number == EEXIST) {
      return ErrnoStatus(error_number,
                         fmt::format("{} (another program has that route with metric {}: remove "
                                     "it, or give it another metric)",
                                     what, kRouteMetric));
    }
    if (error_number != 0) {
      return NetlinkError(error_number, what);
    }
    held.push_back(prefix);
  }
  for (const IpPrefix& prefix : held) {
    if (wanted.is_up && Has(wanted.routes, prefix)) {
      continue;
    }
    const int error_number = ChangeRoute(socket_, index_, RTM_DELROUTE, 0, prefix);
    if (error_number != 0 && error_number != ESRCH) {
      return NetlinkError(error_number,
                          fmt::format("remove route {} via {}", prefix.ToString(), name_));
    }
  }
  return absl::OkStatus();
}

absl::Status InterfaceSetup::Remove() {
  NetlinkRequest request(RTM_DELLINK, 0);
  request.AddBody<ifinfomsg>().ifi_index = static_cast<int>(index_);
  const int error_number = socket_.Transact(request);
  return error_number == ENODEV ? absl::OkStatus()
                                : NetlinkError(error_number, fmt::format("delete {}", name_));
}

}  // namespace adit::host
