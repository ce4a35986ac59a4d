#include "common/time.h"

#include <time.h>

#include <gtest/gtest.h>

#include "common/random.h"

namespace adit {
namespace {

Duration Read(clockid_t id) {
  timespec t{};
  EXPECT_EQ(clock_gettime(id, &t), 0);
  return seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

TEST(Time, R18_InstantsAreOfTheBootClockWhichCountsSuspend) {
  const Duration before = Read(CLOCK_BOOTTIME);
  const Now now = SystemClock().Read();
  const Duration after = Read(CLOCK_BOOTTIME);
  EXPECT_LE(before, now.boot.since_boot());
  EXPECT_LE(now.boot.since_boot(), after);
  const Duration apart = Read(CLOCK_REALTIME) - now.wall.since_epoch();
  EXPECT_LT(apart < Duration(0) ? -apart : apart, seconds(60));
}

TEST(Time, NeverPlusAnythingStaysNever) {
  EXPECT_EQ(Instant::Max() + seconds(1), Instant::Max());
  EXPECT_EQ(Instant(Duration::max() - Duration(5)) + seconds(1), Instant::Max());
  EXPECT_EQ(Instant(seconds(5)) + seconds(1), Instant(seconds(6)));
  EXPECT_EQ(Instant(seconds(5)) - Instant(seconds(2)), seconds(3));
  EXPECT_EQ(Instant(seconds(5)) - seconds(2), Instant(seconds(3)));
  EXPECT_LT(Instant(seconds(5)), Instant::Max());
}

TEST(Random, TheSystemsFillsEveryByteAndDiffers) {
  SystemRandom random;
  std::uint8_t seen[64] = {};
  for (int i = 0; i < 64; ++i) {
    std::uint8_t bytes[64];
    random.Fill(bytes);
    for (std::size_t at = 0; at < sizeof bytes; ++at) {
      seen[at] = static_cast<std::uint8_t>(seen[at] | bytes[at]);
    }
  }
  for (const std::uint8_t bits : seen) {
    EXPECT_EQ(bits, 0xff);
  }
  EXPECT_NE(random.Next64(), random.Next64());
  random.Fill({});
}

}  // namespace
}  // namespace adit
