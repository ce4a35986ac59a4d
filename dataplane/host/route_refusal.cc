#include "dataplane/host/route_refusal.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

namespace adit::host {
namespace {

struct ForbiddenRange {
  std::string_view prefix;
  std::string_view kind;
};

constexpr std::array kForbidden = {
    ForbiddenRange{"0.0.0.0/8", "this-network"},     // RFC 1122 3.2.1.3
    ForbiddenRange{"127.0.0.0/8", "loopback"},       // RFC 1122 3.2.1.3
    ForbiddenRange{"169.254.0.0/16", "link-local"},  // RFC 3927
    ForbiddenRange{"224.0.0.0/4", "multicast"},      // RFC 5771
    ForbiddenRange{"240.0.0.0/4", "reserved"},       // RFC 1112, and the broadcast address
    ForbiddenRange{"::/128", "unspecified"},         // RFC 4291 2.5.2
    ForbiddenRange{"::1/128", "loopback"},           // RFC 4291 2.5.3
    ForbiddenRange{"::ffff:0:0/96", "mapped"},       // RFC 4291 2.5.5.2
    ForbiddenRange{"fe80::/10", "link-local"},       // RFC 4291 2.5.6
    ForbiddenRange{"ff00::/8", "multicast"},         // RFC 4291 2.7
};

bool CoversAny(const IpPrefix& prefix, const std::vector<IpAddress>& addresses) {
  return std::any_of(addresses.begin(), addresses.end(),
                     [&](const IpAddress& address) { return prefix.Contains(address); });
}

}  // namespace

std::vector<IpPrefix> DefaultAllowedRoutes() {
  return {*IpPrefix::Parse("100.64.0.0/11"), *IpPrefix::Parse("fd00:2021:1111::/107")};
}

std::optional<std::string> RouteRefusal(const IpPrefix& prefix, const RouteBounds& bounds) {
  if (prefix.family() == IpFamily::kNone) {
    return "a route needs a prefix";
  }
  const std::string text = prefix.ToString();
  if (prefix.length() == 0) {
    return fmt::format("{} is a default route, which never leads into the tunnel", text);
  }
  for (const ForbiddenRange& range : kForbidden) {
    if (prefix.Overlaps(*IpPrefix::Parse(range.prefix))) {
      return fmt::format("{} overlaps the {} range {}", text, range.kind, range.prefix);
    }
  }
  const bool is_allowed =
      std::any_of(bounds.allowed.begin(), bounds.allowed.end(),
                  [&](const IpPrefix& allowed) { return allowed.Contains(prefix); });
  if (!is_allowed) {
    return fmt::format("{} is outside what --allow-route permits on this host", text);
  }
  if (CoversAny(prefix, bounds.local_addresses)) {
    return fmt::format("{} covers an address of this host", text);
  }
  if (CoversAny(prefix, bounds.peer_endpoints)) {
    return fmt::format("{} covers the endpoint of a peer", text);
  }
  return std::nullopt;
}

}  // namespace adit::host
