#include <cerrno>

#include "tests/dataplane/io/gso_support.h"

// Draining: control, turns, suspension, and the one case in which batches are given up.
namespace adit::io {
namespace {

using packet::ControlKind;
using packet::SendClass;

constexpr milliseconds kMs{1};

// --- epochs and attempts

TEST_F(GsoQueueTest, NothingJoinsAnEpochThatAnAttemptHasTouched) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(2), 300, V4()));
  sender_.Fail(EAGAIN);
  Drain();
  ASSERT_TRUE(producer_.Put(1, FlowOf(3), 1252, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(4), 300, V4()));
  queue_.HandleWritable(IpFamily::kV4);
  Drain();
  EXPECT_EQ(sender_.SentSizes(), (Sizes{{1252}, {300}, {1252}, {300}}));
  EXPECT_LT(sender_.sent[1].epoch, sender_.sent[2].epoch);
}

TEST_F(GsoQueueTest, LaterEpochsStayOpenWhileTheFirstIsSent) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 300, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, V4()));  // a later epoch
  sender_.Fail(EAGAIN);
  Drain();
  ASSERT_TRUE(producer_.Put(1, FlowOf(2), 1252, V4()));
  queue_.HandleWritable(IpFamily::kV4);
  Drain();
  EXPECT_EQ(sender_.SentSizes(), (Sizes{{300}, {1252, 1252}}));
}

// --- discarding

TEST_F(GsoQueueTest, WhatIsDiscardedIsOnePeersAndWhatWasNotSent) {
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1000, 5, 700}, V4()));  // 0 to 4
  ASSERT_TRUE(producer_.Put(1, FlowOf(2), 300, V4()));                  // 5
  ASSERT_TRUE(producer_.Put(2, FlowOf(1), 500, V4()));                  // 6
  ASSERT_TRUE(producer_.PutControl(V4()));                              // 7
  sender_.script = {{1, 0}, {2, 0}, {0, EAGAIN}};
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{7, 0, 1}));

  EXPECT_EQ(queue_.Discard(1), 4U);
  EXPECT_EQ(queue_.Discard(1), 0U);
  EXPECT_EQ(queue_.Discard(3), 0U);
  EXPECT_TRUE(queue_.InvariantsHold());
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 500, V4()));  // 8: the peer may send anew
  queue_.HandleWritable(IpFamily::kV4);
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{7, 0, 1, 6, 8}));
  EXPECT_TRUE(queue_.IsEmpty());
}

// --- suspension

TEST_F(GsoQueueTest, NotWritableSuspendsAndLosesNothing) {
  for (std::uint32_t i = 0; i < 10; ++i) ASSERT_TRUE(producer_.Put(i, FlowOf(1), 500, V4()));
  sender_.script = {{1, 0}, {1, 0}, {0, EAGAIN}};
  const DrainReport& report = Drain();
  EXPECT_TRUE(report.is_suspended());
  EXPECT_TRUE(report.await_writable[0]);
  EXPECT_FALSE(report.await_writable[1]);
  EXPECT_EQ(report.retry_at, Instant::Max());
  EXPECT_EQ(report.data_datagrams, 2U);
  EXPECT_EQ(sender_.attempts.size(), 3U);

  EXPECT_TRUE(Drain().is_suspended());
  EXPECT_EQ(sender_.attempts.size(), 3U) << "not before the socket is writable";
  queue_.HandleWritable(IpFamily::kV6);
  Drain();
  EXPECT_EQ(sender_.attempts.size(), 3U);

  queue_.HandleWritable(IpFamily::kV4);
  EXPECT_FALSE(Drain().is_suspended());
  EXPECT_EQ(sender_.SentIds(), (Ids{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(queue_.counters().suspends[0], 1U);
  EXPECT_TRUE(queue_.IsEmpty());
}

TEST_F(GsoQueueTest, FamiliesAreSuspendedSeparately) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 500, V4()));
  ASSERT_TRUE(producer_.Put(2, FlowOf(1), 500, V6()));
  ASSERT_TRUE(producer_.Put(3, FlowOf(1), 500, V4()));
  ASSERT_TRUE(producer_.Put(4, FlowOf(1), 500, V6()));
  sender_.Fail(EAGAIN);
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{1, 3}));
  queue_.HandleWritable(IpFamily::kV4);
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{1, 3, 0, 2}));
}

