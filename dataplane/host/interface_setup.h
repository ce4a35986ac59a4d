#pragma once

#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "dataplane/host/interface_config.h"
#include "dataplane/host/netlink_socket.h"

namespace adit::host {

// Makes an existing interface of ours exactly so, over rtnetlink: MTU, up or down, addresses and
// routes. It does not make the device (dataplane/io opens the TUN).
//
// Ours are: every global address on the interface (link-local ones are left alone), and the routes
// through it that carry our protocol number; routes that others set are never touched. What a
// killed process left behind is therefore adopted or removed by the first Apply.
//
// Thread: one at a time. Works after the uid is dropped (needs CAP_NET_ADMIN only).
class InterfaceSetup {
 public:
  // NOT_FOUND when there is no such interface.
  [[nodiscard]] static absl::StatusOr<InterfaceSetup> Open(const std::string& interface_name);

  // Removes what is surplus and adds what is missing; doing it twice changes nothing. The first
  // error ends it and names the operation, the object and what to do; what was done until then
  // stays, and the next Apply goes on from there. Without is_up the routes are left out (the kernel
  // refuses them on an interface that is down) and come with the next Apply.
  [[nodiscard]] absl::Status Apply(const InterfaceConfig& wanted);

  // Deletes the device, also a persistent one, and with it its addresses and routes. OK when it is
  // gone already.
  [[nodiscard]] absl::Status Remove();

  [[nodiscard]] unsigned index() const { return index_; }

 private:
  InterfaceSetup(NetlinkSocket socket, std::string name, unsigned index);
  absl::Status SetMtu(unsigned mtu);
  absl::Status SetUp(bool is_up);
  absl::Status ApplyAddresses(const InterfaceConfig& wanted);
  absl::Status ApplyRoutes(const InterfaceConfig& wanted);

  NetlinkSocket socket_;
  std::string name_;
  unsigned index_;
};

}  // namespace adit::host
