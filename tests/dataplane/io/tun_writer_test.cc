#include "dataplane/io/tun_writer.h"

#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dataplane/io/tun_capture.h"

namespace adit::io {
namespace {

using ::testing::ElementsAre;
using Packets = std::vector<Bytes>;

constexpr std::uint8_t kFin = 0x01;
constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kPsh = 0x08;
constexpr std::uint8_t kAck = 0x10;
constexpr std::uint8_t kUrg = 0x20;
constexpr std::uint8_t kEce = 0x40;
constexpr std::uint8_t kCwr = 0x80;

TEST_F(TunWriterTest, EqualTcpPacketsAndAShorterLastLeaveInOneWrite) {
  Flow flow = Flow::Tcp();
  const std::vector<Bytes> packets = {flow.Next(1368), flow.Next(1368), flow.Next(1368),
                                      flow.Next(500)};
  for (const Bytes& packet : packets) Deliver(packet);
  const auto writes = TakeWrites();  // the short end does not wait for the flush
  ASSERT_EQ(writes.size(), 1U);
  EXPECT_EQ(writes[0].packets, packets);
  EXPECT_EQ(writes[0].offload.gso_type, packet::GsoType::kTcpV4);
  EXPECT_EQ(writes[0].offload.gso_size, 1368);
  EXPECT_EQ(writes[0].offload.header_length, 40);
  EXPECT_TRUE(writes[0].offload.needs_checksum);
  EXPECT_EQ(writer_.counters().super_packets, 1U);
  EXPECT_EQ(writer_.counters().packets_merged, 4U);
}

TEST_F(TunWriterTest, UdpAndIpv6AreMergedLikewise) {
  for (const bool is_tcp : {true, false}) {
    Flow flow = is_tcp ? Flow::Tcp() : Flow::Udp();
    flow.spec().source = "fd00::2";
    flow.spec().destination = "fd00::5";
    const std::vector<Bytes> packets = {flow.Next(1200), flow.Next(1200), flow.Next(1)};
    for (const Bytes& packet : packets) Deliver(packet);
    const auto writes = TakeWrites();
    ASSERT_EQ(writes.size(), 1U);
    EXPECT_EQ(writes[0].packets, packets);
    EXPECT_EQ(writes[0].offload.gso_type, is_tcp ? packet::GsoType::kTcpV6 : packet::GsoType::kUdp);
  }
}

TEST_F(TunWriterTest, LonePacketLeavesAsItCame) {
  const Bytes packet = Flow::Udp().Next(100);
  Deliver(packet);
  EXPECT_TRUE(kernel_.written.empty());
  Flush();
  ASSERT_EQ(kernel_.written.size(), 1U);
  EXPECT_EQ(kernel_.written[0], [&] {
    Bytes expected(kVirtioHeaderSize, 0);
    expected.insert(expected.end(), packet.begin(), packet.end());
    return expected;
  }());
  Flush();
  EXPECT_EQ(kernel_.written.size(), 1U);
}

TEST_F(TunWriterTest, InterleavedFlowsGatherSideBySide) {
  Flow a = Flow::Tcp(1);
  Flow b = Flow::Tcp(2);
  Flow c = Flow::Udp(3);
  for (int i = 0; i < 5; ++i) {
    Deliver(a.Next(1000));
    Deliver(b.Next(1100));
    Deliver(c.Next(1200));
  }
  Flush();
  EXPECT_THAT(TakeCounts(), ElementsAre(5, 5, 5));
}

TEST_F(TunWriterTest, OneFlowMoreThanTrainsSendsTheOldestOnItsWay) {
  std::vector<Flow> flows;
  for (std::uint16_t i = 0; i <= TunWriter::kMaxOpenTrains; ++i) flows.push_back(Flow::Tcp(i));
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < TunWriter::kMaxOpenTrains; ++i) Deliver(flows[i].Next(100));
  }
  EXPECT_TRUE(kernel_.written.empty());
  Deliver(flows.back().Next(100));
  EXPECT_THAT(TakeCounts(), ElementsAre(2));
  Flush();
  EXPECT_EQ(TakeCounts().size(), TunWriter::kMaxOpenTrains);
}