TEST_F(GsoQueueTest, PeerWhoseNextBatchWaitsWaitsWhole) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 500, V4()));
  queue_.StartEpoch(1);
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 500, V6()));
  ASSERT_TRUE(producer_.Put(2, FlowOf(1), 500, V6()));
  sender_.Fail(EAGAIN);
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{2}));
  queue_.HandleWritable(IpFamily::kV4);
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{2, 0, 1}));
}

TEST_F(GsoQueueTest, FullQueueStopsTunUntilTheSocketIsWritable) {
  sender_.Fail(EAGAIN);
  std::uint32_t peer = 0;
  while (queue_.HasRoomForSuperPacket()) {
    ASSERT_TRUE(producer_.Put(peer++, FlowOf(1), 500, V4()));
    Drain();
  }
  EXPECT_EQ(peer, kBufferCount - kBuffersPerSuperPacket + 1);
  queue_.HandleWritable(IpFamily::kV4);
  Drain();
  EXPECT_TRUE(queue_.HasRoomForSuperPacket());
  EXPECT_EQ(sender_.SentIds().size(), peer);
}

TEST_F(GsoQueueTest, HalfSentBatchKeepsItsOffsetAndGoesFirstAmongData) {
  // Peer 1 cannot have GSO; its second datagram meets a full socket.
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1000, 4, 700}, V4()));  // 0 1 2 3
  ASSERT_TRUE(producer_.Put(2, FlowOf(1), 1200, V4()));                 // 4
  ASSERT_TRUE(producer_.Put(3, FlowOf(1), 1200, V6()));                 // 5
  sender_.script = {{0, EMSGSIZE}, {1, EAGAIN}};
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{0, 5})) << "the other family's turn goes on";

  ASSERT_TRUE(producer_.Put(4, FlowOf(1), 1200, V4()));  // 6
  ASSERT_TRUE(producer_.PutControl(V4()));               // 7
  queue_.HandleWritable(IpFamily::kV4);
  sender_.Clear();
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{7, 1, 2, 3, 4, 6}));
  EXPECT_EQ(sender_.sent[1].sizes(), (std::vector<std::uint32_t>{1000, 1000, 700}));
}

// --- turns

TEST_F(GsoQueueTest, PeersTakeTurnsByWholeBatch) {
  for (const std::uint32_t peer : {1U, 2U, 3U}) {
    for (const std::uint32_t size : {900U, 600U, 300U}) {
      ASSERT_TRUE(producer_.Put(peer, FlowOf(size), size, V4()));
    }
  }
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{0, 3, 6, 1, 4, 7, 2, 5, 8}));
}

TEST_F(GsoQueueTest, DrainGoesOnAfterThePeerServedLast) {
  for (const std::uint32_t peer : {1U, 2U, 3U}) {
    for (const std::uint32_t size : {900U, 600U}) {
      ASSERT_TRUE(producer_.Put(peer, FlowOf(size), size, V4()));
    }
  }
  sender_.script = {{1, 0}, {0, EAGAIN}};
  Drain();
  ASSERT_TRUE(producer_.Put(4, FlowOf(1), 100, V4()));  // a newcomer waits for all the others
  queue_.HandleWritable(IpFamily::kV4);
  Drain();
  std::vector<std::uint32_t> peers;
  for (const SentBatch& batch : sender_.sent) peers.push_back(batch.peer);
  EXPECT_EQ(peers, (std::vector<std::uint32_t>{1, 2, 3, 1, 4, 2, 3}));
}

TEST_F(GsoQueueTest, BusyPeerDoesNotStarveOthersOnASlowSocket) {
  // One send a drain: peer 1 always has more, peer 2 has one datagram.
  sender_.answer = [&, sends = 0](const SendBatch& batch) mutable {
    return ++sends % 2 == 1 ? SendResult{batch.count, 0} : SendResult{0, EAGAIN};
  };
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1000, V4()));
  ASSERT_TRUE(producer_.Put(2, FlowOf(1), 1000, V4()));
  bool was_served = false;
  for (int turn = 0; turn < 3 && !was_served; ++turn) {
    ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1000, V4()));
    queue_.HandleWritable(IpFamily::kV4);
    Drain();
    for (const SentBatch& batch : sender_.sent) was_served |= batch.peer == 2;
  }
  EXPECT_TRUE(was_served);
}

