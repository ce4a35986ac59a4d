// Several engines that are one device: who has which peer, and what they hand to each other.
#include <array>
#include <deque>

#include <gtest/gtest.h>

#include "dataplane/engine/steering.h"
#include "tests/support/counter_sum.h"
#include "tests/support/engine_host.h"

namespace adit::engine {
namespace {

using packet::DropReason;
using testing::BuildPacket;
using testing::Bytes;
using testing::EngineHost;
using testing::PacketSpec;

constexpr std::uint8_t kShards = 2;
constexpr std::uint32_t kPeers = 8;

PublicKey KeyOf(std::uint32_t number) {
  std::array<std::uint8_t, kKeySize> bytes{};
  StoreLe32(bytes.data(), number + 1);
  return PublicKey(bytes);
}

PeerPatch PatchOf(std::uint32_t number, const std::string& prefix) {
  PeerPatch patch;
  patch.public_key = KeyOf(number);
  patch.allowed_ips = {*IpPrefix::Parse(prefix)};
  return patch;
}

Bytes PacketTo(const std::string& destination) {
  return BuildPacket({.source = "10.9.9.9", .destination = destination});
}

// A device of two shards in memory. What is handed over arrives with Carry.
class ShardedDevice {
 public:
  explicit ShardedDevice(std::uint64_t seed) : random_(seed) {
    arena_ = std::move(*crypto::SecretArena::Make(4096));
    for (std::uint8_t i = 0; i < kShards; ++i) {
      Part& part = parts_[i];
      part.aead = std::move(*crypto::MakeAead("libsodium"));
      part.neighbours.device = this;
      part.engine = std::make_unique<Engine>(
          EngineContext{part.datagrams, part.tun, *part.aead, *arena_, random_, shared_,
                        &part.neighbours},
          EngineOptions{.shard = i, .shard_count = kShards, .enforce_access = false});
    }
    std::array<std::uint8_t, 32> key{};
    random_.Fill(key);
    ForAll([&](Engine& engine) { EXPECT_TRUE(engine.SetPrivateKey(key, now_.now)); });
  }

  template <typename Task>
  void ForAll(Task task) {
    for (Part& part : parts_) {
      task(*part.engine);
    }
  }
  void Apply(const PeerPatch& patch) {
    ForAll([&](Engine& engine) { EXPECT_TRUE(engine.ApplyPatch(patch, now_.now)); });
  }
  void Apply(const Update& update) {
    ForAll([&](Engine& engine) { EXPECT_TRUE(engine.Apply(update, now_.now)); });
  }

  Engine& engine(std::size_t shard) { return *parts_[shard].engine; }
  std::deque<testing::SentDatagram>& sent(std::size_t shard) {
    return parts_[shard].datagrams.sent;
  }
  std::deque<Bytes>& delivered(std::size_t shard) { return parts_[shard].tun.delivered; }
  [[nodiscard]] Now now() const { return now_.now; }
  void Advance(Duration by) { now_.Advance(by); }
  void AdvanceBootClock(Duration by) { now_.now.boot = now_.now.boot + by; }
  Shared& shared() { return shared_; }

  // The keys each shard reports as its peers.
  std::vector<PublicKey> PeersOf(std::size_t shard) {
    std::vector<PeerReport> reports;
    EXPECT_EQ(engine(shard).AppendReports(0, 1000, reports), 0U);
    std::vector<PublicKey> keys;
    for (const PeerReport& report : reports) {
      keys.push_back(report.public_key);
    }
    return keys;
  }
  // The owner by what every engine says of a packet from TUN. They must agree, unless it is
  // nobody's: then each names itself.
  std::uint8_t OwnerOf(const std::string& destination) {
    const Bytes bytes = PacketTo(destination);
    const std::uint8_t first = engine(0).OwnerOf(bytes);
    const std::uint8_t second = engine(1).OwnerOf(bytes);
    EXPECT_TRUE(first == second || (first == 0 && second == 1));
    return first;
  }

