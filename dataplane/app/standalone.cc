#include "dataplane/app/standalone.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <fmt/format.h>

#include "common/config/parser.h"
#include "common/log.h"
#include "dataplane/app/background.h"
#include "dataplane/app/device.h"
#include "dataplane/app/offload_flags.h"
#include "dataplane/app/statistics.h"
#include "dataplane/app/stop_signals.h"
#include "dataplane/app/uapi_device.h"
#include "dataplane/host/interface_setup.h"
#include "dataplane/host/privileges.h"
#include "dataplane/host/route_monitor.h"
#include "dataplane/uapi/listener.h"
#include "dataplane/uapi/server.h"

namespace adit::app {
namespace {

constexpr const char* kStandaloneProgram = "adit-wireguard";
constexpr std::uint32_t kDefaultMtu = 1420;

struct StandaloneOptions {
  std::string interface;
  bool is_foreground = false;
  std::optional<std::uint32_t> mtu;
  std::string aead = "auto";
  OffloadFlags offloads;
  bool hides_private_key = false;
  std::optional<std::string> log_level;
  std::uint32_t shards = 1;
};

void Declare(config::Parser& parser, StandaloneOptions& options) {
  parser.Positional("IFNAME", &options.interface, "name of the interface to make");
  parser.Switch("foreground,f", &options.is_foreground,
                "stay; else the command returns when interface and socket exist");
  parser.Flag("mtu", &options.mtu, "BYTES", "MTU of the interface (1420)",
              config::Between<std::uint32_t>(576, 65475));
  parser.Flag("aead", &options.aead, "NAME", "cipher: auto, lanes, ipsec-mb, openssl or libsodium");
  DeclareOffloads(parser, options.offloads);
  parser.Switch("hide-private-key", &options.hides_private_key,
                "keep the private key out of `wg show` and `wg-quick save`, also for root");
  parser
      .Flag("log-level", &options.log_level, "LEVEL",
            "trace, debug, info, warn, error or off; given, the background process keeps "
            "standard error (info, closed)",
            config::OneOf({"trace", "debug", "info", "warn", "error", "off"}))
      .Reloadable();
  parser.Flag("shards", &options.shards, "N", "packet threads; peers are spread over them",
              config::Between<std::uint32_t>(1, shard::ShardGroup::kMaxShards));
}

bool StaysInForeground(const StandaloneOptions& options) {
  const char* variable = std::getenv("WG_PROCESS_FOREGROUND");
  return options.is_foreground || (variable != nullptr && std::string_view(variable) == "1");
}

// Everything between "opened" and "ended". Threads: this one watches signals, the interface and the
// others; one a shard moves packets; one serves the socket.
class Standalone {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Standalone>> Open(
      const StandaloneOptions& options) {
    std::unique_ptr<Standalone> standalone(new Standalone());
    ASSIGN_OR_RETURN(standalone->stop_signals_, StopSignals::Make());
    standalone->ended_.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!standalone->ended_.is_open()) {
      return ErrnoStatus(errno, "make an eventfd");
    }
    const bool existed = host::RouteMonitor::Open(options.interface).ok();
    ASSIGN_OR_RETURN(standalone->device_,
                     Device::Open({.tun_name = options.interface,
                                   .is_tun_persistent = false,
                                   .ends_with_interface = true,
                                   .enforce_access = false,
                                   .mtu = options.mtu.value_or(kDefaultMtu),
                                   .aead = options.aead,
                                   .tun_offload = SwitchOf(options.offloads.tun_offload),
                                   .udp_gso = SwitchOf(options.offloads.udp_gso),
                                   .udp_gro = SwitchOf(options.offloads.udp_gro),
                                   .shards = options.shards}));
    if (!existed) {
      ASSIGN_OR_RETURN(auto interface, host::InterfaceSetup::Open(options.interface));
      host::InterfaceConfig fresh;
      fresh.is_up = false;
      fresh.mtu = options.mtu.value_or(kDefaultMtu);
      RETURN_IF_ERROR(interface.Apply(fresh));
    }
    ASSIGN_OR_RETURN(auto listener, uapi::Listener::Open(options.interface));
    ASSIGN_OR_RETURN(standalone->monitor_, host::RouteMonitor::Open(options.interface));
    RETURN_IF_ERROR(host::KeepOnlyNetAdmin());

