#include "dataplane/engine/garbled_trains.h"

#include "tests/dataplane/engine/engine_pair.h"

namespace adit::engine {
namespace {

using testing::BuildPacket;
using testing::Bytes;
using testing::PacketSpec;

const Instant kStart{seconds(10)};

TEST(TrainWatch, OnePercentIsBorneAndMoreIsTold) {
  for (const std::uint32_t failures : {10U, 11U}) {
    TrainWatch watch;
    bool is_told = false;
    for (std::uint32_t i = 0; i < 100; ++i) {
      is_told |= watch.Note(1452, 10, i < failures ? 1 : 0, kStart);
    }
    EXPECT_EQ(is_told, failures > 10) << failures;
  }
}

TEST(TrainWatch, WhatFailedInAnotherWindowIsForgotten) {
  TrainWatch watch;
  for (int window = 0; window < 5; ++window) {
    EXPECT_FALSE(watch.Note(1452, 1000, 10, kStart));
  }
}

TEST(TrainWatch, IsToldOnceAnHour) {
  TrainWatch watch;
  EXPECT_TRUE(watch.Note(1452, 64, 64, kStart));
  for (int minute = 0; minute < 60; ++minute) {
    EXPECT_FALSE(watch.Note(1452, 1000, 500, kStart + minute * seconds(60)));
  }
  EXPECT_TRUE(watch.Note(1452, 1000, 500, kStart + TrainWatch::kQuietTime));
  EXPECT_EQ(watch.alarms(), 2U);
}

TEST(TrainWatch, DatagramsThatAreNoTrainDoNotCount) {
  TrainWatch watch;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    EXPECT_FALSE(watch.Note(100 + i % 7, 1, 1, kStart));
  }
  EXPECT_EQ(watch.looked_at(), 0U);
  // Without UDP_GRO a train comes datagram by datagram.
  for (std::uint32_t i = 0; i < 11; ++i) {
    EXPECT_FALSE(watch.Note(1452, 1, 1, kStart));
  }
  EXPECT_TRUE(watch.Note(1452, 1, 1, kStart));
}

class GarbledTrainsTest : public testing::EnginePair {
 protected:
  // Carries packets of these sizes, of which every `period`-th is garbled on the way.
  void Carry(std::span<const std::size_t> payloads, int count, int period) {
    for (int i = 0; i < count; ++i) {
      PacketSpec spec;
      spec.payload.assign(payloads[static_cast<std::size_t>(i) % payloads.size()], 0x5a);
      client_.SendFromTun(BuildPacket(spec), now());
      Bytes datagram = client_.datagrams.sent.front().bytes;
      client_.datagrams.sent.pop_front();
      if (i % period == 0) {
        std::rotate(datagram.begin() + 16, datagram.begin() + 24, datagram.end());
      }
      gateway_.Receive(datagram, client_.endpoint(), now());
    }
  }
};

TEST_F(GarbledTrainsTest, PeerIsNamedAndCounted) {
  Connect();
  Carry(std::array<std::size_t, 1>{1000}, 300, 20);
  const auto garbled = gateway_.engine->PollGarbledTrains();
  ASSERT_TRUE(garbled.has_value());
  EXPECT_EQ(garbled->peer, client_.key());
  EXPECT_EQ(garbled->failed, 11U);
  EXPECT_EQ(garbled->looked_at, 220U);
  EXPECT_FALSE(gateway_.engine->PollGarbledTrains().has_value());
  EXPECT_EQ(gateway_.engine->counters().garbled_trains, 1U);
  std::vector<PeerReport> reports;
  (void)gateway_.engine->AppendReports(0, 10, reports);
  EXPECT_EQ(reports.at(0).garbled_trains, 1U);
  EXPECT_EQ(gateway_.drops(packet::DropReason::kDecryptFailed), 15U);
}

TEST_F(GarbledTrainsTest, TrainThatIsCutInTheWrongPlacesIsSuchToo) {
  Connect();
  PacketSpec spec;
  spec.payload.assign(1000, 0x5a);
  for (int i = 0; i < 4; ++i) {
    Bytes train;
    for (int segment = 0; segment < 4; ++segment) {
      client_.SendFromTun(BuildPacket(spec), now());
      const Bytes& datagram = client_.datagrams.sent.front().bytes;
      train.insert(train.end(), datagram.begin(), datagram.end());
      client_.datagrams.sent.pop_front();
    }
    const std::size_t size = train.size() / 4;
    std::rotate(train.begin() + static_cast<std::ptrdiff_t>(size),
                train.begin() + static_cast<std::ptrdiff_t>(size) + 12, train.end());
    gateway_.engine->HandleUdpTrain({train, size, client_.endpoint(), {}, 0}, now());
  }
  EXPECT_EQ(gateway_.drops(packet::DropReason::kUnknownMessage), 12U);
  const auto garbled = gateway_.engine->PollGarbledTrains();
  ASSERT_TRUE(garbled.has_value());
  EXPECT_EQ(garbled->failed, 11U);
}

TEST_F(GarbledTrainsTest, PathThatGarblesAFewOrOtherSizesIsNoCause) {
  Connect();
  Carry(std::array<std::size_t, 1>{1000}, 3000, 150);
  Carry(std::array<std::size_t, 3>{100, 200, 300}, 300, 5);
  EXPECT_FALSE(gateway_.engine->PollGarbledTrains().has_value());
  EXPECT_EQ(gateway_.engine->counters().garbled_trains, 0U);
}

}  // namespace
}  // namespace adit::engine