  void Receive(std::size_t shard, Bytes bytes, const Endpoint& from) {
    packet::ReceivedTrain train{bytes, bytes.size(), from, {}, 0};
    engine(shard).HandleUdpTrain(train, now());
    Serve();
  }
  void ReceiveTrain(std::size_t shard, Bytes bytes, std::size_t segment, const Endpoint& from) {
    packet::ReceivedTrain train{bytes, segment, from, {}, 0};
    engine(shard).HandleUdpTrain(train, now());
    Serve();
  }
  void Serve() {
    for (int turn = 0; turn < 2; ++turn) {
      ForAll([&](Engine& engine) {
        while (engine.ServeHandshakes(now())) {
        }
      });
      Carry();
    }
  }
  void Carry() {
    for (std::uint8_t i = 0; i < kShards; ++i) {
      std::deque<HandedTrain> trains;
      std::swap(trains, parts_[i].trains);
      for (HandedTrain& handed : trains) {
        handed.train.bytes = handed.bytes;
        engine(i).HandleUdpTrain(handed.train, now());
      }
      std::deque<HandedInitiation> initiations;
      std::swap(initiations, parts_[i].initiations);
      for (const HandedInitiation& initiation : initiations) {
        engine(i).HandleInitiation(initiation, now());
      }
    }
  }
  [[nodiscard]] Counters Sum() {
    Counters sum;
    ForAll([&](Engine& engine) {
      const Counters one = engine.counters();
      sum.tun_packets += one.tun_packets;
      sum.own_packets += one.own_packets;
      sum.delivered_packets += one.delivered_packets;
      sum.datagrams_received += one.datagrams_received;
      sum.datagrams_sealed += one.datagrams_sealed;
      sum.keepalives_received += one.keepalives_received;
      sum.handshakes_answered += one.handshakes_answered;
      sum.handshakes_completed += one.handshakes_completed;
      sum.cookies_accepted += one.cookies_accepted;
      for (std::size_t i = 0; i < packet::kDropReasonCount; ++i) {
        sum.drops[i] += one.drops[i];
      }
    });
    return sum;
  }
  [[nodiscard]] std::uint64_t drops(DropReason reason) {
    return Sum().drops[static_cast<std::size_t>(reason)];
  }
  bool has_room = true;  // for what is handed over

 private:
  struct HandedTrain {
    Bytes bytes;
    packet::ReceivedTrain train;
  };
  class DeviceNeighbours final : public Neighbours {
   public:
    bool HandOver(std::uint8_t shard, const packet::ReceivedTrain& train) override {
      if (!device->has_room) {
        return false;
      }
      device->parts_[shard].trains.push_back({{train.bytes.begin(), train.bytes.end()}, train});
      return true;
    }
    bool HandOver(std::uint8_t shard, const HandedInitiation& initiation) override {
      if (!device->has_room) {
        return false;
      }
      device->parts_[shard].initiations.push_back(initiation);
      return true;
    }
    ShardedDevice* device = nullptr;
  };
  struct Part {
    testing::MemoryDatagrams datagrams;
    testing::MemoryTun tun;
    std::unique_ptr<crypto::Aead> aead;
    DeviceNeighbours neighbours;
    std::deque<HandedTrain> trains;
    std::deque<HandedInitiation> initiations;
    std::unique_ptr<Engine> engine;
  };

  testing::SeededRandom random_;
  testing::VirtualTime now_;
  std::unique_ptr<crypto::SecretArena> arena_;
  Shared shared_{random_};
  std::array<Part, kShards> parts_;
};

class ShardedEnginesTest : public ::testing::Test {
 protected:
  void AddPeers() {
    for (std::uint32_t i = 0; i < kPeers; ++i) {
      device_.Apply(PatchOf(i, "10.0." + std::to_string(i) + ".0/24"));
    }
  }

