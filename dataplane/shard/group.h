#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "common/mutex.h"
#include "common/random.h"
#include "common/route_event.h"
#include "common/status.h"
#include "common/time.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/secret_arena.h"
#include "dataplane/engine/engine.h"
#include "dataplane/engine/shared.h"
#include "dataplane/io/tun_device.h"
#include "dataplane/io/udp_socket.h"
#include "dataplane/shard/counters.h"
#include "dataplane/shard/shard.h"

namespace adit::shard {

// What a group is made of. The references outlive it; the rest becomes its own.
struct GroupParts {
  io::Syscalls& syscalls;
  const Clock& clock;
  RandomSource& random;  // used by all threads
  crypto::SecretArena& arena;
  std::vector<std::unique_ptr<crypto::Aead>> aeads;  // a shard each
  io::TunDevice tun;
};

struct GroupOptions {
  engine::EngineOptions engine;  // of each; the numbers of the shards are filled in
  // How the sockets are opened, now and when the port changes.
  io::UdpOptions udp;
  // The shards end when somebody deletes the TUN interface. Else they go on without: what is for
  // the TUN is dropped and counted, and sessions stay, until ReattachTun.
  bool ends_with_interface = true;
};

// The shards of a device, one or several, and their threads, as one thing to whoever configures it.
//
// Several share a port, on which the kernel steers each datagram to the shard of its receiver
// index, and a TUN, which the first reads. All engines are given the same configuration in the same
// order, so that they agree on whose each peer is.
//
// Threads: one until Start; from then on any. Each call returns when every shard it concerns has
// done what was asked.
class ShardGroup {
 public:
  static constexpr std::size_t kMaxShards = 64;

  // Opens the sockets. As many shards as ciphers: 1 to kMaxShards.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<ShardGroup>> Make(
      GroupParts parts, const GroupOptions& options);
  ~ShardGroup();  // stopped, if it was started
  ShardGroup(const ShardGroup&) = delete;
  ShardGroup& operator=(const ShardGroup&) = delete;

  // Once. on_interface_gone: called by a shard's thread when the shards have begun to end since
  // somebody has deleted the TUN interface; by none after Stop has returned.
  void Start(const std::function<void()>& on_interface_gone);
  // Sends what waits, erases all keys, and returns when the threads have ended.
  void Stop();

  [[nodiscard]] std::size_t size() const { return shards_.size(); }
  [[nodiscard]] Shard& shard(std::size_t number) { return *shards_[number]; }
  [[nodiscard]] const io::TunDevice& tun() const { return tun_; }
  // Of the first shard: before Start, to look at.
  [[nodiscard]] engine::Engine& engine() { return shards_.front()->engine(); }

  // Runs the task in every shard, between two packets, before Start in the caller's thread. The
  // shards may run it at the same time: what they share is atomic, or by engine.shard(). False:
  // some shard has ended and did not run it.
  [[nodiscard]] bool Call(const Task& task);
  // The same in one shard. Not for configuration.
  [[nodiscard]] bool CallOne(std::size_t number, const Task& task);

  // Opens sockets on another port (0: any) and replaces the old ones; the same port changes
  // nothing. On error (EADDRINUSE) the old ones stay.
  [[nodiscard]] absl::Status SetListenPort(std::uint16_t port);
  [[nodiscard]] std::uint16_t listen_port() const { return shards_.front()->listen_port(); }
  [[nodiscard]] absl::Status SetFirewallMark(std::uint32_t mark);
  [[nodiscard]] std::uint32_t firewall_mark() const { return firewall_mark_.load(); }

  // How the interface is. Down: sessions end, nothing is sent, what arrives is dropped.
  void SetLink(bool is_up, std::uint32_t mtu, const std::vector<IpAddress>& own_addresses);
  // Addresses or routes of the host changed: the sources that are concerned are forgotten, refusals
  // forgiven.
  void HandleRouteEvent(const RouteEvent& event);
  // After somebody deleted the interface: makes it again (TunDevice::Reattach), for the caller to
  // set up.
  [[nodiscard]] absl::Status ReattachTun() { return shards_.front()->ReattachTun(); }

  // Of all shards together; at most Shard::kPublishInterval old.
  [[nodiscard]] ShardCounters counters() const;
  // What the kernel did not grant the sockets and what it costs, a sentence each.
  [[nodiscard]] const std::vector<std::string>& limitations() const { return limitations_; }

 private:
  ShardGroup(GroupParts& parts, const GroupOptions& options);
  // Waits until the task has run; tries again while the mailbox is full. False: the shard ended.
  [[nodiscard]] static bool Finish(Shard& shard, const Task& task,
                                   std::shared_ptr<Completion> completion);

  io::Syscalls& syscalls_;
  const Clock& clock_;
  io::TunDevice tun_;
  engine::Shared shared_;
  io::UdpOptions udp_options_;
  std::vector<std::string> limitations_;
  std::vector<std::unique_ptr<Shard>> shards_;

  std::vector<std::thread> threads_;
  std::atomic<bool> is_started_{false};
  std::atomic<std::uint32_t> firewall_mark_;
  Mutex order_;  // held while a change goes to the shards, so that it comes to all in one order
};

}  // namespace adit::shard
