// Several shards behind one port and one TUN, against clients of one shard each.
#include "dataplane/shard/group.h"

#include <algorithm>
#include <thread>

#include <gtest/gtest.h>

#include "tests/dataplane/shard/shard_host.h"
#include "tests/support/packet_builder.h"

namespace adit::shard {
namespace {

using packet::DropReason;
using testing::BuildPacket;
using testing::Bytes;
using testing::PacketSpec;

constexpr std::size_t kClients = 4;
constexpr std::size_t kShards = 2;

class ShardGroupTest : public ::testing::Test {
 protected:
  ShardGroupTest() {
    server_.Start();
    for (std::size_t i = 0; i < kClients; ++i) {
      clients_.push_back(std::make_unique<ShardHost>(10 + i));
      clients_[i]->Start();
      clients_[i]->AddPeer(server_, "10.9.0.0/16", "127.0.0.1");
      server_.AddPeer(*clients_[i], NetOf(i), "");
    }
  }

  static std::string NetOf(std::size_t client) {
    return "10.0." + std::to_string(client) + ".0/24";
  }
  static std::string AddressOf(std::size_t client) {
    return "10.0." + std::to_string(client) + ".1";
  }
  static Bytes Forth(std::size_t client, std::size_t payload = 100) {
    const std::string source = AddressOf(client);  // of which the spec holds a view
    PacketSpec spec{.source = source, .destination = "10.9.0.1"};
    spec.payload.assign(payload, static_cast<std::uint8_t>(client));
    return BuildPacket(spec);
  }
  static Bytes Back(std::size_t client, std::size_t payload = 100) {
    const std::string destination = AddressOf(client);
    PacketSpec spec{.source = "10.9.0.1", .destination = destination};
    spec.payload.assign(payload, static_cast<std::uint8_t>(client));
    return BuildPacket(spec);
  }
  void Exchange(std::size_t client) {
    const Bytes forth = Forth(client);
    clients_[client]->kernel.Inject(forth);
    ASSERT_EQ(server_.kernel.Next(), forth);
    const Bytes back = Back(client);
    server_.kernel.Inject(back);
    ASSERT_EQ(clients_[client]->kernel.Next(), back);
  }
  void ExchangeAll() {
    for (std::size_t i = 0; i < kClients; ++i) {
      Exchange(i);
    }
  }
  // The same where a packet may be lost: when both ends begin a handshake at once, what is under
  // way under the old keys comes too late.
  void ExchangeWithLoss(std::size_t client) {
    EXPECT_TRUE(Arrives(clients_[client]->kernel, server_.kernel, Forth(client)));
    EXPECT_TRUE(Arrives(server_.kernel, clients_[client]->kernel, Back(client)));
  }
  static bool Arrives(PipeTun& from, PipeTun& to, const Bytes& packet) {
    for (int attempt = 0; attempt < 20; ++attempt) {
      from.Inject(packet);
      for (auto next = to.Next(1000); next; next = to.Next(1000)) {
        if (next == packet) {
          return true;
        }
      }
    }
    return false;
  }
  void AdvanceClocks(Duration by) {
    server_.clock.Advance(by);
    for (const auto& client : clients_) {
      client->clock.Advance(by);
    }
  }
  [[nodiscard]] std::uint64_t SealedBy(std::size_t shard) {
    EXPECT_TRUE(server_->CallOne(shard, [](engine::Engine&, Now) {}));
    std::uint64_t sealed = 0;
    EXPECT_TRUE(server_->CallOne(
        shard, [&](engine::Engine& engine, Now) { sealed = engine.counters().datagrams_sealed; }));
    return sealed;
  }