TEST_F(TunWriterTest, PshAndFinEndATrain) {
  for (const std::uint8_t end : {kPsh, kFin}) {
    Flow flow = Flow::Tcp();
    Deliver(flow.Next(100));
    Deliver(flow.Next(100, kAck | end));
    EXPECT_THAT(TakeCounts(), ElementsAre(2));
    Deliver(flow.Next(100, kAck | end));  // alone at once: nothing could join it
    EXPECT_THAT(TakeCounts(), ElementsAre(1));
  }
}

TEST_F(TunWriterTest, OtherFlagsNeitherStartNorJoin) {
  for (const std::uint8_t flags : {kSyn, std::uint8_t{kSyn | kAck}, std::uint8_t{kAck | kUrg},
                                   std::uint8_t{kAck | kCwr}, std::uint8_t{0x04}, kPsh}) {
    Flow flow = Flow::Tcp();
    Deliver(flow.Next(100));
    Deliver(flow.Next(100, flags));
    Deliver(flow.Next(100));
    Flush();
    EXPECT_THAT(TakeCounts(), ElementsAre(1, 1, 1)) << int{flags};
  }
}

TEST_F(TunWriterTest, CongestionEchoMayBeInATrainButMustNotChange) {
  Flow flow = Flow::Tcp();
  Deliver(flow.Next(100, kAck | kEce));
  Deliver(flow.Next(100, kAck | kEce));
  Deliver(flow.Next(100));
  Flush();
  EXPECT_THAT(TakeCounts(), ElementsAre(2, 1));
}

TEST_F(TunWriterTest, AcknowledgementWithoutPayloadKeepsItsPlaceInTheFlow) {
  Flow flow = Flow::Tcp();
  const std::vector<Bytes> packets = {flow.Next(100), flow.Next(100), flow.Next(0), flow.Next(100)};
  for (const Bytes& packet : packets) Deliver(packet);
  Flush();
  EXPECT_THAT(TakeCounts(), ElementsAre(2, 1, 1));
}

// Each change of the second packet's headers keeps it out of the first one's train.
TEST_F(TunWriterTest, PacketsThatDifferAreNotMerged) {
  using Change = std::pair<const char*, void (*)(Flow&)>;
  const Change changes[] = {
      {"congestion mark", [](Flow& f) { f.spec().tos = 3; }},
      {"traffic class", [](Flow& f) { f.spec().tos = 0xb8; }},
      {"TTL", [](Flow& f) { f.spec().ttl = 63; }},
      {"DF", [](Flow& f) { f.spec().dont_fragment = false; }},
      {"identification", [](Flow& f) { f.spec().ip_id = 7; }},
      {"sequence gap", [](Flow& f) { f.spec().tcp_sequence += 1; }},
      {"sequence again", [](Flow& f) { f.spec().tcp_sequence -= 100; }},
      {"acknowledgement", [](Flow& f) { f.spec().tcp_acknowledgement += 1; }},
      {"window", [](Flow& f) { f.spec().tcp_window -= 1; }},
      {"options",
       [](Flow& f) {
         f.spec().tcp_options = {1, 1, 1, 0};
       }},
      {"destination port", [](Flow& f) { f.spec().destination_port = 80; }},
      {"source address", [](Flow& f) { f.spec().source = "100.64.0.3"; }},
      {"protocol", [](Flow& f) { f.spec().protocol = 17; }},
  };
  for (const auto& [what, change] : changes) {
    Flow flow = Flow::Tcp();
    flow.spec().tos = 2;
    const Bytes first = flow.Next(100);
    change(flow);
    const Bytes second = flow.Next(100);
    Deliver(first, 1);
    Deliver(second, 1);  // though their hashes be equal
    Flush();
    const auto writes = TakeWrites();
    ASSERT_EQ(writes.size(), 2U) << what;
    EXPECT_EQ(writes[0].packets, Packets{first}) << what;
    EXPECT_EQ(writes[1].packets, Packets{second}) << what;
  }
}

TEST_F(TunWriterTest, EqualOptionsAreMerged) {
  Flow flow = Flow::Tcp();
  flow.spec().tcp_options = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
  const std::vector<Bytes> packets = {flow.Next(1356), flow.Next(1356), flow.Next(1356)};
  for (const Bytes& packet : packets) Deliver(packet);
  Flush();
  const auto writes = TakeWrites();
  ASSERT_EQ(writes.size(), 1U);
  EXPECT_EQ(writes[0].packets, packets);
}

