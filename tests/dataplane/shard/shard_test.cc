#include "dataplane/shard/shard.h"

#include <future>
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

const PacketSpec kForth{.source = "10.0.0.1", .destination = "10.0.0.2"};
const PacketSpec kBack{.source = "10.0.0.2", .destination = "10.0.0.1"};

Bytes Packet(const PacketSpec& spec, std::size_t payload = 100) {
  PacketSpec made = spec;
  made.payload.assign(payload, 0x5a);
  return BuildPacket(made);
}

// Two shards that reach each other over the loopback; the client knows where the server is.
class ShardTest : public ::testing::TestWithParam<std::string> {
 protected:
  void Connect(const std::string& loopback = "127.0.0.1") {
    client_.Start();
    server_.Start();
    client_.AddPeer(server_, "10.0.0.2/32", loopback);
    server_.AddPeer(client_, "10.0.0.1/32", "");
  }
  // One packet each way.
  void Exchange() {
    const Bytes forth = Packet(kForth);
    client_.kernel.Inject(forth);
    ASSERT_EQ(server_.kernel.Next(), forth);
    const Bytes back = Packet(kBack);
    server_.kernel.Inject(back);
    ASSERT_EQ(client_.kernel.Next(), back);
  }

  ShardHost client_{1};
  ShardHost server_{2};
};

class ShardFamilyTest : public ShardTest {};

TEST_P(ShardFamilyTest, CarriesPacketsBothWaysThroughAHandshake) {
  Connect(GetParam());
  Exchange();
  EXPECT_TRUE(client_.Sees([](const ShardCounters& counters) {
    return counters.engine.delivered_packets == 1 && counters.tun_reader.reads == 1 &&
           counters.gso.data_datagrams >= 1 && counters.udp_receiver.datagrams >= 2;
  }));
}

INSTANTIATE_TEST_SUITE_P(Families, ShardFamilyTest, ::testing::Values("127.0.0.1", "::1"));

TEST_F(ShardTest, KeepsTheOrderOfManyPackets) {
  Connect();
  Exchange();
  constexpr std::size_t kPackets = 300;
  std::vector<Bytes> sent;
  for (std::size_t i = 0; i < kPackets; ++i) {
    PacketSpec spec = kForth;
    spec.payload.assign(1 + i * 37 % 1200, static_cast<std::uint8_t>(i));
    sent.push_back(BuildPacket(spec));
  }
  std::size_t received = 0;
  for (std::size_t i = 0; i < kPackets; ++i) {
    client_.kernel.Inject(sent[i]);
    // No more under way than the pipe holds.
    if (i % 8 == 7) {
      for (; received <= i; ++received) {
        ASSERT_EQ(server_.kernel.Next(), sent[received]) << received;
      }
    }
  }
}

TEST_F(ShardTest, WaitsForASocketThatIsNotWritableAndLosesNothing) {
  Connect();
  Exchange();
  client_.kernel.sends_refused = 3;
  const Bytes packet = Packet(kForth);
  client_.kernel.Inject(packet);
  EXPECT_EQ(server_.kernel.Next(), packet);
  EXPECT_TRUE(client_.Sees([](const ShardCounters& counters) {
    return counters.gso.suspends[0] == 3 && counters.gso.refused_datagrams == 0;
  }));
}

TEST_F(ShardTest, WhatWaitsForARemovedPeerNeverLeaves) {
  Connect();
  Exchange();
  client_.kernel.sends_refused = 1'000'000;
  client_.kernel.Inject(Packet(kForth));
  ASSERT_TRUE(
      client_.Sees([](const ShardCounters& counters) { return counters.gso.suspends[0] != 0; }));
  client_.RemovePeer(server_);
  EXPECT_TRUE(client_.SeesDrop(DropReason::kPeerRemoved));
  client_.kernel.sends_refused = 0;

  // The first that the server sees is what was sent after the peer came again.
  server_.clock.Advance(seconds(1));
  client_.clock.Advance(seconds(1));
  client_.AddPeer(server_, "10.0.0.2/32", "127.0.0.1");
  const Bytes later = Packet(kForth, 77);
  client_.kernel.Inject(later);
  EXPECT_EQ(server_.kernel.Next(), later);
}

