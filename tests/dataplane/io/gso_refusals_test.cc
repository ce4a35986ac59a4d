#include "dataplane/io/gso_refusals.h"

#include <cerrno>

#include "dataplane/io/gso_buffer_pause.h"
#include "tests/dataplane/io/gso_support.h"

// What the kernel refuses, by errno.
namespace adit::io {
namespace {

TEST_F(GsoQueueTest, MessageTooLongIsSentAtOnceWithoutGsoAndGsoStaysOffThereFor60Seconds) {
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1400, 3, 700}, V4()));
  sender_.Fail(EMSGSIZE);
  const DrainReport& first = Drain();
  ASSERT_EQ(sender_.attempts.size(), 2U);
  EXPECT_TRUE(sender_.attempts[0].use_gso);
  EXPECT_FALSE(sender_.attempts[1].use_gso);
  EXPECT_EQ(sender_.SentIds(), (Ids{0, 1, 2}));
  ASSERT_EQ(first.refusals.size(), 1U);
  EXPECT_EQ(first.refusals[0].error, EMSGSIZE);
  EXPECT_EQ(first.refusals[0].remedy, Remedy::kWithoutGsoToDestination);
  EXPECT_EQ(first.refusals[0].destination, V4().remote);
  EXPECT_EQ(queue_.counters().datagrams_without_gso, 3U);

  sender_.Clear();
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1400, 3, 700}, V4()));
  ASSERT_TRUE(producer_.PutTrain({2, FlowOf(1), 1400, 3, 700}, PathTo("192.0.2.2:51820")));
  Drain(seconds(60) - milliseconds(1));
  EXPECT_FALSE(sender_.attempts[0].use_gso);
  EXPECT_TRUE(sender_.attempts[1].use_gso) << "another destination";

  sender_.Clear();
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1400, 3, 700}, V4()));
  Drain(seconds(60));
  EXPECT_TRUE(sender_.attempts[0].use_gso);
}

TEST_F(GsoQueueTest, RouteEventAllowsGsoAgain) {
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1400, 3, 700}, V4()));
  sender_.Fail(EMSGSIZE);
  Drain();
  queue_.HandleRouteEvent();
  sender_.Clear();
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1400, 3, 700}, V4()));
  Drain();
  EXPECT_TRUE(sender_.attempts[0].use_gso);
}

TEST_F(GsoQueueTest, LoneDatagramThatIsTooLongIsDropped) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 1400, V4()));
  sender_.Fail(EMSGSIZE);
  Drain();
  EXPECT_EQ(sender_.attempts.size(), 1U);
  EXPECT_EQ(queue_.counters().refused_by_errno[EMSGSIZE], 1U);
  EXPECT_TRUE(queue_.IsEmpty());
}

TEST_F(GsoQueueTest, InvalidOrUnreachableWithASourceIsSentOnceMoreWithoutIt) {
  for (const int error : {EINVAL, ENETUNREACH}) {
    sender_.Clear();
    ASSERT_TRUE(producer_.PutTrain({5, FlowOf(1), 1400, 3, 700}, WithSource(V4(), "192.0.2.9")));
    sender_.Fail(error);
    const DrainReport& report = Drain();
    ASSERT_EQ(sender_.attempts.size(), 2U);
    EXPECT_EQ(sender_.attempts[1].path.source, packet::LocalSource{});
    EXPECT_TRUE(sender_.attempts[1].use_gso);
    EXPECT_EQ(sender_.SentIds().size(), 3U);
    ASSERT_EQ(report.forgotten_sources.size(), 1U);
    EXPECT_EQ(report.forgotten_sources[0].peer, 5U);
    EXPECT_EQ(report.forgotten_sources[0].source.address.ToString(), "192.0.2.9");
  }
}

TEST_F(GsoQueueTest, InvalidWithoutASourceTurnsGsoOffFromTheFirstUnsentDatagram) {
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1400, 3, 700}, WithSource(V4(), "192.0.2.9")));
  sender_.Fail(EINVAL, 2);
  Drain();
  ASSERT_EQ(sender_.attempts.size(), 3U);
  EXPECT_TRUE(sender_.attempts[1].use_gso);
  EXPECT_FALSE(sender_.attempts[2].use_gso);
  EXPECT_EQ(sender_.SentIds(), (Ids{0, 1, 2}));

  sender_.Clear();
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1400, 3, 700}, V4()));
  Drain();
  EXPECT_FALSE(sender_.attempts[0].use_gso) << "off for the destination";
}

TEST_F(GsoQueueTest, InvalidWithNeitherSourceNorGsoIsDropped) {
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1400, 3, 700}, WithSource(V4(), "192.0.2.9")));
  sender_.Fail(EINVAL, 3);
  Drain();
  EXPECT_EQ(sender_.attempts.size(), 3U);
  EXPECT_EQ(queue_.counters().refused_by_errno[EINVAL], 3U);
  EXPECT_TRUE(queue_.IsEmpty());
}

