#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "dataplane/host/host_problem.h"
#include "dataplane/host/netlink_socket.h"
#include "dataplane/host/routes.h"
#include "dataplane/host/served_prefix.h"
#include "dataplane/host/sysctl.h"

namespace adit::host {

// From where the kernel forwards only because we made it. What comes from there and is not for our
// TUN was not forwarded before and shall not be now.
struct OpenedForwarding {
  std::set<unsigned> v4;  // interface indexes
  std::set<unsigned> v6;
  bool all_v6 = false;  // from every interface
  friend bool operator==(const OpenedForwarding&, const OpenedForwarding&) = default;
};

// Lets the kernel forward between our TUN and the interfaces that lead to the served prefixes, and
// puts everything back.
//
// IPv4: net.ipv4.conf.IF.forwarding of the TUN and each egress interface. IPv6: the kernel asks
// net.ipv6.conf.all.forwarding, whatever IF.forwarding says; where it has IF.force_forwarding
// (Linux 6.17) that is set instead and nothing else changes. Elsewhere all.forwarding is set, which
// makes a router of every interface, so accept_ra becomes 2 where it was 1, or their addresses
// would expire.
//
// Thread: one at a time. Works after the uid is dropped (needs CAP_NET_ADMIN only).
class Forwarding {
 public:
  [[nodiscard]] static absl::StatusOr<Forwarding> Open(std::string tun_name,
                                                       std::string sysctl_root = "/proc/sys");

  // See Sysctls::KeepRecord. Call before Apply, with a path that is this TUN's own.
  void KeepRecord(const std::string& path) { sysctls_.KeepRecord(path); }

  // Call again whenever the served prefixes change: interfaces that are egress no more get their
  // setting back. What cannot be done (read-only /proc/sys, no route to a prefix) is a problem in
  // the answer, sorted, and keeps nothing else from being done. Where a prefix leads is asked once,
  // as a gateway may serve very many.
  [[nodiscard]] std::vector<HostProblem> Apply(const std::vector<ServedPrefix>& served);
  // After Apply. None of a family that somebody else has made a router of.
  [[nodiscard]] OpenedForwarding Opened() const;
  // The host's routes or interfaces have changed; Apply then.
  void ForgetRoutes() { hops_.clear(); }

  // Everything as it was before the first Apply, but what others changed since.
  [[nodiscard]] absl::Status Restore();

 private:
  Forwarding(NetlinkSocket socket, std::string tun_name, std::string sysctl_root);
  void LookUpRoutes(const std::vector<ServedPrefix>& served);
  std::set<std::string> EgressInterfaces(IpFamily family) const;
  void ForwardV6(const std::set<std::string>& interfaces);
  void MakeEveryInterfaceARouter();
  void Want(const std::string& key, const std::string& value);
  absl::Status RestoreUnwanted();

  NetlinkSocket socket_;
  std::string tun_name_;
  std::string sysctl_root_;
  Sysctls sysctls_;
  // Where IPv6 forwarding was on before all.forwarding was set; switching that off takes them
  // along.
  std::set<std::string> routers_before_;
  std::map<IpPrefix, NextHop> hops_;  // of the served prefixes that have a route
  // Of the Apply in progress.
  std::set<std::string> wanted_keys_;
  std::vector<HostProblem> problems_;
};

}  // namespace adit::host
