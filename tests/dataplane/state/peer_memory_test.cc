#include "dataplane/state/peer_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/state/record.h"
#include "tests/dataplane/state/temp_directory.h"

namespace adit::state {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

PeerRecord Peer(std::uint8_t n, std::uint8_t timestamp) {
  std::array<std::uint8_t, 32> key{};
  key[0] = n;
  PeerRecord peer;
  peer.public_key = PublicKey(key);
  peer.endpoint = Endpoint::Parse(n % 2 == 0 ? "192.0.2.1:51820" : "[fe80::1%3]:7");
  peer.greatest_timestamp[11] = timestamp;
  peer.was_active = n % 3 == 0;
  return peer;
}

class PeerMemoryTest : public ::testing::Test {
 protected:
  PeerMemory Open() {
    loaded_ = {};
    return PeerMemory::Open(directory_, loaded_).value();
  }

  const TempDirectory temp_;
  const StateDirectory directory_ = StateDirectory::Open(temp_.path()).value();
  PeerMemory::Loaded loaded_;
};

TEST_F(PeerMemoryTest, RemembersWhatChanged) {
  {
    PeerMemory memory = Open();
    EXPECT_TRUE(loaded_.peers.empty());
    ASSERT_TRUE(memory.Update(std::vector{Peer(1, 1), Peer(2, 1)}, WallTime(seconds(5))).ok());
    ASSERT_TRUE(memory.Update(std::vector{Peer(1, 1), Peer(2, 9)}, WallTime(seconds(6))).ok());
  }
  Open();
  EXPECT_THAT(loaded_.peers, UnorderedElementsAre(Peer(1, 1), Peer(2, 9)));
  EXPECT_EQ(loaded_.written_at, WallTime(seconds(6)));
  EXPECT_EQ(loaded_.problem, "");
}

TEST_F(PeerMemoryTest, WritesNothingWhenNothingChanged) {
  PeerMemory memory = Open();
  const std::vector peers = {Peer(1, 1), Peer(2, 1)};
  ASSERT_TRUE(memory.Update(peers, WallTime()).ok());
  const std::uint64_t size = memory.file_size();
  ASSERT_TRUE(memory.Update(peers, WallTime(seconds(9))).ok());
  EXPECT_EQ(memory.file_size(), size);
}

TEST_F(PeerMemoryTest, NeverLowersATimestamp) {
  {
    PeerMemory memory = Open();
    ASSERT_TRUE(memory.Update(std::vector{Peer(1, 200)}, WallTime()).ok());
    ASSERT_TRUE(memory.Update(std::vector{Peer(1, 0)}, WallTime()).ok());
  }
  {
    PeerMemory memory = Open();
    ASSERT_TRUE(memory.Update(std::vector{Peer(1, 3)}, WallTime()).ok());
  }
  Open();
  EXPECT_THAT(loaded_.peers, UnorderedElementsAre(Peer(1, 200)));
}

TEST_F(PeerMemoryTest, StaysSmallAndForgetsPeersThatAreGone) {
  PeerMemory memory = Open();
  ASSERT_TRUE(memory.Update(std::vector{Peer(9, 1)}, WallTime()).ok());
  for (int i = 0; i < 3000; ++i) {
    ASSERT_TRUE(memory
                    .Update(std::vector{Peer(1, static_cast<std::uint8_t>(i % 2)),
                                        Peer(static_cast<std::uint8_t>(2 + i % 2), 1)},
                            WallTime())
                    .ok());
  }
  EXPECT_LT(memory.file_size(), 80'000U);
  for (int i = 0; i < 3000; ++i) {
    PeerRecord peer = Peer(1, 1);
    peer.was_active = i % 2 == 0;
    ASSERT_TRUE(memory.Update(std::vector{peer}, WallTime()).ok());
  }
  Open();
  EXPECT_FALSE(std::any_of(loaded_.peers.begin(), loaded_.peers.end(),
                           [](const PeerRecord& p) { return p == Peer(9, 1); }));
}

TEST_F(PeerMemoryTest, SurvivesATornBatchAtEveryByte) {
  std::string before;
  {
    PeerMemory memory = Open();
    ASSERT_TRUE(memory.Update(std::vector{Peer(1, 1)}, WallTime()).ok());
    before = ReadFileOf(temp_.File("peers"));
    ASSERT_TRUE(memory.Update(std::vector{Peer(1, 2)}, WallTime()).ok());
  }
  const std::string after = ReadFileOf(temp_.File("peers"));
  for (std::size_t size = before.size(); size < after.size(); ++size) {
    WriteFileOf(temp_.File("peers"), after.substr(0, size));
    PeerMemory memory = Open();
    EXPECT_THAT(loaded_.peers, UnorderedElementsAre(Peer(1, 1))) << size;
    EXPECT_EQ(loaded_.problem, "");
    ASSERT_TRUE(memory.Update(std::vector{Peer(1, 7)}, WallTime()).ok());
    Open();
    EXPECT_THAT(loaded_.peers, UnorderedElementsAre(Peer(1, 7)));
  }
}

TEST_F(PeerMemoryTest, TellsDamageKeepsWhatIsBeforeItAndGoesOn) {
  std::string before;
  {
    PeerMemory memory = Open();
    ASSERT_TRUE(memory.Update(std::vector{Peer(1, 1)}, WallTime()).ok());
    before = ReadFileOf(temp_.File("peers"));
    ASSERT_TRUE(memory.Update(std::vector{Peer(1, 2)}, WallTime()).ok());
  }
  const std::string good = ReadFileOf(temp_.File("peers"));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    WriteFileOf(temp_.File("peers"), bad);
    PeerMemory memory = Open();
    EXPECT_THAT(loaded_.problem, HasSubstr("/peers is damaged")) << i;
    if (i >= before.size()) {
      EXPECT_THAT(loaded_.peers, UnorderedElementsAre(Peer(1, 1)));
    } else {
      EXPECT_TRUE(loaded_.peers.empty());
    }
    ASSERT_TRUE(memory.Update(std::vector{Peer(2, 7)}, WallTime()).ok());
    Open();
    EXPECT_EQ(loaded_.problem, "");
    EXPECT_THAT(loaded_.peers, UnorderedElementsAre(Peer(2, 7)));
    EXPECT_EQ(ReadFileOf(temp_.File("damaged-peers")), bad);
  }
  WriteFileOf(temp_.File("peers"), "");
  Open();
  EXPECT_THAT(loaded_.problem, HasSubstr("/peers is damaged at byte 0"));
}

TEST_F(PeerMemoryTest, HoldsTenThousandPeers) {
  std::vector<PeerRecord> peers;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    std::array<std::uint8_t, 32> key{};
    StoreLe32(key.data(), i);
    peers.push_back(Peer(1, 1));
    peers.back().public_key = PublicKey(key);
  }
  PeerMemory memory = Open();
  ASSERT_TRUE(memory.Update(peers, WallTime()).ok());
  Open();
  EXPECT_EQ(loaded_.peers.size(), peers.size());
}

}  // namespace
}  // namespace adit::state
