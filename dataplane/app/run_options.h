#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/account.h"
#include "common/config/parser.h"
#include "common/ip_address.h"
#include "common/time.h"
#include "dataplane/app/offload_flags.h"

namespace adit::app {

// The flags of `adit-dataplane run`, as given.
struct RunFlags {
  config::SocketAddress channel{"/run/adit/dataplane.sock", {}};
  std::string tun_name = "adit0";
  std::uint32_t mtu = 1280;
  std::uint16_t listen_port = 51820;
  std::string node_name;  // empty: the host's name
  std::optional<config::HostPort> advertise;
  std::uint32_t shards = 1;
  std::string state_dir = "/var/lib/adit/dataplane";
  std::optional<std::string> user;
  std::optional<std::string> controlplane_user;
  std::vector<IpPrefix> allow_route;  // none: host::DefaultAllowedRoutes
  bool is_host_setup_on = true;
  std::string aead = "auto";
  OffloadFlags offloads;
  bool is_uapi_on = false;
  std::string log_level = "info";
  Duration stats_interval = seconds(10);
};

void Declare(config::Parser& parser, RunFlags& flags);

// What has to be looked up before anything is opened.
struct RunAccounts {
  // Whom to become; none when started without uid 0 and without --user.
  std::optional<Account> own;
  Account controlplane;
};
// The errors name the flag and what to give.
[[nodiscard]] absl::StatusOr<RunAccounts> ResolveAccounts(const RunFlags& flags);

// --node-name, else the host's name.
[[nodiscard]] absl::StatusOr<std::string> NodeNameOf(const RunFlags& flags);

}  // namespace adit::app
