#include "dataplane/io/gso_queue.h"

#include "tests/dataplane/io/gso_support.h"

// Where datagrams go and in which order they leave.
namespace adit::io {
namespace {

using packet::SendClass;

TEST_F(GsoQueueTest, DownloadOf4500BytesLeavesInOneSendWithItsShortEndLast) {
  for (const std::uint32_t size : {1252U, 1252U, 1252U, 744U}) {
    ASSERT_TRUE(producer_.Put(1, FlowOf(1), size, V4()));
  }
  Drain();
  EXPECT_EQ(sender_.SentSizes(), (Sizes{{1252, 1252, 1252, 744}}));
  EXPECT_EQ(sender_.SentIds(), (Ids{0, 1, 2, 3}));
  EXPECT_TRUE(sender_.sent[0].use_gso);
  EXPECT_EQ(sender_.sent[0].segment_size, 1252U);
}

TEST_F(GsoQueueTest, WholeTrainIsReservedAtOnce) {
  const packet::TrainRequest train{1, FlowOf(1), 1252, 4, 744};
  const packet::Reservation reservation = queue_.ReserveTrain(train, V4(), SendClass::kFromTun);
  EXPECT_EQ(reservation.count, 4U);
  EXPECT_EQ(reservation.bytes.size(), 3 * 1252U + 744U);
  producer_.Number(reservation, train);
  queue_.Commit();
  Drain();
  EXPECT_EQ(sender_.SentSizes(), (Sizes{{1252, 1252, 1252, 744}}));
}

TEST_F(GsoQueueTest, BurstOfMixedSizesOfOneFlowKeepsItsOrder) {
  for (const std::uint32_t size : {1228U, 834U, 1031U, 1228U, 834U}) {
    ASSERT_TRUE(producer_.Put(1, FlowOf(1), size, V4()));
  }
  Drain();
  EXPECT_EQ(sender_.SentSizes(), (Sizes{{1228, 834}, {1031}, {1228, 834}}));
  EXPECT_EQ(sender_.SentIds(), (Ids{0, 1, 2, 3, 4}));
}

TEST_F(GsoQueueTest, BurstOfMixedSizesOfFiveFlowsGathersBySizeAndLeavesLargestFirst) {
  std::uint32_t flow = 0;
  for (const std::uint32_t size : {1228U, 834U, 1031U, 1228U, 834U}) {
    ASSERT_TRUE(producer_.Put(1, FlowOf(flow++), size, V4()));
  }
  Drain();
  EXPECT_EQ(sender_.SentSizes(), (Sizes{{1228, 1228}, {1031}, {834, 834}}));
  EXPECT_EQ(sender_.SentIds(), (Ids{0, 3, 2, 1, 4}));
}

TEST_F(GsoQueueTest, StrangersSmallPacketDoesNotSealATrain) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(2), 80, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(2), 80, V4()));
  Drain();
  EXPECT_EQ(sender_.SentSizes(), (Sizes{{1252, 1252}, {80, 80}}));
}

TEST_F(GsoQueueTest, ShortEndJoinsOnlyBehindItsOwnFlow) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(2), 1252, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 744, V4()));
  Drain();
  EXPECT_EQ(sender_.SentSizes(), (Sizes{{1252, 1252}, {744}}));
}

TEST_F(GsoQueueTest, ShortEndSealsItsTrain) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 744, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(2), 1252, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 700, V4()));
  Drain();
  EXPECT_EQ(sender_.SentSizes(), (Sizes{{1252, 744}, {1252}, {700}}));
  EXPECT_EQ(sender_.sent[0].epoch, sender_.sent[2].epoch);
}

TEST_F(GsoQueueTest, TrainOfSeveralSmallerDatagramsIsNoShortEnd) {
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1252, 3, 1252}, V4()));
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 600, 3, 600}, V4()));
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(2), 1252, 2, 1252}, V4()));
  Drain();
  EXPECT_EQ(sender_.SentSizes(), (Sizes{{1252, 1252, 1252, 1252, 1252}, {600, 600, 600}}));
}

TEST_F(GsoQueueTest, LargerDatagramOfAFlowThatWaitsInASmallerBatchStartsAnEpoch) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 300, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(2), 80, V4()));
  Drain();
  EXPECT_EQ(sender_.SentSizes(), (Sizes{{300}, {1252}, {80}}));
  EXPECT_LT(sender_.sent[0].epoch, sender_.sent[1].epoch);
  EXPECT_EQ(sender_.sent[1].epoch, sender_.sent[2].epoch);
  EXPECT_EQ(queue_.counters().epochs, 1U);
}

