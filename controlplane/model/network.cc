#include "controlplane/model/network.h"

#include <string_view>

#include <fmt/format.h>

#include "common/status.h"

namespace adit::model {
namespace {

absl::Status CheckRange(const IpPrefix& range, IpFamily family, std::string_view name) {
  if (range.family() == IpFamily::kNone) {
    return absl::OkStatus();
  }
  if (range.family() != family) {
    return InvalidArgument(
        fmt::format("tunnel range {}: {} is of the other family", name, range.ToString()));
  }
  if (range.address().bit_count() - range.length() < 2) {
    return InvalidArgument(fmt::format(
        "tunnel range {} is too small: it needs room for at least 4 addresses", range.ToString()));
  }
  const IpAddress& first = range.address();
  if (range.length() == 0 || first.is_unspecified() || first.is_loopback() ||
      first.is_multicast() || first.is_link_local() || first.is_v4_mapped()) {
    return InvalidArgument(
        fmt::format("tunnel range {} is not one that hosts can have addresses in; expected a "
                    "private range such as 100.64.0.0/11 or fd00:2021:1111::/107",
                    range.ToString()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Network::Validate() const {
  if (ranges().empty()) {
    return InvalidArgument("no tunnel range: set an IPv4 range, an IPv6 range or both");
  }
  RETURN_IF_ERROR(CheckRange(v4, IpFamily::kV4, "IPv4"));
  return CheckRange(v6, IpFamily::kV6, "IPv6");
}

std::vector<IpPrefix> Network::ranges() const {
  std::vector<IpPrefix> set;
  for (const IpPrefix& range : {v4, v6}) {
    if (range.family() != IpFamily::kNone) {
      set.push_back(range);
    }
  }
  return set;
}

std::vector<IpPrefix> TunnelAddresses::hosts() const {
  std::vector<IpPrefix> set;
  for (const IpAddress& address : {v4, v6}) {
    if (address.is_set()) {
      set.push_back(IpPrefix::Host(address));
    }
  }
  return set;
}

}  // namespace adit::model
