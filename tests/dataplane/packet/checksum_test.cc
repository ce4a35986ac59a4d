#include "dataplane/packet/checksum.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"
#include "tests/support/seeded_random.h"

namespace adit::packet {
namespace {

using testing::Bytes;

// The checksum field's bytes as the code under test would store them.
std::uint16_t ChecksumOf(ByteSpan bytes, std::uint64_t initial = 0) {
  std::uint8_t field[2];
  StoreChecksum(field, Fold(SumBytes(bytes, initial)));
  return LoadBe16(field);
}

TEST(Checksum, AgreesWithTheSlowOneForEveryLengthAndAlignment) {
  testing::SeededRandom random(1);
  Bytes buffer(2100);
  random.Fill(buffer);
  for (std::size_t offset = 0; offset < 8; ++offset) {
    for (std::size_t size = 0; size < 2048; size += size < 200 ? 1 : 37) {
      const ByteSpan bytes = ByteSpan(buffer).subspan(offset, size);
      ASSERT_EQ(ChecksumOf(bytes), testing::SlowChecksum(bytes)) << offset << " " << size;
    }
  }
}

TEST(Checksum, CarriesDoNotGetLost) {
  for (const std::uint8_t fill : Bytes{0x00, 0x01, 0x7f, 0x80, 0xff}) {
    for (const std::size_t size : {2U, 31U, 64U, 1500U, 65535U}) {
      const Bytes bytes(size, fill);
      ASSERT_EQ(ChecksumOf(bytes), testing::SlowChecksum(bytes)) << int{fill} << " " << size;
    }
  }
  EXPECT_EQ(Fold(0), 0);
  EXPECT_EQ(Fold(0xffff), 0xffff);
  EXPECT_EQ(Fold(0x10000), 1);
  EXPECT_EQ(Fold(UINT64_MAX), 0xffff);
  EXPECT_EQ(Fold(0xffffffff00000000), 0xffff);
}

TEST(Checksum, SumsOfEvenPartsChain) {
  testing::SeededRandom random(2);
  Bytes bytes(999);
  random.Fill(bytes);
  for (std::size_t cut = 0; cut < bytes.size(); cut += 2) {
    const std::uint64_t first = SumBytes(ByteSpan(bytes).first(cut));
    ASSERT_EQ(Fold(SumBytes(ByteSpan(bytes).subspan(cut), first)), Fold(SumBytes(bytes))) << cut;
  }
}

TEST(Checksum, PseudoHeadersAndIpv4HeadersAreRight) {
  testing::SeededRandom random(3);
  for (int i = 0; i < 500; ++i) {
    const bool is_v6 = random.Below(2) == 0;
    testing::PacketSpec spec;
    if (is_v6) {
      spec.source = "2001:db8::1";
      spec.destination = "fd00::2";
    }
    spec.protocol = random.Below(2) == 0 ? 6 : 17;
    spec.payload.resize(random.Below(1500));
    random.Fill(spec.payload);
    Bytes packet = BuildPacket(spec);
    const std::size_t header = is_v6 ? 40 : 20;
    const ByteSpan transport = ByteSpan(packet).subspan(header);
    const std::uint64_t pseudo = SumPseudoHeader(packet.data(), is_v6, spec.protocol,
                                                 static_cast<std::uint32_t>(transport.size()));
    ASSERT_EQ(ChecksumOf(transport, pseudo), 0) << "over a right checksum the sum is all ones";
    if (!is_v6) {
      const Bytes before = packet;
      packet[10] = 0xab;
      UpdateIpv4HeaderChecksum(packet.data(), header);
      ASSERT_EQ(packet, before);
    }
  }
}

}  // namespace
}  // namespace adit::packet