TEST_F(GsoQueueTest, FlowThatIsNotInALaterEpochStillJoinsAnEarlierOne) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 300, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(2), 300, V4()));
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{0, 2, 1}));
  EXPECT_EQ(sender_.SentSizes(), (Sizes{{300, 300}, {1252}}));
}

TEST_F(GsoQueueTest, FlowJoinsNothingInFrontOfItsLastDatagram) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(3), 1252, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(2), 700, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 700, V4()));  // joins flow 2: flow 3 ends the other batch
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, V4()));
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{0, 1, 2, 3, 4}));
  EXPECT_EQ(sender_.SentSizes(), (Sizes{{1252, 1252}, {700, 700}, {1252}}));
}

TEST_F(GsoQueueTest, CollidingFlowsCostATrainAndNeverOrder) {
  std::uint32_t other = FlowOf(1) + 1;
  while (FlowMask::PositionOf(other) != FlowMask::PositionOf(FlowOf(1))) ++other;
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 300, V4()));
  ASSERT_TRUE(producer_.Put(1, other, 1252, V4()));
  Drain();
  EXPECT_EQ(sender_.SentSizes(), (Sizes{{300}, {1252}}));
}

TEST_F(GsoQueueTest, EqualSizesLeaveInOrderOfCreation) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 500, V4(0)));
  ASSERT_TRUE(producer_.Put(1, FlowOf(2), 500, V4(1)));
  ASSERT_TRUE(producer_.Put(1, FlowOf(3), 500, V4(2)));
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{0, 1, 2}));
}

TEST_F(GsoQueueTest, AttributesDivideBatchesAndNotTheOrderOfAFlow) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, V4(2)));
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, V4(3)));  // congestion experienced
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, V4(2)));  // must not join the first
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, V4(2)));
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, WithSource(V4(2), "192.0.2.9")));
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{0, 1, 2, 3, 4}));
  EXPECT_EQ(sender_.sent.size(), 4U);
  EXPECT_EQ(sender_.sent[1].path.tos, 3);
  EXPECT_EQ(sender_.sent[3].path.source.address.ToString(), "192.0.2.9");
}

TEST_F(GsoQueueTest, OtherFlowOfEqualAttributesJoinsTheOldestBatchThatAccepts) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, V4(2)));
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, V4(3)));
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1252, V4(2)));
  ASSERT_TRUE(producer_.Put(1, FlowOf(2), 1252, V4(2)));
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{0, 3, 1, 2}));
}

TEST_F(GsoQueueTest, WhatIsQueuedToTheOldEndpointLeavesFirst) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 100, PathTo("192.0.2.1:1")));
  queue_.StartEpoch(1);
  ASSERT_TRUE(producer_.Put(1, FlowOf(2), 1252, PathTo("192.0.2.2:1")));
  queue_.StartEpoch(1);
  ASSERT_TRUE(producer_.Put(1, FlowOf(3), 100, PathTo("192.0.2.1:1")));  // must not join the first
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{0, 1, 2}));
  EXPECT_EQ(queue_.counters().epochs, 2U);
}

TEST_F(GsoQueueTest, EpochOfAPeerWithNothingQueuedNeedsNoRoom) {
  for (std::uint32_t peer = 0; peer < 1000; ++peer) queue_.StartEpoch(peer);
  EXPECT_EQ(queue_.counters().epochs, 0U);
  EXPECT_TRUE(queue_.IsEmpty());
}

TEST_F(GsoQueueTest, PeersDoNotShareBatchesOrEpochs) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 300, V4()));
  ASSERT_TRUE(producer_.Put(2, FlowOf(1), 1252, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(2), 300, V4()));
  ASSERT_TRUE(producer_.Put((1U << 20) - 1, FlowOf(1), 300, V4()));
  Drain();
  EXPECT_EQ(sender_.SentSizes(), (Sizes{{300, 300}, {1252}, {300}}));
  EXPECT_EQ(queue_.counters().epochs, 0U);
}

TEST_F(GsoQueueTest, BatchHoldsAtMost64Segments) {
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 100, 128, 60}, V4()));
  Drain();
  ASSERT_EQ(sender_.sent.size(), 2U);
  EXPECT_EQ(sender_.sent[0].datagrams.size(), 64U);
  EXPECT_EQ(sender_.sent[1].datagrams.size(), 64U);
  EXPECT_EQ(sender_.sent[1].datagrams.back().size, 60U);
}