  ShardedDevice device_{1};
};

TEST_F(ShardedEnginesTest, SpreadsPeersEvenlyAndAgreesOnWhoseEachIs) {
  AddPeers();
  EXPECT_EQ(device_.PeersOf(0).size(), kPeers / kShards);
  EXPECT_EQ(device_.PeersOf(1).size(), kPeers / kShards);
  for (std::uint32_t i = 0; i < kPeers; ++i) {
    const std::uint8_t owner = device_.OwnerOf("10.0." + std::to_string(i) + ".1");
    const auto keys = device_.PeersOf(owner);
    EXPECT_NE(std::ranges::find(keys, KeyOf(i)), keys.end());
  }
  device_.ForAll([](const Engine& engine) { EXPECT_EQ(engine.peer_count(), kPeers); });
}

TEST_F(ShardedEnginesTest, FillsTheEmptiestAfterRemovalsAndMovesNobody) {
  AddPeers();
  const auto stay = device_.PeersOf(1);
  Update update;
  update.removed_peers = device_.PeersOf(0);
  device_.Apply(update);
  EXPECT_TRUE(device_.PeersOf(0).empty());
  for (std::uint32_t i = 0; i < 4; ++i) {
    device_.Apply(PatchOf(100 + i, "10.1." + std::to_string(i) + ".0/24"));
    EXPECT_EQ(device_.OwnerOf("10.1." + std::to_string(i) + ".1"), 0);
  }
  EXPECT_EQ(device_.PeersOf(1), stay);
}

TEST_F(ShardedEnginesTest, AgreesAfterManyRandomChanges) {
  testing::SeededRandom random(7);
  for (int round = 0; round < 300; ++round) {
    Update update;
    update.is_snapshot = random.Chance(0.05);
    for (std::uint64_t i = random.Below(6); i > 0; --i) {
      const auto number = static_cast<std::uint32_t>(random.Below(40));
      PeerPatch patch = PatchOf(number, "10.0." + std::to_string(random.Below(40)) + ".0/24");
      patch.replace_allowed_ips = random.Chance(0.5);
      patch.update_only = random.Chance(0.1);
      patch.remove = random.Chance(0.2);
      update.peers.push_back(patch);
    }
    if (random.Chance(0.3)) {
      update.removed_peers.push_back(KeyOf(static_cast<std::uint32_t>(random.Below(40))));
    }
    device_.Apply(update);
    ASSERT_EQ(device_.engine(0).peer_count(), device_.engine(1).peer_count());
    ASSERT_EQ(device_.PeersOf(0).size() + device_.PeersOf(1).size(),
              device_.engine(0).peer_count());
    for (int i = 0; i < 40; ++i) {
      (void)device_.OwnerOf("10.0." + std::to_string(i) + ".1");
    }
    ASSERT_FALSE(HasFailure()) << round;
  }
}

TEST_F(ShardedEnginesTest, APrefixThatMovesToAnotherShardsPeerIsTheirsEverywhere) {
  AddPeers();
  const std::uint8_t first = device_.OwnerOf("10.0.0.1");
  const std::uint8_t second = device_.OwnerOf("10.0.1.1");
  ASSERT_NE(first, second);
  device_.Apply(PatchOf(1, "10.0.0.0/24"));
  EXPECT_EQ(device_.OwnerOf("10.0.0.1"), second);
  std::vector<PeerReport> reports;
  (void)device_.engine(first).AppendReports(0, 1000, reports);
  for (const PeerReport& report : reports) {
    if (report.public_key == KeyOf(0)) {
      EXPECT_TRUE(report.allowed_ips.empty());
    }
  }
  // What was on its way to the shard that had it is refused there.
  Bytes late = PacketTo("10.0.0.1");
  device_.engine(first).HandleTunPacket({late, {}}, device_.now());
  EXPECT_EQ(device_.drops(DropReason::kNoPeerForDestination), 1U);
}

TEST_F(ShardedEnginesTest, WhatIsNobodysIsRefusedByWhoeverReadIt) {
  AddPeers();
  for (std::uint8_t i = 0; i < kShards; ++i) {
    EXPECT_EQ(device_.engine(i).OwnerOf(PacketTo("192.0.2.1")), i);
    EXPECT_EQ(device_.engine(i).OwnerOf(Bytes{0x45, 0}), i);
    EXPECT_EQ(device_.engine(i).OwnerOf({}), i);
  }
}

// Real clients, each an engine of its own, and the device between them and the test.
class ShardedGatewayTest : public ShardedEnginesTest {
 protected:
  ShardedGatewayTest() {
    for (std::uint32_t i = 0; i < kShards; ++i) {
      clients_.push_back(std::make_unique<EngineHost>(
          10 + i, "192.0.2." + std::to_string(1 + i) + ":1000", false));
      EngineHost& client = *clients_.back();
      PeerPatch ours;
      ours.public_key = device_.engine(0).public_key();
      ours.endpoint = kGateway;
      ours.allowed_ips = {*IpPrefix::Parse("10.9.0.0/16")};
      EXPECT_TRUE(client.engine->ApplyPatch(ours, device_.now()));
      PeerPatch theirs;
      theirs.public_key = client.key();
      theirs.allowed_ips = {*IpPrefix::Parse("10.0." + std::to_string(i) + ".0/24")};
      device_.Apply(theirs);
    }
  }

