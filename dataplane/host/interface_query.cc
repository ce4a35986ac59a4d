#include "dataplane/host/interface_query.h"

#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "common/status.h"

namespace adit::host {

IpAddress OwnAddress(const nlmsghdr& message) {
  IpAddress address;
  IpAddress local;
  ForEachAttribute(message, sizeof(ifaddrmsg), [&](const nlattr* attribute) {
    if (mnl_attr_get_type(attribute) == IFA_LOCAL) {
      local = AddressOf(attribute);
    } else if (mnl_attr_get_type(attribute) == IFA_ADDRESS) {
      address = AddressOf(attribute);
    }
  });
  return local.is_set() ? local : address;
}

IpAddress AddressOf(const nlattr* attribute) {
  const auto* bytes = static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute));
  return IpAddress::FromBytes({bytes, mnl_attr_get_payload_len(attribute)}).value_or(IpAddress());
}

absl::StatusOr<unsigned> InterfaceIndex(const std::string& name) {
  const unsigned index = if_nametoindex(name.c_str());
  if (index == 0) {
    return NotFound(fmt::format("there is no interface {} in this network namespace", name));
  }
  return index;
}

absl::StatusOr<std::vector<HeldAddress>> QueryAddresses(NetlinkSocket& socket, unsigned index) {
  NetlinkRequest request(RTM_GETADDR, NLM_F_DUMP);
  auto& filter = request.AddBody<ifaddrmsg>();
  filter.ifa_family = AF_UNSPEC;
  filter.ifa_index = index;
  std::vector<HeldAddress> addresses;
  const int error_number = socket.Query(request, [&](const nlmsghdr& message) {
    const auto& body = *static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(&message));
    const IpAddress address = OwnAddress(message);
    if (message.nlmsg_type == RTM_NEWADDR && address.is_set() &&
        (index == 0 || body.ifa_index == index)) {
      addresses.push_back({address, body.ifa_prefixlen, body.ifa_scope, body.ifa_index});
    }
  });
  if (error_number == ENODEV && index != 0) {
    return addresses;
  }
  if (error_number != 0) {
    return NetlinkError(error_number, "list addresses");
  }
  return addresses;
}

absl::StatusOr<InterfaceState> QueryInterface(NetlinkSocket& socket, unsigned index) {
  NetlinkRequest request(RTM_GETLINK, 0);
  request.AddBody<ifinfomsg>().ifi_index = static_cast<int>(index);
  InterfaceState state;
  const int error_number = socket.Query(request, [&](const nlmsghdr& message) {
    const auto& body = *static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&message));
    state.exists = true;
    state.index = index;
    state.is_up = (body.ifi_flags & IFF_UP) != 0;
    ForEachAttribute(message, sizeof(ifinfomsg), [&](const nlattr* attribute) {
      if (mnl_attr_get_type(attribute) == IFLA_MTU) {
        state.mtu = mnl_attr_get_u32(attribute);
      }
    });
  });
  if (error_number == ENODEV) {
    return InterfaceState{};
  }
  if (error_number != 0) {
    return NetlinkError(error_number, fmt::format("query interface {}", index));
  }
  ASSIGN_OR_RETURN(const std::vector<HeldAddress> addresses, QueryAddresses(socket, index));
  for (const HeldAddress& held : addresses) {
    if (held.scope == RT_SCOPE_UNIVERSE) {
      state.addresses.push_back(held.address);
    }
  }
  std::sort(state.addresses.begin(), state.addresses.end());
  return state;
}

}  // namespace adit::host
