#include "dataplane/app/device.h"

#include <utility>

#include <fmt/format.h>

#include "common/log.h"
#include "common/process.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/io/tun_device.h"
#include "dataplane/io/udp_socket.h"

namespace adit::app {
namespace {

// Keys of one peer at its busiest: preshared, static-static, a pending handshake's two, three
// sessions' two each. Address space only: pages are touched, and locked, as they come into use.
constexpr std::size_t kKeysPerPeer = 10;
constexpr std::size_t kMaxPeers = 65'536;
constexpr std::size_t kOwnKeys = 64;

void LogLimitations(const std::vector<std::string>& limitations) {
  for (const std::string& limitation : limitations) {
    LOG_INFO("{}", limitation);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Device>> Device::Open(const DeviceOptions& options) {
  if (options.shards != 1) {
    return InvalidArgument(
        fmt::format("--shards {}: this version runs one shard; leave --shards out or set it to 1",
                    options.shards));
  }
  std::unique_ptr<Device> device(new Device());
  RaiseMemlockLimit();
  ASSIGN_OR_RETURN(device->arena_, crypto::SecretArena::Make(kMaxPeers * kKeysPerPeer + kOwnKeys));
  if (!device->arena_->is_locked()) {
    LOG_INFO(
        "of {} keys {} are locked in memory ({}): the rest may reach swap; raise RLIMIT_MEMLOCK",
        device->arena_->capacity(), device->arena_->locked_slots(),
        MessageOf(ErrnoStatus(device->arena_->lock_error(), "mlock")));
  }
  ASSIGN_OR_RETURN(auto aead, crypto::MakeAead(options.aead));
  const std::string aead_name(aead->name());
  ASSIGN_OR_RETURN(
      auto tun, io::TunDevice::Open(device->syscalls_, {.name = options.tun_name,
                                                        .is_persistent = options.is_tun_persistent,
                                                        .offload = options.tun_offload}));
  LogLimitations(tun.limitations());
  const io::UdpOptions udp{
      .port = options.listen_port, .gso = options.udp_gso, .gro = options.udp_gro};
  ASSIGN_OR_RETURN(auto sockets, io::UdpSockets::Open(device->syscalls_, udp));
  LogLimitations(sockets.limitations());
  ASSIGN_OR_RETURN(
      device->shard_,
      shard::Shard::Make({.syscalls = device->syscalls_,
                          .clock = device->clock_,
                          .random = device->random_,
                          .arena = *device->arena_,
                          .handshake_load = device->handshake_load_,
                          .aead = std::move(aead),
                          .tun = std::move(tun),
                          .sockets = std::move(sockets)},
                         {.engine = {.enforce_access = options.enforce_access, .mtu = options.mtu},
                          .udp = udp,
                          .ends_with_interface = options.ends_with_interface}));
  LOG_INFO("{}: UDP port {}, cipher {}", options.tun_name, device->shard_->listen_port(),
           aead_name);
  return device;
}

void TellShard(const host::RouteChanges& changes, const host::InterfaceState& interface,
               shard::Shard& shard) {
  if (changes.interface_changed && interface.exists) {
    shard.SetLink(interface.is_up, interface.mtu, interface.addresses);
  }
  if (changes.addresses_changed || changes.routes_changed) {
    shard.HandleRouteEvent(changes.event);
  }
}

}  // namespace adit::app
