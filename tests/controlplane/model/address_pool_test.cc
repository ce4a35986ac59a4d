#include "controlplane/model/address_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status.h"

namespace adit::model {
namespace {

Network NetworkOf(const char* v4, const char* v6) {
  Network network;
  network.v4 = v4 != nullptr ? IpPrefix::Parse(v4).value() : IpPrefix();
  network.v6 = v6 != nullptr ? IpPrefix::Parse(v6).value() : IpPrefix();
  return network;
}

std::string Take(AddressPool& pool) {
  const auto next = pool.Next();
  if (!next.ok()) {
    return MessageOf(next.status());
  }
  EXPECT_TRUE(pool.Hold(*next));
  return next->v4.ToString() + " " + next->v6.ToString();
}

TEST(AddressPool, GivesTheSameOffsetInBothFamiliesFromTheFirstHost) {
  AddressPool pool{Network()};
  EXPECT_EQ(Take(pool), "100.64.0.1 fd00:2021:1111::1");
  EXPECT_EQ(Take(pool), "100.64.0.2 fd00:2021:1111::2");
}

TEST(AddressPool, GivesTheLowestFreeAgainAndNeverAHeldOne) {
  AddressPool pool{Network()};
  for (int i = 0; i < 300; ++i) {
    Take(pool);
  }
  pool.Release(
      {IpAddress::Parse("100.64.0.7").value(), IpAddress::Parse("fd00:2021:1111::7").value()});
  EXPECT_EQ(Take(pool), "100.64.0.7 fd00:2021:1111::7");
  EXPECT_EQ(Take(pool), "100.64.1.45 fd00:2021:1111::12d");
  EXPECT_EQ(pool.held(), 301U);
}

TEST(AddressPool, EndsBeforeTheLastAddressWithATextThatNamesTheRanges) {
  AddressPool pool{NetworkOf("10.9.0.0/29", "fd01::/64")};
  for (int i = 1; i <= 6; ++i) {
    EXPECT_EQ(Take(pool), "10.9.0." + std::to_string(i) + " fd01::" + std::to_string(i));
  }
  EXPECT_THAT(Take(pool), ::testing::HasSubstr("every address of 10.9.0.0/29 and fd01::/64"));
  EXPECT_EQ(pool.Next().status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(AddressPool, ServesASingleFamily) {
  AddressPool v4{NetworkOf("10.9.0.0/24", nullptr)};
  EXPECT_EQ(Take(v4), "10.9.0.1 ");
  AddressPool v6{NetworkOf(nullptr, "fd01::/64")};
  EXPECT_EQ(Take(v6), " fd01::1");
}

TEST(AddressPool, LeavesOutDnsProxiesAndSentinels) {
  AddressPool sentinels{NetworkOf("100.100.111.0/28", nullptr)};
  EXPECT_EQ(sentinels.Next().status().code(), absl::StatusCode::kResourceExhausted);
  AddressPool proxies{NetworkOf(nullptr, "fd00:2021:1111:8000::/120")};
  EXPECT_EQ(proxies.Next().status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(AddressPool, RefusesWhatIsNoPairOfTheNetworkOrHeld) {
  AddressPool pool{Network()};
  const TunnelAddresses one = pool.Next().value();
  EXPECT_FALSE(pool.Hold({one.v4, IpAddress::Parse("fd00:2021:1111::2").value()}));
  EXPECT_FALSE(pool.Hold({one.v4, {}}));
  EXPECT_FALSE(pool.Hold({IpAddress::Parse("10.0.0.1").value(), one.v6}));
  EXPECT_TRUE(pool.Hold(one));
  EXPECT_FALSE(pool.Hold(one));
  EXPECT_EQ(pool.held(), 1U);
}

TEST(Network, RefusesRangesThatHostsCannotHaveAddressesIn) {
  EXPECT_TRUE(Network().Validate().ok());
  EXPECT_FALSE(NetworkOf(nullptr, nullptr).Validate().ok());
  EXPECT_FALSE(NetworkOf("0.0.0.0/0", nullptr).Validate().ok());
  EXPECT_FALSE(NetworkOf("127.0.0.0/8", nullptr).Validate().ok());
  EXPECT_FALSE(NetworkOf("169.254.0.0/16", nullptr).Validate().ok());
  EXPECT_FALSE(NetworkOf("224.0.0.0/8", nullptr).Validate().ok());
  EXPECT_FALSE(NetworkOf("10.0.0.0/31", nullptr).Validate().ok());
  EXPECT_FALSE(NetworkOf("fd00::/64", nullptr).Validate().ok());
  EXPECT_FALSE(NetworkOf(nullptr, "fe80::/64").Validate().ok());
  EXPECT_FALSE(NetworkOf(nullptr, "::ffff:10.0.0.0/104").Validate().ok());
}

}  // namespace
}  // namespace adit::model
