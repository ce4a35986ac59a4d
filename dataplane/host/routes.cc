#include "dataplane/host/routes.h"

#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "common/status.h"
#include "dataplane/host/interface_query.h"

namespace adit::host {

absl::StatusOr<std::vector<IpAddress>> LocalAddresses(NetlinkSocket& socket,
                                                      unsigned except_index) {
  ASSIGN_OR_RETURN(const std::vector<HeldAddress> held, QueryAddresses(socket, 0));
  std::vector<IpAddress> addresses;
  for (const HeldAddress& there : held) {
    if (except_index == 0 || there.interface_index != except_index) {
      addresses.push_back(there.address);
    }
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

absl::StatusOr<NextHop> FindNextHop(NetlinkSocket& socket, const IpAddress& to) {
  NetlinkRequest request(RTM_GETROUTE, 0);
  auto& body = request.AddBody<rtmsg>();
  body.rtm_family = to.is_v4() ? AF_INET : AF_INET6;
  body.rtm_dst_len = static_cast<std::uint8_t>(to.bit_count());
  mnl_attr_put(request.header(), RTA_DST, to.bytes().size(), to.bytes().data());
  NextHop hop;
  bool is_found = false;
  const int error_number = socket.Query(request, [&](const nlmsghdr& message) {
    const auto& route = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
    hop.is_local = route.rtm_type == RTN_LOCAL;
    is_found = hop.is_local || route.rtm_type == RTN_UNICAST || route.rtm_type == RTN_BROADCAST ||
               route.rtm_type == RTN_ANYCAST;
    ForEachAttribute(message, sizeof(rtmsg), [&](const nlattr* attribute) {
      if (mnl_attr_get_type(attribute) == RTA_OIF) {
        hop.interface_index = mnl_attr_get_u32(attribute);
      }
    });
  });
  // The last two are how prohibit and blackhole routes answer.
  const bool is_refused = error_number == ENETUNREACH || error_number == EHOSTUNREACH ||
                          error_number == EACCES || error_number == EINVAL;
  if (error_number != 0 && !is_refused) {
    return NetlinkError(error_number, fmt::format("look up the route to {}", to.ToString()));
  }
  if (error_number != 0 || !is_found) {
    return NotFound(fmt::format("there is no route to {}", to.ToString()));
  }
  return hop;
}

std::string InterfaceName(unsigned index) {
  std::array<char, IF_NAMESIZE> name{};
  return if_indextoname(index, name.data()) == nullptr ? std::string() : name.data();
}

}  // namespace adit::host