TEST_F(GsoQueueTest, BatchHoldsWhatOneUdpDatagramCarries) {
  const std::uint32_t half_v4 = kMaxSendBytesV4 / 2;
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), half_v4, 3, half_v4}, V4()));
  const std::uint32_t half_v6 = kMaxSendBytesV6 / 2 + 1;
  ASSERT_TRUE(producer_.PutTrain({2, FlowOf(1), half_v6, 2, half_v6}, V6()));
  Drain();
  EXPECT_EQ(sender_.SentSizes(), (Sizes{{half_v4, half_v4}, {half_v6}, {half_v4}, {half_v6}}));
}

TEST_F(GsoQueueTest, ShortEndMayFillWhatEqualSegmentsLeave) {
  const std::uint32_t left = kMaxSendBytesV4 - 52 * 1252;
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1252, 53, left}, V4()));
  ASSERT_TRUE(producer_.PutTrain({2, FlowOf(1), 1252, 53, left + 1}, V4()));
  Drain();
  ASSERT_EQ(sender_.sent.size(), 3U);
  EXPECT_EQ(sender_.sent[0].datagrams.size(), 53U);
  EXPECT_EQ(sender_.sent[1].datagrams.size(), 52U);
  EXPECT_EQ(sender_.sent[2].sizes(), (std::vector<std::uint32_t>{left + 1}));
}

TEST_F(GsoQueueTest, TrainIsGrantedInPieces) {
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1252, 44, 1252}, V4()));
  const packet::TrainRequest train{1, FlowOf(1), 1252, 44, 744};
  const packet::Reservation first = queue_.ReserveTrain(train, V4(), SendClass::kFromTun);
  EXPECT_EQ(first.count, 8U);
  EXPECT_EQ(first.bytes.size(), 8 * 1252U);
  queue_.Rollback();
  ASSERT_TRUE(producer_.PutTrain(train, V4()));
  Drain();
  ASSERT_EQ(sender_.sent.size(), 2U);
  EXPECT_EQ(sender_.sent[0].datagrams.size(), 52U);
  EXPECT_EQ(sender_.sent[1].datagrams.size(), 36U);
  EXPECT_EQ(sender_.sent[1].datagrams.back().size, 744U);
}

TEST_F(GsoQueueTest, WhatNoDatagramCanCarryIsRefused) {
  const auto refused = [&](const packet::TrainRequest& train, const packet::DatagramPath& path) {
    return !queue_.ReserveTrain(train, path, SendClass::kFromTun).granted();
  };
  EXPECT_TRUE(refused({1, 1, GsoQueue::kMaxSegmentSize + 1, 1, 1}, V4()));
  EXPECT_TRUE(refused({1, 1, 0, 1, 0}, V4()));
  EXPECT_TRUE(refused({1, 1, 100, 0, 100}, V4()));
  EXPECT_TRUE(refused({1, 1, 100, 2, 101}, V4()));
  EXPECT_TRUE(refused({1, 1, 100, 2, 0}, V4()));
  EXPECT_TRUE(refused({1, 1, 100, 1, 100}, packet::DatagramPath{}));
  EXPECT_TRUE(queue_.IsEmpty());
  ASSERT_TRUE(producer_.Put(1, 1, GsoQueue::kMaxSegmentSize, V6()));
}

TEST_F(GsoQueueTest, RollbackLeavesTheQueueAsItWas) {
  // Of the first datagram of all.
  static_cast<void>(queue_.ReserveTrain({1, FlowOf(1), 100, 1, 100}, V4(), SendClass::kFromTun));
  queue_.Rollback();
  EXPECT_TRUE(queue_.IsEmpty());
  EXPECT_TRUE(queue_.InvariantsHold());
  EXPECT_EQ(queue_.counters().batches, 0U);

  // Of a short end: the train stays open. Of what would have started an epoch: none starts.
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 300, V4()));
  static_cast<void>(queue_.ReserveTrain({1, FlowOf(1), 200, 1, 200}, V4(), SendClass::kFromTun));
  queue_.Rollback();
  static_cast<void>(queue_.ReserveTrain({1, FlowOf(1), 1252, 1, 1252}, V4(), SendClass::kFromTun));
  queue_.Rollback();
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 300, V4()));
  ASSERT_TRUE(producer_.Put(1, FlowOf(2), 1252, V4()));
  Drain();
  EXPECT_EQ(sender_.SentSizes(), (Sizes{{1252}, {300, 300}}));
  EXPECT_EQ(queue_.counters().epochs, 0U);
}

TEST_F(GsoQueueTest, RolledBackFlowIsNotRememberedByTheBatch) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 300, V4()));
  static_cast<void>(queue_.ReserveTrain({1, FlowOf(2), 300, 1, 300}, V4(), SendClass::kFromTun));
  queue_.Rollback();
  ASSERT_TRUE(producer_.Put(1, FlowOf(2), 1252, V4()));
  EXPECT_EQ(queue_.counters().epochs, 0U);
}