TEST_F(ShardTest, DropsItsOwnDatagramsFromTun) {
  Connect();
  Exchange();
  PacketSpec own{.source = "127.0.0.1", .destination = "127.0.0.1"};
  own.source_port = client_->listen_port();
  own.destination_port = server_->listen_port();
  client_.kernel.Inject(BuildPacket(own));
  EXPECT_TRUE(client_.SeesDrop(DropReason::kOwnDatagram));
}

TEST_F(ShardTest, DropsWhileTheLinkIsDownAndGoesOnWhenItIsUp) {
  Connect();
  Exchange();
  client_->SetLink(false, 1420, {});
  client_.kernel.Inject(Packet(kForth));
  EXPECT_TRUE(client_.SeesDrop(DropReason::kLinkDown));
  // The server takes no second handshake of a peer within 20 ms.
  server_.clock.Advance(seconds(1));
  client_.clock.Advance(seconds(1));
  client_->SetLink(true, 1420, {});
  Exchange();
}

TEST_F(ShardTest, RekeysUnderTrafficWithoutLoss) {
  Connect();
  for (int round = 0; round < 3; ++round) {
    Exchange();
    client_.clock.Advance(seconds(121));
    server_.clock.Advance(seconds(121));
  }
  EXPECT_TRUE(client_.Sees(
      [](const ShardCounters& counters) { return counters.engine.handshakes_initiated >= 3; }));
}

TEST_F(ShardTest, ForgetsSourcesAtARouteEventAndGoesOn) {
  Connect();
  Exchange();
  RouteEvent everything;
  everything.is_everything = true;
  client_->HandleRouteEvent(everything);
  server_->HandleRouteEvent(everything);
  Exchange();
}

TEST_F(ShardTest, MovesToAnotherPortAndIsFollowed) {
  Connect();
  Exchange();
  const std::uint16_t before = client_->listen_port();
  ASSERT_TRUE(client_->SetListenPort(0).ok());
  EXPECT_NE(client_->listen_port(), before);
  EXPECT_NE(client_->listen_port(), 0);
  Exchange();  // the server roams after the client's first packet
  ASSERT_TRUE(client_->SetListenPort(client_->listen_port()).ok()) << "the same port is no change";
}

TEST_F(ShardTest, KeepsItsSocketsWhenThePortIsBusy) {
  Connect();
  Exchange();
  const std::uint16_t before = client_->listen_port();
  const absl::Status status = client_->SetListenPort(server_->listen_port());
  EXPECT_EQ(ErrnoOf(status), EADDRINUSE) << status;
  EXPECT_EQ(client_->listen_port(), before);
  Exchange();
}

