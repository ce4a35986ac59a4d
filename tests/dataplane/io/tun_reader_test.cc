#include "dataplane/io/tun_reader.h"

#include <cerrno>

#include <gtest/gtest.h>

#include "dataplane/io/virtio_header.h"
#include "tests/support/fake_syscalls.h"

namespace adit::io {
namespace {

using Bytes = testing::FakeSyscalls::Bytes;

class TunReaderTest : public ::testing::Test {
 protected:
  // A virtio header as the kernel writes it, and a packet.
  static Bytes Super(std::uint8_t flags, std::uint8_t type, std::size_t packet_size = 60) {
    Bytes bytes = {flags, type, 40, 0, 0x58, 0x05, 20, 0, 16, 0};
    bytes.resize(kVirtioHeaderSize + packet_size, 0xab);
    return bytes;
  }
  TunRead ReadOne(Bytes bytes) {
    kernel_.to_read.push_back(std::move(bytes));
    return reader_.Read();
  }

  testing::FakeSyscalls kernel_;
  TunReader reader_{kernel_, 3};
};

TEST_F(TunReaderTest, ReadsTheHeaderAndThePacketBehindIt) {
  struct Case {
    std::uint8_t number;
    packet::GsoType type;
  };
  for (const auto& [number, type] :
       {Case{0, packet::GsoType::kNone}, Case{1, packet::GsoType::kTcpV4},
        Case{4, packet::GsoType::kTcpV6}, Case{5, packet::GsoType::kUdp},
        Case{0x81, packet::GsoType::kTcpV4}}) {
    const TunRead read = ReadOne(Super(1, number));
    ASSERT_EQ(read.outcome, TunRead::Outcome::kPacket);
    EXPECT_EQ(read.packet.offload.gso_type, type);
    EXPECT_TRUE(read.packet.offload.needs_checksum);
    EXPECT_EQ(read.packet.offload.header_length, 40);
    EXPECT_EQ(read.packet.offload.gso_size, 1368);
    EXPECT_EQ(read.packet.offload.checksum_start, 20);
    EXPECT_EQ(read.packet.offload.checksum_offset, 16);
    EXPECT_EQ(Bytes(read.packet.bytes.begin(), read.packet.bytes.end()), Bytes(60, 0xab));
  }
  EXPECT_EQ(reader_.counters().reads, 5U);
  EXPECT_EQ(reader_.counters().bytes, 300U);
}

TEST_F(TunReaderTest, LargestSuperPacketFits) {
  const TunRead read = ReadOne(Super(1, 1, packet::kMaxSuperPacketSize));
  ASSERT_EQ(read.outcome, TunRead::Outcome::kPacket);
  EXPECT_EQ(read.packet.bytes.size(), packet::kMaxSuperPacketSize);
}

TEST_F(TunReaderTest, NothingWaitsIsNoFailure) {
  EXPECT_EQ(reader_.Read().outcome, TunRead::Outcome::kEmpty);
  EXPECT_EQ(reader_.counters().failures, 0U);
}

TEST_F(TunReaderTest, HeadersWithoutSenseAreDroppedCountedAndReadOver) {
  EXPECT_EQ(ReadOne(Bytes(3, 0)).outcome, TunRead::Outcome::kDropped);
  EXPECT_EQ(ReadOne(Bytes(kVirtioHeaderSize, 0)).outcome, TunRead::Outcome::kDropped);
  EXPECT_EQ(ReadOne(Super(1, 3)).outcome, TunRead::Outcome::kDropped);  // UFO
  EXPECT_EQ(ReadOne(Super(1, 0x7f)).outcome, TunRead::Outcome::kDropped);
  EXPECT_EQ(ReadOne(Super(1, 1, packet::kMaxSuperPacketSize + 1)).outcome,
            TunRead::Outcome::kDropped);
  EXPECT_EQ(reader_.counters().bad_virtio_headers, 5U);
  EXPECT_EQ(ReadOne(Super(0, 0)).outcome, TunRead::Outcome::kPacket);
}

TEST_F(TunReaderTest, InterruptedReadsAreRepeatedAndFailuresReported) {
  kernel_.Fail("read", EINTR, 2);
  EXPECT_EQ(ReadOne(Super(0, 0)).outcome, TunRead::Outcome::kPacket);
  for (const int error : {EBADFD, EIO, ENOMEM, EFAULT}) {
    kernel_.Fail("read", error);
    const TunRead read = reader_.Read();
    EXPECT_EQ(read.outcome, TunRead::Outcome::kFailed);
    EXPECT_EQ(read.error, error);
  }
  EXPECT_EQ(reader_.counters().failures, 4U);
}

}  // namespace
}  // namespace adit::io
