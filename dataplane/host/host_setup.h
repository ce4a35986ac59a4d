#pragma once

#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "dataplane/host/forwarding.h"
#include "dataplane/host/host_problem.h"
#include "dataplane/host/interface_setup.h"
#include "dataplane/host/masquerade.h"
#include "dataplane/host/nftables.h"
#include "dataplane/host/route_refusal.h"

namespace adit::host {

// What the applied state asks of the host.
struct WantedHost {
  std::vector<IpAddress> addresses;  // of the TUN, /32 and /128
  std::vector<IpPrefix> routes;      // into the tunnel
  std::vector<ServedPrefix> served;  // of every resource with a grant or not
};

// The whole of what `run` does to the host, for one TUN that is open already: interface,
// forwarding, masquerading, and the problems found on the way.
//
// Thread: one at a time, never a shard's (it waits for the kernel). Works after the uid is dropped.
class HostSetup {
 public:
  // `is_host_setup_on` is --host-setup; off leaves everything but the interface alone (forwarding,
  // nft table, checks of the firewall).
  // `record_path`, a file in the state directory, lets the next process put forwarding back where
  // this one is killed; empty: no file.
  [[nodiscard]] static absl::StatusOr<HostSetup> Open(const std::string& tun_name, unsigned mtu,
                                                      bool is_host_setup_on,
                                                      const std::string& record_path = "");

  // Bounds for RouteRefusal: the caller's allowed prefixes and peers, and the host's addresses of
  // this moment.
  [[nodiscard]] absl::StatusOr<RouteBounds> Bounds(std::vector<IpPrefix> allowed,
                                                   std::vector<IpAddress> peer_endpoints);

  // Idempotent; replaces what the last Apply, or a killed process, set. An error means that the TUN
  // itself could not be set up; everything less is in problems(). The interface comes last up.
  [[nodiscard]] absl::Status Apply(const WantedHost& wanted);

  // Somebody deleted the TUN, and there is another of its name: sets that up as the last one was.
  // Errors as Apply's.
  [[nodiscard]] absl::Status AdoptInterface();

  // After RouteMonitor saw routes or addresses change: finds egress interfaces and foreign chains
  // anew for what was last applied, and sets the nft table again. True when problems() changed. A
  // few milliseconds: a host whose routes change all the time wants this at most once a second.
  [[nodiscard]] bool Reevaluate();

  [[nodiscard]] std::vector<HostProblem> problems() const;

  // Takes back everything, deletes the TUN. Tries all; the first error.
  [[nodiscard]] absl::Status Remove();

 private:
  struct Gateway {
    Forwarding forwarding;
    Masquerade masquerade;
    Nftables nftables;
  };
  HostSetup(NetlinkSocket socket, InterfaceSetup interface, std::string tun_name, unsigned mtu);
  std::vector<HostProblem> ApplyGateway();
  std::vector<HostProblem> ForeignDrops();
  [[nodiscard]] std::optional<HostProblem> Ipv6Problem() const;

  NetlinkSocket socket_;
  InterfaceSetup interface_;
  std::optional<Gateway> gateway_;
  std::string tun_name_;
  unsigned mtu_;
  WantedHost wanted_;
  std::vector<HostProblem> gateway_problems_;
  std::optional<HostProblem> ipv6_problem_;
};

}  // namespace adit::host
