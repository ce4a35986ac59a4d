// Clocks that step and machines that sleep, with figures.
#include <gtest/gtest.h>

#include "dataplane/wireguard/constants.h"
#include "tests/sim/pair.h"

namespace adit::sim {
namespace {

constexpr std::chrono::hours kTenYears{10 * 365 * 24};
constexpr Duration kRoundTrip = milliseconds(10);

class ClockTest : public ::testing::Test {
 protected:
  ClockTest() {
    pair_.network().set_faults({.min_delay = kRoundTrip / 2});
    pair_.SendBothWays(seconds(3), milliseconds(100));
    pair_.Pass(seconds(1));
  }
  ~ClockTest() override {
    EXPECT_TRUE(pair_.ledger().violations().empty()) << pair_.ledger().violations().front();
  }
  // How long until a packet that is sent now arrives; what waits in between is delivered, too.
  Duration TimeToDeliver(std::size_t from) {
    const std::uint64_t before = pair_.delivered();
    const Instant sent = pair_.scheduler().now();
    pair_.Send(from);
    while (pair_.delivered() == before && pair_.scheduler().now() - sent < seconds(30)) {
      pair_.Pass(milliseconds(1));
    }
    return pair_.scheduler().now() - sent;
  }

  std::unique_ptr<crypto::Aead> aead_ = *crypto::MakeAead("libsodium");
  Pair pair_{7, *aead_};
};

TEST_F(ClockTest, AStepOfTheWallClockLosesNothingAndMakesNoHandshake) {
  const std::uint64_t handshakes = pair_.handshakes();
  for (const Duration by : {Duration(-std::chrono::hours(1)), Duration(std::chrono::hours(1)),
                            Duration(kTenYears), Duration(-kTenYears)}) {
    pair_.host(1).StepWallClock(by);
    pair_.SendBothWays(seconds(5), milliseconds(50));
  }
  pair_.Pass(kRoundTrip);
  EXPECT_EQ(pair_.delivered(), pair_.read());
  EXPECT_EQ(pair_.handshakes(), handshakes);
}

TEST_F(ClockTest, AfterAStepARekeyAndARestartedHostAreAnsweredOnTheFirstTry) {
  for (const Duration by :
       {Duration(-std::chrono::hours(1)), Duration(std::chrono::hours(1)),
        Duration(-std::chrono::hours(2)), Duration(kTenYears), Duration(-kTenYears)}) {
    SCOPED_TRACE(::testing::Message() << by.count() / 1'000'000'000 << " s");
    pair_.host(1).StepWallClock(by);
    pair_.Pass(wireguard::kRejectAfterTime);  // no session any more
    EXPECT_LE(TimeToDeliver(1), 2 * kRoundTrip);
    pair_.Pass(seconds(2));
    pair_.Kill(1);
    pair_.Pass(milliseconds(500));
    pair_.host(1).Start(false);
    EXPECT_LE(TimeToDeliver(1), 2 * kRoundTrip);
    EXPECT_LE(TimeToDeliver(0), kRoundTrip);
  }
}

TEST_F(ClockTest, AfterTenMinutesOfSleepTheOldSessionIsNotUsedAndAnotherIsThereInTwoRoundTrips) {
  const std::uint64_t handshakes = pair_.handshakes();
  pair_.host(1).Suspend(std::chrono::minutes(10));
  pair_.Pass(std::chrono::minutes(10) + milliseconds(1));
  EXPECT_LE(TimeToDeliver(1), 2 * kRoundTrip);
  EXPECT_GT(pair_.handshakes(), handshakes);
  EXPECT_LE(TimeToDeliver(0), kRoundTrip);
}

}  // namespace
}  // namespace adit::sim
