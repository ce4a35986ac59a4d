#include "dataplane/rpc/expiry_clock.h"

#include <gtest/gtest.h>

namespace adit::rpc {
namespace {

constexpr Now At(int boot_seconds, int wall_seconds) {
  return {Instant(seconds(boot_seconds)), WallTime(seconds(wall_seconds))};
}
constexpr WallTime Wall(int wall_seconds) { return WallTime(seconds(wall_seconds)); }

TEST(ExpiryClock, DeniesWhatEndsUntilTheTimeIsKnown) {
  const ExpiryClock clock;
  EXPECT_EQ(clock.DeadlineOf(Wall(5000)), Instant());
  EXPECT_EQ(clock.DeadlineOf(std::nullopt), Instant::Max());
  EXPECT_FALSE(clock.TimeAt(Instant(seconds(1))));
}

TEST(ExpiryClock, TakesTheEarlierOfTheTwoClocks) {
  ExpiryClock clock;
  clock.HubSpoke(Wall(2000), At(100, 2000));
  EXPECT_EQ(clock.DeadlineOf(Wall(2060)), Instant(seconds(160)));
  // The own clock is behind: the hub's counts.
  clock.HubSpoke(Wall(2000), At(100, 1000));
  EXPECT_EQ(clock.DeadlineOf(Wall(2060)), Instant(seconds(160)));
  // The own clock is ahead: it counts.
  clock.HubSpoke(Wall(2000), At(100, 2030));
  EXPECT_EQ(clock.DeadlineOf(Wall(2060)), Instant(seconds(130)));
}

TEST(ExpiryClock, MovesDeadlinesOnlyEarlierUntilTheHubSpeaks) {
  ExpiryClock clock;
  clock.HubSpoke(Wall(2000), At(100, 2000));
  clock.Observe(At(110, 1000));  // set back by a quarter of an hour
  EXPECT_EQ(clock.DeadlineOf(Wall(2060)), Instant(seconds(160)));
  clock.Observe(At(120, 2050));  // set forward by half a minute
  EXPECT_EQ(clock.DeadlineOf(Wall(2060)), Instant(seconds(130)));
  clock.Observe(At(121, 1900));
  EXPECT_EQ(clock.DeadlineOf(Wall(2060)), Instant(seconds(130)));
  clock.HubSpoke(Wall(2022), At(122, 2022));
  EXPECT_EQ(clock.DeadlineOf(Wall(2060)), Instant(seconds(160)));
}

TEST(ExpiryClock, StartsFromDiskWithTheHubsLead) {
  ExpiryClock clock;
  clock.StartFromDisk(Wall(1900), seconds(40), At(100, 2000));
  EXPECT_EQ(clock.DeadlineOf(Wall(2060)), Instant(seconds(120)));
  EXPECT_EQ(clock.TimeAt(Instant(seconds(100))), Wall(2040));
  // A hub that was behind is no reason to let grants live longer.
  ExpiryClock other;
  other.StartFromDisk(Wall(1900), -seconds(40), At(100, 2000));
  EXPECT_EQ(other.DeadlineOf(Wall(2060)), Instant(seconds(160)));
}

TEST(ExpiryClock, DeniesAfterAStartWithAClockBeforeTheFilesOwnTime) {
  ExpiryClock clock;
  clock.StartFromDisk(Wall(2000), seconds(0), At(100, 1999));
  EXPECT_EQ(clock.DeadlineOf(Wall(1'000'000)), Instant());
  EXPECT_EQ(clock.DeadlineOf(std::nullopt), Instant::Max());
  clock.Observe(At(200, 3000));
  EXPECT_EQ(clock.DeadlineOf(Wall(1'000'000)), Instant()) << "how far it is off is not known";
  clock.HubSpoke(Wall(3000), At(201, 3000));
  EXPECT_EQ(clock.DeadlineOf(Wall(3010)), Instant(seconds(211)));
}

TEST(ExpiryClock, SaysOnceThatDeadlinesMoved) {
  ExpiryClock clock;
  EXPECT_FALSE(clock.TakeMoved());
  clock.HubSpoke(Wall(2000), At(100, 2000));
  EXPECT_TRUE(clock.TakeMoved());
  EXPECT_FALSE(clock.TakeMoved());
  clock.HubSpoke(Wall(2010), {Instant(seconds(110)), WallTime(seconds(2010) + milliseconds(100))});
  EXPECT_FALSE(clock.TakeMoved()) << "transit time";
  clock.HubSpoke(Wall(2011), At(110, 2010));
  EXPECT_TRUE(clock.TakeMoved());
}

TEST(ExpiryClock, DoesNotOverflow) {
  ExpiryClock clock;
  clock.HubSpoke(Wall(0), At(1'000'000, 0));
  EXPECT_EQ(clock.DeadlineOf(WallTime(Duration::max())), Instant::Max());
  EXPECT_EQ(clock.DeadlineOf(Wall(1)), Instant(seconds(1'000'001)));
}

}  // namespace
}  // namespace adit::rpc