TEST_F(GsoQueueTest, RefusedBatchIsDroppedAndTheNextGoesOn) {
  const std::array errors = {EPERM, EACCES, ENETUNREACH, EHOSTUNREACH, ENETDOWN, ENODEV};
  for (const int error : errors) {
    sender_.Clear();
    ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1400, 3, 700}, V4()));
    ASSERT_TRUE(producer_.Put(1, FlowOf(2), 100, V4()));
    sender_.Fail(error);
    const DrainReport& report = Drain();
    EXPECT_EQ(sender_.attempts.size(), 2U);
    EXPECT_EQ(sender_.sent.size(), 1U);
    EXPECT_EQ(queue_.counters().refused_by_errno[static_cast<std::size_t>(error)], 3U);
    ASSERT_EQ(report.refusals.size(), 1U);
    EXPECT_EQ(report.refusals[0].error, error);
    EXPECT_EQ(report.refusals[0].remedy, Remedy::kDrop);
    EXPECT_FALSE(report.is_suspended());
  }
  EXPECT_EQ(queue_.counters().refused_datagrams, 3 * errors.size());
}

TEST_F(GsoQueueTest, RefusalIsReportedOnceAndCountedEveryTime) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(producer_.Put(1, FlowOf(1), 100, V4()));
    sender_.Fail(EPERM);
    EXPECT_EQ(Drain().refusals.size(), i == 0 ? 1U : 0U);
  }
  EXPECT_EQ(queue_.counters().refused_by_errno[EPERM], 3U);
  EXPECT_EQ(queue_.counters().remedies[static_cast<std::size_t>(Remedy::kDrop)], 3U);
  queue_.HandleRouteEvent();
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 100, V4()));
  sender_.Fail(EPERM);
  EXPECT_EQ(Drain().refusals.size(), 1U);
}

TEST_F(GsoQueueTest, PendingErrorIsSentOnceMoreBeforeTheBatchIsDropped) {
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1400, 3, 700}, V4()));
  sender_.Fail(ECONNREFUSED);
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{0, 1, 2}));
  EXPECT_EQ(queue_.counters().refused_datagrams, 0U);

  sender_.Clear();
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1400, 3, 700}, V4()));
  sender_.Fail(ECONNREFUSED, 2);
  Drain();
  EXPECT_EQ(sender_.attempts.size(), 2U);
  EXPECT_EQ(queue_.counters().refused_by_errno[ECONNREFUSED], 3U);
}

TEST_F(GsoQueueTest, EachDatagramSentSinglyMayMeetAPendingError) {
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1400, 3, 700}, V4()));
  sender_.script = {{0, EMSGSIZE}, {1, ECONNREFUSED}, {1, ECONNREFUSED}, {1, 0}};
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{0, 1, 2}));
}

TEST_F(GsoQueueTest, InputOutputErrorTurnsGsoOffOnThatSocket) {
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1400, 3, 700}, V4()));
  sender_.Fail(EIO);
  Drain();
  EXPECT_EQ(sender_.SentIds(), (Ids{0, 1, 2}));
  sender_.Clear();
  ASSERT_TRUE(producer_.PutTrain({2, FlowOf(1), 1400, 3, 700}, PathTo("192.0.2.77:1")));
  ASSERT_TRUE(producer_.PutTrain({3, FlowOf(1), 1400, 3, 700}, V6()));
  Drain(seconds(100));
  EXPECT_FALSE(sender_.attempts[0].use_gso);
  EXPECT_TRUE(sender_.attempts[1].use_gso) << "the other family's socket";

  // Another device may take it: tried again, and learned again.
  for (const bool is_route_event : {true, false}) {
    is_route_event ? queue_.HandleRouteEvent() : queue_.HandleSocketReplaced(IpFamily::kV4);
    for (const bool is_refused : {true, false}) {
      sender_.Clear();
      if (is_refused) sender_.Fail(EIO);
      ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1400, 3, 700}, V4()));
      Drain(seconds(100));
      EXPECT_EQ(sender_.attempts[0].use_gso, is_refused);
      EXPECT_EQ(sender_.SentIds().size(), 3U);
    }
  }
}

TEST_F(GsoQueueTest, SocketThatBearsNoGsoIsNeverAskedTo) {
  queue_.HandleSocketReplaced(IpFamily::kV4, false);
  queue_.HandleRouteEvent();
  ASSERT_TRUE(producer_.PutTrain({1, FlowOf(1), 1400, 3, 700}, V4()));
  EXPECT_TRUE(Drain().refusals.empty());
  ASSERT_EQ(sender_.attempts.size(), 1U);
  EXPECT_FALSE(sender_.attempts[0].use_gso);
}

