#pragma once

#include <memory>
#include <string>

#include "dataplane/engine/engine.h"
#include "tests/support/memory_sinks.h"
#include "tests/support/seeded_random.h"

namespace adit::testing {

// An engine with everything it borrows, in memory, at one address.
class EngineHost {
 public:
  EngineHost(std::uint64_t seed, const std::string& endpoint, bool enforce_access,
             std::uint32_t mtu = 1420)
      : random(seed), endpoint_(*Endpoint::Parse(endpoint)) {
    auto made = crypto::SecretArena::Make(4096);
    arena = std::move(*made);
    aead = std::move(*crypto::MakeAead("libsodium"));
    engine = std::make_unique<engine::Engine>(
        engine::EngineContext{datagrams, tun, *aead, *arena, random, shared},
        engine::EngineOptions{.enforce_access = enforce_access, .flow_capacity = 4096, .mtu = mtu});
    std::array<std::uint8_t, 32> key{};
    random.Fill(key);
    (void)engine->SetPrivateKey(key, {});
  }

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] const PublicKey& key() const { return engine->public_key(); }

  engine::PeerPatch PatchFor(const EngineHost& other, const std::string& allowed_ips,
                             bool with_endpoint = true) const {
    engine::PeerPatch patch;
    patch.public_key = other.key();
    if (with_endpoint) {
      patch.endpoint = other.endpoint();
    }
    patch.replace_allowed_ips = true;
    patch.allowed_ips = {*IpPrefix::Parse(allowed_ips)};
    return patch;
  }

  // Hands one datagram over as it arrives from the network.
  void Receive(Bytes bytes, const Endpoint& from, Now now, std::uint8_t ecn = 0) {
    received_ = std::move(bytes);
    packet::ReceivedTrain train{received_, received_.size(), from, {endpoint_.address, 1}, ecn};
    engine->HandleUdpTrain(train, now);
    tun.FlushDeliveries();
    while (engine->ServeHandshakes(now)) {
    }
  }
  void SendFromTun(Bytes bytes, Now now) {
    read_ = std::move(bytes);
    engine->HandleTunPacket({read_, {}}, now);
  }
  [[nodiscard]] std::uint64_t drops(packet::DropReason reason) const {
    return engine->counters().drops[static_cast<std::size_t>(reason)];
  }

  SeededRandom random;
  MemoryDatagrams datagrams;
  MemoryTun tun;
  engine::Shared shared{random};
  engine::HandshakeLoad& load = shared.handshake_load;
  std::unique_ptr<crypto::SecretArena> arena;
  std::unique_ptr<crypto::Aead> aead;
  std::unique_ptr<engine::Engine> engine;

 private:
  Endpoint endpoint_;
  Bytes received_;
  Bytes read_;
};

// Virtual time for tests: boot and wall clocks that move together unless told otherwise.
struct VirtualTime {
  Now now{Instant(seconds(100)), WallTime(seconds(1'700'000'000))};
  void Advance(Duration by) { now = {now.boot + by, now.wall + by}; }
};

}  // namespace adit::testing
