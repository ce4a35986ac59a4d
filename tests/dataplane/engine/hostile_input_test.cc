// Whatever comes from the network, from TUN, or from a peer with valid keys: no crash (sanitizers
// watch), nothing delivered that was altered or twice, and every packet counted once.
#include <map>

#include "dataplane/engine/inner_packet.h"
#include "dataplane/packet/split.h"
#include "dataplane/wireguard/constants.h"
#include "tests/dataplane/engine/engine_pair.h"
#include "tests/dataplane/engine/hostile_peer.h"
#include "tests/support/counter_sum.h"
#include "tests/support/mutation.h"

namespace adit::engine {
namespace {

using packet::DropReason;
using testing::BuildPacket;
using testing::Bytes;
using testing::EngineHost;
using testing::HostilePeer;
using testing::PacketSpec;
using testing::SeededRandom;
using testing::SentDatagram;

constexpr std::uint64_t kSeeds = 12;

// The bytes of the packet as its own header counts them.
Bytes Trimmed(const Bytes& packet) {
  const bool is_v6 = (packet[0] >> 4) == 6;
  const std::size_t size = is_v6 ? LoadBe16(packet.data() + 4) + 40U : LoadBe16(packet.data() + 2);
  return Bytes(packet.begin(),
               packet.begin() + static_cast<std::ptrdiff_t>(std::min(size, packet.size())));
}

bool IsIcmpUnreachable(const Bytes& packet) {
  const bool is_v6 = (packet[0] >> 4) == 6;
  return testing::HasValidChecksums(packet) &&
         (is_v6 ? packet[6] == 58 && packet[40] == 1 : packet[9] == 1 && packet[20] == 3);
}

// Packets that went in at one end and have not come out at the other.
class Ledger {
 public:
  void Sent(const Bytes& packet) { ++outstanding_[Trimmed(packet)]; }
  // False: never sent like this, or delivered before.
  [[nodiscard]] bool Delivered(const Bytes& packet) {
    const auto at = outstanding_.find(packet);
    if (at == outstanding_.end() || at->second == 0) {
      return false;
    }
    --at->second;
    return true;
  }

 private:
  std::map<Bytes, int> outstanding_;
};

PacketSpec RandomSpec(SeededRandom& random, bool from_client) {
  PacketSpec spec;
  spec.protocol = static_cast<std::uint8_t>(random.Below(3) == 0 ? 6 : 17);
  if (random.Below(8) == 0) {
    spec.protocol = 1;
  }
  spec.destination_port = static_cast<std::uint16_t>(random.Below(2) == 0 ? 443 : random.Next32());
  spec.payload.resize(8 + random.Below(1200));
  random.Fill(spec.payload);  // no two are equal
  spec.tos = static_cast<std::uint8_t>(random.Below(4));
  if (!from_client) {
    std::swap(spec.source, spec.destination);
    std::swap(spec.source_port, spec.destination_port);
  }
  return spec;
}

class HostileInput : public testing::EnginePair {
 protected:
  HostileInput() : EnginePair(true) {
    Update update;
    update.resources = {{"all", {*IpPrefix::Parse("10.0.0.0/8")}, {true, {}}, true}};
    update.grants = {{client_.key(), "all", Instant::Max()}};
    (void)gateway_.engine->Apply(update, now());
  }

  // Hands datagrams over as one receive: a train of their sizes, as far as trains allow it.
  void ReceiveTrain(EngineHost& to, Bytes& bytes, std::size_t segment_size, const Endpoint& from) {
    if (bytes.empty()) {
      return;
    }
    packet::ReceivedTrain train{bytes, segment_size, from, {to.endpoint().address, 1}, 0};
    to.engine->HandleUdpTrain(train, now());
    to.tun.FlushDeliveries();
  }

