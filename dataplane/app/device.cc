#include "dataplane/app/device.h"

#include <utility>

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
constexpr std::size_t kOwnKeys = shard::ShardGroup::kMaxShards;

void LogLimitations(const std::vector<std::string>& limitations) {
  for (const std::string& limitation : limitations) {
    LOG_INFO("{}", limitation);
  }
}

// A cipher for each shard: the same one, chosen once.
absl::StatusOr<std::vector<std::unique_ptr<crypto::Aead>>> MakeAeads(const std::string& name,
                                                                     std::uint32_t count) {
  std::vector<std::unique_ptr<crypto::Aead>> aeads;
  do {
    ASSIGN_OR_RETURN(auto aead, crypto::MakeAead(aeads.empty() ? name : aeads.front()->name()));
    aeads.push_back(std::move(aead));
  } while (aeads.size() < count);
  return aeads;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Device>> Device::Open(const DeviceOptions& options) {
  std::unique_ptr<Device> device(new Device());
  RaiseMemlockLimit();
  ASSIGN_OR_RETURN(device->arena_, crypto::SecretArena::Make(kMaxPeers * kKeysPerPeer + kOwnKeys));
  if (!device->arena_->is_locked()) {
    LOG_INFO(
        "of {} keys {} are locked in memory ({}): the rest may reach swap; raise RLIMIT_MEMLOCK",
        device->arena_->capacity(), device->arena_->locked_slots(),
        MessageOf(ErrnoStatus(device->arena_->lock_error(), "mlock")));
  }
  ASSIGN_OR_RETURN(auto aeads, MakeAeads(options.aead, options.shards));
  const std::string aead_name(aeads.front()->name());
  ASSIGN_OR_RETURN(
      auto tun, io::TunDevice::Open(device->syscalls_, {.name = options.tun_name,
                                                        .is_persistent = options.is_tun_persistent,
                                                        .offload = options.tun_offload}));
  LogLimitations(tun.limitations());
  const io::UdpOptions udp{
      .port = options.listen_port, .gso = options.udp_gso, .gro = options.udp_gro};
  ASSIGN_OR_RETURN(device->shards_,
                   shard::ShardGroup::Make(
                       {.syscalls = device->syscalls_,
                        .clock = device->clock_,
                        .random = device->random_,
                        .arena = *device->arena_,
                        .aeads = std::move(aeads),
                        .tun = std::move(tun)},
                       {.engine = {.enforce_access = options.enforce_access, .mtu = options.mtu},
                        .udp = udp,
                        .ends_with_interface = options.ends_with_interface}));
  LogLimitations(device->shards_->limitations());
  LOG_INFO("{}: UDP port {}, cipher {}, shards {}", options.tun_name,
           device->shards_->listen_port(), aead_name, options.shards);
  return device;
}

void TellShards(const host::RouteChanges& changes, const host::InterfaceState& interface,
                shard::ShardGroup& shards) {
  if (changes.interface_changed && interface.exists) {
    shards.SetLink(interface.is_up, interface.mtu, interface.addresses);
  }
  if (changes.addresses_changed || changes.routes_changed) {
    shards.HandleRouteEvent(changes.event);
  }
}

}  // namespace adit::app