// --- control

TEST_F(GsoQueueTest, ControlLeavesBeforeData) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, V4()));
  ASSERT_TRUE(producer_.PutControl(V4()));
  ASSERT_TRUE(producer_.PutControl(V6(), ControlKind::kCookieReply));
  const DrainReport& report = Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{1, 2, 0}));
  EXPECT_TRUE(sender_.sent[0].is_control);
  EXPECT_EQ(sender_.sent[0].path, V4());
  EXPECT_EQ(report.control_datagrams, 2U);
  EXPECT_EQ(report.data_datagrams, 1U);
}

TEST_F(GsoQueueTest, FullControlLaneGivesUpCookieRepliesFirst) {
  for (std::size_t i = 0; i < 62; ++i) ASSERT_TRUE(producer_.PutControl(V4()));
  ASSERT_TRUE(producer_.PutControl(V4(), ControlKind::kCookieReply));  // 62
  ASSERT_TRUE(producer_.PutControl(V4(), ControlKind::kCookieReply));  // 63
  EXPECT_FALSE(producer_.PutControl(V4(), ControlKind::kCookieReply)) << "its caller counts it";
  EXPECT_TRUE(producer_.PutControl(V4()));   // 65, instead of 62
  EXPECT_TRUE(producer_.PutControl(V4()));   // 66, instead of 63
  EXPECT_FALSE(producer_.PutControl(V4()));  // 67
  EXPECT_EQ(queue_.counters().control_evicted, 2U);
  Drain();
  const Ids ids = sender_.SentIds();
  ASSERT_EQ(ids.size(), ControlLane::kCapacity);
  EXPECT_EQ(ids[61], 61U);
  EXPECT_EQ(ids[62], 65U);
  EXPECT_EQ(ids[63], 66U);
}

TEST_F(GsoQueueTest, FullControlLaneSuspendsNothing) {
  for (std::size_t i = 0; i < 200; ++i) static_cast<void>(producer_.PutControl(V4()));
  EXPECT_TRUE(queue_.HasRoomForSuperPacket());
  EXPECT_TRUE(producer_.Put(1, FlowOf(1), 100, V4()));
  EXPECT_FALSE(Drain().is_suspended());
  EXPECT_TRUE(queue_.IsEmpty());
}

TEST_F(GsoQueueTest, HandshakesTowardsADeadUplinkDoNotCrowdOutTheOthers) {
  sender_.answer = [](const SendBatch& batch) {
    return batch.path.remote.address.is_v4() ? SendResult{0, EAGAIN} : SendResult{batch.count, 0};
  };
  for (std::size_t i = 0; i < ControlLane::kCapacity; ++i) ASSERT_TRUE(producer_.PutControl(V4()));
  Drain();
  EXPECT_FALSE(producer_.PutControl(V4()));
  EXPECT_TRUE(producer_.PutControl(V6()));
  EXPECT_EQ(queue_.counters().control_evicted, 1U);
  Drain();
  ASSERT_EQ(sender_.sent.size(), 1U);
  EXPECT_TRUE(sender_.sent[0].path.remote.address.is_v6());
}

TEST_F(GsoQueueTest, ControlThatMeetsAFullSocketStaysAndDataOfItsFamilyWaitsBehindIt) {
  ASSERT_TRUE(producer_.PutControl(V4()));              // 0
  ASSERT_TRUE(producer_.PutControl(V6()));              // 1
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 500, V4()));  // 2
  ASSERT_TRUE(producer_.Put(2, FlowOf(1), 500, V6()));  // 3
  sender_.Fail(EAGAIN);
  EXPECT_TRUE(Drain().await_writable[0]);
  EXPECT_EQ(sender_.SentIds(), (Ids{1, 3}));
  queue_.HandleWritable(IpFamily::kV4);
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{1, 3, 0, 2}));
}