  ShardHost server_{1, kShards};
  std::vector<std::unique_ptr<ShardHost>> clients_;
};

TEST_F(ShardGroupTest, CarriesPacketsOfAllPeersBothWaysAndEachShardHasItsOwn) {
  ExchangeAll();
  for (std::size_t shard = 0; shard < kShards; ++shard) {
    // A packet of each of its two peers.
    EXPECT_EQ(SealedBy(shard), 2U);
  }
  EXPECT_TRUE(server_.Sees([](const ShardCounters& counters) {
    return counters.engine.tun_packets == kClients && counters.engine.delivered_packets == kClients;
  }));
  EXPECT_EQ(server_->counters().engine.drops, packet::DropCounts{});
}

TEST_F(ShardGroupTest, KeepsTheOrderOfEveryFlow) {
  ExchangeAll();
  constexpr std::size_t kRounds = 100;
  // No more under way than the pipes hold.
  constexpr std::size_t kBatch = 4;
  for (std::size_t round = 0; round < kRounds; round += kBatch) {
    for (std::size_t i = round; i < round + kBatch; ++i) {
      for (std::size_t client = 0; client < kClients; ++client) {
        server_.kernel.Inject(Back(client, 1 + i * 37 % 1200));
      }
    }
    for (std::size_t client = 0; client < kClients; ++client) {
      for (std::size_t i = round; i < round + kBatch; ++i) {
        ASSERT_EQ(clients_[client]->kernel.Next(), Back(client, 1 + i * 37 % 1200));
      }
    }
  }
}

TEST_F(ShardGroupTest, AShardThatCannotSendStopsTheReaderAndLosesNothing) {
  ExchangeAll();
  // Nobody sends: the ring fills, and the pipe behind it.
  server_.kernel.sends_refused = 1'000'000;
  constexpr std::size_t kPackets = 150;
  std::thread feeder([&] {
    for (std::size_t i = 0; i < kPackets; ++i) {
      server_.kernel.InjectWaiting(Back(1, 1 + i));
    }
  });
  EXPECT_TRUE(
      server_.Sees([](const ShardCounters& counters) { return counters.gso.suspends[0] != 0; }));
  server_.kernel.sends_refused = 0;
  for (std::size_t i = 0; i < kPackets; ++i) {
    ASSERT_EQ(clients_[1]->kernel.Next(), Back(1, 1 + i)) << i;
  }
  feeder.join();
  EXPECT_EQ(server_->counters().engine.drops, packet::DropCounts{});
}

TEST_F(ShardGroupTest, RekeysInEveryShard) {
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < kClients; ++i) {
      ExchangeWithLoss(i);
    }
    AdvanceClocks(seconds(121));
  }
  EXPECT_TRUE(server_.Sees([](const ShardCounters& counters) {
    return counters.engine.handshakes_answered + counters.engine.handshakes_completed >=
           3 * kClients;
  }));
}

TEST_F(ShardGroupTest, FollowsPeersOfEveryShardThatRoam) {
  ExchangeAll();
  for (int round = 0; round < 3; ++round) {
    for (const auto& client : clients_) {
      ASSERT_TRUE((*client)->SetListenPort(0).ok());
    }
    ExchangeAll();
  }
}

TEST_F(ShardGroupTest, MovesToAnotherPortAsAWhole) {
  ExchangeAll();
  const std::uint16_t before = server_->listen_port();
  ASSERT_TRUE(server_->SetListenPort(0).ok());
  EXPECT_NE(server_->listen_port(), before);
  for (std::size_t i = 0; i < kClients; ++i) {
    server_.kernel.Inject(Back(i));  // the clients roam after it
    ASSERT_EQ(clients_[i]->kernel.Next(), Back(i));
  }
  ExchangeAll();
  // And stays where it is when the port is another's.
  const std::uint16_t after = server_->listen_port();
  EXPECT_EQ(ErrnoOf(server_->SetListenPort((*clients_[0])->listen_port())), EADDRINUSE);
  EXPECT_EQ(server_->listen_port(), after);
  ExchangeAll();
}