    shard::ShardGroup& shards = standalone->device_->shards();
    standalone->uapi_device_ = std::make_unique<UapiDevice>(shards);
    ASSIGN_OR_RETURN(
        standalone->server_,
        uapi::Server::Make(std::move(listener), *standalone->uapi_device_,
                           {.hides_private_key = options.hides_private_key},
                           [raw = standalone.get()] { raw->NoteEnded("its socket was removed"); }));
    const host::InterfaceState& interface = standalone->monitor_->interface();
    shards.SetLink(interface.is_up, interface.mtu, interface.addresses);
    return standalone;
  }

  void Run(config::Parser& parser, StandaloneOptions& options) {
    device_->shards().Start([this] { NoteEnded("its interface was deleted"); });
    std::thread service([this] { server_->Run(); });
    while (!Watch(parser, options)) {
    }
    // Calls of the server's thread are answered by the shards': they end last.
    server_->RequestStop();
    service.join();
    device_->shards().Stop();
    LOG_INFO("statistics: {}", StatisticsText(device_->shards().counters()));
  }

 private:
  Standalone() = default;

  // From the other threads. reason: a literal.
  void NoteEnded(const char* reason) {
    end_reason_.store(reason);
    const std::uint64_t one = 1;
    (void)!write(ended_.get(), &one, sizeof(one));
  }

  // Waits for one thing and deals with it. True: it is over.
  bool Watch(config::Parser& parser, StandaloneOptions& options) {
    std::array<pollfd, 3> polls = {pollfd{ended_.get(), POLLIN, 0},
                                   pollfd{stop_signals_->fd(), POLLIN, 0},
                                   pollfd{monitor_->fd(), POLLIN, 0}};
    if (poll(polls.data(), polls.size(), -1) < 0) {
      return errno != EINTR;
    }
    if (polls[0].revents != 0) {
      LOG_INFO("ending: {}", end_reason_.load());
      return true;
    }
    if (polls[1].revents != 0) {
      const int signal = stop_signals_->Take();
      if (signal == SIGTERM || signal == SIGINT) {
        LOG_INFO("ending: signal {}", signal);
        return true;
      }
      if (signal == SIGHUP) {
        Reload(parser, options);
      }
    }
    return polls[2].revents != 0 && !FollowInterface();
  }

  static void Reload(config::Parser& parser, const StandaloneOptions& options) {
    const auto reloaded = parser.Reload();
    absl::Status status = reloaded.status();
    if (status.ok()) {
      status = SetLogLevel(options.log_level.value_or("info"));
    }
    if (!status.ok()) {
      LOG_ERROR("reload: {}; nothing was changed", MessageOf(status));
      return;
    }
    for (const std::string& key : reloaded->needs_restart) {
      LOG_INFO("reload: a change of {} needs a restart", key);
    }
  }

  // False: the interface is gone.
  bool FollowInterface() {
    const auto changes = monitor_->Read();
    if (!changes.ok()) {
      LOG_ERROR("following the interface: {}", MessageOf(changes.status()));
      return true;
    }
    if (!monitor_->interface().exists) {
      LOG_INFO("ending: its interface was deleted");
      return false;
    }
    TellShards(*changes, monitor_->interface(), device_->shards());
    return true;
  }

  std::optional<StopSignals> stop_signals_;
  UniqueFd ended_;
  std::atomic<const char*> end_reason_{""};
  std::optional<host::RouteMonitor> monitor_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<UapiDevice> uapi_device_;
  std::unique_ptr<uapi::Server> server_;
};

int FailStandalone(const absl::Status& status) {
  std::fputs(fmt::format("{}: {}\n", kStandaloneProgram, MessageOf(status)).c_str(), stderr);
  return 1;
}

}  // namespace

int StandaloneMain(int argc, const char* const* argv) {
  StandaloneOptions options;
  config::Parser parser(kStandaloneProgram,
                        "a userspace WireGuard device, driven by wg and wg-quick");
  Declare(parser, options);
  if (const auto exit_code = parser.ParseMain(argc, argv)) {
    return *exit_code;
  }
  std::optional<Background> background;
  if (!StaysInForeground(options)) {
    auto entered = Background::Enter();
    if (!entered.ok()) {
      return FailStandalone(entered.status());
    }
    if (entered->exit_code()) {
      return *entered->exit_code();
    }
    background = std::move(*entered);
  }
  if (const absl::Status status = InitLog(kStandaloneProgram, options.log_level.value_or("info"));
      !status.ok()) {
    return FailStandalone(status);
  }
  const auto standalone = Standalone::Open(options);
  if (!standalone.ok()) {
    return FailStandalone(standalone.status());
  }
  if (background) {
    background->Ready(options.log_level.has_value());
  }
  (*standalone)->Run(parser, options);
  return 0;
}

}  // namespace adit::app
