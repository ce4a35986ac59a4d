#pragma once

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "common/mutex.h"
#include "dataplane/shard/group.h"
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

// Reproducible for one thread, usable by several.
class LockedRandom final : public RandomSource {
 public:
  explicit LockedRandom(std::uint64_t seed) : random_(seed) {}
  void Fill(MutableByteSpan out) override {
    const MutexLock lock(mutex_);
    random_.Fill(out);
  }

 private:
  Mutex mutex_;
  testing::SeededRandom random_ ABSL_GUARDED_BY(mutex_);
};

// A group of shards with everything it borrows and, after Start, its threads.
class ShardHost {
 public:
  explicit ShardHost(std::uint64_t seed, std::size_t shards = 1, bool ends_with_interface = true)
      : random_(seed) {
    arena_ = std::move(*crypto::SecretArena::Make(4096));
    io::TunOptions tun_options;
    tun_options.name = "pipe";
    tun_options.offload = io::OffloadSwitch::kOff;  // the test wants single packets
    auto tun = io::TunDevice::Open(kernel, tun_options);
    std::vector<std::unique_ptr<crypto::Aead>> aeads;
    for (std::size_t i = 0; i < shards; ++i) {
      aeads.push_back(std::move(*crypto::MakeAead("libsodium")));
    }
    engine::EngineOptions engine_options;
    engine_options.enforce_access = false;
    engine_options.flow_capacity = 1024;
    auto made = ShardGroup::Make(
        {.syscalls = kernel,
         .clock = clock,
         .random = random_,
         .arena = *arena_,
         .aeads = std::move(aeads),
         .tun = std::move(*tun)},
        {.engine = engine_options, .udp = {}, .ends_with_interface = ends_with_interface});
    group_ = std::move(*made);
    std::array<std::uint8_t, 32> key{};
    random_.Fill(key);
    (void)group_->Call(
        [&](engine::Engine& engine, Now now) { (void)engine.SetPrivateKey(key, now); });
    public_key_ = group_->engine().public_key();
  }

  ShardGroup* operator->() { return group_.get(); }
  [[nodiscard]] ShardGroup& group() { return *group_; }
  [[nodiscard]] const PublicKey& public_key() const { return public_key_; }
  [[nodiscard]] std::size_t keys_in_use() const { return arena_->slots_in_use(); }
  // Number 0, to be used without Start.
  [[nodiscard]] Shard& shard() { return group_->shard(0); }

  void Start() {
    group_->Start([this] { interface_gone_.set_value(); });
  }
  [[nodiscard]] bool SeesInterfaceGone() {
    return interface_gone_.get_future().wait_for(seconds(10)) == std::future_status::ready;
  }

  // Makes the other a peer behind a prefix; `at`: its loopback address, or none.
  void AddPeer(ShardHost& other, const std::string& prefix, const std::string& at) {
    engine::PeerPatch patch;
    patch.public_key = other.public_key();
    patch.allowed_ips = {*IpPrefix::Parse(prefix)};
    if (!at.empty()) {
      patch.endpoint = Endpoint{*IpAddress::Parse(at), other->listen_port(), 0};
    }
    ASSERT_TRUE(Apply(patch));
  }
  void RemovePeer(const ShardHost& other) {
    engine::PeerPatch gone;
    gone.public_key = other.public_key();
    gone.remove = true;
    ASSERT_TRUE(Apply(gone));
  }
  [[nodiscard]] bool Apply(const engine::PeerPatch& patch) {
    std::atomic<bool> has_room{true};
    return group_->Call([&](engine::Engine& engine, Now now) {
      if (!engine.ApplyPatch(patch, now)) {
        has_room = false;
      }
    }) && has_room;
  }

  // Until the published counters say so; they are at most some milliseconds behind.
  template <typename Predicate>
  [[nodiscard]] bool Sees(Predicate predicate) {
    const Instant end = clock.Read().boot + seconds(10);
    while (!predicate(group_->counters())) {
      if (clock.Read().boot > end || !group_->Call([](engine::Engine&, Now) {})) {
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
  LockedRandom random_;
  std::unique_ptr<crypto::SecretArena> arena_;
  std::unique_ptr<ShardGroup> group_;
  PublicKey public_key_;
  std::promise<void> interface_gone_;
};

}  // namespace adit::shard
