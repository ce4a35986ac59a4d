#include "controlplane/app/hub_options.h"

#include <unistd.h>

#include <string_view>

#include <fmt/format.h>

#include "common/account.h"
#include "common/status.h"

namespace adit::app {
namespace {

constexpr const char* kDefaultDataplaneUser = "adit-dataplane";
constexpr std::string_view kSqlite = "sqlite:";

config::Check<config::SocketAddress> UnixOnly() {
  return [](const config::SocketAddress& address) {
    return address.is_unix() ? absl::OkStatus()
                             : InvalidArgument(
                                   "expected unix:/absolute/path (this version does not listen on "
                                   "TCP)");
  };
}

absl::StatusOr<std::vector<uid_t>> UidsOf(const std::vector<std::string>& users, const char* flag) {
  std::vector<uid_t> uids;
  for (const std::string& user : users) {
    ASSIGN_OR_RETURN(const Account account, ResolveAccount(user, flag));
    uids.push_back(account.uid);
  }
  return uids;
}

absl::StatusOr<std::vector<uid_t>> DataplaneUidsOf(const HubFlags& flags) {
  constexpr const char* kFlag = "--dataplane-user";
  if (!flags.dataplane_users.empty()) {
    return UidsOf(flags.dataplane_users, kFlag);
  }
  absl::StatusOr<std::vector<uid_t>> uids = UidsOf({kDefaultDataplaneUser}, kFlag);
  if (absl::IsNotFound(uids.status())) {
    return FailedPrecondition(
        fmt::format("there is no account {}: make it, or say who data planes run as with {} NAME "
                    "or UID",
                    kDefaultDataplaneUser, kFlag));
  }
  return uids;
}

}  // namespace

void Declare(config::Parser& parser, HubFlags& flags) {
  parser.Flag("store", &flags.store, "sqlite:PATH", "where the desired state is kept",
              config::Check<std::string>([](const std::string& store) {
                return store.starts_with("sqlite:/")
                           ? absl::OkStatus()
                           : InvalidArgument(
                                 "expected sqlite:/absolute/path (this version has no PostgreSQL "
                                 "store)");
              }));
  parser.Flag("admin-listen", &flags.admin_listen, "unix:PATH", "the admin API, for aditctl",
              UnixOnly());
  parser.Flag("dataplane-listen", &flags.dataplane_listen, "unix:PATH", "where data planes connect",
              UnixOnly());
  parser.Flag("admin-user", &flags.admin_users, "NAME|UID",
              "who may use the admin API; may be repeated (root and the own user)");
  parser.Flag("dataplane-user", &flags.dataplane_users, "NAME|UID",
              "who data planes run as; may be repeated (adit-dataplane)");
  parser.Flag("tunnel-range", &flags.tunnel_ranges, "PREFIX",
              "addresses inside the tunnel, one range a family (100.64.0.0/11, "
              "fd00:2021:1111::/107); fixed once there is a node");
  parser.Switch("allow-root", &flags.is_root_allowed,
                "run as uid 0, where a container maps it to an unprivileged user");
  parser
      .Flag("log-level", &flags.log_level, "LEVEL", "trace, debug, info, warn, error or off",
            config::OneOf({"trace", "debug", "info", "warn", "error", "off"}))
      .Reloadable();
  parser
      .Flag("stats-interval", &flags.stats_interval, "TIME",
            "how often data planes report; 0: never",
            config::Between<Duration>(Duration(0), seconds(3600)))
      .Reloadable();
}

absl::StatusOr<std::string> SqlitePathOf(const HubFlags& flags) {
  if (!flags.store.starts_with(kSqlite)) {
    return InvalidArgument(
        fmt::format("--store: \"{}\": expected sqlite:/absolute/path", flags.store));
  }
  return flags.store.substr(kSqlite.size());
}

absl::StatusOr<hub::HubSockets> SocketsOf(const HubFlags& flags) {
  if (flags.admin_listen == flags.dataplane_listen) {
    return InvalidArgument(
        "--admin-listen and --dataplane-listen name the same socket: administrators "
        "and data planes are kept apart, give each its own");
  }
  hub::HubSockets sockets;
  sockets.admin_address = config::FormatValue(flags.admin_listen);
  sockets.dataplane_address = config::FormatValue(flags.dataplane_listen);
  if (flags.admin_users.empty()) {
    sockets.admin_uids = {0, geteuid()};
  } else {
    ASSIGN_OR_RETURN(sockets.admin_uids, UidsOf(flags.admin_users, "--admin-user"));
  }
  ASSIGN_OR_RETURN(sockets.dataplane_uids, DataplaneUidsOf(flags));
  return sockets;
}

absl::StatusOr<model::Network> NetworkOf(const HubFlags& flags) {
  model::Network network;
  if (!flags.tunnel_ranges.empty()) {
    network.v4 = IpPrefix();
    network.v6 = IpPrefix();
  }
  for (const IpPrefix& range : flags.tunnel_ranges) {
    IpPrefix& target = range.address().is_v4() ? network.v4 : network.v6;
    if (target.address().is_set()) {
      return InvalidArgument(fmt::format("--tunnel-range: {} and {}: expected one range a family",
                                         target.ToString(), range.ToString()));
    }
    target = range;
  }
  if (absl::Status status = network.Validate(); !status.ok()) {
    return Annotate(status, "--tunnel-range");
  }
  return network;
}

std::uint32_t StatsSecondsOf(const HubFlags& flags) {
  return static_cast<std::uint32_t>(
      std::chrono::ceil<std::chrono::seconds>(flags.stats_interval).count());
}

}  // namespace adit::app
