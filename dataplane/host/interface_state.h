#pragma once

#include <compare>
#include <vector>

#include "common/ip_address.h"

namespace adit::host {

// What the kernel says about our interface.
struct InterfaceState {
  bool exists = false;
  bool is_up = false;  // administratively (IFF_UP)
  unsigned index = 0;
  unsigned mtu = 0;
  std::vector<IpAddress> addresses;  // of global scope, sorted
  friend bool operator==(const InterfaceState&, const InterfaceState&) = default;
};

}  // namespace adit::host