TEST_F(ShardGroupTest, APrefixMovesFromAPeerOfOneShardToAPeerOfAnother) {
  ExchangeAll();
  server_.AddPeer(*clients_[1], NetOf(0), "");
  const Bytes packet = Back(0);
  server_.kernel.Inject(packet);
  EXPECT_EQ(clients_[1]->kernel.Next(), packet);
  // The source is judged alike: it is not the first client's any more.
  clients_[0]->kernel.Inject(Forth(0));
  EXPECT_TRUE(server_.SeesDrop(DropReason::kSourceNotAllowed));
  const Bytes forth = Forth(0, 50);
  clients_[1]->kernel.Inject(forth);
  EXPECT_EQ(server_.kernel.Next(), forth);
}

// A narrower prefix of a peer of another shard is not the wider one's to send from.
TEST_F(ShardGroupTest, JudgesSourcesByThePrefixesOfAllShards) {
  server_.AddPeer(*clients_[0], "10.0.0.0/16", "");
  ExchangeAll();
  clients_[0]->kernel.Inject(Forth(1));
  EXPECT_TRUE(server_.SeesDrop(DropReason::kSourceNotAllowed));
}

TEST_F(ShardGroupTest, PeersComeAndGoWhileTrafficFlows) {
  ExchangeAll();
  std::atomic<bool> is_over{false};
  std::thread feeder([&] {
    while (!is_over) {
      server_.kernel.InjectWaiting(Back(2));
      server_.kernel.InjectWaiting(Back(3));
      clients_[3]->kernel.InjectWaiting(Forth(3));
    }
  });
  std::thread sink([&] {
    while (!is_over) {
      (void)server_.kernel.Next(10);
      (void)clients_[2]->kernel.Next(1);
    }
  });
  for (int round = 0; round < 30; ++round) {
    server_.RemovePeer(*clients_[3]);
    server_.AddPeer(*clients_[3], NetOf(3), "");
  }
  is_over = true;
  feeder.join();
  sink.join();
  EXPECT_EQ(server_->counters().engine.drops[static_cast<std::size_t>(DropReason::kUnknownPeer)],
            0U);
}

TEST_F(ShardGroupTest, TheLinkGoesDownAndUpInEveryShard) {
  ExchangeAll();
  server_->SetLink(false, 1420, {});
  for (std::size_t i = 0; i < kClients; ++i) {
    server_.kernel.Inject(Back(i));
  }
  EXPECT_TRUE(server_.Sees([](const ShardCounters& counters) {
    return counters.engine.drops[static_cast<std::size_t>(DropReason::kLinkDown)] == kClients;
  }));
  AdvanceClocks(seconds(1));
  server_->SetLink(true, 1420, {});
  AdvanceClocks(seconds(181));  // the clients' sessions end
  ExchangeAll();
}

TEST_F(ShardGroupTest, ErasesAllKeysWhenItStops) {
  ExchangeAll();
  server_->Stop();
  EXPECT_EQ(server_.keys_in_use(), kShards) << "the own keys' places, which are empty";
  EXPECT_FALSE(server_->Call([](engine::Engine&, Now) {}));
  EXPECT_FALSE(server_->CallOne(1, [](engine::Engine&, Now) {}));
}

TEST_F(ShardGroupTest, EndsWhenTheInterfaceIsDeleted) {
  server_.kernel.DeleteInterface();
  EXPECT_TRUE(server_.SeesInterfaceGone());
}

TEST(ShardGroup, RefusesNoShardsAndTooMany) {
  for (const std::size_t count : {std::size_t{0}, ShardGroup::kMaxShards + 1}) {
    PipeTun kernel;
    const SystemClock clock;
    LockedRandom random(1);
    const auto arena = std::move(*crypto::SecretArena::Make(64));
    auto tun = io::TunDevice::Open(kernel, {.name = "pipe"});
    ASSERT_TRUE(tun.ok());
    const auto made = ShardGroup::Make({.syscalls = kernel,
                                        .clock = clock,
                                        .random = random,
                                        .arena = *arena,
                                        .aeads = std::vector<std::unique_ptr<crypto::Aead>>(count),
                                        .tun = std::move(*tun)},
                                       {});
    EXPECT_TRUE(absl::IsInvalidArgument(made.status()));
  }
}

}  // namespace
}  // namespace adit::shard
