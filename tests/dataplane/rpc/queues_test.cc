#include <thread>

#include <gtest/gtest.h>

#include "dataplane/rpc/backoff.h"
#include "dataplane/rpc/inbox.h"
#include "dataplane/rpc/outbox.h"
#include "tests/support/seeded_random.h"

namespace adit::rpc {
namespace {

Outgoing Event(std::int64_t number) {
  Outgoing message;
  message.mutable_event()->set_at_unix_ns(number);
  return message;
}
Outgoing Stats(std::int64_t number) {
  Outgoing message;
  message.mutable_stats()->set_at_unix_ns(number);
  return message;
}
Outgoing Hello() {
  Outgoing message;
  message.mutable_hello();
  return message;
}

TEST(Outbox, BeginsEveryStreamWithItsHello) {
  Outbox outbox;
  outbox.Begin(1);
  EXPECT_TRUE(outbox.PutAnswer(MakePong(1))) << "forgotten: no stream is open";
  outbox.PutEvent(Event(1));
  outbox.PutHello(7, Hello());
  outbox.PutHello(1, Hello());
  EXPECT_TRUE(outbox.PutAnswer(MakePong(2)));
  EXPECT_TRUE(outbox.Take()->has_hello());
  EXPECT_EQ(outbox.Take()->pong().nonce(), 2U);
  EXPECT_TRUE(outbox.PutAnswer(MakePong(3)));
  outbox.End();
  EXPECT_FALSE(outbox.Take());
  outbox.Begin(2);
  outbox.PutHello(2, Hello());
  EXPECT_TRUE(outbox.Take()->has_hello()) << "what was for the first stream is gone";
}

TEST(Outbox, SendsAnswersFirstAndDropsStatisticsFirst) {
  Outbox outbox;
  outbox.Begin(1);
  outbox.PutHello(1, Hello());
  outbox.PutStats({Stats(1), Stats(2)});
  outbox.PutEvent(Event(1));
  EXPECT_TRUE(outbox.PutAnswer(MakePong(1)));
  outbox.PutStats({Stats(3)});
  EXPECT_EQ(outbox.dropped(), 2U);
  EXPECT_TRUE(outbox.Take()->has_hello());
  EXPECT_TRUE(outbox.Take()->has_pong());
  EXPECT_TRUE(outbox.Take()->has_event());
  EXPECT_EQ(outbox.Take()->stats().at_unix_ns(), 3);
}

TEST(Outbox, IsBounded) {
  Outbox outbox;
  outbox.Begin(1);
  outbox.PutHello(1, Hello());
  for (std::size_t i = 1; i < Outbox::kMaxAnswers; ++i) {
    EXPECT_TRUE(outbox.PutAnswer(MakePong(i)));
  }
  EXPECT_FALSE(outbox.PutAnswer(MakePong(0)));
  for (std::size_t i = 0; i < Outbox::kMaxEvents + 5; ++i) {
    outbox.PutEvent(Event(1));
  }
  EXPECT_EQ(outbox.dropped(), 5U);
}

TEST(Inbox, MakesTheReaderWaitWhileItIsFull) {
  Inbox inbox;
  for (std::size_t i = 0; i < Inbox::kMaxItems; ++i) {
    EXPECT_TRUE(inbox.Put(Inbox::Connected{i}));
  }
  std::thread reader([&] { EXPECT_TRUE(inbox.Put(Inbox::Connected{99})); });
  for (std::size_t i = 0; i <= Inbox::kMaxItems; ++i) {
    const auto item = inbox.Take(seconds(10));
    ASSERT_TRUE(item);
    EXPECT_EQ(std::get<Inbox::Connected>(*item).stream, i < Inbox::kMaxItems ? i : 99);
  }
  reader.join();
}

TEST(Inbox, WakesAndCloses) {
  Inbox inbox;
  EXPECT_FALSE(inbox.Take(milliseconds(1)));
  inbox.Wake();
  EXPECT_FALSE(inbox.Take(seconds(100)));
  std::thread reader([&] {
    while (inbox.Put(Inbox::Disconnected{})) {
    }
  });
  inbox.Close();
  reader.join();
  EXPECT_FALSE(inbox.Take(seconds(100)));
  EXPECT_TRUE(inbox.is_closed());
}

TEST(Backoff, GrowsToASecondAndBeginsAnew) {
  adit::testing::SeededRandom random(3);
  Backoff backoff(random);
  Duration limit = Backoff::kFirst;
  for (int i = 0; i < 10; ++i) {
    const Duration wait = backoff.Next();
    EXPECT_LE(wait, limit);
    EXPECT_GE(wait, limit / 2);
    limit = std::min(limit * 2, Backoff::kLongest);
  }
  backoff.Reset();
  EXPECT_LE(backoff.Next(), Backoff::kFirst);
}

}  // namespace
}  // namespace adit::rpc
