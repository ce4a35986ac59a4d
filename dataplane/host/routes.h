#pragma once

#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/ip_address.h"
#include "dataplane/host/netlink_socket.h"

// Questions to the kernel about the host's addresses and routes.
namespace adit::host {

// Every unicast address of the host but those of the interface with this index (0: of all), sorted.
[[nodiscard]] absl::StatusOr<std::vector<IpAddress>> LocalAddresses(NetlinkSocket& socket,
                                                                    unsigned except_index);

// Where the kernel would send a packet to an address.
struct NextHop {
  bool is_local = false;         // to this host itself
  unsigned interface_index = 0;  // when not local
};
// NOT_FOUND when there is no route (or one that refuses).
[[nodiscard]] absl::StatusOr<NextHop> FindNextHop(NetlinkSocket& socket, const IpAddress& to);
// Empty when it is gone.
[[nodiscard]] std::string InterfaceName(unsigned index);

}  // namespace adit::host
