#include "dataplane/shard/tun_ring.h"

#include <thread>

#include <gtest/gtest.h>

#include "dataplane/io/virtio_header.h"
#include "tests/support/fake_syscalls.h"

namespace adit::shard {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kPacketSize = 40;

std::uint32_t NumberIn(const packet::SuperPacket& packet) { return LoadLe32(packet.bytes.data()); }

class TunRingTest : public ::testing::Test {
 protected:
  // Reads the next of the numbered packets.
  io::TunRead ReadNext() {
    Bytes packet(io::kVirtioHeaderSize + kPacketSize, 0);
    StoreLe32(packet.data() + io::kVirtioHeaderSize, next_++);
    kernel_.to_read.push_back(packet);
    return reader_.Read();
  }
  void PushNext() {
    const io::TunRead read = ReadNext();
    ASSERT_EQ(read.outcome, io::TunRead::Outcome::kPacket);
    ring_.Push(read.packet, reader_);
  }

  testing::FakeSyscalls kernel_;
  io::TunReader reader_{kernel_, -1};
  std::uint32_t next_ = 0;
  TunRing ring_;
};

TEST_F(TunRingTest, GivesBackInOrderWhatWasReadAndIsBounded) {
  std::uint32_t expected = 0;
  for (int round = 0; round < 5; ++round) {
    EXPECT_TRUE(ring_.IsEmpty());
    EXPECT_EQ(ring_.Front(), nullptr);
    for (std::uint32_t i = 0; i < TunRing::kSlots; ++i) {
      ASSERT_FALSE(ring_.IsFull());
      PushNext();
    }
    EXPECT_TRUE(ring_.IsFull());
    std::uint32_t halves = 0;
    for (std::uint32_t i = 0; i < TunRing::kSlots; ++i) {
      ASSERT_NE(ring_.Front(), nullptr);
      EXPECT_EQ(ring_.Front()->bytes.size(), kPacketSize);
      EXPECT_EQ(NumberIn(*ring_.Front()), expected++);
      halves += ring_.Pop() ? 1U : 0U;
      EXPECT_FALSE(ring_.IsFull());
    }
    EXPECT_EQ(halves, 1U) << "said once on the way from full to empty";
  }
}

TEST_F(TunRingTest, NeitherCopiesNorGivesTheReaderABufferThatIsInUse) {
  PushNext();
  const std::uint8_t* const first = ring_.Front()->bytes.data();
  const io::TunRead read = ReadNext();
  EXPECT_NE(read.packet.bytes.data(), first);
  EXPECT_EQ(NumberIn(*ring_.Front()), 0U);
}

TEST_F(TunRingTest, CarriesEverythingInOrderBetweenTwoThreads) {
  constexpr std::uint32_t kPackets = 20'000;
  std::thread producer([this] {
    for (std::uint32_t i = 0; i < kPackets; ++i) {
      while (ring_.IsFull()) {
        std::this_thread::yield();
      }
      PushNext();
    }
  });
  std::uint32_t wrong = 0;
  for (std::uint32_t i = 0; i < kPackets; ++i) {
    const packet::SuperPacket* packet = ring_.Front();
    for (; packet == nullptr; packet = ring_.Front()) {
      std::this_thread::yield();
    }
    wrong += NumberIn(*packet) == i ? 0U : 1U;
    (void)ring_.Pop();
  }
  producer.join();
  EXPECT_EQ(wrong, 0U);
}

}  // namespace
}  // namespace adit::shard