TEST_F(TunWriterTest, LongerPacketStartsAnew) {
  Flow flow = Flow::Udp();
  for (const std::size_t size : {100U, 200U, 200U, 300U}) Deliver(flow.Next(size));
  Flush();
  EXPECT_THAT(TakeCounts(), ElementsAre(1, 2, 1));
}

TEST_F(TunWriterTest, WrongChecksumIsDeliveredAndNeverRepaired) {
  // Of the IP header, the transport header and the payload, in the first and in the second packet.
  for (const std::size_t at : {8U, 34U, 60U}) {
    for (const bool is_first_bad : {true, false}) {
      Flow flow = Flow::Tcp();
      std::vector<Bytes> packets = {flow.Next(100), flow.Next(100), flow.Next(100)};
      packets[is_first_bad ? 0 : 1][at] ^= 0x40;
      for (const Bytes& packet : packets) Deliver(packet, 1);
      Flush();
      std::vector<Bytes> out;
      for (const TunWrite& write : TakeWrites()) {
        out.insert(out.end(), write.packets.begin(), write.packets.end());
      }
      EXPECT_EQ(out, packets);
    }
  }
}

TEST_F(TunWriterTest, UdpWithoutChecksumIsNotMerged) {
  Flow flow = Flow::Udp();
  for (int i = 0; i < 2; ++i) {
    Bytes packet = flow.Next(100);
    packet[26] = packet[27] = 0;
    Deliver(packet);
  }
  Flush();
  EXPECT_THAT(TakeCounts(), ElementsAre(1, 1));
}

TEST_F(TunWriterTest, IdentificationMayStayTheSameWhereItMeansNothing) {
  Flow flow = Flow::Udp();
  flow.id_step = 0;
  for (int i = 0; i < 3; ++i) Deliver(flow.Next(100));
  Flush();
  EXPECT_THAT(TakeCounts(), ElementsAre(3));
  flow.spec().dont_fragment = false;
  for (int i = 0; i < 3; ++i) Deliver(flow.Next(100));
  Flush();
  EXPECT_THAT(TakeCounts(), ElementsAre(1, 1, 1));
}

TEST_F(TunWriterTest, TrainsEndWhereASuperPacketDoes) {
  Flow tcp = Flow::Tcp();
  for (int i = 0; i < 130; ++i) Deliver(tcp.Next(100));
  Flush();
  EXPECT_THAT(TakeCounts(), ElementsAre(128, 2));
  Flow udp = Flow::Udp();
  for (int i = 0; i < 66; ++i) Deliver(udp.Next(100));
  Flush();
  EXPECT_THAT(TakeCounts(), ElementsAre(64, 2));
  Flow large = Flow::Tcp();
  for (int i = 0; i < 8; ++i) Deliver(large.Next(8948));
  Flush();
  EXPECT_THAT(TakeCounts(), ElementsAre(7, 1));
  Flow huge = Flow::Udp();
  for (int i = 0; i < 2; ++i) Deliver(huge.Next(65507));
  Flush();
  EXPECT_THAT(TakeCounts(), ElementsAre(1, 1));
}

TEST_F(TunWriterTest, FragmentsAndForeignProtocolsLeaveAtOnceAsTheyAre) {
  Flow flow = Flow::Udp();
  flow.spec().dont_fragment = false;
  const std::vector<Bytes> fragments = testing::FragmentIpv4(flow.Next(1000), 600);
  Bytes with_options = flow.Next(100);
  with_options[0] = 0x46;
  const std::vector<Bytes> packets = {fragments[0],
                                      fragments[1],
                                      testing::BuildPacket({.protocol = 1}),
                                      testing::BuildPacket({.protocol = 47}),
                                      with_options,
                                      Bytes{0x45},
                                      Bytes(40, 0x60)};
  for (const Bytes& packet : packets) Deliver(packet, 1);
  ASSERT_EQ(kernel_.written.size(), packets.size());
  for (std::size_t i = 0; i < packets.size(); ++i) {
    EXPECT_EQ(Bytes(kernel_.written[i].begin() + kVirtioHeaderSize, kernel_.written[i].end()),
              packets[i]);
  }
}

