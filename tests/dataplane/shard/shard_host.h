#pragma once

#include <future>
#include <memory>
#include <string>
#include <thread>

#include "dataplane/shard/shard.h"
#include "tests/dataplane/shard/pipe_tun.h"
#include "tests/support/seeded_random.h"

namespace adit::shard {

// The system's clocks, ahead by what the test says.
class ShiftedClock final : public Clock {
 public:
  [[nodiscard]] Now Read() const override {
    const Now now = system_.Read();
    const Duration ahead(ahead_nanoseconds_.load());
    return {now.boot + ahead, now.wall + ahead};
  }
  void Advance(Duration by) { ahead_nanoseconds_ += by.count(); }

 private:
  SystemClock system_;
  std::atomic<Duration::rep> ahead_nanoseconds_{0};
};

// A shard with everything it borrows and, after Start, its thread.
class ShardHost {
 public:
  explicit ShardHost(std::uint64_t seed, bool ends_with_interface = true) : random_(seed) {
    arena_ = std::move(*crypto::SecretArena::Make(4096));
    const io::UdpOptions udp{
        .port = 0, .mark = 0, .gso = io::OffloadSwitch::kAuto, .gro = io::OffloadSwitch::kAuto};
    io::TunOptions tun_options;
    tun_options.name = "pipe";
    tun_options.offload = io::OffloadSwitch::kOff;  // the test wants single packets
    auto tun = io::TunDevice::Open(kernel, tun_options);
    auto sockets = io::UdpSockets::Open(kernel, udp);
    engine::EngineOptions engine_options;
    engine_options.enforce_access = false;
    engine_options.flow_capacity = 1024;
    auto made = Shard::Make(
        {.syscalls = kernel,
         .clock = clock,
         .random = random_,
         .arena = *arena_,
         .handshake_load = load_,
         .aead = std::move(*crypto::MakeAead("libsodium")),
         .tun = std::move(*tun),
         .sockets = std::move(*sockets)},
        {.engine = engine_options, .udp = udp, .ends_with_interface = ends_with_interface});
    shard_ = std::move(*made);
    std::array<std::uint8_t, 32> key{};
    random_.Fill(key);
    (void)shard_->engine().SetPrivateKey(key, clock.Read());
    public_key_ = shard_->engine().public_key();
  }
  ~ShardHost() {
    if (thread_.joinable()) {
      (void)Stop();
    }
  }

  Shard* operator->() { return shard_.get(); }
  [[nodiscard]] const PublicKey& public_key() const { return public_key_; }
  [[nodiscard]] std::size_t keys_in_use() const { return arena_->slots_in_use(); }

  void Start() {
    thread_ = std::thread([this] { end_.set_value(shard_->Run()); });
  }
  // Waits for the end of Run, whatever ends it.
  Shard::End Join() {
    thread_.join();
    return end_.get_future().get();
  }
  Shard::End Stop() {
    shard_->RequestStop();
    return Join();
  }

  // Makes the other a peer behind a prefix; `at`: its loopback address, or none.
  void AddPeer(ShardHost& other, const std::string& prefix, const std::string& at) {
    engine::PeerPatch patch;
    patch.public_key = other.public_key();
    patch.allowed_ips = {*IpPrefix::Parse(prefix)};
    if (!at.empty()) {
      patch.endpoint = Endpoint{*IpAddress::Parse(at), other->listen_port(), 0};
    }
    ASSERT_TRUE(shard_->Call(
        [&](engine::Engine& engine, Now now) { EXPECT_TRUE(engine.ApplyPatch(patch, now)); }));
  }

  // Until the published counters say so; they are at most some milliseconds behind.
  template <typename Predicate>
  [[nodiscard]] bool Sees(Predicate predicate) {
    const Instant end = clock.Read().boot + seconds(10);
    while (!predicate(shard_->counters())) {
      if (clock.Read().boot > end || !shard_->Call([](engine::Engine&, Now) {})) {
        return false;
      }
    }
    return true;
  }
  [[nodiscard]] bool SeesDrop(packet::DropReason reason) {
    return Sees([&](const ShardCounters& counters) {
      return counters.engine.drops[static_cast<std::size_t>(reason)] != 0;
    });
  }

  PipeTun kernel;
  ShiftedClock clock;

 private:
  testing::SeededRandom random_;
  engine::HandshakeLoad load_;
  std::unique_ptr<crypto::SecretArena> arena_;
  std::unique_ptr<Shard> shard_;
  PublicKey public_key_;
  std::promise<Shard::End> end_;
  std::thread thread_;
};

}  // namespace adit::shard
