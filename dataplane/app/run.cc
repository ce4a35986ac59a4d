#include "dataplane/app/run.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "common/config/parser.h"
#include "common/log.h"
#include "common/status.h"
#include "dataplane/app/device.h"
#include "dataplane/app/run_enforcer.h"
#include "dataplane/app/run_options.h"
#include "dataplane/app/statistics.h"
#include "dataplane/app/stop_signals.h"
#include "dataplane/app/uapi_device.h"
#include "dataplane/host/host_setup.h"
#include "dataplane/host/interface_setup.h"
#include "dataplane/host/privileges.h"
#include "dataplane/host/route_monitor.h"
#include "dataplane/host/route_refusal.h"
#include "dataplane/rpc/sync_client.h"
#include "dataplane/state/directory.h"
#include "dataplane/state/private_key.h"
#include "dataplane/uapi/listener.h"
#include "dataplane/uapi/server.h"

namespace adit::app {
namespace {

constexpr const char* kProgram = "adit-dataplane";
// In the state directory: what the host's settings were before, for when this process is killed.
constexpr const char* kHostRecordName = "host-settings";
// The host's routes may change all the time; what follows from them need not.
constexpr Duration kReevaluateInterval = seconds(1);
// Whoever deletes the interface over and over means it.
constexpr int kRemakeAttempts = 8;
// Nobody tells when what keeps traffic from passing was cured, a setting or another's firewall.
constexpr Duration kLookForCureInterval = seconds(5);

// Everything between "opened" and "ended". Threads: this one watches signals, the host and the
// others; one a shard moves packets; the sync client's; with --uapi one serves the socket.
class Runner {
 public:
  explicit Runner(const RunFlags& flags) : flags_(flags) {}

  // In the order of privileges: what needs them, their end, and then files, keys and the last good
  // state, which is in force when this returns. No thread exists before the end of privileges. On
  // error the interface is gone again, unless it was there before.
  [[nodiscard]] absl::Status Open() {
    ASSIGN_OR_RETURN(const RunAccounts accounts, ResolveAccounts(flags_));
    RETURN_IF_ERROR(host::TakeNetAdmin());
    ASSIGN_OR_RETURN(stop_signals_, StopSignals::Make());
    if (geteuid() == 0) {
      RETURN_IF_ERROR(
          state::StateDirectory::Prepare(flags_.state_dir, accounts.own->uid, accounts.own->gid));
    }
    const bool existed = host::RouteMonitor::Open(flags_.tun_name).ok();
    absl::Status status = OpenDevice();
    if (status.ok()) {
      status = OpenRest(accounts);
    }
    if (!status.ok() && !existed) {
      // The error that ended it is the one to tell.
      if (const absl::Status removed = RemoveInterface(); !removed.ok()) {
        LOG_ERROR("{}", MessageOf(removed));
      }
    }
    return status;
  }

  // Until a signal, or an interface that is gone for good. The exit code.
  int Run(config::Parser& parser) {
    device_->shards().Start([] {});  // they go on without the interface
    std::thread service;
    if (server_) {
      service = std::thread([this] { server_->Run(); });
    }
    client_->Start();
    while (!Watch(parser)) {
    }
    // What still uses the shards ends before them.
    enforcer_->TellProblems(nullptr);
    client_->Stop();
    if (server_) {
      server_->RequestStop();
      service.join();
    }
    device_->shards().Stop();
    LOG_INFO("statistics: {}", StatisticsText(device_->shards().counters()));
    if (const absl::Status removed = enforcer_->RemoveFromHost(); !removed.ok()) {
      LOG_ERROR("{}", MessageOf(removed));
      return 1;
    }
    return has_failed_ ? 1 : 0;
  }

 private:
  [[nodiscard]] absl::Status OpenDevice() {
    ASSIGN_OR_RETURN(device_, Device::Open({.tun_name = flags_.tun_name,
                                            .is_tun_persistent = true,
                                            .enforce_access = true,
                                            .mtu = flags_.mtu,
                                            .listen_port = flags_.listen_port,
                                            .aead = flags_.aead,
                                            .tun_offload = SwitchOf(flags_.offloads.tun_offload),
                                            .udp_gso = SwitchOf(flags_.offloads.udp_gso),
                                            .udp_gro = SwitchOf(flags_.offloads.udp_gro),
                                            .shards = flags_.shards}));
    return absl::OkStatus();
  }