TEST_F(TunWriterTest, LengthsThatDisagreeAreNotMerged) {
  for (const std::size_t field : {2U, 24U}) {  // of IP and UDP
    Flow flow = Flow::Udp();
    Deliver(flow.Next(100));
    Bytes lying = flow.Next(100);
    lying[field + 1] ^= 1;
    Deliver(lying);
    Flush();
    EXPECT_THAT(TakeCounts(), ElementsAre(1, 1));
  }
}

TEST(TunWriterSwitches, WhatTheKernelDoesNotTakeIsNotMerged) {
  for (const TunOffloads merge : {TunOffloads{}, TunOffloads{.tcp = true, .udp = false}}) {
    FakeSyscalls kernel;
    TunWriter writer(kernel, 3, merge);
    Flow tcp = Flow::Tcp();
    Flow udp = Flow::Udp();
    std::vector<Bytes> packets;
    for (int i = 0; i < 2; ++i) packets.push_back(tcp.Next(100));
    for (int i = 0; i < 2; ++i) packets.push_back(udp.Next(100));
    for (Bytes& packet : packets) writer.Deliver(packet, HashOf(packet));
    writer.FlushDeliveries();
    EXPECT_EQ(kernel.written.size(), merge.tcp ? 3U : 4U);
  }
}

TEST_F(TunWriterTest, RefusedPacketsAreLostAndCountedByErrno) {
  for (const int error : {EIO, ENOBUFS, ENOSPC, ENOMEM, EAGAIN, EBADFD, EFAULT}) {
    const std::uint64_t before = writer_.counters().packets_lost;
    kernel_.Fail("write", error, 2);
    Flow flow = Flow::Tcp();
    for (int i = 0; i < 3; ++i) Deliver(flow.Next(100));  // a train
    Flush();
    Deliver(flow.Next(0));  // a packet
    EXPECT_EQ(writer_.counters().packets_lost - before, 4U);
    EXPECT_EQ(writer_.counters().lost_by_errno[static_cast<std::size_t>(error)], 4U);
    EXPECT_TRUE(kernel_.written.empty());
    EXPECT_EQ(writer_.merges(), (TunOffloads{.tcp = true, .udp = true}));
  }
  // What the packet itself is to blame for ends nothing.
  kernel_.Fail("write", EINVAL, 4);
  Flow flow = Flow::Tcp();
  for (int i = 0; i < 3; ++i) Deliver(flow.Next(100));
  Flush();
  EXPECT_EQ(writer_.counters().lost_by_errno[EINVAL], 3U);
  EXPECT_TRUE(writer_.merges().tcp);
}

TEST_F(TunWriterTest, InterruptedWritesAreRepeated) {
  kernel_.Fail("write", EINTR, 3);
  Flow flow = Flow::Tcp();
  Deliver(flow.Next(100));
  Deliver(flow.Next(50));
  kernel_.Fail("writev", EINTR, 3);
  Deliver(flow.Next(0));
  EXPECT_THAT(TakeCounts(), ElementsAre(2, 1));
  EXPECT_EQ(writer_.counters().packets_lost, 0U);
}

TEST_F(TunWriterTest, RefusedTrainLeavesPacketByPacketAndMergingEnds) {
  Flow flow = Flow::Udp();
  std::vector<Bytes> packets;
  for (int i = 0; i < 3; ++i) packets.push_back(flow.Next(100));
  kernel_.Fail("write", EINVAL, 1);
  for (const Bytes& packet : packets) Deliver(packet);
  Flush();
  const auto writes = TakeWrites();
  ASSERT_EQ(writes.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(writes[i].packets, Packets{packets[i]});
  EXPECT_EQ(writer_.counters().udp_trains_refused, 1U);
  EXPECT_EQ(writer_.counters().packets_lost, 0U);
  EXPECT_EQ(writer_.merges(), (TunOffloads{.tcp = true, .udp = false}));
  for (int i = 0; i < 3; ++i) Deliver(flow.Next(100));
  EXPECT_THAT(TakeCounts(), ElementsAre(1, 1, 1));
}

}  // namespace
}  // namespace adit::io
