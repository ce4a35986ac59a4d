#include "dataplane/host/forwarding.h"

#include <net/if.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "common/status.h"

namespace adit::host {
namespace {

constexpr char kV4Conf[] = "net/ipv4/conf";
constexpr char kV6Conf[] = "net/ipv6/conf";
constexpr char kV4AllForwarding[] = "net/ipv4/conf/all/forwarding";
constexpr char kV6AllForwarding[] = "net/ipv6/conf/all/forwarding";

std::string KeyOf(std::string_view directory, std::string_view interface, std::string_view name) {
  return fmt::format("{}/{}/{}", directory, interface, name);
}

// The middle of KeyOf(directory, interface, name), or nothing.
std::string_view InterfaceOf(std::string_view key, std::string_view directory,
                             std::string_view name) {
  const std::size_t around = directory.size() + name.size() + 2;
  const bool is_one = key.size() > around && key.starts_with(directory) && key.ends_with(name) &&
                      key[directory.size()] == '/' && key[key.size() - name.size() - 1] == '/';
  return is_one ? key.substr(directory.size() + 1, key.size() - around) : std::string_view();
}

// Where packets to the prefix go. Its own address stands for it; where that is the host's (the
// prefix of a network it is in), the next ones do.
absl::StatusOr<NextHop> FindNextHop(NetlinkSocket& socket, const IpPrefix& prefix) {
  absl::StatusOr<NextHop> hop = FindNextHop(socket, prefix.address());
  std::array<std::uint8_t, 16> bytes{};
  std::copy(prefix.address().bytes().begin(), prefix.address().bytes().end(), bytes.begin());
  for (std::uint8_t step = 1; step <= 2 && hop.ok() && hop->is_local; ++step) {
    bytes[prefix.address().bytes().size() - 1] |= step;
    const IpAddress next = *IpAddress::FromBytes({bytes.data(), prefix.address().bytes().size()});
    if (!prefix.Contains(next)) {
      break;
    }
    hop = FindNextHop(socket, next);
    bytes[prefix.address().bytes().size() - 1] &= static_cast<std::uint8_t>(~step);
  }
  return hop;
}

std::string RouteTo(const IpPrefix& prefix) {
  return fmt::format("route to {}", prefix.ToString());
}

// What works before the data plane starts, and thus in a container, whose /proc/sys is read-only.
std::string RemedyFor(const std::string& key, const std::string& value, const absl::Status& error) {
  const char* const whole =
      key.starts_with(kV4Conf) ? "net.ipv4.ip_forward=1" : "net.ipv6.conf.all.forwarding=1";
  return fmt::format(
      "{}; run `sysctl -w {}={}` on this host, or start its container with "
      "--sysctl {}",
      MessageOf(error), SysctlName(key), value, whole);
}

}  // namespace

absl::StatusOr<Forwarding> Forwarding::Open(std::string tun_name, std::string sysctl_root) {
  ASSIGN_OR_RETURN(NetlinkSocket socket, NetlinkSocket::Open());
  return Forwarding(std::move(socket), std::move(tun_name), std::move(sysctl_root));
}

Forwarding::Forwarding(NetlinkSocket socket, std::string tun_name, std::string sysctl_root)
    : socket_(std::move(socket)),
      tun_name_(std::move(tun_name)),
      sysctl_root_(std::move(sysctl_root)),
      sysctls_(sysctl_root_) {}

std::vector<HostProblem> Forwarding::Apply(const std::vector<ServedPrefix>& served) {
  wanted_keys_.clear();
  problems_.clear();
  LookUpRoutes(served);
  for (const std::string& interface : EgressInterfaces(IpFamily::kV4)) {
    Want(KeyOf(kV4Conf, interface, "forwarding"), "1");
  }
  ForwardV6(EgressInterfaces(IpFamily::kV6));
  if (const absl::Status status = RestoreUnwanted(); !status.ok()) {
    problems_.push_back({"forwarding that is not needed any more", MessageOf(status)});
  }
  std::sort(problems_.begin(), problems_.end());
  problems_.erase(std::unique(problems_.begin(), problems_.end()), problems_.end());
  return problems_;
}

absl::Status Forwarding::Restore() {
  wanted_keys_.clear();
  return RestoreUnwanted();
}

OpenedForwarding Forwarding::Opened() const {
  OpenedForwarding opened;
  const auto add = [&](std::string_view directory, std::string_view name, std::set<unsigned>& to) {
    for (const std::string& key : wanted_keys_) {
      const std::string_view interface = InterfaceOf(key, directory, name);
      const unsigned index = if_nametoindex(std::string(interface).c_str());
      if (interface != tun_name_ && index != 0 && sysctls_.is_changed(key)) {
        to.insert(index);
      }
    }
  };
  if (sysctls_.Read(kV4AllForwarding).value_or("0") == "0") {
    add(kV4Conf, "forwarding", opened.v4);
  }
  add(kV6Conf, "force_forwarding", opened.v6);
  opened.all_v6 = sysctls_.is_changed(kV6AllForwarding);
  return opened;
}

void Forwarding::LookUpRoutes(const std::vector<ServedPrefix>& served) {
  const std::map<IpPrefix, NextHop> known = std::exchange(hops_, {});
  for (const ServedPrefix& one : served) {
    if (const auto found = known.find(one.prefix); found != known.end()) {
      hops_.insert(*found);
      continue;
    }
    const absl::StatusOr<NextHop> hop = FindNextHop(socket_, one.prefix);
    if (hop.ok()) {
      hops_.emplace(one.prefix, *hop);
    } else {
      problems_.push_back(
          {RouteTo(one.prefix), fmt::format("{}; add a route on this host, or delete the resource",
                                            MessageOf(hop.status()))});
    }
  }
  const std::string back =
      fmt::format("it leads back into {}; add a route to where the resource is", tun_name_);
  const unsigned own = if_nametoindex(tun_name_.c_str());
  for (const auto& [prefix, hop] : hops_) {
    if (!hop.is_local && hop.interface_index == own) {
      problems_.push_back({RouteTo(prefix), back});
    }
  }
}

// With the TUN itself, when there is any.
std::set<std::string> Forwarding::EgressInterfaces(IpFamily family) const {
  std::set<unsigned> indexes;
  for (const auto& [prefix, hop] : hops_) {
    // One that is local is the resource itself: delivered, not forwarded.
    if (prefix.family() == family && !hop.is_local) {
      indexes.insert(hop.interface_index);
    }
  }
  std::set<std::string> interfaces;
  for (const unsigned index : indexes) {
    const std::string name = InterfaceName(index);
    if (!name.empty() && name != tun_name_) {
      interfaces.insert(name);
    }
  }
  if (!interfaces.empty()) {
    interfaces.insert(tun_name_);
  }
  return interfaces;
}

void Forwarding::ForwardV6(const std::set<std::string>& interfaces) {
  const absl::StatusOr<std::string> all = sysctls_.Read(kV6AllForwarding);
  const bool is_set_by_others = all.ok() && *all != "0" && !sysctls_.is_changed(kV6AllForwarding);
  if (interfaces.empty() || is_set_by_others) {
    return;
  }
  const bool has_force = sysctls_.Read(KeyOf(kV6Conf, "all", "force_forwarding")).ok();
  if (!has_force) {
    MakeEveryInterfaceARouter();
    return;
  }
  for (const std::string& interface : interfaces) {
    Want(KeyOf(kV6Conf, interface, "force_forwarding"), "1");
  }
}

void Forwarding::MakeEveryInterfaceARouter() {
  std::error_code error;
  const std::filesystem::path conf = std::filesystem::path(sysctl_root_) / kV6Conf;
  for (const auto& entry : std::filesystem::directory_iterator(conf, error)) {
    const std::string interface = entry.path().filename();
    const std::string forwarding = KeyOf(kV6Conf, interface, "forwarding");
    const std::string accept_ra = KeyOf(kV6Conf, interface, "accept_ra");
    if (interface == "all") {
      continue;  // its accept_ra means nothing
    }
    if (sysctls_.is_changed(accept_ra)) {
      wanted_keys_.insert(accept_ra);
      continue;
    }
    const bool is_router = sysctls_.Read(forwarding).value_or("") == "1";
    if (is_router && !sysctls_.is_changed(kV6AllForwarding)) {
      routers_before_.insert(forwarding);
    }
    if (!routers_before_.contains(forwarding) && sysctls_.Read(accept_ra).value_or("") == "1") {
      Want(accept_ra, "2");
    }
  }
  Want(kV6AllForwarding, "1");
}

void Forwarding::Want(const std::string& key, const std::string& value) {
  wanted_keys_.insert(key);
  if (const absl::Status status = sysctls_.Set(key, value); !status.ok()) {
    problems_.push_back({SysctlName(key), RemedyFor(key, value, status)});
  }
}

absl::Status Forwarding::RestoreUnwanted() {
  const bool had_all = sysctls_.is_changed(kV6AllForwarding);
  absl::Status status = sysctls_.RestoreAllBut(wanted_keys_);
  if (had_all && !sysctls_.is_changed(kV6AllForwarding)) {
    for (const std::string& key : std::exchange(routers_before_, {})) {
      const absl::Status written = sysctls_.Write(key, "1");
      status.Update(absl::IsNotFound(written) ? absl::OkStatus() : written);
    }
  }
  return status;
}

}  // namespace adit::host