TEST_F(ShardTest, RunsTasksInOrderBetweenPackets) {
  client_.Start();
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(client_.shard().Post([&order, i](engine::Engine&, Now) { order.push_back(i); }));
  }
  ASSERT_TRUE(client_->Call([&order](engine::Engine&, Now) { order.push_back(100); }));
  ASSERT_EQ(order.size(), 101U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_F(ShardTest, RefusesTasksWhenItsMailboxIsFullAndAfterItsEnd) {
  Shard& shard = client_.shard();
  int ran = 0;
  for (std::size_t i = 0; i < Mailbox::kCapacity; ++i) {
    ASSERT_TRUE(shard.Post([&ran](engine::Engine&, Now) { ++ran; }));
  }
  EXPECT_FALSE(shard.Post([](engine::Engine&, Now) {}));
  EXPECT_FALSE(shard.Call([](engine::Engine&, Now) {}));
  client_.Start();
  EXPECT_TRUE(client_->Call([](engine::Engine&, Now) {})) << "waits for room";
  EXPECT_EQ(ran, static_cast<int>(Mailbox::kCapacity));
  client_->Stop();
  EXPECT_FALSE(shard.Post([](engine::Engine&, Now) {}));
  EXPECT_FALSE(client_->Call([](engine::Engine&, Now) {}));
  EXPECT_FALSE(client_->SetListenPort(0).ok());
}

TEST_F(ShardTest, FreesCallersWhoseTasksNeverRun) {
  std::promise<bool> answer;
  std::thread caller([&] { answer.set_value(client_.shard().Call([](engine::Engine&, Now) {})); });
  // Stopped before it starts: Run ends in its first turn, with or without the task.
  client_.shard().RequestStop();
  client_.Start();
  (void)answer.get_future().get();
  caller.join();
}

TEST_F(ShardTest, SendsWhatWaitsAndErasesAllKeysWhenItStops) {
  Connect();
  Exchange();
  EXPECT_GT(client_.keys_in_use(), 1U);
  client_->Stop();
  EXPECT_EQ(client_.keys_in_use(), 1U) << "the own key's place, which is empty";
}

TEST_F(ShardTest, EndsWhenTheInterfaceIsDeleted) {
  client_.Start();
  client_.kernel.DeleteInterface();
  EXPECT_TRUE(client_.SeesInterfaceGone());
}

TEST_F(ShardTest, GoesOnWithoutItsInterfaceUntilItIsMadeAgain) {
  ShardHost gateway(3, 1, false);
  client_.Start();
  gateway.Start();
  client_.AddPeer(gateway, "10.0.0.2/32", "127.0.0.1");
  gateway.AddPeer(client_, "10.0.0.1/32", "");
  const Bytes forth = Packet(kForth);
  client_.kernel.Inject(forth);
  ASSERT_EQ(gateway.kernel.Next(), forth);

  gateway.kernel.DeleteInterface();
  client_.kernel.Inject(forth);
  EXPECT_TRUE(gateway.SeesDrop(DropReason::kTunWriteFailed));
  ASSERT_TRUE(gateway->ReattachTun().ok());
  client_.kernel.Inject(forth);
  EXPECT_EQ(gateway.kernel.Next(), forth);
  const Bytes back = Packet(kBack);
  gateway.kernel.Inject(back);
  EXPECT_EQ(client_.kernel.Next(), back);
  EXPECT_TRUE(client_.Sees([](const ShardCounters& counters) {
    return counters.engine.handshakes_initiated == 1;
  })) << "the session is the same";
  gateway->Stop();
  EXPECT_FALSE(gateway->ReattachTun().ok());
}

TEST_F(ShardTest, ReadsAgainWhatItCouldNotRead) {
  Connect();
  Exchange();
  std::uint64_t failures = 0;
  for (const int error : {ENOMEM, ENOBUFS, ENOSPC, EIO, EINVAL, EFAULT}) {
    client_.kernel.read_error = error;
    client_.kernel.reads_refused = 3;
    Exchange();
    failures += 3;
  }
  EXPECT_TRUE(client_.Sees([&](const ShardCounters& counters) {
    return counters.tun_reader.failures == failures && counters.tun_reader.reads == 7;
  }));
}

TEST_F(ShardTest, NoErrnoOfASendEndsItOrCostsMoreThanItsBatch) {
  Connect();
  Exchange();
  std::uint64_t refused = 0;
  for (const int error : {EAGAIN, ENOBUFS, EPERM, ENETUNREACH, EHOSTUNREACH, ECONNREFUSED, EINVAL,
                          EACCES, EMSGSIZE, EIO, ENETDOWN, ENODEV, ENOMEM}) {
    const bool waits = error == EAGAIN || error == ENOBUFS;
    client_.kernel.send_error = error;
    // Two, so that a pending error and a source that is forgotten are tried again in vain.
    client_.kernel.sends_refused = 2;
    const Bytes packet = Packet(kForth, 50 + static_cast<std::size_t>(error));
    client_.kernel.Inject(packet);
    if (!waits) {
      refused = 0;
      ASSERT_TRUE(client_.Sees([&](const ShardCounters& counters) {
        refused = counters.gso.refused_by_errno[static_cast<std::size_t>(error)];
        return client_.kernel.sends_refused == 0 || refused != 0;
      })) << error;
      client_.kernel.sends_refused = 0;
      const Bytes after = Packet(kForth, 20);
      client_.kernel.Inject(after);
      std::optional<Bytes> got = server_.kernel.Next();
      if (got == packet) {
        got = server_.kernel.Next();  // a remedy sent it
      }
      EXPECT_EQ(got, after) << error;
    } else {
      EXPECT_EQ(server_.kernel.Next(), packet) << error;
    }
  }
  client_->Stop();
}

TEST(Published, ReadsBackWhatWasWritten) {
  ShardCounters counters;
  counters.turns = 7;
  counters.engine.drops.back() = 9;
  counters.gso.refused_by_errno[3] = 11;
  const auto published = std::make_unique<Published<ShardCounters>>();
  published->Write(counters);
  const ShardCounters read = published->Read();
  EXPECT_EQ(read.turns, 7U);
  EXPECT_EQ(read.engine.drops.back(), 9U);
  EXPECT_EQ(read.gso.refused_by_errno[3], 11U);
}

}  // namespace
}  // namespace adit::shard
