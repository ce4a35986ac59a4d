// Rules R8 to R11 and R18: timers and session lifetimes, on the protocol without an engine.
#include "dataplane/wireguard/constants.h"
#include "tests/dataplane/wireguard/side.h"

namespace adit::wireguard {
namespace {

using testing::Initiation;
using testing::Response;
using testing::Side;

class TimerRules : public testing::ProtocolPair {
 protected:
  // Both have a session: a_ as its initiator.
  void Connect() {
    Handshake(a_, b_);
    ours_ = a_.peer->SendSession(now_.boot);
    theirs_ = b_.peer->SendSession(now_.boot);
    ASSERT_TRUE(ours_ != nullptr && theirs_ != nullptr);
    connected_ = now_.boot;
  }
  void AdvanceTo(Instant instant) { Advance(instant - now_.boot); }
  // Whether an initiation is due when all timers up to `now` have fired.
  bool Initiates(Side& side) {
    (void)side.peer->HandleTimeout(now_);
    return side.Poll(now_).has_value();
  }

  Session* ours_ = nullptr;
  Session* theirs_ = nullptr;
  Instant connected_;
};

TEST_F(TimerRules, R08_ASessionSendsUntil180SecondsAndNotAfter) {
  Connect();
  AdvanceTo(connected_ + kRejectAfterTime - Duration(1));
  EXPECT_EQ(a_.peer->SendSession(now_.boot), ours_);
  EXPECT_TRUE(theirs_->IsFresh(now_.boot));
  AdvanceTo(connected_ + kRejectAfterTime);
  EXPECT_EQ(a_.peer->SendSession(now_.boot), nullptr);
  EXPECT_EQ(b_.peer->SendSession(now_.boot), nullptr);
  EXPECT_FALSE(theirs_->IsFresh(now_.boot)) << "nor does it receive";
}

TEST_F(TimerRules, R08_CountersAreGivenOutOnceInOrderAndEndBeforeRejectAfterMessages) {
  Connect();
  EXPECT_EQ(ours_->ReserveCounters(3), 0U);
  EXPECT_EQ(ours_->ReserveCounters(1), 3U);
  ours_->send_counter = (std::uint64_t{1} << 32) - 1;
  EXPECT_EQ(ours_->ReserveCounters(2), (std::uint64_t{1} << 32) - 1);
  EXPECT_EQ(ours_->ReserveCounters(1), (std::uint64_t{1} << 32) + 1) << "64 bits wide";
  ours_->send_counter = kRejectAfterMessages - 2;
  EXPECT_EQ(ours_->ReserveCounters(3), std::nullopt);
  EXPECT_EQ(ours_->ReserveCounters(2), kRejectAfterMessages - 2);
  EXPECT_EQ(ours_->ReserveCounters(1), std::nullopt);
  EXPECT_EQ(a_.peer->SendSession(now_.boot), nullptr);
}

TEST_F(TimerRules, R08_EitherSideRekeysAfterTooManyMessages) {
  Connect();
  AdvanceTo(connected_ + seconds(10));
  ours_->send_counter = kRekeyAfterMessages;
  theirs_->send_counter = kRekeyAfterMessages;
  a_.peer->OnDataSent(*ours_, now_.boot);
  b_.peer->OnDataSent(*theirs_, now_.boot);
  EXPECT_FALSE(Initiates(a_) || Initiates(b_));
  ++ours_->send_counter;
  ++theirs_->send_counter;
  a_.peer->OnDataSent(*ours_, now_.boot);
  b_.peer->OnDataSent(*theirs_, now_.boot);
  EXPECT_TRUE(Initiates(a_));
  EXPECT_TRUE(Initiates(b_)) << "the responder too";
}

TEST_F(TimerRules, R09_ReceivedDataIsFollowedByAKeepaliveWithinTenSeconds) {
  Connect();
  (void)b_.peer->OnAuthenticated(*theirs_, true, now_.boot);
  AdvanceTo(connected_ + kKeepaliveTimeout - Duration(1));
  (void)b_.peer->HandleTimeout(now_);
  EXPECT_FALSE(b_.peer->PollKeepalive());
  AdvanceTo(connected_ + kKeepaliveTimeout);
  (void)b_.peer->HandleTimeout(now_);
  EXPECT_TRUE(b_.peer->PollKeepalive());
  EXPECT_FALSE(b_.peer->PollKeepalive()) << "once";
}

TEST_F(TimerRules, R09_KeepalivesDoNotAnswerEachOther) {
  Connect();
  for (int i = 0; i < 5; ++i) {
    (void)b_.peer->OnAuthenticated(*theirs_, false, now_.boot);
    Advance(seconds(11));
    (void)b_.peer->HandleTimeout(now_);
    EXPECT_FALSE(b_.peer->PollKeepalive());
  }
}

TEST_F(TimerRules, R09_AnythingSentCancelsTheKeepalive) {
  Connect();
  for (const bool is_data : {true, false}) {
    (void)b_.peer->OnAuthenticated(*theirs_, true, now_.boot);
    Advance(seconds(3));
    if (is_data) {
      b_.peer->OnDataSent(*theirs_, now_.boot);
    } else {
      b_.peer->OnKeepaliveSent(*theirs_, now_.boot);
    }
    Advance(seconds(9));
    (void)b_.peer->HandleTimeout(now_);
    EXPECT_FALSE(b_.peer->PollKeepalive());
  }
}

TEST_F(TimerRules, R09_ASecondPacketWhileItRunsGivesOneMoreKeepalive) {
  Connect();
  (void)b_.peer->OnAuthenticated(*theirs_, true, now_.boot);
  AdvanceTo(connected_ + seconds(6));
  (void)b_.peer->OnAuthenticated(*theirs_, true, now_.boot);
  int keepalives = 0;
  for (int second = 7; second < 60; ++second) {
    AdvanceTo(connected_ + seconds(second));
    (void)b_.peer->HandleTimeout(now_);
    if (b_.peer->PollKeepalive()) {
      ++keepalives;
      EXPECT_TRUE(second == 10 || second == 20) << second;
      b_.peer->OnKeepaliveSent(*theirs_, now_.boot);
    }
  }
  EXPECT_EQ(keepalives, 2);
}

TEST_F(TimerRules, R09_PersistentKeepaliveIsReArmedByEveryAuthenticatedPacket) {
  Connect();
  a_.peer->SetPersistentKeepalive(25, now_.boot);
  (void)a_.peer->HandleTimeout(now_);
  EXPECT_TRUE(a_.peer->PollKeepalive()) << "at once when set";
  a_.peer->OnKeepaliveSent(*ours_, now_.boot);
  AdvanceTo(connected_ + seconds(20));
  (void)a_.peer->OnAuthenticated(*ours_, false, now_.boot);
  AdvanceTo(connected_ + seconds(44));
  (void)a_.peer->HandleTimeout(now_);
  EXPECT_FALSE(a_.peer->PollKeepalive());
  AdvanceTo(connected_ + seconds(45));
  (void)a_.peer->HandleTimeout(now_);
  EXPECT_TRUE(a_.peer->PollKeepalive());
  a_.peer->OnKeepaliveSent(*ours_, now_.boot);
  a_.peer->SetPersistentKeepalive(25, now_.boot);
  (void)a_.peer->HandleTimeout(now_);
  EXPECT_FALSE(a_.peer->PollKeepalive()) << "the same value again wakes nobody";
  a_.peer->SetPersistentKeepalive(0, now_.boot);
  Advance(seconds(100));
  (void)a_.peer->HandleTimeout(now_);
  EXPECT_FALSE(a_.peer->PollKeepalive());
}

TEST_F(TimerRules, R10_OnlyTheInitiatorRekeysWhenItSendsAfter120Seconds) {
  Connect();
  AdvanceTo(connected_ + kRekeyAfterTime - Duration(1));
  a_.peer->OnDataSent(*ours_, now_.boot);
  b_.peer->OnDataSent(*theirs_, now_.boot);
  EXPECT_FALSE(a_.Poll(now_) || b_.Poll(now_));
  AdvanceTo(connected_ + kRekeyAfterTime);
  b_.peer->OnDataSent(*theirs_, now_.boot);
  EXPECT_FALSE(b_.Poll(now_)) << "the responder waits";
  a_.peer->OnKeepaliveSent(*ours_, now_.boot);
  EXPECT_TRUE(a_.Poll(now_)) << "a keepalive is sent too";
}

TEST_F(TimerRules, R10_OnlyTheInitiatorRekeysInTheLastMinuteOfReceivingAndOncePerSession) {
  Connect();
  AdvanceTo(connected_ + kLastMinuteAge - Duration(1));
  (void)a_.peer->OnAuthenticated(*ours_, true, now_.boot);
  EXPECT_FALSE(a_.Poll(now_));
  AdvanceTo(connected_ + kLastMinuteAge);
  EXPECT_EQ(kLastMinuteAge, seconds(165));
  (void)b_.peer->OnAuthenticated(*theirs_, true, now_.boot);
  EXPECT_FALSE(b_.Poll(now_));
  (void)a_.peer->OnAuthenticated(*ours_, true, now_.boot);
  const auto initiation = a_.Poll(now_);
  ASSERT_TRUE(initiation.has_value());
  // Answered or not, this session asks no second time.
  a_.peer->OnIdentityChanged();
  Advance(seconds(6));
  (void)a_.peer->OnAuthenticated(*ours_, true, now_.boot);
  EXPECT_TRUE(ours_->sent_last_minute_handshake);
}

TEST_F(TimerRules, R11_AnInitiationIsRepeatedEveryFiveSecondsAndJitterEachTimeAnew) {
  Initiation before = Initiate(a_);
  Instant sent = now_.boot;
  Duration least = seconds(100);
  Duration most{0};
  for (int i = 0; i < kMaxRetransmits; ++i) {
    const auto result = FireNext(a_);
    EXPECT_FALSE(result.gave_up);
    EXPECT_TRUE(result.clear_source) << "the sticky source is forgotten";
    const Duration gap = now_.boot - sent;
    EXPECT_GE(gap, kRekeyTimeout);
    EXPECT_LE(gap, kRekeyTimeout + kMaxJitter);
    least = std::min(least, gap);
    most = std::max(most, gap);
    const auto again = a_.Poll(now_);
    ASSERT_TRUE(again.has_value());
    EXPECT_FALSE(std::equal(again->begin() + 8, again->begin() + 40, before.begin() + 8))
        << "a fresh ephemeral";
    EXPECT_NE(LoadLe32(again->data() + kSenderAt), LoadLe32(before.data() + kSenderAt));
    before = *again;
    sent = now_.boot;
    // The timestamp is fresh: every one of them would be accepted.
    Response response{};
    EXPECT_EQ(b_.Consume(*again, now_, response), std::nullopt);
  }
  EXPECT_GT(most - least, milliseconds(50)) << "the jitter is one";
}

TEST_F(TimerRules, R11_GivesUpAfter90SecondsAndStartsAgainWithTheNextPacket) {
  (void)Initiate(a_);
  const Instant began = now_.boot;
  int sent = 1;
  bool gave_up = false;
  while (!gave_up) {
    gave_up = FireNext(a_).gave_up;
    sent += a_.Poll(now_) ? 1 : 0;
    ASSERT_LT(sent, 30);
  }
  EXPECT_EQ(sent, 20);
  EXPECT_GE(now_.boot - began, seconds(90));
  EXPECT_LE(now_.boot - began, 20 * (kRekeyTimeout + kMaxJitter));
  EXPECT_EQ(a_.indices.size(), 0U);
  EXPECT_FALSE(a_.Poll(now_));
  a_.peer->RequestHandshake(now_.boot);
  EXPECT_TRUE(a_.Poll(now_)) << "the next packet starts again";
}

TEST_F(TimerRules, R11_AFreshPacketRestartsTheAttemptCounterButNotTheTimer) {
  (void)Initiate(a_);
  for (int i = 0; i < 100; ++i) {
    const Instant next = a_.peer->NextTimeout();
    a_.peer->RequestHandshake(now_.boot);
    EXPECT_EQ(a_.peer->NextTimeout(), next) << "what waits does not hurry the retransmit";
    EXPECT_FALSE(a_.Poll(now_));
    EXPECT_FALSE(FireNext(a_).gave_up);
    EXPECT_TRUE(a_.Poll(now_));
  }
}

TEST_F(TimerRules, R11_AtMostOneInitiationInFiveSecondsWhateverAsks) {
  Connect();
  AdvanceTo(connected_ + seconds(130));
  int sent = 0;
  for (int i = 0; i < 300; ++i) {  // 30 s
    Advance(milliseconds(100));
    a_.peer->OnDataSent(*ours_, now_.boot);
    a_.peer->RequestHandshake(now_.boot);
    (void)a_.peer->HandleTimeout(now_);
    sent += a_.Poll(now_) ? 1 : 0;
  }
  EXPECT_GE(sent, 5);
  EXPECT_LE(sent, 6);
}

TEST_F(TimerRules, R11_SilenceAfterSendingDataBringsANewHandshakeAfter15Seconds) {
  Connect();
  a_.peer->OnDataSent(*ours_, now_.boot);
  AdvanceTo(connected_ + seconds(10));
  a_.peer->OnDataSent(*ours_, now_.boot);  // does not move it
  AdvanceTo(connected_ + kNewHandshakeTimeout - Duration(1));
  EXPECT_FALSE(Initiates(a_));
  AdvanceTo(connected_ + kNewHandshakeTimeout + kMaxJitter);
  const auto result = a_.peer->HandleTimeout(now_);
  EXPECT_TRUE(result.clear_source);
  EXPECT_TRUE(a_.Poll(now_));
}

TEST_F(TimerRules, R11_AnythingAuthenticatedStopsThatClock) {
  Connect();
  a_.peer->OnDataSent(*ours_, now_.boot);
  AdvanceTo(connected_ + seconds(14));
  (void)a_.peer->OnAuthenticated(*ours_, false, now_.boot);
  AdvanceTo(connected_ + seconds(60));
  EXPECT_FALSE(Initiates(a_));
}

TEST_F(TimerRules, KeysAreErased540SecondsAfterTheLastSession) {
  Connect();
  AdvanceTo(connected_ + kZeroKeysTimeout - Duration(1));
  (void)a_.peer->HandleTimeout(now_);
  EXPECT_EQ(a_.indices.size(), 1U);
  AdvanceTo(connected_ + kZeroKeysTimeout);
  (void)a_.peer->HandleTimeout(now_);
  (void)b_.peer->HandleTimeout(now_);
  EXPECT_EQ(a_.indices.size(), 0U);
  EXPECT_EQ(b_.indices.size(), 0U);
  EXPECT_EQ(a_.arena->slots_in_use(), 1U) << "only the own private key is left";
}

TEST_F(TimerRules, HandshakeThatBeganAfterASleepOutlivesTheOldKeys) {
  Connect();
  AdvanceTo(connected_ + seconds(600));
  // A packet is first, and then come the timers that were due meanwhile.
  a_.peer->RequestHandshake(now_.boot);
  const auto initiation = a_.Poll(now_);
  ASSERT_TRUE(initiation.has_value());
  (void)a_.peer->HandleTimeout(now_);
  EXPECT_EQ(a_.indices.size(), 1U) << "the handshake's";
  EXPECT_EQ(a_.peer->HandleResponse(Respond(b_, *initiation), now_), std::nullopt);
  EXPECT_NE(a_.peer->SendSession(now_.boot), nullptr);
}

TEST_F(TimerRules, KeysAreErased540SecondsAfterGivingUpToo) {
  Connect();
  AdvanceTo(connected_ + seconds(300));
  (void)Initiate(a_);
  while (!FireNext(a_).gave_up) {
    (void)a_.Poll(now_);
  }
  EXPECT_EQ(a_.peer->NextTimeout(), connected_ + kZeroKeysTimeout);
  (void)FireNext(a_);
  EXPECT_EQ(a_.indices.size(), 0U);
  EXPECT_EQ(a_.peer->NextTimeout(), Instant::Max()) << "silence";
}

TEST_F(TimerRules, R18_AgesAreOfTheBootClockWhateverTheWallClockSays) {
  Connect();
  for (const int hours : {-1, 1, 24 * 3650, -24 * 3650}) {
    const Now stepped{now_.boot, now_.wall + std::chrono::hours(hours)};
    (void)a_.peer->HandleTimeout(stepped);
    EXPECT_EQ(a_.peer->SendSession(stepped.boot), ours_);
    EXPECT_FALSE(a_.Poll(stepped));
  }
  // After a suspend of ten minutes, which only the boot clock counts, the session is dead.
  AdvanceTo(connected_ + std::chrono::minutes(10));
  EXPECT_EQ(a_.peer->SendSession(now_.boot), nullptr);
}

TEST_F(TimerRules, WithoutAPrivateKeyNothingIsWantedAndNoTimerSpins) {
  (void)Initiate(a_);
  a_.identity.ClearPrivateKey();
  a_.peer->OnIdentityChanged();
  Advance(seconds(20));
  (void)a_.peer->HandleTimeout(now_);
  EXPECT_FALSE(a_.Poll(now_));
  EXPECT_GT(a_.peer->NextTimeout(), now_.boot);
  ASSERT_TRUE(a_.identity.SetPrivateKey(a_.private_key));
  a_.peer->RequestHandshake(now_.boot);
  EXPECT_TRUE(a_.Poll(now_));
}

}  // namespace
}  // namespace adit::wireguard
