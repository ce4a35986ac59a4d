#include "dataplane/wireguard/replay_window.h"

#include <set>

#include <gtest/gtest.h>

#include "dataplane/wireguard/constants.h"
#include "tests/support/seeded_random.h"

namespace adit::wireguard {
namespace {

constexpr std::uint64_t kLimit = ReplayWindow::kUsableBits;

// Every counter ever accepted, and the rule in one line.
class SetOracle {
 public:
  bool Accept(std::uint64_t counter) {
    const bool is_too_old = next_ > counter && next_ - counter > kLimit;
    if (is_too_old || !seen_.insert(counter).second) {
      return false;
    }
    next_ = std::max(next_, counter + 1);
    return true;
  }

 private:
  std::uint64_t next_ = 0;
  std::set<std::uint64_t> seen_;
};

TEST(ReplayWindow, AcceptsEachCounterOnceAndRefusesTheOld) {
  ReplayWindow window;
  EXPECT_TRUE(window.Accept(0));
  EXPECT_FALSE(window.Accept(0));
  EXPECT_TRUE(window.Accept(1));
  EXPECT_TRUE(window.Accept(9));
  EXPECT_TRUE(window.Accept(8));
  EXPECT_FALSE(window.Accept(8));
  EXPECT_TRUE(window.Accept(kLimit));
  EXPECT_FALSE(window.Accept(0));
  EXPECT_TRUE(window.Accept(kLimit - 1));
  EXPECT_TRUE(window.Accept(2));
  EXPECT_TRUE(window.Accept(3 * kLimit));
  EXPECT_FALSE(window.Accept(2 * kLimit)) << "just past the window";
  EXPECT_TRUE(window.Accept(2 * kLimit + 1)) << "its last place";
}

TEST(ReplayWindow, TheGreatestUsableCounterFits) {
  ReplayWindow window;
  const std::uint64_t last = kRejectAfterMessages - 1;
  EXPECT_TRUE(window.Accept(last));
  EXPECT_FALSE(window.Accept(last));
  EXPECT_TRUE(window.Accept(last - kLimit + 1));
  EXPECT_FALSE(window.Accept(last - kLimit));
  EXPECT_FALSE(window.Accept(0));
}

TEST(ReplayWindow, AWholeWindowForwardsBackwardsAndFromEveryGap) {
  for (const bool is_forwards : {true, false}) {
    ReplayWindow window;
    for (std::uint64_t i = 0; i < kLimit; ++i) {
      ASSERT_TRUE(window.Accept(is_forwards ? i : kLimit - 1 - i)) << i;
    }
    for (std::uint64_t i = 0; i < kLimit; ++i) {
      ASSERT_FALSE(window.Accept(i)) << i;
    }
  }
  for (std::uint64_t gap = 1; gap < 3 * ReplayWindow::kBits; gap = gap * 3 / 2 + 1) {
    ReplayWindow window;
    ASSERT_TRUE(window.Accept(5));
    ASSERT_TRUE(window.Accept(5 + gap));
    ASSERT_FALSE(window.Accept(5));
    for (std::uint64_t counter = 6; counter < 5 + gap; ++counter) {
      ASSERT_EQ(window.Accept(counter), 5 + gap - counter < kLimit) << gap << " " << counter;
    }
  }
}

TEST(ReplayWindow, AgreesWithASetOverRandomSequences) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    testing::SeededRandom random(seed);
    ReplayWindow window;
    SetOracle oracle;
    std::uint64_t front = random.Below(2) == 0 ? 0 : random.Next64() >> 2;
    for (int i = 0; i < 5000; ++i) {
      std::uint64_t counter = front;
      switch (random.Below(6)) {
        case 0:
          counter += random.Below(4);
          break;
        case 1:
          counter += random.Below(200);
          break;
        case 2:
          counter += random.Chance(0.05) ? random.Below(20000) : 1;
          break;
        default:
          counter -= std::min(front, random.Below(9000));
      }
      front = std::max(front, counter);
      ASSERT_EQ(window.Accept(counter), oracle.Accept(counter)) << "step " << i << " " << counter;
    }
  }
}

TEST(ReplayWindow, ResetForgetsEverything) {
  ReplayWindow window;
  EXPECT_TRUE(window.Accept(77));
  window.Reset();
  EXPECT_TRUE(window.Accept(77));
  EXPECT_TRUE(window.Accept(0));
}

}  // namespace
}  // namespace adit::wireguard
