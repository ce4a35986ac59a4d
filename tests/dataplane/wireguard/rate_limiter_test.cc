#include "dataplane/wireguard/rate_limiter.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/seeded_random.h"

namespace adit::wireguard {
namespace {

using Limiter = HandshakeRateLimiter;

int AllowedOf(Limiter& limiter, const IpAddress& source, int asked, Instant now) {
  int allowed = 0;
  for (int i = 0; i < asked; ++i) {
    allowed += limiter.Allow(source, now) ? 1 : 0;
  }
  return allowed;
}

class RateLimiterTest : public ::testing::Test {
 protected:
  testing::SeededRandom random_{3};
  Limiter limiter_{random_};
  Instant now_{seconds(1000)};
};

TEST_F(RateLimiterTest, AllowsABurstOfFiveThenTwentyASecond) {
  EXPECT_EQ(AllowedOf(limiter_, *IpAddress::Parse("192.0.2.1"), 20, now_), 5);
  EXPECT_EQ(AllowedOf(limiter_, *IpAddress::Parse("192.0.2.1"), 3, now_ + milliseconds(49)), 0);
  EXPECT_EQ(AllowedOf(limiter_, *IpAddress::Parse("192.0.2.1"), 3, now_ + milliseconds(50)), 1);
  EXPECT_EQ(AllowedOf(limiter_, *IpAddress::Parse("192.0.2.1"), 9, now_ + milliseconds(150)), 2);
  int allowed = 0;
  for (int i = 0; i < 10'000; ++i) {
    allowed +=
        limiter_.Allow(*IpAddress::Parse("192.0.2.1"), now_ + seconds(1) + milliseconds(i)) ? 1 : 0;
  }
  EXPECT_GE(allowed, 200);
  EXPECT_LE(allowed, 205);
}

TEST_F(RateLimiterTest, CountsIpv4ByAddressAndIpv6BySlash64) {
  EXPECT_EQ(AllowedOf(limiter_, *IpAddress::Parse("192.0.2.1"), 6, now_), 5);
  EXPECT_EQ(AllowedOf(limiter_, *IpAddress::Parse("192.0.2.2"), 6, now_), 5) << "another address";
  EXPECT_EQ(AllowedOf(limiter_, *IpAddress::Parse("2001:db8:0:1::1"), 3, now_), 3);
  EXPECT_EQ(AllowedOf(limiter_, *IpAddress::Parse("2001:db8:0:1:ffff:ffff:ffff:ffff"), 6, now_), 2)
      << "the same /64";
  EXPECT_EQ(AllowedOf(limiter_, *IpAddress::Parse("2001:db8:0:2::1"), 6, now_), 5) << "another /64";
  EXPECT_EQ(AllowedOf(limiter_, *IpAddress::Parse("::c000:201:0:0:0:0"), 6, now_), 5)
      << "not the IPv4 address with these bits";
}

TEST_F(RateLimiterTest, AgreesWithArithmeticOverRandomArrivals) {
  constexpr Duration kCost = milliseconds(50);
  constexpr Duration kBurst = milliseconds(250);
  struct Bucket {
    Instant last;
    Duration tokens{0};
  };
  std::map<IpAddress, Bucket> oracle;
  for (int i = 0; i < 50'000; ++i) {
    now_ = now_ + microseconds(random_.Below(4000));
    const std::uint8_t bytes[4] = {10, 0, 0, static_cast<std::uint8_t>(random_.Below(40))};
    const IpAddress source = IpAddress::V4(bytes);
    auto [at, is_new] = oracle.try_emplace(source, Bucket{now_, kBurst});
    Bucket& bucket = at->second;
    bucket.tokens = std::min(kBurst, bucket.tokens + (now_ - bucket.last));
    bucket.last = now_;
    const bool expected = bucket.tokens >= kCost;
    bucket.tokens -= expected ? kCost : Duration(0);
    ASSERT_EQ(limiter_.Allow(source, now_), expected) << i;
  }
}

TEST_F(RateLimiterTest, AFullTableRefusesUntilIdleSourcesMakeRoom) {
  Limiter small(random_, 64);
  int allowed = 0;
  for (std::uint32_t i = 0; i < 2000; ++i) {
    std::uint8_t bytes[4];
    StoreBe32(bytes, i);
    allowed += small.Allow(IpAddress::V4(bytes), now_) ? 1 : 0;
  }
  EXPECT_EQ(allowed, 64);
  EXPECT_FALSE(small.Allow(*IpAddress::Parse("203.0.113.9"), now_ + seconds(1)));
  EXPECT_TRUE(small.Allow(*IpAddress::Parse("203.0.113.9"), now_ + seconds(1) + milliseconds(1)));
}

TEST_F(RateLimiterTest, HoldsTensOfThousandsOfSources) {
  int refused = 0;
  constexpr std::uint32_t kSources = 32'768;
  for (std::uint32_t i = 0; i < kSources; ++i) {
    std::uint8_t bytes[4];
    StoreBe32(bytes, 0x0a000000U + i);
    refused += limiter_.Allow(IpAddress::V4(bytes), now_) ? 0 : 1;
  }
  EXPECT_LE(refused, 40) << "half full: hardly a neighbourhood is";
}

}  // namespace
}  // namespace adit::wireguard
