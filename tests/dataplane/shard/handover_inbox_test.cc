#include "dataplane/shard/handover_inbox.h"

#include <thread>

#include <gtest/gtest.h>

namespace adit::shard {
namespace {

using Bytes = std::vector<std::uint8_t>;

packet::ReceivedTrain TrainOf(Bytes& bytes, std::size_t segment_size = 0) {
  return {.bytes = bytes,
          .segment_size = segment_size == 0 ? bytes.size() : segment_size,
          .remote = *Endpoint::Parse("192.0.2.1:1234"),
          .local = {.address = *IpAddress::Parse("198.51.100.2")},
          .ecn = 3};
}

TEST(HandoverInbox, GivesCopiesOfTrainsInOrder) {
  HandoverInbox inbox;
  EXPECT_TRUE(inbox.IsEmpty());
  EXPECT_TRUE(inbox.TakeTrains().empty());
  Bytes first(300, 1);
  Bytes second(50, 2);
  ASSERT_TRUE(inbox.Put(TrainOf(first, 100)));
  ASSERT_TRUE(inbox.Put(TrainOf(second)));
  std::ranges::fill(first, std::uint8_t{9});
  EXPECT_FALSE(inbox.IsEmpty());
  const auto trains = inbox.TakeTrains();
  EXPECT_TRUE(inbox.IsEmpty());
  ASSERT_EQ(trains.size(), 2U);
  EXPECT_EQ(Bytes(trains[0].bytes.begin(), trains[0].bytes.end()), Bytes(300, 1));
  EXPECT_EQ(trains[0].segment_size, 100U);
  EXPECT_EQ(trains[0].remote, *Endpoint::Parse("192.0.2.1:1234"));
  EXPECT_EQ(trains[0].local.address, *IpAddress::Parse("198.51.100.2"));
  EXPECT_EQ(trains[0].ecn, 3);
  EXPECT_EQ(Bytes(trains[1].bytes.begin(), trains[1].bytes.end()), Bytes(50, 2));
}

TEST(HandoverInbox, TakesWhatComesWhileTheLastIsUsed) {
  HandoverInbox inbox;
  Bytes bytes(10, 1);
  ASSERT_TRUE(inbox.Put(TrainOf(bytes)));
  const auto taken = inbox.TakeTrains();
  bytes.assign(10, 2);
  ASSERT_TRUE(inbox.Put(TrainOf(bytes)));
  EXPECT_EQ(taken[0].bytes[0], 1);
  EXPECT_EQ(inbox.TakeTrains()[0].bytes[0], 2);
}

TEST(HandoverInbox, RefusesWhatItHasNoRoomForAndHasRoomAgain) {
  HandoverInbox inbox;
  Bytes large(60'000, 1);
  std::size_t taken = 0;
  while (inbox.Put(TrainOf(large))) {
    ++taken;
  }
  EXPECT_EQ(taken, HandoverInbox::kMaxBytes / large.size());
  EXPECT_EQ(inbox.TakeTrains().size(), taken);
  Bytes small(1, 1);
  for (taken = 0; inbox.Put(TrainOf(small)); ++taken) {
  }
  EXPECT_EQ(taken, HandoverInbox::kMaxTrains);
  EXPECT_EQ(inbox.TakeTrains().size(), taken);
}

TEST(HandoverInbox, KeepsAFewInitiationsAndGivesTheOldestFirst) {
  HandoverInbox inbox;
  for (std::uint32_t i = 0; i < HandoverInbox::kMaxInitiations; ++i) {
    engine::HandedInitiation initiation;
    initiation.opened.sender = i;
    ASSERT_TRUE(inbox.Put(initiation));
  }
  EXPECT_FALSE(inbox.Put(engine::HandedInitiation()));
  std::uint32_t next = 0;
  while (!inbox.IsEmpty()) {
    const auto taken = inbox.TakeInitiations(5);
    ASSERT_FALSE(taken.empty());
    EXPECT_LE(taken.size(), 5U);
    for (const engine::HandedInitiation& initiation : taken) {
      EXPECT_EQ(initiation.opened.sender, next++);
    }
  }
  EXPECT_EQ(next, HandoverInbox::kMaxInitiations);
}

TEST(HandoverInbox, LosesNothingThatItAcceptedFromSeveralThreads) {
  HandoverInbox inbox;
  constexpr int kThreads = 3;
  constexpr std::size_t kEach = 3000;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&inbox] {
      Bytes bytes(100, 7);
      for (std::size_t sent = 0; sent < kEach;) {
        if (inbox.Put(TrainOf(bytes))) {
          ++sent;
        } else {
          std::this_thread::yield();
        }
      }
    });
  }
  std::size_t taken = 0;
  while (taken < kThreads * kEach) {
    taken += inbox.TakeTrains().size();
    std::this_thread::yield();
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_TRUE(inbox.IsEmpty());
}

}  // namespace
}  // namespace adit::shard