TEST_F(GsoQueueTest, NoBuffersIsSentAgainAfterAPause) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 100, V4()));
  sender_.pause_limit = 100;
  sender_.Fail(ENOBUFS, 5);
  EXPECT_FALSE(Drain().is_suspended());
  EXPECT_EQ(sender_.pauses, (std::vector<std::uint32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(sender_.SentIds().size(), 1U);
}

TEST_F(GsoQueueTest, NoBuffersForAMillisecondSuspendsWithATimer) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 100, V4()));
  ASSERT_TRUE(producer_.Put(2, FlowOf(1), 100, V4()));
  ASSERT_TRUE(producer_.Put(3, FlowOf(1), 100, V6()));
  sender_.pause_limit = 3;
  sender_.Fail(ENOBUFS, 4);
  const DrainReport& report = Drain();
  EXPECT_FALSE(report.await_writable[0]) << "it polls writable all the time";
  EXPECT_EQ(report.retry_at, At(milliseconds(1)));
  EXPECT_EQ(queue_.PollTimeout(), At(milliseconds(1)));
  EXPECT_EQ(sender_.SentIds(), (Ids{2}));

  Drain(microseconds(999));
  EXPECT_EQ(sender_.SentIds(), (Ids{2}));
  Drain(milliseconds(1));
  EXPECT_EQ(sender_.SentIds(), (Ids{2, 0, 1}));
  EXPECT_EQ(queue_.PollTimeout(), Instant::Max());
}

TEST_F(GsoQueueTest, OneDrainPausesForOneMillisecondAltogether) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 100, V4()));
  ASSERT_TRUE(producer_.Put(2, FlowOf(1), 100, V6()));
  sender_.pause_limit = 2;
  sender_.answer = [](const SendBatch&) { return SendResult{0, ENOBUFS}; };
  Drain();
  EXPECT_EQ(sender_.pauses, (std::vector<std::uint32_t>{0, 1, 2, 3}));
}

TEST_F(GsoQueueTest, SilentSenderSuspendsInsteadOfSpinning) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 100, V4()));
  sender_.script = {{0, 0}};
  EXPECT_TRUE(Drain().await_writable[0]);
  EXPECT_EQ(sender_.attempts.size(), 1U);
}

TEST_F(GsoQueueTest, RefusedControlIsDroppedAndItsSourceForgotten) {
  ASSERT_TRUE(producer_.PutControl(WithSource(V4(), "192.0.2.9")));
  ASSERT_TRUE(producer_.PutControl(V4()));
  sender_.script = {{0, EINVAL}, {0, EPERM}, {1, 0}};
  const DrainReport& report = Drain();
  ASSERT_EQ(report.forgotten_sources.size(), 1U);
  EXPECT_EQ(report.forgotten_sources[0].peer, ForgottenSource::kNoPeer);
  EXPECT_EQ(sender_.SentIds(), (Ids{1}));
  EXPECT_EQ(queue_.counters().refused_by_errno[EPERM], 1U);
}

TEST_F(GsoQueueTest, UnknownErrnoIsCountedAside) {
  ASSERT_TRUE(producer_.Put(1, FlowOf(1), 100, V4()));
  sender_.Fail(512);
  Drain();
  EXPECT_EQ(queue_.counters().refused_by_errno[0], 1U);
}

// Whatever the kernel keeps saying, a batch is sent, waits or is dropped within a few attempts.
TEST(RemedyFor, EveryErrnoComesToAnEnd) {
  for (int error = 0; error < 200; ++error) {
    GsoQueue queue;
    Producer producer(queue);
    ASSERT_TRUE(producer.PutTrain({1, FlowOf(1), 1400, 3, 700}, WithSource(V4(), "192.0.2.9")));
    ScriptedSender sender;
    sender.answer = [error](const SendBatch&) { return SendResult{0, error}; };
    queue.Drain(sender, At({}));
    EXPECT_LE(sender.attempts.size(), 4U) << error;
  }
}

TEST(RefusalMemory, RemembersTheDestinationsThatRefusedLast) {
  RefusalMemory memory;
  const auto address = [](int i) {
    return IpAddress::Parse("10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256))
        .value();
  };
  for (int i = 0; i < 100; ++i) memory.TurnGsoOffTo(address(i), At(milliseconds(i)));
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(memory.AllowsGso(address(i), At(milliseconds(100))), i < 36) << i;
  }
  // Refused again: the time begins anew, and no second place is taken.
  memory.TurnGsoOffTo(address(36), At(seconds(30)));
  EXPECT_FALSE(memory.AllowsGso(address(36), At(seconds(80))));
  EXPECT_TRUE(memory.AllowsGso(address(37), At(seconds(80))));
}

// --- the pause after ENOBUFS

class TickingClock final : public Clock {
 public:
  [[nodiscard]] Now Read() const override {
    now_ = now_ + microseconds(100);
    return {now_, {}};
  }

 private:
  mutable Instant now_;
};

TEST(BufferPause, IsOverAfterAMillisecond) {
  const TickingClock clock;
  BufferPause pause(clock);
  for (int round = 0; round < 2; ++round) {
    std::uint32_t attempt = 0;
    while (pause.Pause(attempt)) ++attempt;
    EXPECT_EQ(attempt, 10U);
  }
}

TEST(BufferPause, SpinsThenYieldsAndEndsOnTheRealClock) {
  const SystemClock clock;
  BufferPause pause(clock);
  const Instant started = clock.Read().boot;
  std::uint32_t attempt = 0;
  while (pause.Pause(attempt)) ++attempt;
  EXPECT_GT(attempt, 0U);
  EXPECT_GE(clock.Read().boot - started, BufferPause::kLimit);
}

}  // namespace
}  // namespace adit::io
