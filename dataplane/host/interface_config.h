#pragma once

#include <vector>

#include "common/ip_address.h"

namespace adit::host {

// How our interface shall be.
struct InterfaceConfig {
  bool is_up = true;
  unsigned mtu = 1280;
  // Its addresses, each as /32 or /128, so that no route comes with them.
  std::vector<IpAddress> addresses;
  // Prefixes that lead into the tunnel. Whoever fills this in has asked RouteRefusal.
  std::vector<IpPrefix> routes;
};

}  // namespace adit::host
