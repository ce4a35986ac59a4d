#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/crypto/aead.h"
#include "dataplane/engine/engine.h"
#include "dataplane/io/gso_queue.h"
#include "tests/sim/configuration.h"
#include "tests/sim/disk.h"
#include "tests/sim/network.h"
#include "tests/sim/scheduler.h"
#include "tests/support/seeded_random.h"

namespace adit::sim {

// What a host's data plane does, for those who watch it.
class HostWatch {
 public:
  virtual ~HostWatch() = default;
  // The engine is about to be given the packet, or the packets of the train, that were announced
  // under these numbers.
  virtual void OnRead(std::size_t host, std::uint64_t first, std::size_t count) = 0;
  // A control datagram was made (its bytes are in the queue from here on).
  virtual void OnControl(std::size_t host, ByteSpan message) = 0;
  // A transport datagram was sealed.
  virtual void OnSealed(std::size_t host, ByteSpan datagram) = 0;
  // Plaintext for the host; `datagram` is what it came out of, nullptr for an answer to its own.
  virtual void OnDelivered(std::size_t host, ByteSpan packet, const Datagram* datagram) = 0;
  // A datagram is handed to the engine; it was, and what the engine counted meanwhile.
  virtual void OnReceiving(std::size_t host, const Datagram& datagram) = 0;
  virtual void OnReceived(std::size_t host, const Datagram& datagram,
                          const engine::Counters& before, const engine::Counters& after) = 0;
  // The disk has just been written; the process is about to be killed, or ends.
  virtual void OnSaved(std::size_t host, const std::vector<engine::PeerReport>& reports) = 0;
  virtual void OnEnd(std::size_t host) = 0;
};

// A data plane process on a machine of its own: the real engine and the real GSO queue, turned as a
// shard turns them, with virtual clocks, a TUN in memory, a disk and an uplink. Sans-IO: it lives
// on the scheduler's events only.
class Host final : private packet::TunSink, private io::BatchSender {
 public:
  struct Services {
    Scheduler& scheduler;
    Network& network;
    Trace& trace;
    HostWatch& watch;
    crypto::Aead& aead;
  };

  Host(const Services& services, std::size_t number, std::uint64_t seed);
  ~Host() override = default;
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // --- the machine
  [[nodiscard]] Now now() const;
  void StepWallClock(Duration by) { wall_offset_ += by; }
  // Nothing runs, timers included, and what arrives is lost; the boot clock goes on.
  void Suspend(Duration duration);
  // The uplink answers every datagram with this errno for so long: EAGAIN and ENOBUFS make the
  // queue wait, others lose what it sends.
  void Choke(Duration duration, int error);
  void SetLinkUp(bool is_up);

  // --- the process
  void Start(bool with_stale_disk);
  void Kill();  // between two turns
  [[nodiscard]] bool is_running() const { return engine_ != nullptr; }
  void SetPrivateKey(const std::array<std::uint8_t, 32>& key);
  [[nodiscard]] const PublicKey& public_key() const { return public_key_; }

  // --- configuration. Every change is a version.
  [[nodiscard]] const Configuration& configuration() const { return *versions_.back(); }
  [[nodiscard]] const Configuration& version(std::size_t number) const {
    return *versions_[number];
  }
  [[nodiscard]] std::size_t current_version() const { return versions_.size() - 1; }
  // The engine is given the update, if the process runs; a restart is given the whole.
  void Configure(Configuration configuration, const engine::Update& update);

  // --- packets
  // From the host's own network stack; waits in front of the TUN while the queue is full, is lost
  // while nothing runs. The numbers are for OnRead.
  struct TunPacket {
    Bytes bytes;
    packet::OffloadHeader offload;
    std::uint64_t first_number = 0;
    std::size_t count = 1;
  };
  void ReadTun(TunPacket packet);
  void Receive(const Datagram& datagram);

  // --- for those who watch. Requires is_running().
  [[nodiscard]] const engine::Engine& engine() const { return *engine_; }
  [[nodiscard]] const io::GsoQueue& queue() const { return output_->queue; }
  [[nodiscard]] std::uint64_t discarded() const { return output_->discarded; }
  [[nodiscard]] const Disk& disk() const { return disk_; }
  [[nodiscard]] std::size_t tun_backlog() const { return tun_backlog_.size(); }
  [[nodiscard]] std::size_t arena_slots() const { return arena_->slots_in_use(); }
  // Empties the queue into nothing and removes all peers: what came in must have gone somewhere.
  engine::Counters CountersAtEnd();

  // The kernel's queue in front of the TUN.
  static constexpr std::size_t kTunBacklog = 500;

 private:
  // The real queue, and what passes into it.
  struct Output final : packet::DatagramSink {
    explicit Output(Host& owner) : host(owner) {}
    packet::Reservation ReserveTrain(const packet::TrainRequest& request,
                                     const packet::DatagramPath& path,
                                     packet::SendClass send_class) override;
    void Commit() override;
    void Rollback() override { queue.Rollback(); }
    bool SendControl(ByteSpan datagram, const packet::DatagramPath& path,
                     packet::ControlKind kind) override;
    void StartEpoch(std::uint32_t peer) override { queue.StartEpoch(peer); }
    std::uint32_t Discard(std::uint32_t peer) override;

    Host& host;
    io::GsoQueue queue;
    packet::Reservation reserved;
    std::uint32_t segment_size = 0;
    std::uint64_t discarded = 0;
  };

  // packet::TunSink
  void Deliver(MutableByteSpan packet, std::uint32_t flow_hash) override;
  void FlushDeliveries() override {}
  // io::BatchSender
  io::SendResult Send(const io::SendBatch& batch) override;
  bool PauseForBuffers(std::uint32_t) override { return false; }

  [[nodiscard]] bool CanRun() const;
  void Turn();
  void WakeAt(Instant when);
  void Save();

  const Services services_;
  const std::size_t number_;
  testing::SeededRandom machine_random_;
  Duration boot_offset_;
  Duration wall_offset_{0};
  Instant asleep_until_;  // the world's time
  Instant choked_until_;
  int choke_error_ = 0;
  bool is_link_up_ = true;
  Disk disk_;
  std::array<std::uint8_t, 32> private_key_{};
  PublicKey public_key_;
  std::vector<std::shared_ptr<const Configuration>> versions_;

  std::deque<TunPacket> tun_backlog_;
  const Datagram* receiving_ = nullptr;
  Bytes received_;
  bool is_writable_awaited_ = false;
  bool is_save_due_ = false;
  std::uint64_t incarnation_ = 0;
  Instant wake_at_ = Instant::Max();
  bool is_sending_into_nothing_ = false;

  std::unique_ptr<testing::SeededRandom> random_;
  std::unique_ptr<crypto::SecretArena> arena_;
  std::unique_ptr<engine::Shared> shared_;
  std::unique_ptr<Output> output_;
  std::unique_ptr<engine::Engine> engine_;
};

}  // namespace adit::sim
