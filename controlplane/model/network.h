#pragma once

#include <string>
#include <vector>

#include <absl/status/status.h>

#include "common/ip_address.h"

namespace adit::model {

// The tunnel ranges of this network. Either family may be absent (an unset prefix), not both.
struct Network {
  IpPrefix v4 = IpPrefix::Parse("100.64.0.0/11").value();
  IpPrefix v6 = IpPrefix::Parse("fd00:2021:1111::/107").value();

  // INVALID_ARGUMENT naming the range: nothing set, wrong family, too small (4 addresses at
  // least), default, loopback, link-local or multicast.
  [[nodiscard]] absl::Status Validate() const;
  [[nodiscard]] std::vector<IpPrefix> ranges() const;  // those that are set
};

// The addresses of one node or peer inside the tunnel; unset where the network lacks the family.
struct TunnelAddresses {
  IpAddress v4;
  IpAddress v6;

  [[nodiscard]] std::vector<IpPrefix> hosts() const;  // /32 and /128, those that are set
  friend bool operator==(const TunnelAddresses&, const TunnelAddresses&) = default;
};

}  // namespace adit::model
