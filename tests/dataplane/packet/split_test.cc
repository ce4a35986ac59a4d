#include "dataplane/packet/split.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"
#include "tests/support/seeded_random.h"

namespace adit::packet {
namespace {

using testing::BuildPacket;
using testing::Bytes;
using testing::PacketSpec;

constexpr std::uint8_t kFin = 0x01;
constexpr std::uint8_t kPsh = 0x08;
constexpr std::uint8_t kAck = 0x10;
constexpr std::uint8_t kCwr = 0x80;

PacketSpec SpecOf(bool is_v6, bool is_tcp) {
  PacketSpec spec;
  spec.protocol = is_tcp ? 6 : 17;
  if (is_v6) {
    spec.source = "fd00::1";
    spec.destination = "fd00::2";
  }
  return spec;
}

OffloadHeader OffloadOf(bool is_v6, bool is_tcp, std::size_t gso_size) {
  return {.gso_type = !is_tcp ? GsoType::kUdp
                      : is_v6 ? GsoType::kTcpV6
                              : GsoType::kTcpV4,
          .needs_checksum = true,
          .gso_size = static_cast<std::uint16_t>(gso_size),
          .header_length = 0,
          .checksum_start = static_cast<std::uint16_t>(is_v6 ? 40 : 20),
          .checksum_offset = static_cast<std::uint16_t>(is_tcp ? 16 : 6)};
}

std::vector<Bytes> Split(Bytes& packet, const OffloadHeader& offload) {
  const auto made = Splitter::Make({packet, offload});
  std::vector<Bytes> segments;
  if (const auto* splitter = std::get_if<Splitter>(&made)) {
    for (std::size_t i = 0; i < splitter->segment_count(); ++i) {
      Bytes segment(splitter->segment_size(i) + 1, 0xcc);
      splitter->Write(i, MutableByteSpan(segment).first(segment.size() - 1));
      EXPECT_EQ(segment.back(), 0xcc) << "writes no further than it says";
      segment.pop_back();
      segments.push_back(std::move(segment));
    }
  }
  return segments;
}

std::optional<DropReason> Refusal(Bytes packet, const OffloadHeader& offload) {
  const auto made = Splitter::Make({packet, offload});
  const auto* reason = std::get_if<DropReason>(&made);
  return reason == nullptr ? std::nullopt : std::optional(*reason);
}

TEST(Split, SegmentsAreWhatTheKernelWouldHaveSent) {
  testing::SeededRandom random(1);
  for (int round = 0; round < 400; ++round) {
    const bool is_v6 = random.Below(2) == 0;
    const bool is_tcp = random.Below(2) == 0;
    const std::size_t gso_size = 1 + random.Below(1400);
    PacketSpec spec = SpecOf(is_v6, is_tcp);
    spec.payload.resize(1 + random.Below(gso_size * 40));
    random.Fill(spec.payload);
    spec.tcp_flags = static_cast<std::uint8_t>(random.Next32());
    spec.tcp_sequence = random.Next32();
    spec.ip_id = static_cast<std::uint16_t>(random.Next32());
    SCOPED_TRACE(::testing::Message() << "round " << round << " v6 " << is_v6 << " tcp " << is_tcp
                                      << " gso " << gso_size << " of " << spec.payload.size());
    Bytes super = BuildPacket(spec);
    const std::vector<Bytes> segments = Split(super, OffloadOf(is_v6, is_tcp, gso_size));
    const std::size_t count = (spec.payload.size() + gso_size - 1) / gso_size;
    ASSERT_EQ(segments.size(), count);
    for (std::size_t i = 0; i < count; ++i) {
      // The expected packet, built from scratch.
      PacketSpec part = spec;
      const auto begin = spec.payload.begin() + static_cast<std::ptrdiff_t>(i * gso_size);
      const std::size_t size = std::min(gso_size, spec.payload.size() - i * gso_size);
      part.payload.assign(begin, begin + static_cast<std::ptrdiff_t>(size));
      part.ip_id = static_cast<std::uint16_t>(spec.ip_id + i);
      part.tcp_sequence = spec.tcp_sequence + static_cast<std::uint32_t>(i * gso_size);
      if (i + 1 != count) {
        part.tcp_flags &= static_cast<std::uint8_t>(~(kFin | kPsh));
      }
      if (i != 0) {
        part.tcp_flags &= static_cast<std::uint8_t>(~kCwr);
      }
      Bytes expected = BuildPacket(part);
      ASSERT_TRUE(testing::HasValidChecksums(segments[i])) << i;
      ASSERT_EQ(segments[i], expected) << i;
    }
  }
}

TEST(Split, FinAndPshAreOnTheLastAndCwrOnTheFirst) {
  PacketSpec spec = SpecOf(false, true);
  spec.payload = Bytes(3000, 5);
  spec.tcp_flags = kAck | kFin | kPsh | kCwr;
  Bytes super = BuildPacket(spec);
  const auto segments = Split(super, OffloadOf(false, true, 1000));
  ASSERT_EQ(segments.size(), 3U);
  EXPECT_EQ(segments[0][33], kAck | kCwr);
  EXPECT_EQ(segments[1][33], kAck);
  EXPECT_EQ(segments[2][33], kAck | kFin | kPsh);
}

TEST(Split, CompletesAPartialChecksum) {
  testing::SeededRandom random(2);
  for (int round = 0; round < 300; ++round) {
    const bool is_v6 = random.Below(2) == 0;
    const bool is_tcp = random.Below(2) == 0;
    PacketSpec spec = SpecOf(is_v6, is_tcp);
    spec.payload.resize(random.Below(1400));
    random.Fill(spec.payload);
    const Bytes expected = BuildPacket(spec);
    Bytes partial = expected;
    const OffloadHeader offload = {.needs_checksum = true,
                                   .checksum_start = static_cast<std::uint16_t>(is_v6 ? 40 : 20),
                                   .checksum_offset = static_cast<std::uint16_t>(is_tcp ? 16 : 6)};
    // What the kernel leaves there: the folded sum of the pseudo-header, not complemented.
    const std::size_t field = offload.checksum_start + offload.checksum_offset;
    StoreBe16(partial.data() + field, 0);
    const std::size_t header = offload.checksum_start;
    const std::uint16_t whole = testing::SlowChecksum(ByteSpan(partial).subspan(header));
    // whole = ~(transport); expected = ~(transport + pseudo): their difference is the pseudo sum.
    std::uint32_t pseudo = static_cast<std::uint16_t>(~LoadBe16(expected.data() + field)) + 0U;
    pseudo += whole;
    pseudo = (pseudo & 0xffff) + (pseudo >> 16);
    StoreBe16(partial.data() + field, static_cast<std::uint16_t>(pseudo));
    const auto segments = Split(partial, offload);
    ASSERT_EQ(segments.size(), 1U);
    ASSERT_TRUE(testing::HasValidChecksums(segments[0]));
  }
}

TEST(Split, AUdpChecksumOfZeroIsSentAsAllOnes) {
  for (const bool is_v6 : {false, true}) {
    PacketSpec spec = SpecOf(is_v6, false);
    spec.payload = {0, 0};
    Bytes packet = BuildPacket(spec);
    const std::size_t field = (is_v6 ? 40U : 20U) + 6;
    // A payload word equal to the checksum makes the sum zero.
    std::copy_n(packet.begin() + static_cast<std::ptrdiff_t>(field), 2, packet.end() - 2);
    OffloadHeader offload = OffloadOf(is_v6, false, 2);
    const auto segments = Split(packet, offload);
    ASSERT_EQ(segments.size(), 1U);
    EXPECT_EQ(LoadBe16(segments[0].data() + field), 0xffff);
  }
}

TEST(Split, TcpOptionsAndIpv6ExtensionHeadersAreCopied) {
  PacketSpec spec = SpecOf(true, true);
  spec.payload = Bytes(1000, 3);
  const Bytes plain = BuildPacket(spec);
  // 40 bytes of IPv6, 8 of destination options, 20 of TCP, 12 of its options, the payload.
  Bytes packet(plain.size() + 20, 1);
  std::copy_n(plain.begin(), 40, packet.begin());
  packet[6] = 60;
  StoreBe64(packet.data() + 40, 0x0600010400000000);
  std::copy_n(plain.begin() + 40, 20, packet.begin() + 48);
  packet[48 + 12] = 0x80;
  std::copy(plain.begin() + 60, plain.end(), packet.begin() + 80);
  StoreBe16(packet.data() + 4, static_cast<std::uint16_t>(packet.size() - 40));
  OffloadHeader offload = OffloadOf(true, true, 400);
  offload.checksum_start = 48;
  const auto segments = Split(packet, offload);
  ASSERT_EQ(segments.size(), 3U);
  for (const Bytes& segment : segments) {
    const ByteSpan transport = ByteSpan(segment).subspan(48);
    Bytes pseudo(40 + transport.size());
    std::copy_n(segment.begin() + 8, 32, pseudo.begin());
    StoreBe32(pseudo.data() + 32, static_cast<std::uint32_t>(transport.size()));
    pseudo[39] = 6;
    std::ranges::copy(transport, pseudo.begin() + 40);
    EXPECT_EQ(testing::SlowChecksum(pseudo), 0);
    EXPECT_EQ(LoadBe16(segment.data() + 4), segment.size() - 40);
    EXPECT_TRUE(std::equal(packet.begin() + 40, packet.begin() + 48, segment.begin() + 40));
    EXPECT_TRUE(std::all_of(segment.begin() + 68, segment.begin() + 80,
                            [](std::uint8_t byte) { return byte == 1; }));
  }
}

TEST(Split, RefusesWhatTheVirtioHeaderLiesAbout) {
  PacketSpec spec = SpecOf(false, true);
  spec.payload = Bytes(2000, 1);
  const Bytes tcp = BuildPacket(spec);
  const OffloadHeader good = OffloadOf(false, true, 1000);
  ASSERT_EQ(Refusal(tcp, good), std::nullopt);

  const auto changed = [&](auto change) {
    OffloadHeader offload = good;
    change(offload);
    return Refusal(tcp, offload);
  };
  using H = OffloadHeader;
  EXPECT_EQ(changed([](H& h) { h.gso_size = 0; }), DropReason::kBadVirtioHeader);
  EXPECT_EQ(changed([](H& h) { h.gso_size = 10; }), DropReason::kBadVirtioHeader)
      << "more than 128 segments";
  EXPECT_EQ(changed([](H& h) { h.gso_type = GsoType::kTcpV6; }), DropReason::kBadVirtioHeader);
  EXPECT_EQ(changed([](H& h) { h.gso_type = GsoType::kUdp; }), DropReason::kBadVirtioHeader)
      << "the packet is TCP";
  EXPECT_EQ(changed([](H& h) { h.checksum_start = 12; }), DropReason::kBadVirtioHeader)
      << "inside the IP header";
  EXPECT_EQ(changed([](H& h) { h.checksum_start = 2030; }), DropReason::kBadVirtioHeader);
  EXPECT_EQ(changed([](H& h) { h.checksum_start = 65535; }), DropReason::kBadVirtioHeader);
  EXPECT_EQ(changed([](H& h) { h.checksum_offset = 65535; }), DropReason::kBadVirtioHeader);
  EXPECT_EQ(Refusal(tcp, {.needs_checksum = true, .checksum_start = 2039, .checksum_offset = 0}),
            DropReason::kBadVirtioHeader);
  EXPECT_EQ(Refusal(tcp, {.needs_checksum = true, .checksum_start = 2038, .checksum_offset = 0}),
            std::nullopt);

  Bytes short_tcp_header = tcp;
  short_tcp_header[32] = 0x40;
  EXPECT_EQ(Refusal(short_tcp_header, good), DropReason::kBadVirtioHeader);
  Bytes long_tcp_header(tcp.begin(), tcp.begin() + 45);
  long_tcp_header[32] = 0xf0;
  EXPECT_EQ(Refusal(long_tcp_header, good), DropReason::kBadVirtioHeader);
  EXPECT_EQ(Refusal(Bytes(tcp.begin(), tcp.begin() + 40), good), DropReason::kBadVirtioHeader)
      << "nothing to segment";
  Bytes no_version = tcp;
  no_version[0] = 0x75;
  EXPECT_EQ(Refusal(no_version, good), DropReason::kUnknownVersion);
  EXPECT_EQ(Refusal(Bytes(19, 0x45), {}), DropReason::kMalformed);
  EXPECT_EQ(Refusal({}, {}), DropReason::kMalformed);
  Bytes tiny_ip_header = tcp;
  tiny_ip_header[0] = 0x43;
  OffloadHeader no_start = good;
  no_start.checksum_start = 0;
  EXPECT_EQ(Refusal(tiny_ip_header, no_start), DropReason::kBadVirtioHeader);
}

TEST(Split, SurvivesRandomHeadersAndBytes) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    testing::SeededRandom random(seed);
    for (int i = 0; i < 2000; ++i) {
      Bytes bytes(random.Below(300));
      random.Fill(bytes);
      if (!bytes.empty() && random.Below(4) != 0) {
        bytes[0] = random.Below(2) == 0 ? 0x45 : 0x60;
      }
      if (bytes.size() > 10 && random.Below(2) == 0) {
        bytes[(bytes[0] >> 4) == 6 ? 6 : 9] = random.Below(2) == 0 ? 6 : 17;
      }
      const OffloadHeader offload = {
          .gso_type = static_cast<GsoType>(random.Below(4)),
          .needs_checksum = random.Below(2) == 0,
          .gso_size = static_cast<std::uint16_t>(random.Below(random.Below(2) == 0 ? 40 : 65536)),
          .header_length = static_cast<std::uint16_t>(random.Next32()),
          .checksum_start =
              static_cast<std::uint16_t>(random.Below(random.Below(2) == 0 ? 80 : 65536)),
          .checksum_offset =
              static_cast<std::uint16_t>(random.Below(random.Below(2) == 0 ? 20 : 65536))};
      std::size_t written = 0;
      for (const Bytes& segment : Split(bytes, offload)) {
        written += segment.size();
      }
      ASSERT_LE(written, kMaxSegments * 65535);
    }
  }
}

}  // namespace
}  // namespace adit::packet