  [[nodiscard]] absl::Status OpenRest(const RunAccounts& accounts) {
    std::unique_ptr<uapi::Listener> listener;
    if (flags_.is_uapi_on) {
      ASSIGN_OR_RETURN(listener, uapi::Listener::Open(flags_.tun_name));
    }
    if (accounts.own) {
      RETURN_IF_ERROR(host::DropTo(*accounts.own));
    } else {
      RETURN_IF_ERROR(host::KeepOnlyNetAdmin());
    }
    ASSIGN_OR_RETURN(state::StateDirectory directory,
                     state::StateDirectory::Open(flags_.state_dir));
    directory_ = std::make_unique<state::StateDirectory>(std::move(directory));
    RETURN_IF_ERROR(TakePrivateKey());
    RETURN_IF_ERROR(RestoreState(accounts));
    RETURN_IF_ERROR(WatchInterface());
    if (listener) {
      uapi_device_ = std::make_unique<UapiDevice>(device_->shards());
      ASSIGN_OR_RETURN(
          server_, uapi::Server::Make(std::move(listener), *uapi_device_, {.is_read_only = true},
                                      [] { LOG_INFO("the socket for `wg show` was removed"); }));
    }
    return absl::OkStatus();
  }

  [[nodiscard]] absl::Status TakePrivateKey() {
    ASSIGN_OR_RETURN(const crypto::Secret<32> key, state::LoadOrCreatePrivateKey(*directory_));
    bool has_room = true;
    (void)device_->shards().Call([&](engine::Engine& engine, Now now) {
      has_room = engine.SetPrivateKey(key.bytes(), now) && has_room;
    });
    return has_room ? absl::OkStatus()
                    : ResourceExhausted("the key arena has no room for the private key");
  }

  [[nodiscard]] absl::Status RestoreState(const RunAccounts& accounts) {
    ASSIGN_OR_RETURN(host::HostSetup host,
                     host::HostSetup::Open(flags_.tun_name, flags_.mtu, flags_.is_host_setup_on,
                                           flags_.state_dir + "/" + kHostRecordName));
    rpc::SyncOptions options;
    options.channel = config::FormatValue(flags_.channel);
    options.controlplane_uids = {accounts.controlplane.uid};
    ASSIGN_OR_RETURN(options.node_name, NodeNameOf(flags_));
    if (flags_.advertise) {
      options.advertise = config::FormatValue(*flags_.advertise);
    }
    options.listen_ports = {device_->shards().listen_port()};
    options.mtu = flags_.mtu;
    options.limits.own_key = device_->shards().engine().public_key();
    options.limits.tunnel_ranges =
        flags_.allow_route.empty() ? host::DefaultAllowedRoutes() : flags_.allow_route;
    options.stats_interval = flags_.stats_interval;
    enforcer_ = std::make_unique<RunEnforcer>(device_->shards(), std::move(host),
                                              options.limits.tunnel_ranges);
    LOG_INFO("node {}, public key {}", options.node_name, options.limits.own_key.ToBase64());
    ASSIGN_OR_RETURN(client_, rpc::SyncClient::Restore(*directory_, std::move(options), *enforcer_,
                                                       device_->clock()));
    enforcer_->ApplyEmptyHostIfNone();
    enforcer_->TellProblems([client = client_.get()](const std::vector<rpc::HostProblem>& all) {
      client->SetHostProblems(all);
    });
    return absl::OkStatus();
  }

  [[nodiscard]] absl::Status WatchInterface() {
    ASSIGN_OR_RETURN(monitor_, host::RouteMonitor::Open(flags_.tun_name));
    const host::InterfaceState& interface = monitor_->interface();
    device_->shards().SetLink(interface.is_up, interface.mtu, interface.addresses);
    return absl::OkStatus();
  }

  [[nodiscard]] absl::Status RemoveInterface() {
    if (enforcer_) {
      return enforcer_->RemoveFromHost();
    }
    auto interface = host::InterfaceSetup::Open(flags_.tun_name);
    if (absl::IsNotFound(interface.status())) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(interface.status());
    return interface->Remove();
  }

  // Waits for one thing and deals with it. True: it is over.
  bool Watch(config::Parser& parser) {
    std::array<pollfd, 2> polls = {pollfd{stop_signals_->fd(), POLLIN, 0},
                                   pollfd{monitor_->fd(), POLLIN, 0}};
    if (poll(polls.data(), polls.size(), MillisecondsToReevaluation()) < 0) {
      return errno != EINTR;
    }
    if (polls[0].revents != 0) {
      const int signal = stop_signals_->Take();
      if (signal == SIGTERM || signal == SIGINT) {
        LOG_INFO("ending: signal {}", signal);
        return true;
      }
      if (signal == SIGHUP) {
        Reload(parser);
      }
    }
    if (polls[1].revents != 0) {
      FollowHost();
    }
    if (!has_failed_) {
      ReevaluateIfDue();
    }
    return has_failed_;
  }

