#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/ip_address.h"

namespace adit {

// What happened to the host's addresses, links and routes, as far as it decides whether answers may
// go on leaving from the address a peer dialled.
struct RouteEvent {
  struct Route {
    IpPrefix destination;
    std::uint32_t interface_index = 0;  // it leaves by; 0: by none, or by several
    bool is_removed = false;            // else it was added or replaced
  };
  // More than this is not listed: it counts as everything.
  static constexpr std::size_t kMaxListed = 64;

  std::vector<IpAddress> vanished_addresses;
  std::vector<std::uint32_t> vanished_links;  // deleted, down or without a carrier
  std::vector<Route> routes;
  bool is_everything = false;

  void Add(const IpAddress& vanished) { AddTo(vanished_addresses, vanished); }
  void Add(const Route& route) { AddTo(routes, route); }
  void AddVanishedLink(std::uint32_t index) { AddTo(vanished_links, index); }

  // Whether what goes from `source` to `remote`, from where something arrived on the interface
  // `arrived_on`, may have to leave from another address or by another interface (R15): the address
  // or the interface is gone, or a route to `remote` leads elsewhere. A route that appears on the
  // interface, or disappears from another, changes nothing.
  [[nodiscard]] bool Concerns(const IpAddress& source, std::uint32_t arrived_on,
                              const IpAddress& remote) const {
    const auto leads_elsewhere = [&](const Route& route) {
      const bool is_its_own = route.interface_index == arrived_on;
      return route.destination.Contains(remote) &&
             (route.interface_index == 0 || route.is_removed == is_its_own);
    };
    return is_everything || std::ranges::count(vanished_addresses, source) != 0 ||
           std::ranges::count(vanished_links, arrived_on) != 0 ||
           std::ranges::any_of(routes, leads_elsewhere);
  }

 private:
  template <typename T>
  void AddTo(std::vector<T>& list, const T& item) {
    if (list.size() == kMaxListed) {
      is_everything = true;
    } else {
      list.push_back(item);
    }
  }
};

}  // namespace adit
