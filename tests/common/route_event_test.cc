#include "common/route_event.h"

#include <gtest/gtest.h>

namespace adit {
namespace {

constexpr std::uint32_t kArrivedOn = 3;
constexpr std::uint32_t kOther = 4;
const IpAddress kSource = *IpAddress::Parse("192.0.2.1");
const IpAddress kRemote = *IpAddress::Parse("198.51.100.7");

bool IsConcerned(const RouteEvent& event) { return event.Concerns(kSource, kArrivedOn, kRemote); }

RouteEvent RouteTo(const char* destination, std::uint32_t interface_index, bool is_removed) {
  RouteEvent event;
  event.Add(RouteEvent::Route{*IpPrefix::Parse(destination), interface_index, is_removed});
  return event;
}

TEST(RouteEvent, ConcernsNobodyWhenNothingHappened) { EXPECT_FALSE(IsConcerned({})); }

TEST(RouteEvent, ConcernsTheAddressThatVanishedOnly) {
  RouteEvent event;
  event.Add(*IpAddress::Parse("192.0.2.2"));
  EXPECT_FALSE(IsConcerned(event));
  event.Add(kSource);
  EXPECT_TRUE(IsConcerned(event));
}

TEST(RouteEvent, ConcernsTheLinkThatVanishedOnly) {
  RouteEvent event;
  event.AddVanishedLink(kOther);
  EXPECT_FALSE(IsConcerned(event));
  event.AddVanishedLink(kArrivedOn);
  EXPECT_TRUE(IsConcerned(event));
}

TEST(RouteEvent, ConcernsRoutesToTheRemoteThatLeadElsewhere) {
  EXPECT_TRUE(IsConcerned(RouteTo("198.51.100.0/24", kOther, false)));
  EXPECT_TRUE(IsConcerned(RouteTo("0.0.0.0/0", kOther, false)));
  EXPECT_TRUE(IsConcerned(RouteTo("198.51.100.0/24", kArrivedOn, true)));
  EXPECT_TRUE(IsConcerned(RouteTo("0.0.0.0/0", 0, false))) << "blackhole, or several paths";
  EXPECT_TRUE(IsConcerned(RouteTo("0.0.0.0/0", 0, true)));
}

TEST(RouteEvent, DoesNotConcernOtherRoutes) {
  EXPECT_FALSE(IsConcerned(RouteTo("203.0.113.0/24", kOther, false)));
  EXPECT_FALSE(IsConcerned(RouteTo("::/0", kOther, false)));
  EXPECT_FALSE(IsConcerned(RouteTo("0.0.0.0/0", kArrivedOn, false)));
  EXPECT_FALSE(IsConcerned(RouteTo("198.51.100.0/24", kOther, true)));
}

TEST(RouteEvent, TooMuchToListIsEverything) {
  RouteEvent event;
  for (std::size_t i = 0; i < RouteEvent::kMaxListed; ++i) {
    event.Add(RouteEvent::Route{*IpPrefix::Parse("203.0.113.0/24"), kOther, false});
  }
  EXPECT_FALSE(IsConcerned(event));
  event.Add(RouteEvent::Route{*IpPrefix::Parse("203.0.113.0/24"), kOther, false});
  EXPECT_TRUE(IsConcerned(event));
}

}  // namespace
}  // namespace adit