  void Reload(config::Parser& parser) {
    const auto reloaded = parser.Reload();
    absl::Status status = reloaded.status();
    if (status.ok()) {
      status = SetLogLevel(flags_.log_level);
    }
    if (!status.ok()) {
      LOG_ERROR("reload: {}; nothing was changed", MessageOf(status));
      return;
    }
    client_->SetStatsInterval(flags_.stats_interval);
    for (const std::string& key : reloaded->applied) {
      LOG_INFO("reload: {} changed", key);
    }
    for (const std::string& key : reloaded->needs_restart) {
      LOG_INFO("reload: a change of {} needs a restart", key);
    }
  }

  void FollowHost() {
    const auto changes = monitor_->Read();
    if (!changes.ok()) {
      LOG_ERROR("following the host's addresses and routes: {}", MessageOf(changes.status()));
      return;
    }
    if (!monitor_->interface().exists) {
      RemakeInterface();
      return;
    }
    TellShards(*changes, monitor_->interface(), device_->shards());
    if (changes->addresses_changed || changes->routes_changed) {
      needs_reevaluation_ = true;
      ReevaluateIfDue();
    }
  }

  // Keys, peers, grants and sessions are what they were.
  void RemakeInterface() {
    absl::Status status;
    // It may be deleted again before it is watched again.
    for (int i = 0; i < kRemakeAttempts && (i == 0 || absl::IsNotFound(status)); ++i) {
      status = enforcer_->RemakeInterface();
      if (status.ok()) {
        auto monitor = host::RouteMonitor::Open(flags_.tun_name);
        status = monitor.status();
        if (monitor.ok()) {
          monitor_ = std::move(*monitor);
        }
      }
    }
    if (!status.ok()) {
      LOG_ERROR("ending: somebody deleted {}, and it cannot be made again: {}", flags_.tun_name,
                MessageOf(status));
      has_failed_ = true;
      return;
    }
    LOG_WARN("somebody deleted {}: it was made again, as it was", flags_.tun_name);
    host::RouteChanges unseen{
        .interface_changed = true, .addresses_changed = true, .routes_changed = true};
    unseen.event.is_everything = true;
    TellShards(unseen, monitor_->interface(), device_->shards());
  }

  [[nodiscard]] int MillisecondsToReevaluation() const {
    const Instant now = device_->clock().Read().boot;
    const Instant due = needs_reevaluation_ ? next_reevaluation_ : next_look_for_cure_;
    const Duration left = std::clamp(due - now, Duration(0), kLookForCureInterval);
    return static_cast<int>(left / milliseconds(1)) + 1;
  }

  void ReevaluateIfDue() {
    const Instant now = device_->clock().Read().boot;
    if (now >= next_look_for_cure_) {
      next_look_for_cure_ = now + kLookForCureInterval;
      needs_reevaluation_ = needs_reevaluation_ || enforcer_->has_problems();
    }
    if (needs_reevaluation_ && now >= next_reevaluation_) {
      next_reevaluation_ = now + kReevaluateInterval;
      needs_reevaluation_ = !enforcer_->Reevaluate();
    }
  }

  const RunFlags& flags_;  // Reload changes what is reloadable
  std::optional<StopSignals> stop_signals_;
  bool has_failed_ = false;
  std::unique_ptr<Device> device_;
  std::unique_ptr<state::StateDirectory> directory_;
  std::unique_ptr<RunEnforcer> enforcer_;
  std::unique_ptr<rpc::SyncClient> client_;
  std::optional<host::RouteMonitor> monitor_;
  bool needs_reevaluation_ = false;
  Instant next_reevaluation_;
  Instant next_look_for_cure_;
  std::unique_ptr<UapiDevice> uapi_device_;
  std::unique_ptr<uapi::Server> server_;
};

int FailToStart(const absl::Status& status) {
  std::fputs(fmt::format("{}: {}\n", kProgram, MessageOf(status)).c_str(), stderr);
  return absl::IsInvalidArgument(status) ? 2 : 1;
}

}  // namespace

int RunMain(int argc, const char* const* argv) {
  RunFlags flags;
  config::Parser parser(kProgram, "the privileged half of a pair: keeps the tunnel");
  Declare(parser, flags);
  if (const auto exit_code = parser.ParseMain(argc, argv)) {
    return *exit_code;
  }
  if (const absl::Status status = InitLog(kProgram, flags.log_level); !status.ok()) {
    return FailToStart(status);
  }
  Runner runner(flags);
  if (const absl::Status status = runner.Open(); !status.ok()) {
    return FailToStart(status);
  }
  return runner.Run(parser);
}

}  // namespace adit::app
