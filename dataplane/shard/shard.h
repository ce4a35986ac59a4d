#pragma once

#include <array>
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
#include "dataplane/shard/completion.h"
#include "dataplane/shard/counters.h"
#include "dataplane/shard/handover_inbox.h"
#include "dataplane/shard/mailbox.h"
#include "dataplane/shard/poller.h"
#include "dataplane/shard/published.h"
#include "dataplane/shard/tun_ring.h"

namespace adit::shard {

// What a shard is made of. The references outlive it; the rest becomes its own.
struct ShardParts {
  io::Syscalls& syscalls;
  const Clock& clock;
  RandomSource& random;
  crypto::SecretArena& arena;
  engine::Shared& shared;
  io::TunDevice& tun;
  std::unique_ptr<crypto::Aead> aead;
  io::UdpSockets sockets;
};

struct ShardOptions {
  engine::EngineOptions engine;
  // Run ends when somebody deletes the TUN interface. Else it goes on without: what is for the TUN
  // is dropped and counted, and sessions stay, until ReattachTun.
  bool ends_with_interface = true;
};

// One thread's worth of data plane: a UDP socket per family, a GSO queue, an engine, and the loop
// that moves packets between them and a TUN. It configures no interface and watches none: the
// application tells it (ShardGroup).
//
// A turn of the loop has one `now`: tasks of the mailbox, packets from TUN while the queue has
// room (so many that UDP is not starved), trains from UDP, waiting handshakes, timers, and then the
// queue is drained. It sleeps until something is readable, a suspended socket is writable, or the
// earliest timer. In the steady state a turn allocates nothing, locks nothing and logs nothing.
//
// Of several shards (ShardGroup) number 0 reads TUN and passes each super-packet on to the shard of
// its destination's peer, over a ring of that shard's; while one of the rings is full it reads no
// more. All write to TUN.
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
  // Before Run, of several: who the others are, by number, this one included.
  void Join(const std::vector<Shard*>& shards);
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

  // The same in two steps: Completion::Wait says whether it has run.
  [[nodiscard]] std::shared_ptr<Completion> Begin(const Task& task);
  // Run has ended: no task will ever run.
  [[nodiscard]] bool HasEnded() { return mailbox_->IsClosed(); }

  // Takes other sockets in exchange for its own. On error nothing was exchanged.
  [[nodiscard]] absl::Status ExchangeSockets(io::UdpSockets& sockets);
  [[nodiscard]] std::uint16_t listen_port() const { return listen_port_.load(); }
  [[nodiscard]] absl::Status SetFirewallMark(std::uint32_t mark);

  // After somebody deleted the interface: makes it again (TunDevice::Reattach), for the caller to
  // set up. Of several shards the one that reads it.
  [[nodiscard]] absl::Status ReattachTun();

  // Addresses or routes of the host changed: the sources that are concerned are forgotten, refusals
  // forgiven.
  void HandleRouteEvent(const RouteEvent& event);

  // At most kPublishInterval old.
  [[nodiscard]] ShardCounters counters() const { return published_.Read(); }
  static constexpr Duration kPublishInterval = milliseconds(10);

 private:
  // What the engine hands to the other shards' inboxes.
  class Neighbourhood final : public engine::Neighbours {
   public:
    [[nodiscard]] bool HandOver(std::uint8_t shard, const packet::ReceivedTrain& train) override;
    [[nodiscard]] bool HandOver(std::uint8_t shard,
                                const engine::HandedInitiation& initiation) override;
    std::vector<Shard*> shards;  // by number; empty: there is only one
  };

  Shard(ShardParts parts, const ShardOptions& options, std::unique_ptr<Mailbox> mailbox,
        Poller poller);
  absl::Status WatchSockets();
  absl::Status ReplaceSockets(io::UdpSockets& sockets);

  // The steps of a turn.
  void RunTasks(Now now);
  void ReadTun(Now now);
  void ReadRing(Now now);
  void ReceiveUdp(Now now);
  void TakeHandedOver(Now now);
  void Drain(Now now);
  void Sleep(bool has_more_handshakes, Now now);
  void WaitForEvents(Duration timeout);
  void Publish(Instant now);
  void FlushAtEnd();

  // shard_neighbours.cc
  [[nodiscard]] bool IsReader() const { return number_ == 0; }
  void HandleTunPacket(const packet::SuperPacket& packet, Now now);
  // Whosever the next packet is.
  [[nodiscard]] bool HasRoomForTunPacket();
  [[nodiscard]] bool MayReadTun();
  [[nodiscard]] bool HasInput() { return MayReadTun() || WasHandedSomething(); }
  [[nodiscard]] bool WasHandedSomething() const { return inbox_ && !inbox_->IsEmpty(); }
  [[nodiscard]] bool CarriedDataRecently(IpFamily family, Instant now) const;
  void WakeIfAsleep();

  io::Syscalls& syscalls_;
  const Clock& clock_;
  const std::unique_ptr<crypto::Aead> aead_;
  io::TunDevice& tun_;
  io::UdpSockets sockets_;
  const unsigned number_;
  const bool ends_with_interface_;

  io::GsoQueue queue_;
  io::TunReader tun_reader_;
  io::TunWriter tun_writer_;
  io::UdpReceiver udp_receiver_;
  io::UdpSender udp_sender_;
  Neighbourhood neighbours_;
  engine::Engine engine_;

  const std::unique_ptr<Mailbox> mailbox_;
  std::unique_ptr<HandoverInbox> inbox_;  // of several shards
  std::unique_ptr<TunRing> ring_;         // of those, not the reader's
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

  // Sequentially consistent, see TunRing.
  std::atomic<bool> is_asleep_{false};

  std::atomic<std::uint16_t> listen_port_;
  std::uint64_t turns_ = 0;
  Instant next_publish_;
  Published<ShardCounters> published_;
  std::array<std::atomic<Duration::rep>, io::kFamilyCount> last_data_{};  // published: since boot
};

}  // namespace adit::shard
