#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/random.h"
#include "common/status.h"
#include "common/time.h"
#include "dataplane/crypto/secret_arena.h"
#include "dataplane/host/interface_state.h"
#include "dataplane/host/route_monitor.h"
#include "dataplane/io/offload_switch.h"
#include "dataplane/io/syscalls.h"
#include "dataplane/shard/group.h"

namespace adit::app {

struct DeviceOptions {
  std::string tun_name;
  bool is_tun_persistent = true;
  bool ends_with_interface = false;  // see ShardOptions
  bool enforce_access = true;        // off: allowed-IPs are the only policy
  std::uint32_t mtu = 1280;  // what the engine starts with; the interface's is set by the caller
  std::uint16_t listen_port = 0;
  std::string aead = "auto";
  io::OffloadSwitch tun_offload = io::OffloadSwitch::kAuto;
  io::OffloadSwitch udp_gso = io::OffloadSwitch::kAuto;
  io::OffloadSwitch udp_gro = io::OffloadSwitch::kAuto;
  std::uint32_t shards = 1;  // at most ShardGroup::kMaxShards
};

// The shards and everything they borrow: key arena, ciphers, TUN, sockets, clock, randomness. What
// both `run` and adit-wireguard stand on.
//
//   auto device = Device::Open(options);        // needs CAP_NET_ADMIN, and /dev/net/tun
//   …drop privileges…
//   (*device)->shards().Start([&] { …somebody deleted the interface… });
class Device {
 public:
  // Opens everything and logs (INFO) what the kernel does not offer. The errors name the remedy;
  // nothing is left behind then. Locks the key arena: call before the limits are dropped.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Device>> Open(const DeviceOptions& options);

  [[nodiscard]] shard::ShardGroup& shards() { return *shards_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }
  [[nodiscard]] RandomSource& random() { return random_; }
  [[nodiscard]] const crypto::SecretArena& arena() const { return *arena_; }

 private:
  Device() = default;

  io::SystemSyscalls syscalls_;
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<crypto::SecretArena> arena_;
  std::unique_ptr<shard::ShardGroup> shards_;
};

// Passes on to the shards what the monitor saw: link, MTU, own addresses, routes.
void TellShards(const host::RouteChanges& changes, const host::InterfaceState& interface,
                shard::ShardGroup& shards);

}  // namespace adit::app
