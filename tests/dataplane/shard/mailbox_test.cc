#include "dataplane/shard/mailbox.h"

#include <poll.h>

#include <memory>
#include <thread>

#include <gtest/gtest.h>

namespace adit::shard {
namespace {

class MailboxTest : public ::testing::Test {
 protected:
  [[nodiscard]] bool IsReadable() const {
    pollfd readable{mailbox_->fd(), POLLIN, 0};
    return poll(&readable, 1, 0) == 1;
  }
  std::size_t Take() {
    std::vector<Task> tasks;
    mailbox_->TakeAll(tasks);
    return tasks.size();
  }

  std::unique_ptr<Mailbox> mailbox_ = std::move(*Mailbox::Make());
};

Task Nothing() {
  return [](engine::Engine&, Now) {};
}

TEST_F(MailboxTest, IsReadableWhileATaskWaits) {
  EXPECT_FALSE(IsReadable());
  EXPECT_TRUE(mailbox_->Push(Nothing()));
  EXPECT_TRUE(IsReadable());
  EXPECT_EQ(Take(), 1U);
  EXPECT_FALSE(IsReadable());
  mailbox_->Wake();
  EXPECT_TRUE(IsReadable());
  EXPECT_EQ(Take(), 0U);
}

TEST_F(MailboxTest, RefusesMoreThanItsCapacity) {
  for (std::size_t i = 0; i < Mailbox::kCapacity; ++i) {
    ASSERT_TRUE(mailbox_->Push(Nothing()));
  }
  EXPECT_FALSE(mailbox_->Push(Nothing()));
  EXPECT_EQ(Take(), Mailbox::kCapacity);
  EXPECT_TRUE(mailbox_->Push(Nothing()));
}

TEST_F(MailboxTest, DestroysWhatWaitsWhenItCloses) {
  const auto owned = std::make_shared<int>(1);
  EXPECT_TRUE(mailbox_->Push([owned](engine::Engine&, Now) {}));
  EXPECT_EQ(owned.use_count(), 2);
  mailbox_->Close();
  EXPECT_EQ(owned.use_count(), 1);
  EXPECT_FALSE(mailbox_->Push([owned](engine::Engine&, Now) {}));
  EXPECT_EQ(owned.use_count(), 1);
}

TEST_F(MailboxTest, LosesNothingOfManyThreads) {
  constexpr int kThreads = 4;
  constexpr std::size_t kEach = 5000;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this] {
      for (std::size_t sent = 0; sent < kEach;) {
        if (mailbox_->Push(Nothing())) {
          ++sent;
        } else {
          std::this_thread::yield();
        }
      }
    });
  }
  std::size_t taken = 0;
  while (taken < kThreads * kEach) {
    pollfd readable{mailbox_->fd(), POLLIN, 0};
    ASSERT_EQ(poll(&readable, 1, 10'000), 1);
    taken += Take();
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(taken, kThreads * kEach);
}

}  // namespace
}  // namespace adit::shard
