#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/ip_address.h"
#include "dataplane/host/interface_state.h"
#include "dataplane/host/netlink_socket.h"

// What rtnetlink tells about interfaces and their addresses.
namespace adit::host {

// An address as the kernel holds it.
struct HeldAddress {
  IpAddress address;
  std::uint8_t prefix_length = 0;
  std::uint8_t scope = 0;  // RT_SCOPE_…
  unsigned interface_index = 0;
};

// NOT_FOUND, naming the interface.
[[nodiscard]] absl::StatusOr<unsigned> InterfaceIndex(const std::string& name);

// All addresses of the host, or of one interface (index not 0).
[[nodiscard]] absl::StatusOr<std::vector<HeldAddress>> QueryAddresses(NetlinkSocket& socket,
                                                                      unsigned index);

// exists is false when there is no such interface; that is no error.
[[nodiscard]] absl::StatusOr<InterfaceState> QueryInterface(NetlinkSocket& socket, unsigned index);

// The address that an RTM_NEWADDR or RTM_DELADDR is about. IPv4 names the interface's own
// IFA_LOCAL (IFA_ADDRESS is the far end on a point-to-point link); IPv6 has IFA_LOCAL only where
// the two differ.
[[nodiscard]] IpAddress OwnAddress(const nlmsghdr& message);

// The payload of an attribute that holds an address; not set when its length is wrong.
[[nodiscard]] IpAddress AddressOf(const nlattr* attribute);

}  // namespace adit::host