TEST_F(GsoQueueTest, ControlIsTriedThoughItsFamilyIsSuspended) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 500, V4()));  // 0
  sender_.Fail(EAGAIN);
  Drain();
  ASSERT_TRUE(producer_.PutControl(V4()));  // 1
  EXPECT_TRUE(Drain().await_writable[0]) << "data still waits for the poller";
  EXPECT_EQ(sender_.SentIds(), (Ids{1}));
}

TEST_F(GsoQueueTest, ControlDatagramsHaveALimitInSize) {
  EXPECT_TRUE(producer_.PutControl(V4(), ControlKind::kHandshake, ControlLane::kMaxDatagramSize));
  EXPECT_FALSE(
      producer_.PutControl(V4(), ControlKind::kHandshake, ControlLane::kMaxDatagramSize + 1));
  EXPECT_FALSE(queue_.SendControl({}, V4(), ControlKind::kHandshake));
  EXPECT_FALSE(producer_.PutControl(packet::DatagramPath{}));
}

// --- stuck underlay

class GsoStuckTest : public GsoQueueTest {
 protected:
  // All buffers hold IPv4 datagrams of peers 0, 1, …, and no IPv4 datagram gets through since `at`.
  void BlockByV4(Duration at) {
    sender_.answer = [](const SendBatch& batch) {
      return batch.path.remote.address.is_v4() ? SendResult{0, EAGAIN} : SendResult{batch.count, 0};
    };
    FillBuffers(0, kBufferCount, V4());
    Drain(at);
  }
  static constexpr GsoQueue::Underlay kV6Lives{true, {false, true}};
};

TEST_F(GsoStuckTest, DeadFamilyGivesUpItsOldestAfter250Milliseconds) {
  BlockByV4(0 * kMs);
  EXPECT_EQ(queue_.PollTimeout(), At(250 * kMs));
  EXPECT_FALSE(queue_.IsStuckCheckDue(At(249 * kMs)));
  EXPECT_EQ(queue_.GiveUpIfStuck(kV6Lives, At(249 * kMs)), 0U);
  EXPECT_TRUE(queue_.IsStuckCheckDue(At(250 * kMs)));
  const std::uint32_t given_up = queue_.GiveUpIfStuck(kV6Lives, At(250 * kMs));
  EXPECT_EQ(given_up, kBufferCount / 4);
  EXPECT_EQ(queue_.counters().underlay_stuck, given_up);
  EXPECT_TRUE(queue_.HasRoomForSuperPacket());
  EXPECT_TRUE(queue_.InvariantsHold());
  EXPECT_EQ(queue_.PollTimeout(), Instant::Max());

  // The rest is the youngest.
  sender_.answer = nullptr;
  queue_.HandleWritable(IpFamily::kV4);
  Drain(251 * kMs);
  const Ids ids = sender_.SentIds();
  ASSERT_EQ(ids.size(), kBufferCount - given_up);
  EXPECT_EQ(ids.front(), given_up);
}

TEST_F(GsoStuckTest, NextTimeItGivesUpAtOnce) {
  BlockByV4(0 * kMs);
  ASSERT_GT(queue_.GiveUpIfStuck(kV6Lives, At(250 * kMs)), 0U);
  for (std::uint32_t peer = 5000; queue_.HasRoomForSuperPacket(); ++peer) {
    ASSERT_TRUE(producer_.Put(peer, FlowOf(1), 100, V4()));
  }
  Drain(251 * kMs);
  EXPECT_GT(queue_.GiveUpIfStuck(kV6Lives, At(251 * kMs)), 0U);
}

TEST_F(GsoStuckTest, NothingIsGivenUpWhileTunIsNotReadable) {
  BlockByV4(0 * kMs);
  EXPECT_EQ(queue_.GiveUpIfStuck({false, {false, true}}, At(300 * kMs)), 0U);
  // It is asked again, but the loop does not spin until then.
  EXPECT_EQ(queue_.PollTimeout(), At(320 * kMs));
}

