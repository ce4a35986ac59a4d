#include "dataplane/app/run_options.h"

#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

#include "common/status.h"
#include "dataplane/shard/group.h"

namespace adit::app {
namespace {

constexpr const char* kDefaultUser = "adit-dataplane";
constexpr const char* kDefaultControlplaneUser = "adit-controlplane";

// The default account is only looked up when the flag is not given, and its absence names the flag.
absl::StatusOr<Account> AccountOf(const std::optional<std::string>& text, const char* fallback,
                                  const char* flag) {
  if (text) {
    return ResolveAccount(*text, flag);
  }
  absl::StatusOr<Account> account = ResolveAccount(fallback, flag);
  if (absl::IsNotFound(account.status())) {
    return FailedPrecondition(
        fmt::format("there is no account {}: make it, or say which to use with {} NAME or UID:GID",
                    fallback, flag));
  }
  return account;
}

}  // namespace

void Declare(config::Parser& parser, RunFlags& flags) {
  parser.Flag("channel", &flags.channel, "unix:PATH", "where the control plane listens",
              config::Check<config::SocketAddress>([](const config::SocketAddress& address) {
                return address.is_unix() ? absl::OkStatus()
                                         : InvalidArgument("expected unix:/absolute/path");
              }));
  parser.Flag("tun-name", &flags.tun_name, "NAME", "the tunnel's interface");
  parser.Flag("mtu", &flags.mtu, "BYTES", "MTU of the tunnel; at least 1280 with IPv6 inside",
              config::Between<std::uint32_t>(576, 65475));
  parser.Flag("listen-port", &flags.listen_port, "PORT", "UDP port; 0 takes any that is free");
  parser.Flag("node-name", &flags.node_name, "NAME",
              "this node's name at the hub; else the host's");
  parser.Flag("advertise", &flags.advertise, "HOST:PORT", "where clients reach this node");
  parser.Flag("shards", &flags.shards, "N", "packet threads; peers are spread over them",
              config::Between<std::uint32_t>(1, shard::ShardGroup::kMaxShards));
  parser.Flag("state-dir", &flags.state_dir, "DIR",
              "keeps the private key and the last good state; 0700", config::AbsolutePath());
  parser.Flag("user", &flags.user, "NAME|UID[:GID]",
              "whom to become after everything is opened; not uid 0 (adit-dataplane)");
  parser.Flag("controlplane-user", &flags.controlplane_user, "NAME|UID",
              "whom the control plane's socket must belong to (adit-controlplane)");
  parser.Flag("allow-route", &flags.allow_route, "PREFIX",
              "what the control plane may route into the tunnel; may be repeated (the tunnel "
              "ranges)");
  parser.Flag("host-setup", &flags.is_host_setup_on, "on|off",
              "off: leave forwarding and firewall of the host alone");
  parser.Flag("aead", &flags.aead, "NAME", "cipher: auto, lanes, ipsec-mb, openssl or libsodium");
  DeclareOffloads(parser, flags.offloads);
  parser.Flag("uapi", &flags.is_uapi_on, "on|off",
              "a read-only socket for `wg show`, without keys");
  parser
      .Flag("log-level", &flags.log_level, "LEVEL", "trace, debug, info, warn, error or off",
            config::OneOf({"trace", "debug", "info", "warn", "error", "off"}))
      .Reloadable();
  parser
      .Flag("stats-interval", &flags.stats_interval, "TIME",
            "how often statistics are sent, until the control plane says; 0: never",
            config::Between<Duration>(Duration(0), seconds(3600)))
      .Reloadable();
}

absl::StatusOr<RunAccounts> ResolveAccounts(const RunFlags& flags) {
  RunAccounts accounts;
  if (geteuid() == 0 || flags.user) {
    ASSIGN_OR_RETURN(accounts.own, AccountOf(flags.user, kDefaultUser, "--user"));
    if (accounts.own->uid == 0) {
      return InvalidArgument(
          "--user: uid 0 is refused: name an unprivileged account, or UID:GID numbers");
    }
  }
  ASSIGN_OR_RETURN(
      accounts.controlplane,
      AccountOf(flags.controlplane_user, kDefaultControlplaneUser, "--controlplane-user"));
  return accounts;
}

absl::StatusOr<std::string> NodeNameOf(const RunFlags& flags) {
  if (!flags.node_name.empty()) {
    return flags.node_name;
  }
  char name[256] = {};
  if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0') {
    return FailedPrecondition("the host has no name: give --node-name");
  }
  return std::string(name);
}

}  // namespace adit::app
