#include "dataplane/wireguard/tai64n.h"

#include <gtest/gtest.h>

#include "common/bytes.h"
#include "tests/support/seeded_random.h"

namespace adit::wireguard {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

WallTime At(std::int64_t second, std::int64_t nanosecond = 0) {
  return WallTime(Duration(second * kSecond + nanosecond));
}
Tai64n First(Tai64nSource& source, WallTime now) {  // of a peer that was given none yet
  WallTime last;
  return source.Next(now, last);
}
std::uint64_t SecondsOf(const Tai64n& stamp) { return LoadBe64(stamp.data()); }
std::uint32_t NanosecondsOf(const Tai64n& stamp) { return LoadBe32(stamp.data() + 8); }

TEST(Tai64n, IsTaiSecondsAndWhitenedNanoseconds) {
  Tai64nSource source;
  const Tai64n stamp = First(source, At(1'700'000'000, 123'456'789));
  EXPECT_EQ(SecondsOf(stamp), 0x400000000000000aULL + 1'700'000'000);
  EXPECT_EQ(NanosecondsOf(stamp), 123'456'789U >> 24 << 24);
}

TEST(Tai64n, R17_NeverGoesBackWhateverTheClockDoes) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    testing::SeededRandom random(seed);
    Tai64nSource source;
    std::int64_t clock = 1'700'000'000 * kSecond;
    Tai64n before{};
    WallTime last;
    for (int i = 0; i < 2000; ++i) {
      switch (random.Below(4)) {
        case 0:
          clock += static_cast<std::int64_t>(random.Below(kSecond / 10));
          break;
        case 1:
          clock -= static_cast<std::int64_t>(random.Below(kSecond * 3600));
          break;
        case 2:
          clock = static_cast<std::int64_t>(random.Below(2'000'000'000)) * kSecond;
          break;
        default:
          break;  // it stands still
      }
      const Tai64n stamp = source.Next(WallTime(Duration(clock)), last);
      ASSERT_GT(stamp, before) << "step " << i;
      ASSERT_LT(NanosecondsOf(stamp), kSecond);
      ASSERT_EQ(NanosecondsOf(stamp) % (1U << 24), 0U);
      before = stamp;
    }
  }
}

TEST(Tai64n, R17_TwoInTheSameStepAreOneStepApart) {
  Tai64nSource source;
  const WallTime now = At(1'700'000'000, 500);
  WallTime last;
  const Tai64n first = source.Next(now, last);
  const Tai64n second = source.Next(now, last);
  EXPECT_EQ(NanosecondsOf(second), NanosecondsOf(first) + (1U << 24));
  EXPECT_EQ(source.greatest(), last);
}

TEST(Tai64n, SpeakingToThousandsDoesNotRunAheadOfTheClock) {
  Tai64nSource source;
  const WallTime now = At(1'700'000'000, 500'000'000);
  for (int peer = 0; peer < 10'000; ++peer) {
    (void)First(source, now);
  }
  EXPECT_LE(source.greatest(), now);
}

TEST(Tai64n, R17_APeerThatComesAgainGetsGreaterOnesEvenWhileTheClockIsBehind) {
  Tai64nSource source;
  source.RestoreMark(At(1'700'000'000));
  WallTime last;
  Tai64n greatest{};
  for (int i = 0; i < 100; ++i) {
    greatest = source.Next(At(1'600'000'000), last);
  }
  source.Retire(last);
  EXPECT_GT(First(source, At(1'600'000'000)), greatest);
}

TEST(Tai64n, R17_AClockThatIsSetBackIsNotFollowed) {
  Tai64nSource source;
  const Tai64n before = First(source, At(1'700'000'000));
  EXPECT_GE(First(source, At(1'600'000'000)), before);
}

TEST(Tai64n, R17_StartsAboveTheRestoredMarkAndNeverLowersIt) {
  const WallTime mark = At(1'700'000'000, 999'999'999);
  Tai64nSource before;
  const Tai64n at_mark = First(before, mark);
  Tai64nSource source;
  source.RestoreMark(mark);
  source.RestoreMark(At(5));
  EXPECT_EQ(source.greatest(), mark);
  const Tai64n stamp = First(source, At(1'600'000'000));
  EXPECT_GT(stamp, at_mark);
  EXPECT_GE(source.greatest(), mark);
  EXPECT_LE(source.greatest() - mark, Duration(2 << 24)) << "no further ahead than it must be";
}

TEST(Tai64n, AClockBefore1970CountsAsZero) {
  Tai64nSource source;
  const Tai64n stamp = First(source, WallTime(Duration(-kSecond)));
  EXPECT_GE(SecondsOf(stamp), 0x400000000000000aULL);
}

}  // namespace
}  // namespace adit::wireguard