  void Account(EngineHost& host, Ledger& ledger) {
    for (; !host.tun.delivered.empty(); host.tun.delivered.pop_front()) {
      const Bytes& packet = host.tun.delivered.front();
      if (!ledger.Delivered(packet)) {
        ASSERT_TRUE(IsIcmpUnreachable(packet)) << "altered, twice or invented";
        ++icmp_errors_seen_;
      }
    }
  }
  void ExpectAllCounted() {
    for (EngineHost* host : {&client_, &gateway_}) {
      while (host->engine->ServeHandshakes(now())) {
      }
      host->engine->RemoveAllPeers();
      testing::ExpectCountersAddUp(host->engine->counters());
    }
  }

  Ledger to_gateway_;
  Ledger to_client_;
  std::uint64_t icmp_errors_seen_ = 0;
};

class HostileNetwork : public HostileInput, public ::testing::WithParamInterface<std::uint64_t> {};

TEST_P(HostileNetwork, DeliversNothingAlteredOrTwiceAndCountsEverything) {
  SeededRandom random(GetParam());
  std::vector<Bytes> seen;  // what the attacker has recorded
  const Endpoint attacker = *Endpoint::Parse("203.0.113.66:6666");
  for (int step = 0; step < 1200; ++step) {
    time_.Advance(milliseconds(static_cast<int>(random.Below(step % 100 == 0 ? 30'000 : 300))));
    for (EngineHost* host : {&client_, &gateway_}) {
      host->datagrams.is_full = random.Below(20) == 0;
      host->datagrams.is_reserve_only = random.Below(20) == 0;
      host->datagrams.max_train = static_cast<std::uint32_t>(1 + random.Below(64));
      host->engine->HandleTimeout(now());
      host->engine->FlushPending(now());
    }
    if (random.Below(200) == 0) {
      gateway_.load.Add(HandshakeLoad::kUnderLoadCount, now().boot);
      gateway_.load.Remove(HandshakeLoad::kUnderLoadCount, now().boot);
    }
    for (const bool from_client : {true, false}) {
      const Bytes packet = BuildPacket(RandomSpec(random, from_client));
      (from_client ? to_gateway_ : to_client_).Sent(packet);
      (from_client ? client_ : gateway_).SendFromTun(packet, now());
    }
    for (const bool to_gateway : {true, false}) {
      EngineHost& from = to_gateway ? client_ : gateway_;
      EngineHost& to = to_gateway ? gateway_ : client_;
      for (; !from.datagrams.sent.empty(); from.datagrams.sent.pop_front()) {
        const Bytes original = from.datagrams.sent.front().bytes;
        if (seen.size() < 400) {
          seen.push_back(original);
        } else {
          seen[random.Below(seen.size())] = original;
        }
        for (std::uint64_t copies = random.Below(4); copies != 0; --copies) {
          Bytes hostile = random.Below(4) == 0 ? seen[random.Below(seen.size())] : original;
          if (random.Below(4) != 0) {
            testing::Mutate(hostile, random);
          }
          if (random.Below(2) == 0) {
            testing::FixMac1(hostile, to.key());
          }
          if (random.Below(3) == 0) {  // part of a train that does not belong together
            const std::size_t segment = 1 + random.Below(200);
            const Bytes& other = seen[random.Below(seen.size())];
            hostile.insert(hostile.end(), other.begin(), other.end());
            ReceiveTrain(to, hostile, segment, attacker);
          } else {
            ReceiveTrain(to, hostile, hostile.size(), attacker);
          }
        }
        if (random.Below(10) != 0) {
          Bytes copy = original;
          ReceiveTrain(to, copy, copy.size(), from.endpoint());
        }
        (void)to.engine->ServeHandshakes(now());
      }
    }
    Account(gateway_, to_gateway_);
    Account(client_, to_client_);
  }
  EXPECT_GT(gateway_.engine->counters().delivered_packets, 500U) << "the attack stopped nothing";
  EXPECT_GT(client_.engine->counters().delivered_packets, 300U);
  EXPECT_GE(client_.engine->counters().handshakes_completed +
                gateway_.engine->counters().handshakes_completed,
            3U)
      << "it went through rekeys";
  ExpectAllCounted();
  EXPECT_LE(icmp_errors_seen_, client_.engine->counters().icmp_errors_sent +
                                   gateway_.engine->counters().icmp_errors_sent);
}

class HostileTun : public HostileInput, public ::testing::WithParamInterface<std::uint64_t> {};

TEST_P(HostileTun, AnythingReadFromTunIsSentWholeOrCounted) {
  SeededRandom random(GetParam());
  Connect();
  for (int step = 0; step < 3000; ++step) {
    Bytes packet = BuildPacket(RandomSpec(random, true));
    packet::OffloadHeader offload;
    if (random.Below(2) == 0) {
      const bool is_tcp = packet[9] == 6;
      offload = {.gso_type = is_tcp ? packet::GsoType::kTcpV4 : packet::GsoType::kUdp,
                 .needs_checksum = true,
                 .gso_size = static_cast<std::uint16_t>(1 + random.Below(600)),
                 .header_length = 0,
                 .checksum_start = 20,
                 .checksum_offset = static_cast<std::uint16_t>(is_tcp ? 16 : 6)};
    }
    if (random.Below(2) == 0) {
      testing::Mutate(packet, random);
      packet.resize(std::max<std::size_t>(packet.size(), 1));
    }
    if (random.Below(4) == 0) {
      offload.gso_type = static_cast<packet::GsoType>(random.Below(4));
      offload.gso_size = static_cast<std::uint16_t>(random.Next32());
      offload.checksum_start = static_cast<std::uint16_t>(random.Below(100));
      offload.checksum_offset = static_cast<std::uint16_t>(random.Next32());
      offload.needs_checksum = random.Below(2) == 0;
    }
    // What shall come out: the segments as the splitter, tested apart, writes them.
    const auto made = packet::Splitter::Make({packet, offload});
    if (const auto* splitter = std::get_if<packet::Splitter>(&made)) {
      for (std::size_t i = 0; i < splitter->segment_count(); ++i) {
        Bytes segment(splitter->segment_size(i));
        splitter->Write(i, segment);
        to_gateway_.Sent(segment);
      }
    }
    client_.datagrams.max_train = static_cast<std::uint32_t>(1 + random.Below(64));
    client_.engine->HandleTunPacket({packet, offload}, now());
    time_.Advance(milliseconds(1));
    Settle();
    Account(gateway_, to_gateway_);
    Account(client_, to_client_);
  }
  EXPECT_GT(gateway_.engine->counters().delivered_packets, 2000U);
  ExpectAllCounted();
}

class HostilePeers : public HostileInput, public ::testing::WithParamInterface<std::uint64_t> {};

// Valid keys, hostile content: everything behind the AEAD is reached.
TEST_P(HostilePeers, OnlyWellFormedPacketsOfThePeersOwnAddressAreDelivered) {
  SeededRandom random(GetParam());
  for (EngineHost* target : {&gateway_, &client_}) {  // with access rules, and without
    SCOPED_TRACE(target == &gateway_ ? "with access rules" : "without");
    HostilePeer peer(GetParam() + 100, *target, "100.64.0.66/32", now());
    PublicKey key;
    std::vector<PeerReport> reports;
    (void)target->engine->AppendReports(0, 10, reports);
    for (const PeerReport& report : reports) {
      if (report.allowed_ips.front() == *IpPrefix::Parse("100.64.0.66/32")) {
        key = report.public_key;
      }
    }
    Update update;
    update.grants = {{key, "all", Instant::Max()}};
    (void)target->engine->Apply(update, now());
    ASSERT_NO_FATAL_FAILURE(peer.Connect(now()));
    for (int step = 0; step < 4000; ++step) {
      PacketSpec spec = RandomSpec(random, true);
      spec.source = random.Below(5) == 0 ? "100.64.0.2" : "100.64.0.66";
      if (random.Below(10) == 0) {
        spec.protocol = static_cast<std::uint8_t>(random.Next32());
      }
      Bytes plain = BuildPacket(spec);
      if (random.Below(6) == 0) {
        plain = testing::BuildIcmpError("100.64.0.66", "10.0.0.5", 3, 3, plain);
      }
      if (random.Below(3) != 0) {
        testing::Mutate(plain, random);
      }
      plain.resize(random.Below(4) == 0 ? (plain.size() + 15) / 16 * 16 : plain.size());
      Bytes datagram;
      switch (random.Below(12)) {
        case 0:  // an old counter, perhaps a second time
          datagram = peer.SealUnder(plain, random.Below(50), now());
          break;
        case 1:  // past the end; at the end is a test of its own
          datagram = peer.SealUnder(plain, wireguard::kRejectAfterMessages + random.Below(1U << 13),
                                    now());
          break;
        default:
          datagram = peer.Seal(plain, now());
      }
      if (random.Below(6) == 0) {
        testing::Mutate(datagram, random);
      }
      peer.Deliver(datagram, now());
      for (; !target->tun.delivered.empty(); target->tun.delivered.pop_front()) {
        const Bytes& delivered = target->tun.delivered.front();
        const auto parsed = ReadInnerPacket(delivered, target == &gateway_);
        ASSERT_TRUE(std::holds_alternative<packet::IpPacket>(parsed));
        const auto& view = std::get<packet::IpPacket>(parsed);
        ASSERT_EQ(view.total_length, delivered.size()) << "no padding, nothing missing";
        ASSERT_EQ(view.source, *IpAddress::Parse("100.64.0.66"));
      }
      time_.Advance(microseconds(static_cast<int>(random.Below(9000))));
    }
    EXPECT_GT(target->engine->counters().delivered_packets, 300U);
  }
  ExpectAllCounted();
}

// A counter near the top of the range moves the window there; counters below are then old. That is
// the peer's own doing, and no other peer's matter.
TEST_F(HostileInput, APeerThatJumpsToTheLastCounterHurtsOnlyItself) {
  Connect();
  HostilePeer peer(5, gateway_, "100.64.0.66/32", now());
  ASSERT_NO_FATAL_FAILURE(peer.Connect(now()));
  peer.Deliver(peer.SealUnder({}, wireguard::kRejectAfterMessages - 1, now()), now());
  peer.Deliver(peer.SealUnder({}, wireguard::kRejectAfterMessages, now()), now());
  EXPECT_EQ(gateway_.drops(DropReason::kExpiredSession), 1U);
  peer.Deliver(peer.Seal({}, now()), now());
  EXPECT_EQ(gateway_.drops(DropReason::kReplayed), 1U);
  client_.SendFromTun(BuildPacket({}), now());
  Settle();
  EXPECT_EQ(gateway_.tun.delivered.size(), 1U);
}

// A handshake message altered behind a right mac1 reaches the Diffie-Hellman; it changes nothing.
TEST_F(HostileInput, InitiationsAlteredBehindARightMac1ChangeNothing) {
  client_.SendFromTun(BuildPacket({}), now());
  const Bytes initiation = client_.datagrams.sent.front().bytes;
  client_.datagrams.sent.clear();
  const Endpoint attacker = *Endpoint::Parse("203.0.113.66:6666");
  std::uint64_t sent = 0;
  for (std::size_t bit = 8 * 8; bit < 116 * 8; bit += 3) {
    Bytes altered = initiation;
    altered[bit / 8] = static_cast<std::uint8_t>(altered[bit / 8] ^ (1U << (bit % 8)));
    testing::FixMac1(altered, gateway_.key());
    gateway_.Receive(altered, attacker, now());
    ++sent;
  }
  EXPECT_EQ(gateway_.drops(DropReason::kHandshakeFailed), sent);
  EXPECT_TRUE(gateway_.datagrams.sent.empty());
  gateway_.Receive(initiation, client_.endpoint(), now());
  EXPECT_EQ(gateway_.datagrams.sent.size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, HostileNetwork, ::testing::Range<std::uint64_t>(1, kSeeds + 1));
INSTANTIATE_TEST_SUITE_P(Seeds, HostileTun, ::testing::Range<std::uint64_t>(1, 5));
INSTANTIATE_TEST_SUITE_P(Seeds, HostilePeers, ::testing::Range<std::uint64_t>(1, kSeeds + 1));

}  // namespace
}  // namespace adit::engine
