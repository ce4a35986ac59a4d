#include "dataplane/wireguard/key_slots.h"

#include <gtest/gtest.h>

#include "tests/support/seeded_random.h"

namespace adit::wireguard {
namespace {

class KeySlotsTest : public ::testing::Test {
 protected:
  Session* New() {
    Session* session = pool_.Take();
    session->may_send = true;
    session->local_index = *indices_.Add(nullptr);
    indices_.SetSession(session->local_index, session);
    return session;
  }
  void ExpectSlots(const Session* previous, const Session* current, const Session* next) const {
    EXPECT_EQ(slots_.previous(), previous);
    EXPECT_EQ(slots_.current(), current);
    EXPECT_EQ(slots_.next(), next);
    std::size_t held = 0;
    for (const Session* session : {previous, current, next}) {
      held += session != nullptr ? 1 : 0;
    }
    EXPECT_EQ(indices_.size(), held) << "an index for each session held, and no other";
  }

  testing::SeededRandom random_{4};
  SessionPool pool_;
  ReceiverIndexTable indices_{0, random_};
  KeySlots slots_{pool_, indices_};
};

TEST_F(KeySlotsTest, R04_TheInitiatorsSessionIsCurrentAtOnce) {
  Session* first = New();
  slots_.AddAsInitiator(first);
  ExpectSlots(nullptr, first, nullptr);
  Session* second = New();
  slots_.AddAsInitiator(second);
  ExpectSlots(first, second, nullptr);
  Session* third = New();
  slots_.AddAsInitiator(third);
  ExpectSlots(second, third, nullptr);
}

TEST_F(KeySlotsTest, R04_TheRespondersSessionWaitsAndErasesThePrevious) {
  Session* first = New();
  Session* second = New();
  slots_.AddAsInitiator(first);
  slots_.AddAsInitiator(second);
  Session* answer = New();
  slots_.AddAsResponder(answer);
  ExpectSlots(nullptr, second, answer);
  Session* again = New();
  slots_.AddAsResponder(again);
  ExpectSlots(nullptr, second, again);
  EXPECT_FALSE(slots_.Confirm(second)) << "not the waiting one";
  EXPECT_TRUE(slots_.Confirm(again));
  ExpectSlots(second, again, nullptr);
  EXPECT_FALSE(slots_.Confirm(again));
  ExpectSlots(second, again, nullptr);
}

TEST_F(KeySlotsTest, R04_AnInitiatorsNewSessionMakesTheWaitingOnePrevious) {
  Session* first = New();
  slots_.AddAsInitiator(first);
  Session* waiting = New();
  slots_.AddAsResponder(waiting);
  Session* mine = New();
  slots_.AddAsInitiator(mine);
  ExpectSlots(waiting, mine, nullptr);
}

TEST_F(KeySlotsTest, R13_StoppedSessionsMayReceiveOnly) {
  Session* first = New();
  slots_.AddAsInitiator(first);
  Session* waiting = New();
  slots_.AddAsResponder(waiting);
  slots_.StopSending();
  EXPECT_FALSE(first->may_send);
  EXPECT_FALSE(waiting->may_send);
  ExpectSlots(nullptr, first, waiting);
  slots_.Clear();
  ExpectSlots(nullptr, nullptr, nullptr);
}

}  // namespace
}  // namespace adit::wireguard
