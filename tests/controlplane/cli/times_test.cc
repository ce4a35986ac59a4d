#include "controlplane/cli/times.h"

#include <gtest/gtest.h>

namespace adit::cli {
namespace {

const WallTime kNow(seconds(1'767'323'045));  // 2026-01-02T03:04:05Z

TEST(Times, AMomentIsFromNowOrInUtc) {
  EXPECT_EQ(*ParseMoment("8h", kNow), kNow + seconds(8 * 3'600));
  EXPECT_EQ(*ParseMoment("30d", kNow), kNow + seconds(30 * 86'400));
  EXPECT_EQ(*ParseMoment("2026-01-02T03:04:06Z", kNow), kNow + seconds(1));
  EXPECT_EQ(ParseMoment("2026-02-01", kNow)->since_epoch(), seconds(1'769'904'000));
}

TEST(Times, WhatIsNoMomentOrNotInTheFutureIsRefused) {
  for (const char* text : {"", "tomorrow", "2026-02-31", "2026-13-01", "2026-01-02 03:04:06",
                           "2026-01-02T03:04:06", "2026-01-02T03:04:05Z", "1999-01-01", "0", "-8h",
                           "106751d", "9999999-01-01", "2026-02-01x"}) {
    EXPECT_FALSE(ParseMoment(text, kNow).ok()) << text;
  }
}

TEST(Times, AgesNameTheLargestUnit) {
  const auto age = [](std::int64_t s) {
    return FormatAge((kNow + -seconds(s)).since_epoch().count(), kNow);
  };
  EXPECT_EQ(age(0), "0s");
  EXPECT_EQ(age(59), "59s");
  EXPECT_EQ(age(200), "3m");
  EXPECT_EQ(age(7'300), "2h");
  EXPECT_EQ(age(200'000), "2d");
  EXPECT_EQ(age(-5), "0s");
  EXPECT_EQ(FormatMomentAndAge((kNow + -seconds(60)).since_epoch().count(), kNow),
            "2026-01-02T03:03:05Z (1m ago)");
}

}  // namespace
}  // namespace adit::cli