TEST_F(GsoQueueTest, BytesAreWhereTheSenderFindsThem) {
  const packet::TrainRequest train{1, FlowOf(1), 64, 2, 32};
  const packet::Reservation reservation = queue_.ReserveTrain(train, V4(), SendClass::kFromTun);
  for (std::size_t i = 0; i < reservation.bytes.size(); ++i) {
    reservation.bytes[i] = static_cast<std::uint8_t>(i);
  }
  queue_.Commit();
  std::vector<std::uint8_t> seen;
  sender_.answer = [&](const SendBatch& batch) {
    seen.assign(batch.bytes.begin(), batch.bytes.end());
    return SendResult{batch.count, 0};
  };
  Drain();
  ASSERT_EQ(seen.size(), 96U);
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], i);
}

// --- room

TEST_F(GsoQueueTest, ReserveIsTheWorstSuperPacket) {
  FillBuffers(0, kBufferCount - kBuffersPerSuperPacket, V4());
  EXPECT_TRUE(queue_.HasRoomForSuperPacket());
  constexpr std::uint32_t payload = packet::kMaxSuperPacketSize / packet::kMaxSegments;
  const std::uint32_t segment = payload + 120 + 15 + 32;
  EXPECT_TRUE(producer_.PutTrain({9999, 1, segment, packet::kMaxSegments, segment}, V6()));
  EXPECT_FALSE(queue_.HasRoomForSuperPacket());
  EXPECT_FALSE(producer_.Put(10000, 1, 100, V4()));
  Drain();
  EXPECT_TRUE(queue_.HasRoomForSuperPacket());
}

TEST_F(GsoQueueTest, EverySuperPacketFitsTheReserve) {
  for (std::uint32_t n = 2; n <= packet::kMaxSegments; ++n) {
    GsoQueue queue;
    Producer producer(queue);
    for (std::uint32_t i = 0;
         queue.HasRoomForSuperPacket() && i + kBuffersPerSuperPacket < kBufferCount; ++i) {
      ASSERT_TRUE(producer.Put(i, 1, 100, V6()));
    }
    const std::uint32_t segment = 65535 / n + 120 + 15 + 32;
    ASSERT_TRUE(producer.PutTrain({9999, 1, segment, n, segment}, V6())) << n;
  }
}

TEST_F(GsoQueueTest, SlowPathNeverTakesTheReserve) {
  FillBuffers(0, kBufferCount - kBuffersPerSuperPacket - 1, V4());
  const std::uint32_t two_buffers = 65;
  EXPECT_FALSE(producer_.PutTrain({5000, 1, 100, two_buffers, 100}, V4(), SendClass::kSlowPath));
  EXPECT_TRUE(producer_.Put(5000, 1, 100, V4(), SendClass::kSlowPath));
  EXPECT_FALSE(producer_.Put(5001, 1, 100, V4(), SendClass::kSlowPath));
  EXPECT_TRUE(producer_.Put(5000, 2, 100, V4(), SendClass::kSlowPath)) << "joining takes nothing";
  EXPECT_TRUE(queue_.HasRoomForSuperPacket());
  EXPECT_TRUE(producer_.Put(5001, 1, 100, V4(), SendClass::kFromTun));
}

TEST_F(GsoQueueTest, NothingIsGrantedOfATrainThatDoesNotFitWhole) {
  FillBuffers(0, kBufferCount - 1, V4());
  const packet::TrainRequest train{0, FlowOf(0), 100, 128,
                                   100};  // 63 would join, 65 need 2 buffers
  EXPECT_FALSE(queue_.ReserveTrain(train, V4(), SendClass::kFromTun).granted());
  Drain();
  EXPECT_EQ(queue_.counters().data_datagrams, kBufferCount - 1);
}

TEST_F(GsoQueueTest, LightLoadUsesTheSameBufferAgainAndAgain) {
  std::uint8_t* first = nullptr;
  for (int i = 0; i < 100; ++i) {
    const packet::Reservation reservation =
        queue_.ReserveTrain({1, FlowOf(1), 100, 1, 100}, V4(), SendClass::kFromTun);
    if (first == nullptr) first = reservation.bytes.data();
    EXPECT_EQ(reservation.bytes.data(), first);
    StoreLe32(reservation.bytes.data(), 0);
    queue_.Commit();
    Drain();
  }
}

}  // namespace
}  // namespace adit::io
