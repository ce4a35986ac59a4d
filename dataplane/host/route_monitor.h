#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "common/route_event.h"
#include "common/unique_fd.h"
#include "dataplane/host/interface_state.h"
#include "dataplane/host/netlink_socket.h"

namespace adit::host {

// What happened since the last Read, coalesced.
struct RouteChanges {
  bool interface_changed = false;  // interface() differs from what it was
  bool addresses_changed = false;  // of any interface of the host
  bool routes_changed = false;     // any route, rule or link of the host
  RouteEvent event{};              // what of that may change where answers leave from
  [[nodiscard]] bool any() const {
    return interface_changed || addresses_changed || routes_changed;
  }
};

// Watches links, addresses, routes and rules by rtnetlink, and knows how our interface is. It
// follows the device found at Open by its index: a rename is no change, and a deleted device never
// comes back.
//
// Thread: one at a time. Needs no capability.
class RouteMonitor {
 public:
  // NOT_FOUND when there is no such interface.
  [[nodiscard]] static absl::StatusOr<RouteMonitor> Open(const std::string& interface_name);

  // Non-blocking; readable when Read has something to say. Owned by this object.
  [[nodiscard]] int fd() const { return events_.get(); }

  // Takes all waiting notifications; no changes when there were none. Notifications the kernel had
  // to discard (ENOBUFS) count as a change of everything.
  [[nodiscard]] absl::StatusOr<RouteChanges> Read();

  // As of Open or the last Read.
  [[nodiscard]] const InterfaceState& interface() const { return interface_; }

 private:
  RouteMonitor(UniqueFd events, NetlinkSocket queries, InterfaceState interface);

  UniqueFd events_;
  NetlinkSocket queries_;
  unsigned index_;
  InterfaceState interface_;
};

}  // namespace adit::host
