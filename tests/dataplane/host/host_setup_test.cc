#include "dataplane/host/host_setup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status.h"
#include "dataplane/host/privileges.h"
#include "tests/dataplane/host/host_namespace.h"

namespace adit::host {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class HostSetupTest : public HostNamespace {
 protected:
  void SetUp() override {
    HostNamespace::SetUp();
    MakeTun("tun7");
    MakeVeth("lan0");
    Must("ip addr add 10.77.1.1/24 dev lan0; ip addr add fd77:1::1/64 dev lan0 nodad");
    Must("echo 0 > /proc/sys/net/ipv4/ip_forward");
  }
  static HostSetup Open(unsigned mtu = 1280, bool is_on = true) {
    auto setup = HostSetup::Open("tun7", mtu, is_on);
    EXPECT_TRUE(setup.ok()) << setup.status();
    return *std::move(setup);
  }
  static WantedHost Wanted() {
    return {
        {*IpAddress::Parse("100.64.0.1"), *IpAddress::Parse("fd00:2021:1111::1")},
        {*IpPrefix::Parse("100.64.0.0/11"), *IpPrefix::Parse("fd00:2021:1111::/107")},
        {{*IpPrefix::Parse("10.77.1.10/32"), true}, {*IpPrefix::Parse("fd77:1::10/128"), true}}};
  }
};

TEST_F(HostSetupTest, AWholeLifeWithNetAdminOnlyLeavesNothingBehind) {
  const std::string before = Must("nft list ruleset; ip -br link | grep -v tun7");
  EXPECT_TRUE(InChild([] {
    EXPECT_EQ(DropTo(Account{64061, 64061}), absl::OkStatus());
    HostSetup setup = Open();
    EXPECT_EQ(setup.Apply(Wanted()), absl::OkStatus());
    EXPECT_EQ(setup.Apply(Wanted()), absl::OkStatus());
    EXPECT_THAT(setup.problems(), IsEmpty());
    EXPECT_EQ(ReadFile("/proc/sys/net/ipv4/conf/lan0/forwarding"), "1");
    EXPECT_FALSE(setup.Reevaluate());
    EXPECT_EQ(setup.Remove(), absl::OkStatus());
    return true;
  }));
  EXPECT_EQ(Must("nft list ruleset; ip -br link | grep -v tun7"), before);
  EXPECT_THAT(Must("ip link"), Not(HasSubstr("tun7")));
  EXPECT_EQ(ReadFile("/proc/sys/net/ipv4/conf/lan0/forwarding"), "0");
}

TEST_F(HostSetupTest, AKilledProcessIsTakenOver) {
  EXPECT_TRUE(InChild([] {
    HostSetup setup = Open();
    EXPECT_EQ(setup.Apply(Wanted()), absl::OkStatus());
    return true;  // and ends without Remove
  }));
  HostSetup setup = Open();
  WantedHost wanted = Wanted();
  wanted.addresses = {*IpAddress::Parse("100.64.0.2")};
  wanted.served.clear();
  ASSERT_EQ(setup.Apply(wanted), absl::OkStatus());
  EXPECT_THAT(Must("ip addr show tun7"), Not(HasSubstr("100.64.0.1/")));
  EXPECT_THAT(Must("nft list ruleset"), Not(HasSubstr("10.77.1.10")));
}

TEST_F(HostSetupTest, WithoutHostSetupOnlyTheInterfaceIsTouched) {
  HostSetup setup = Open(1280, false);
  ASSERT_EQ(setup.Apply(Wanted()), absl::OkStatus());
  EXPECT_EQ(ReadFile("/proc/sys/net/ipv4/conf/lan0/forwarding"), "0");
  EXPECT_EQ(Must("nft list ruleset"), "");
  EXPECT_THAT(Must("ip addr show tun7"), HasSubstr("100.64.0.1/32"));
  EXPECT_FALSE(setup.Reevaluate());
}

TEST_F(HostSetupTest, ReevaluateSeesAFirewallComeAndGo) {
  HostSetup setup = Open();
  ASSERT_EQ(setup.Apply(Wanted()), absl::OkStatus());
  Must(
      "nft 'table ip filter { chain FORWARD { type filter hook forward priority filter; policy "
      "drop; }; }'");
  EXPECT_TRUE(setup.Reevaluate());
  EXPECT_THAT(setup.problems(),
              ElementsAre(Field(&HostProblem::setting, "nft chain ip filter FORWARD")));
  EXPECT_FALSE(setup.Reevaluate());
  Must("nft flush ruleset");
  EXPECT_TRUE(setup.Reevaluate());
  EXPECT_THAT(setup.problems(), IsEmpty());
  EXPECT_THAT(Must("nft list ruleset"), HasSubstr("adit_tun7"))
      << "flushed with the rest, set again";
}

TEST_F(HostSetupTest, Ipv6SwitchedOffByDefaultIsSwitchedOnForTheTun) {
  Must("sysctl -qw net.ipv6.conf.tun7.disable_ipv6=1");
  HostSetup setup = Open();
  ASSERT_EQ(setup.Apply(Wanted()), absl::OkStatus());
  EXPECT_THAT(setup.problems(), IsEmpty());
  EXPECT_THAT(Must("ip addr show tun7"), HasSubstr("fd00:2021:1111::1/128"));
}

TEST_F(HostSetupTest, AnMtuTooSmallForIpv6LeavesIpv4AndIsAProblem) {
  HostSetup setup = Open(1000);
  ASSERT_EQ(setup.Apply(Wanted()), absl::OkStatus());
  EXPECT_THAT(setup.problems(), testing::Contains(Field(&HostProblem::setting, "mtu")));
  EXPECT_THAT(Must("ip addr show tun7"), HasSubstr("100.64.0.1/32"));
  EXPECT_EQ(setup.Remove(), absl::OkStatus());
}

TEST_F(HostSetupTest, BoundsHoldTheAddressesOfTheHost) {
  HostSetup setup = Open();
  ASSERT_EQ(setup.Apply(Wanted()), absl::OkStatus());
  const auto bounds =
      setup.Bounds({*IpPrefix::Parse("10.0.0.0/8"), *IpPrefix::Parse("100.64.0.0/11")},
                   {*IpAddress::Parse("10.200.0.1")});
  ASSERT_TRUE(bounds.ok());
  EXPECT_TRUE(RouteRefusal(*IpPrefix::Parse("10.77.0.0/16"), *bounds).has_value());
  EXPECT_TRUE(RouteRefusal(*IpPrefix::Parse("10.200.0.0/16"), *bounds).has_value());
  EXPECT_FALSE(RouteRefusal(*IpPrefix::Parse("10.78.0.0/16"), *bounds).has_value());
  EXPECT_FALSE(RouteRefusal(*IpPrefix::Parse("100.64.0.0/11"), *bounds).has_value());
}

}  // namespace
}  // namespace adit::host
