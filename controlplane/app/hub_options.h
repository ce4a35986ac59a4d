#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/config/parser.h"
#include "common/time.h"
#include "controlplane/model/network.h"
#include "controlplane/rpc/hub_servers.h"

namespace adit::app {

// adit-controlplane's flags, as given.
struct HubFlags {
  std::string store = "sqlite:/var/lib/adit/controlplane/adit.db";
  config::SocketAddress admin_listen{.unix_path = "/run/adit/admin.sock", .tcp = {}};
  config::SocketAddress dataplane_listen{.unix_path = "/run/adit/dataplane.sock", .tcp = {}};
  std::vector<std::string> admin_users;      // unset: uid 0 and the own
  std::vector<std::string> dataplane_users;  // unset: the account adit-dataplane
  std::vector<IpPrefix> tunnel_ranges;       // unset: the network's defaults
  bool is_root_allowed = false;
  std::string log_level = "info";
  Duration stats_interval = seconds(5);
};

// Targets are `flags`, which must outlive the parser.
void Declare(config::Parser& parser, HubFlags& flags);

// The path of "sqlite:/absolute/path". INVALID_ARGUMENT says what there is.
[[nodiscard]] absl::StatusOr<std::string> SqlitePathOf(const HubFlags& flags);
// Addresses and accounts. Errors name the flag.
[[nodiscard]] absl::StatusOr<hub::HubSockets> SocketsOf(const HubFlags& flags);
[[nodiscard]] absl::StatusOr<model::Network> NetworkOf(const HubFlags& flags);
// Whole seconds; 0: never.
[[nodiscard]] std::uint32_t StatsSecondsOf(const HubFlags& flags);

}  // namespace adit::app
