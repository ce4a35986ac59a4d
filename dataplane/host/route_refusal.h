#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/ip_address.h"

// Which routes a control plane may ask for. Sans-IO.
namespace adit::host {

// 100.64.0.0/11 and fd00:2021:1111::/107: the tunnel ranges of contract.md.
[[nodiscard]] std::vector<IpPrefix> DefaultAllowedRoutes();

struct RouteBounds {
  std::vector<IpPrefix> allowed;           // --allow-route; empty allows nothing
  std::vector<IpAddress> local_addresses;  // of the host's other interfaces, see LocalAddresses
  std::vector<IpAddress> peer_endpoints;   // underlay addresses of the configured peers
};

// Why `prefix` must not lead into the tunnel, as a sentence for a Nack; nullopt when it may. A
// route has to lie inside one allowed prefix, and never is a default route, overlaps the
// unspecified, loopback, link-local, multicast, reserved or mapped ranges, or covers a local
// address or a peer's endpoint, whatever is allowed.
[[nodiscard]] std::optional<std::string> RouteRefusal(const IpPrefix& prefix,
                                                      const RouteBounds& bounds);

}  // namespace adit::host