  // What the client sends comes to that shard.
  void FromClient(std::size_t number, std::size_t shard) {
    EngineHost& client = *clients_[number];
    while (!client.datagrams.sent.empty()) {
      const Bytes bytes = client.datagrams.sent.front().bytes;
      client.datagrams.sent.pop_front();
      device_.Receive(shard, bytes, client.endpoint());
    }
  }
  void ToClients() {
    for (std::size_t shard = 0; shard < kShards; ++shard) {
      while (!device_.sent(shard).empty()) {
        const testing::SentDatagram sent = device_.sent(shard).front();
        device_.sent(shard).pop_front();
        for (const auto& client : clients_) {
          if (sent.path.remote == client->endpoint()) {
            client->Receive(sent.bytes, kGateway, device_.now());
          }
        }
      }
    }
  }
  Bytes PacketFrom(std::size_t number) {
    return BuildPacket(
        {.source = "10.0." + std::to_string(number) + ".5", .destination = "10.9.0.1"});
  }
  // Through a handshake whose initiation comes to shard `at`.
  void Connect(std::size_t number, std::size_t at) {
    clients_[number]->SendFromTun(PacketFrom(number), device_.now());
    FromClient(number, at);
    ToClients();
    FromClient(number, at);
  }

  const Endpoint kGateway = *Endpoint::Parse("198.51.100.2:51820");
  std::vector<std::unique_ptr<EngineHost>> clients_;
};

TEST_F(ShardedGatewayTest, AnyShardTakesAnInitiationAndTheOwnerAnswers) {
  for (std::size_t number = 0; number < kShards; ++number) {
    const std::size_t wrong = 1 - number;
    Connect(number, wrong);
    ASSERT_EQ(device_.delivered(number).size(), 1U) << "by the owner, though it came elsewhere";
    EXPECT_EQ(device_.engine(number).counters().handshakes_answered, 1U);
    EXPECT_EQ(device_.engine(wrong).counters().drops, packet::DropCounts{});
  }
  device_.ForAll([](Engine& engine) { engine.RemoveAllPeers(); });
  testing::ExpectCountersAddUp(device_.Sum());
}

TEST_F(ShardedGatewayTest, ReceiverIndicesNameTheirShard) {
  for (std::size_t number = 0; number < kShards; ++number) {
    Connect(number, 0);
    clients_[number]->SendFromTun(PacketFrom(number), device_.now());
    const Bytes& data = clients_[number]->datagrams.sent.front().bytes;
    EXPECT_EQ(ShardOfIndex(LoadLe32(data.data() + wireguard::kReceiverAt)), number);
    clients_[number]->datagrams.sent.clear();
  }
}

TEST_F(ShardedGatewayTest, ATrainThatMixesPeersIsTakenApart) {
  Connect(0, 0);
  Connect(1, 1);
  device_.delivered(0).clear();
  device_.delivered(1).clear();
  Bytes train;
  for (int i = 0; i < 3; ++i) {
    for (const auto& client : clients_) {
      const std::size_t number = client == clients_[0] ? 0 : 1;
      client->SendFromTun(PacketFrom(number), device_.now());
      const Bytes& bytes = client->datagrams.sent.front().bytes;
      train.insert(train.end(), bytes.begin(), bytes.end());
      client->datagrams.sent.pop_front();
    }
  }
  device_.ReceiveTrain(0, train, train.size() / 6, clients_[0]->endpoint());
  EXPECT_EQ(device_.delivered(0).size(), 3U);
  EXPECT_EQ(device_.delivered(1).size(), 3U);
}

TEST_F(ShardedGatewayTest, WhatFindsNoRoomOnItsWayIsCounted) {
  Connect(1, 1);
  clients_[1]->SendFromTun(PacketFrom(1), device_.now());
  device_.has_room = false;
  FromClient(1, 0);
  EXPECT_EQ(device_.drops(DropReason::kHandoverFull), 1U);
  device_.Advance(seconds(10));
  clients_[0]->SendFromTun(PacketFrom(0), device_.now());
  FromClient(0, 1);
  EXPECT_EQ(device_.drops(DropReason::kHandoverFull), 2U);
  device_.ForAll([](Engine& engine) { engine.RemoveAllPeers(); });
  testing::ExpectCountersAddUp(device_.Sum());
}

TEST_F(ShardedGatewayTest, AnIndexOfNoShardIsUnknown) {
  Bytes data(32, 0);
  data[0] = 4;
  data[wireguard::kReceiverAt] = kShards;
  device_.Receive(0, data, clients_[0]->endpoint());
  EXPECT_EQ(device_.drops(DropReason::kUnknownIndex), 1U);
  // Of another shard, which does not know it either.
  data[wireguard::kReceiverAt] = 1;
  device_.Receive(0, data, clients_[0]->endpoint());
  EXPECT_EQ(device_.drops(DropReason::kUnknownIndex), 2U);
}

// As a client: responses and cookie replies find the shard that asked.
TEST_F(ShardedGatewayTest, ResponsesReachTheShardThatAsked) {
  for (std::uint32_t number = 0; number < kShards; ++number) {
    PeerPatch dial;
    dial.public_key = clients_[number]->key();
    dial.endpoint = clients_[number]->endpoint();
    device_.Apply(dial);
    Bytes packet =
        BuildPacket({.source = "10.9.0.1", .destination = "10.0." + std::to_string(number) + ".5"});
    device_.engine(number).HandleTunPacket({packet, {}}, device_.now());
    ToClients();
    FromClient(number, 1 - number);  // the response comes to the wrong shard
    ToClients();
    EXPECT_EQ(clients_[number]->tun.delivered.size(), 1U);
    EXPECT_EQ(device_.engine(number).counters().handshakes_completed, 1U);
  }
}

TEST_F(ShardedGatewayTest, ACookieOfOneShardIsGoodAtAnother) {
  device_.shared().handshake_load.Add(HandshakeLoad::kUnderLoadCount, device_.now().boot);
  clients_[0]->SendFromTun(PacketFrom(0), device_.now());
  FromClient(0, 0);
  EXPECT_EQ(device_.drops(DropReason::kBadMac2), 1U);
  ToClients();
  EXPECT_EQ(clients_[0]->engine->counters().cookies_accepted, 1U);
  device_.Advance(seconds(6));
  device_.shared().handshake_load.Add(1, device_.now().boot);
  clients_[0]->engine->HandleTimeout(device_.now());
  ASSERT_FALSE(clients_[0]->datagrams.sent.empty());
  FromClient(0, 1);
  EXPECT_EQ(device_.engine(0).counters().handshakes_answered, 1U);
}

TEST_F(ShardedGatewayTest, APeerThatComesAgainInAnotherShardGetsGreaterTimestamps) {
  const auto initiation_to = [&](std::size_t shard) {
    Bytes packet = BuildPacket({.source = "10.9.0.1", .destination = "10.0.0.5"});
    device_.engine(shard).HandleTunPacket({packet, {}}, device_.now());
    ToClients();
    const bool was_answered = !clients_[0]->datagrams.sent.empty();
    clients_[0]->datagrams.sent.clear();
    return was_answered;
  };
  PeerPatch dial;
  dial.public_key = clients_[0]->key();
  dial.endpoint = clients_[0]->endpoint();
  dial.allowed_ips = {*IpPrefix::Parse("10.0.0.0/24")};
  device_.Apply(dial);
  ASSERT_TRUE(initiation_to(0));
  PeerPatch gone = dial;
  gone.remove = true;
  device_.Apply(gone);
  device_.Apply(PatchOf(50, "10.5.0.0/24"));  // they take its place in the first shard
  device_.Apply(PatchOf(51, "10.5.1.0/24"));
  device_.Apply(dial);
  ASSERT_EQ(device_.OwnerOf("10.0.0.5"), 1);
  // The client takes another after 20 ms; the wall clock stands still.
  device_.AdvanceBootClock(milliseconds(30));
  EXPECT_TRUE(initiation_to(1));
}

}  // namespace
}  // namespace adit::engine
