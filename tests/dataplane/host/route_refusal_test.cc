#include "dataplane/host/route_refusal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace adit::host {
namespace {

using testing::HasSubstr;

std::string Refusal(const std::string& prefix, const RouteBounds& bounds) {
  return RouteRefusal(*IpPrefix::Parse(prefix), bounds).value_or("");
}

RouteBounds Everything() {
  RouteBounds bounds;
  bounds.allowed = {*IpPrefix::Parse("0.0.0.0/0"), *IpPrefix::Parse("::/0")};
  return bounds;
}

TEST(RouteRefusal, TheTunnelRangesAreAllowedByDefault) {
  const RouteBounds bounds{DefaultAllowedRoutes(), {}, {}};
  for (const char* prefix : {"100.64.0.0/11", "100.65.2.0/24", "100.64.0.1/32",
                             "fd00:2021:1111::/107", "fd00:2021:1111::5/128"}) {
    EXPECT_EQ(Refusal(prefix, bounds), "") << prefix;
  }
}

TEST(RouteRefusal, WhatIsOutsideTheAllowedPrefixesIsRefused) {
  const RouteBounds bounds{DefaultAllowedRoutes(), {}, {}};
  for (const char* prefix : {"100.64.0.0/10", "100.96.0.0/12", "10.0.0.0/8", "8.8.8.8/32",
                             "fd00:2021:1111::/106", "fd00:2021:1112::/112", "2001:db8::/32"}) {
    EXPECT_THAT(Refusal(prefix, bounds), HasSubstr("--allow-route")) << prefix;
  }
}

TEST(RouteRefusal, NothingIsAllowedWhenNothingIsSaid) {
  EXPECT_THAT(Refusal("100.64.0.0/11", RouteBounds{}), HasSubstr("--allow-route"));
}

TEST(RouteRefusal, TwoAllowedHalvesDoNotAllowTheWhole) {
  RouteBounds bounds;
  bounds.allowed = {*IpPrefix::Parse("10.0.0.0/9"), *IpPrefix::Parse("10.128.0.0/9")};
  EXPECT_NE(Refusal("10.0.0.0/8", bounds), "");
  EXPECT_EQ(Refusal("10.128.0.0/10", bounds), "");
}

TEST(RouteRefusal, ADefaultRouteIsRefusedWhateverIsAllowed) {
  EXPECT_THAT(Refusal("0.0.0.0/0", Everything()), HasSubstr("default"));
  EXPECT_THAT(Refusal("::/0", Everything()), HasSubstr("default"));
}

TEST(RouteRefusal, SpecialRangesAreRefusedWhateverIsAllowed) {
  const struct {
    const char* prefix;
    const char* reason;
  } cases[] = {
      {"127.0.0.0/8", "loopback"},
      {"127.0.0.1/32", "loopback"},
      {"0.0.0.0/1", "this-network"},
      {"128.0.0.0/1", "link-local"},
      {"169.254.169.254/32", "link-local"},
      {"169.0.0.0/8", "link-local"},
      {"224.0.0.0/4", "multicast"},
      {"239.1.2.3/32", "multicast"},
      {"255.255.255.255/32", "reserved"},
      {"0.0.0.0/32", "this-network"},
      {"::1/128", "loopback"},
      {"::/128", "unspecified"},
      {"::/1", "unspecified"},
      {"fe80::/64", "link-local"},
      {"fe80::1/128", "link-local"},
      {"8000::/1", "link-local"},
      {"ff02::1/128", "multicast"},
      {"::ffff:10.0.0.0/104", "mapped"},
  };
  for (const auto& one : cases) {
    EXPECT_THAT(Refusal(one.prefix, Everything()), HasSubstr(one.reason)) << one.prefix;
  }
}

TEST(RouteRefusal, APrefixThatCoversALocalAddressIsRefused) {
  RouteBounds bounds = Everything();
  bounds.local_addresses = {*IpAddress::Parse("192.168.1.7"), *IpAddress::Parse("2001:db8::7")};
  EXPECT_THAT(Refusal("192.168.0.0/16", bounds), HasSubstr("address of this host"));
  EXPECT_THAT(Refusal("192.168.1.7/32", bounds), HasSubstr("address of this host"));
  EXPECT_THAT(Refusal("2001:db8::/64", bounds), HasSubstr("address of this host"));
  EXPECT_EQ(Refusal("192.168.2.0/24", bounds), "");
}

TEST(RouteRefusal, APrefixThatCoversAPeersEndpointIsRefused) {
  RouteBounds bounds = Everything();
  bounds.peer_endpoints = {*IpAddress::Parse("203.0.113.9")};
  EXPECT_THAT(Refusal("203.0.113.0/24", bounds), HasSubstr("endpoint"));
  EXPECT_EQ(Refusal("203.0.114.0/24", bounds), "");
}

TEST(RouteRefusal, APrefixThatIsNotSetIsRefused) {
  EXPECT_TRUE(RouteRefusal(IpPrefix(), Everything()).has_value());
}

}  // namespace
}  // namespace adit::host
