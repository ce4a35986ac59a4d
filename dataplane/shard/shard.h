#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/random.h"
#include "common/route_event.h"
#include "common/status.h"
#include "common/time.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/secret_arena.h"
#include "dataplane/engine/engine.h"
#include "dataplane/io/gso_queue.h"
#include "dataplane/io/tun_device.h"
#include "dataplane/io/tun_reader.h"
#include "dataplane/io/tun_writer.h"
#include "dataplane/io/udp_receiver.h"
#include "dataplane/io/udp_sender.h"
#include "dataplane/io/udp_socket.h"
#include "dataplane/shard/counters.h"
#include "dataplane/shard/mailbox.h"
#include "dataplane/shard/poller.h"
#include "dataplane/shard/published.h"

namespace adit::shard {

// What a shard is made of. The references outlive it; the rest becomes its own.
struct ShardParts {
  io::Syscalls& syscalls;
  const Clock& clock;
  RandomSource& random;
  crypto::SecretArena& arena;
  engine::HandshakeLoad& handshake_load;
  std::unique_ptr<crypto::Aead> aead;
  io::TunDevice tun;
  io::UdpSockets sockets;
};

struct ShardOptions {
  engine::EngineOptions engine;
  // How the sockets were opened, and how others will be: port and mark change with SetListenPort
  // and SetFirewallMark.
  io::UdpOptions udp;
  // Run ends when somebody deletes the TUN interface. Else it goes on without: what is for the TUN
  // is dropped and counted, and sessions stay, until ReattachTun.
  bool ends_with_interface = true;
};

// One thread's worth of data plane: a TUN, a UDP socket per family, a GSO queue, an engine, and the
// loop that moves packets between them. It configures no interface and watches none: the
// application tells it (SetLink, HandleRouteEvent).
//
// A turn of the loop has one `now`: tasks of the mailbox, packets from TUN while the queue has
// room (so many that UDP is not starved), trains from UDP, waiting handshakes, timers, and then the
// queue is drained. It sleeps until something is readable, a suspended socket is writable, or the
// earliest timer. In the steady state a turn allocates nothing, locks nothing and logs nothing.
//
// Threads: Run by one; everything below "from any other thread" from any other.
class Shard {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Shard>> Make(ShardParts parts,
                                                                   const ShardOptions& options);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  enum class End : std::uint8_t {
    kStopped,        // RequestStop
    kInterfaceGone,  // somebody deleted the TUN interface, and ends_with_interface
  };
  // Moves packets until the end; then sends what waits (at most kFlushLimit), erases all keys and
  // refuses tasks. Once. The thread is named "shard N".
  End Run();
  static constexpr Duration kFlushLimit = milliseconds(200);

  // Before Run, to configure; later only inside a task.
  [[nodiscard]] engine::Engine& engine() { return engine_; }

  // --- from any other thread
  void RequestStop();
  // Runs the task in the next turn. False: 1,024 wait, or Run has ended; it will not run.
  [[nodiscard]] bool Post(Task task);
  // The same, and returns when it has run. Before Run it waits for Run to begin.
  [[nodiscard]] bool Call(const Task& task);

  // Opens sockets on another port (0: any) and replaces the old ones; the same port changes
  // nothing. On error (EADDRINUSE) the old ones stay.
  [[nodiscard]] absl::Status SetListenPort(std::uint16_t port);
  [[nodiscard]] std::uint16_t listen_port() const { return listen_port_.load(); }
  [[nodiscard]] absl::Status SetFirewallMark(std::uint32_t mark);
  [[nodiscard]] std::uint32_t firewall_mark() const { return firewall_mark_.load(); }

  // After somebody deleted the interface: makes it again (TunDevice::Reattach), for the caller to
  // set up.
  [[nodiscard]] absl::Status ReattachTun();

  // How the interface is. Down: sessions end, nothing is sent, what arrives is dropped.
  void SetLink(bool is_up, std::uint32_t mtu, const std::vector<IpAddress>& own_addresses);
  // Addresses or routes of the host changed: the sources that are concerned are forgotten, refusals
  // forgiven.
  void HandleRouteEvent(const RouteEvent& event);

  // At most kPublishInterval old.
  [[nodiscard]] ShardCounters counters() const { return published_.Read(); }
  static constexpr Duration kPublishInterval = milliseconds(10);

  [[nodiscard]] const io::TunDevice& tun() const { return tun_; }

 private:
  Shard(ShardParts parts, const ShardOptions& options, std::unique_ptr<Mailbox> mailbox,
        Poller poller);
  absl::Status WatchSockets();
  absl::Status ReplaceSockets(io::UdpSockets sockets);

  // The steps of a turn.
  void RunTasks(Now now);
  void ReadTun(Now now);
  void ReceiveUdp(Now now);
  void Drain(Now now);
  void Sleep(bool has_more_handshakes, Now now);
  void WaitForEvents(Duration timeout);
  void Publish(Instant now);
  void FlushAtEnd();

  io::Syscalls& syscalls_;
  const Clock& clock_;
  const std::unique_ptr<crypto::Aead> aead_;
  io::TunDevice tun_;
  io::UdpSockets sockets_;
  io::UdpOptions udp_options_;
  const unsigned number_;
  const bool ends_with_interface_;

  io::GsoQueue queue_;
  io::TunReader tun_reader_;
  io::TunWriter tun_writer_;
  io::UdpReceiver udp_receiver_;
  io::UdpSender udp_sender_;
  engine::Engine engine_;

  const std::unique_ptr<Mailbox> mailbox_;
  Poller poller_;
  std::vector<Task> tasks_;
  std::atomic<bool> is_stop_requested_{false};
  bool is_interface_gone_ = false;
  // Edge-triggered: stays true until a read finds the TUN empty, so that it is known while TUN is
  // not read for want of room.
  bool is_tun_readable_ = true;
  // A read failed for want of something: there may be no edge before the next one.
  Instant tun_retry_at_ = Instant::Max();
  bool has_mail_ = false;
  std::array<bool, io::kFamilyCount> is_udp_readable_{};
  std::array<bool, io::kFamilyCount> awaits_writable_{};

  std::atomic<std::uint16_t> listen_port_;
  std::atomic<std::uint32_t> firewall_mark_;
  std::uint64_t turns_ = 0;
  Instant next_publish_;
  Published<ShardCounters> published_;
};

}  // namespace adit::shard
