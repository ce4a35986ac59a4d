#include "dataplane/host/host_setup.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/status.h"
#include "dataplane/host/foreign_firewall.h"
#include "dataplane/host/routes.h"
#include "dataplane/host/sysctl.h"

namespace adit::host {
namespace {

constexpr unsigned kLeastIpv6Mtu = 1280;  // RFC 8200 5

template <typename T, typename FamilyOf>
std::vector<T> OnlyV4(const std::vector<T>& all, FamilyOf family_of) {
  std::vector<T> kept;
  std::copy_if(all.begin(), all.end(), std::back_inserter(kept),
               [&](const T& one) { return family_of(one) == IpFamily::kV4; });
  return kept;
}

}  // namespace

absl::StatusOr<HostSetup> HostSetup::Open(const std::string& tun_name, unsigned mtu,
                                          bool is_host_setup_on, const std::string& record_path) {
  ASSIGN_OR_RETURN(NetlinkSocket socket, NetlinkSocket::Open());
  ASSIGN_OR_RETURN(InterfaceSetup interface, InterfaceSetup::Open(tun_name));
  HostSetup setup(std::move(socket), std::move(interface), tun_name, mtu);
  if (is_host_setup_on) {
    ASSIGN_OR_RETURN(Forwarding forwarding, Forwarding::Open(tun_name));
    if (!record_path.empty()) {
      forwarding.KeepRecord(record_path);
    }
    ASSIGN_OR_RETURN(Masquerade masquerade, Masquerade::Open(tun_name));
    ASSIGN_OR_RETURN(Nftables nftables, Nftables::Open());
    setup.gateway_ = Gateway{std::move(forwarding), std::move(masquerade), std::move(nftables)};
  }
  return setup;
}

HostSetup::HostSetup(NetlinkSocket socket, InterfaceSetup interface, std::string tun_name,
                     unsigned mtu)
    : socket_(std::move(socket)),
      interface_(std::move(interface)),
      tun_name_(std::move(tun_name)),
      mtu_(mtu) {}

absl::StatusOr<RouteBounds> HostSetup::Bounds(std::vector<IpPrefix> allowed,
                                              std::vector<IpAddress> peer_endpoints) {
  ASSIGN_OR_RETURN(std::vector<IpAddress> local, LocalAddresses(socket_, interface_.index()));
  return RouteBounds{std::move(allowed), std::move(local), std::move(peer_endpoints)};
}

absl::Status HostSetup::Apply(const WantedHost& wanted) {
  wanted_ = wanted;
  // What may leave is masqueraded before the interface carries anything.
  gateway_problems_ = ApplyGateway();
  ipv6_problem_.reset();
  InterfaceConfig config{true, mtu_, wanted.addresses, wanted.routes};
  if (std::optional<HostProblem> no_ipv6 = Ipv6Problem()) {
    config.addresses = OnlyV4(config.addresses, [](const IpAddress& a) { return a.family(); });
    config.routes = OnlyV4(config.routes, [](const IpPrefix& p) { return p.family(); });
    const bool is_wanted = config.addresses.size() != wanted.addresses.size() ||
                           config.routes.size() != wanted.routes.size();
    if (is_wanted) {
      ipv6_problem_ = std::move(no_ipv6);
    }
  }
  return interface_.Apply(config);
}

absl::Status HostSetup::AdoptInterface() {
  ASSIGN_OR_RETURN(interface_, InterfaceSetup::Open(tun_name_));
  if (gateway_) {
    ASSIGN_OR_RETURN(gateway_->masquerade, Masquerade::Open(tun_name_));
    gateway_->forwarding.ForgetRoutes();
  }
  return Apply(WantedHost(wanted_));
}

// Containers often have IPv6 switched off; the TUN is ours to switch on.
std::optional<HostProblem> HostSetup::Ipv6Problem() const {
  if (mtu_ < kLeastIpv6Mtu) {
    return HostProblem{"mtu", fmt::format("IPv6 needs an MTU of {}; the tunnel carries only IPv4 "
                                          "with --mtu {}",
                                          kLeastIpv6Mtu, mtu_)};
  }
  const std::string key = "net/ipv6/conf/" + tun_name_ + "/disable_ipv6";
  Sysctls sysctls;  // nothing to put back: the setting goes with the TUN
  const absl::Status status = sysctls.Set(key, "0");
  if (status.ok()) {
    return std::nullopt;
  }
  return HostProblem{SysctlName(key),
                     fmt::format("{}; the tunnel carries only IPv4. Enable IPv6 on this host, or "
                                 "start its container with --sysctl "
                                 "net.ipv6.conf.default.disable_ipv6=0",
                                 MessageOf(status))};
}

std::vector<HostProblem> HostSetup::ApplyGateway() {
  if (!gateway_) {
    return {};
  }
  std::vector<HostProblem> problems = gateway_->forwarding.Apply(wanted_.served);
  const absl::Status masqueraded =
      gateway_->masquerade.Apply(wanted_.served, mtu_, gateway_->forwarding.Opened());
  if (!masqueraded.ok()) {
    problems.push_back({"nftables", MessageOf(masqueraded)});
  }
  const std::vector<HostProblem> drops = ForeignDrops();
  problems.insert(problems.end(), drops.begin(), drops.end());
  return problems;
}

// A firewall that cannot be read is no problem of its own: nft would have said so above.
std::vector<HostProblem> HostSetup::ForeignDrops() {
  if (wanted_.served.empty()) {
    return {};
  }
  return ForeignForwardDrops(gateway_->nftables, tun_name_).value_or(std::vector<HostProblem>());
}

bool HostSetup::Reevaluate() {
  if (gateway_) {
    gateway_->forwarding.ForgetRoutes();
  }
  const std::vector<HostProblem> before = std::exchange(gateway_problems_, ApplyGateway());
  return before != gateway_problems_;
}

std::vector<HostProblem> HostSetup::problems() const {
  std::vector<HostProblem> problems = gateway_problems_;
  if (ipv6_problem_) {
    problems.push_back(*ipv6_problem_);
  }
  return problems;
}

absl::Status HostSetup::Remove() {
  absl::Status status;
  if (gateway_) {
    status.Update(gateway_->masquerade.Remove());
    status.Update(gateway_->forwarding.Restore());
  }
  status.Update(interface_.Remove());
  return status;
}

}  // namespace adit::host