// What is left is enough for TUN but not for staged packets, whose peers would wait for ever.
TEST_F(GsoStuckTest, RoomIsMadeForStagedPacketsToo) {
  FillBuffers(0, kBufferCount - kBuffersPerSuperPacket, V4());
  sender_.Fail(EAGAIN);
  Drain(0 * kMs);
  ASSERT_TRUE(queue_.HasRoomForSuperPacket());
  EXPECT_FALSE(queue_.IsStuckCheckDue(At(250 * kMs))) << "TUN is read";
  ASSERT_FALSE(producer_.Put(9999, FlowOf(1), 100, V6(), SendClass::kSlowPath));
  EXPECT_FALSE(queue_.IsStuckCheckDue(At(249 * kMs)));
  EXPECT_TRUE(queue_.IsStuckCheckDue(At(250 * kMs)));
  EXPECT_GT(queue_.GiveUpIfStuck({false, {false, true}}, At(250 * kMs)), 0U);
  EXPECT_EQ(queue_.PollTimeout(), Instant::Max());
  EXPECT_TRUE(producer_.Put(9999, FlowOf(1), 100, V6(), SendClass::kSlowPath));
}

TEST_F(GsoStuckTest, NothingIsGivenUpWhileNoPeerOfTheOtherFamilyCarriesData) {
  BlockByV4(0 * kMs);
  EXPECT_EQ(queue_.GiveUpIfStuck({true, {true, false}}, At(3600 * seconds(1))), 0U);
  EXPECT_EQ(queue_.counters().underlay_stuck, 0U);
}

TEST_F(GsoStuckTest, NothingIsGivenUpWhileThereIsRoom) {
  BlockByV4(0 * kMs);
  ASSERT_GT(queue_.GiveUpIfStuck(kV6Lives, At(250 * kMs)), 0U);
  EXPECT_FALSE(queue_.IsStuckCheckDue(At(400 * kMs)));
  EXPECT_EQ(queue_.GiveUpIfStuck(kV6Lives, At(400 * kMs)), 0U);
}

TEST_F(GsoStuckTest, NothingIsGivenUpWhenBothFamiliesAreDead) {
  ASSERT_TRUE(producer_.Put(9999, FlowOf(1), 100, V6()));
  FillBuffers(0, kBufferCount - 1, V4());
  sender_.answer = [](const SendBatch&) { return SendResult{0, EAGAIN}; };
  Drain(0 * kMs);
  EXPECT_EQ(queue_.GiveUpIfStuck({true, {true, true}}, At(260 * kMs)), 0U);
}

TEST_F(GsoStuckTest, ChokedFamilyIsNotStuck) {
  BlockByV4(0 * kMs);
  // One batch gets through every 200 ms.
  for (int turn = 1; turn < 5; ++turn) {
    ASSERT_TRUE(queue_.InvariantsHold());
    sender_.answer = [sends = 0](const SendBatch& batch) mutable {
      return sends++ == 0 ? SendResult{batch.count, 0} : SendResult{0, EAGAIN};
    };
    queue_.HandleWritable(IpFamily::kV4);
    Drain(turn * 200 * kMs);
    EXPECT_EQ(queue_.GiveUpIfStuck(kV6Lives, At((turn * 200 + 49) * kMs)), 0U);
  }
  EXPECT_EQ(queue_.counters().underlay_stuck, 0U);
}

TEST_F(GsoStuckTest, OldStandstillDoesNotCountAgainstAFamilyThatRecovered) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 100, V4()));
  sender_.Fail(EAGAIN);
  Drain(0 * kMs);
  queue_.HandleWritable(IpFamily::kV4);
  Drain(1 * kMs);
  BlockByV4(1000 * kMs);
  EXPECT_EQ(queue_.PollTimeout(), At(1250 * kMs));
}

TEST_F(GsoStuckTest, HalfSentBatchThatIsGivenUpCountsOnlyWhatIsLeft) {
  ASSERT_TRUE(producer_.PutTrain({7777, FlowOf(1), 200, 3, 200}, V4()));
  sender_.script = {{0, EIO}, {1, EAGAIN}};
  Drain(0 * kMs);
  FillBuffers(0, kBufferCount - 1, V4());
  EXPECT_EQ(queue_.GiveUpIfStuck(kV6Lives, At(250 * kMs)), 2 + kBufferCount / 4 - 1);
  EXPECT_TRUE(queue_.InvariantsHold());
  queue_.HandleWritable(IpFamily::kV4);
  Drain(251 * kMs);
  EXPECT_TRUE(queue_.IsEmpty());
}

}  // namespace
}  // namespace adit::io
