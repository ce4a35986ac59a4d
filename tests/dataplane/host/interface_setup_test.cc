#include "dataplane/host/interface_setup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status.h"
#include "dataplane/host/interface_query.h"
#include "dataplane/host/routes.h"
#include "tests/dataplane/host/host_namespace.h"

namespace adit::host {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class InterfaceSetupTest : public HostNamespace {
 protected:
  void SetUp() override {
    HostNamespace::SetUp();
    MakeTun("tun7");
  }

  static InterfaceConfig Config(std::initializer_list<const char*> addresses,
                                std::initializer_list<const char*> routes) {
    InterfaceConfig config;
    for (const char* address : addresses) {
      config.addresses.push_back(*IpAddress::Parse(address));
    }
    for (const char* route : routes) {
      config.routes.push_back(*IpPrefix::Parse(route));
    }
    return config;
  }

  static std::string Addresses() {
    return Must("ip -br addr show dev tun7 scope global | awk '{$1=$2=\"\"; print}'");
  }
  static std::string Routes() {
    return Must("ip route show proto 173; ip -6 route show proto 173");
  }
  static InterfaceSetup Open() {
    auto setup = InterfaceSetup::Open("tun7");
    EXPECT_TRUE(setup.ok()) << setup.status();
    return *std::move(setup);
  }
};

TEST_F(InterfaceSetupTest, ApplyMakesItExactlySoAndTwiceChangesNothing) {
  InterfaceSetup setup = Open();
  const InterfaceConfig config =
      Config({"100.64.0.1", "fd00:2021:1111::1"}, {"100.64.0.0/11", "fd00:2021:1111::/107"});
  ASSERT_EQ(setup.Apply(config), absl::OkStatus());
  const std::string addresses = Addresses();
  const std::string routes = Routes();
  EXPECT_EQ(addresses, "  100.64.0.1/32 fd00:2021:1111::1/128\n");
  EXPECT_EQ(routes,
            "100.64.0.0/11 dev tun7 scope link metric 50 linkdown \n"
            "fd00:2021:1111::/107 dev tun7 metric 50 linkdown pref medium\n");
  EXPECT_THAT(Must("ip link show tun7"), HasSubstr("mtu 1280"));
  EXPECT_THAT(Must("ip link show tun7"), HasSubstr(",UP"));

  ASSERT_EQ(setup.Apply(config), absl::OkStatus());
  EXPECT_EQ(Addresses(), addresses);
  EXPECT_EQ(Routes(), routes);
}

TEST_F(InterfaceSetupTest, WhatAKilledProcessLeftIsAdoptedOrRemoved) {
  ASSERT_EQ(Open().Apply(Config({"100.64.0.1", "100.64.0.9", "fd00:2021:1111::1"},
                                {"100.64.0.0/11", "10.9.0.0/16", "fd00:2021:1111::/107"})),
            absl::OkStatus());
  // Another process, another state.
  ASSERT_EQ(Open().Apply(Config({"100.64.0.1", "fd00:2021:1111::2"}, {"100.64.0.0/11"})),
            absl::OkStatus());
  EXPECT_EQ(Addresses(), "  100.64.0.1/32 fd00:2021:1111::2/128\n");
  EXPECT_EQ(Routes(), "100.64.0.0/11 dev tun7 scope link metric 50 linkdown \n");
}

TEST_F(InterfaceSetupTest, AnAddressWithAnotherLengthIsReplaced) {
  Must("ip addr add 100.64.0.1/11 dev tun7; ip addr add fd00:2021:1111::1/64 dev tun7 nodad");
  ASSERT_EQ(Open().Apply(Config({"100.64.0.1", "fd00:2021:1111::1"}, {})), absl::OkStatus());
  EXPECT_EQ(Addresses(), "  100.64.0.1/32 fd00:2021:1111::1/128\n");
}

TEST_F(InterfaceSetupTest, ForeignRoutesAndLinkLocalAddressesAreLeftAlone) {
  MakeVeth("v0");
  Must(
      "ip link set tun7 up; ip addr add fe80::7/64 dev tun7 nodad; ip addr add 192.0.2.1/24 dev "
      "v0");
  Must("ip route add 10.50.0.0/16 dev tun7; ip route add 10.51.0.0/16 via 192.0.2.2");
  // Our number, but not our interface.
  Must("ip route add 10.52.0.0/16 via 192.0.2.2 proto 173");
  InterfaceSetup setup = Open();
  ASSERT_EQ(setup.Apply(Config({"100.64.0.1"}, {"100.64.0.0/11"})), absl::OkStatus());
  ASSERT_EQ(setup.Apply(Config({"100.64.0.1"}, {})), absl::OkStatus());
  const std::string routes = Must("ip route");
  for (const char* kept : {"10.50.0.0/16", "10.51.0.0/16", "10.52.0.0/16"}) {
    EXPECT_THAT(routes, HasSubstr(kept));
  }
  EXPECT_THAT(routes, Not(HasSubstr("100.64.0.0/11")));
  EXPECT_THAT(Must("ip -6 addr show dev tun7"), HasSubstr("fe80::7"));
}

TEST_F(InterfaceSetupTest, DownTakesTheRoutesAlongAndUpBringsThemBack) {
  InterfaceSetup setup = Open();
  InterfaceConfig config = Config({"100.64.0.1"}, {"100.64.0.0/11", "fd00:2021:1111::/107"});
  ASSERT_EQ(setup.Apply(config), absl::OkStatus());
  config.is_up = false;
  ASSERT_EQ(setup.Apply(config), absl::OkStatus());
  EXPECT_EQ(Routes(), "");
  EXPECT_THAT(Must("ip link show tun7"), Not(HasSubstr(",UP")));
  config.is_up = true;
  config.mtu = 1420;
  ASSERT_EQ(setup.Apply(config), absl::OkStatus());
  EXPECT_THAT(Routes(), HasSubstr("100.64.0.0/11"));
  EXPECT_THAT(Routes(), HasSubstr("fd00:2021:1111::/107"));
  EXPECT_THAT(Must("ip link show tun7"), HasSubstr("mtu 1420"));
}

TEST_F(InterfaceSetupTest, ErrorsNameOperationObjectAndRemedy) {
  InterfaceSetup setup = Open();
  InterfaceConfig config = Config({"100.64.0.1"}, {});
  config.mtu = 1;
  const absl::Status mtu = setup.Apply(config);
  EXPECT_THAT(MessageOf(mtu), HasSubstr("set MTU 1 on tun7"));
  EXPECT_THAT(MessageOf(mtu), HasSubstr("--mtu"));

  Must("ip link set tun7 up; ip route add 10.7.0.0/16 dev tun7 metric 50");
  const absl::Status route = setup.Apply(Config({}, {"10.7.0.0/16"}));
  EXPECT_THAT(MessageOf(route), HasSubstr("add route 10.7.0.0/16 via tun7"));
  EXPECT_THAT(MessageOf(route), HasSubstr("remove it"));

  Must("sysctl -qw net.ipv6.conf.tun7.disable_ipv6=1");
  const absl::Status no_ipv6 = setup.Apply(Config({"fd00:2021:1111::1"}, {}));
  EXPECT_THAT(MessageOf(no_ipv6), HasSubstr("disable_ipv6=0"));

  EXPECT_TRUE(absl::IsNotFound(InterfaceSetup::Open("nothere").status()));
}

TEST_F(InterfaceSetupTest, RemoveDeletesThePersistentDeviceAndTwiceIsFine) {
  InterfaceSetup setup = Open();
  ASSERT_EQ(setup.Apply(Config({"100.64.0.1"}, {"100.64.0.0/11"})), absl::OkStatus());
  EXPECT_EQ(setup.Remove(), absl::OkStatus());
  EXPECT_THAT(Must("ip link"), Not(HasSubstr("tun7")));
  EXPECT_EQ(setup.Remove(), absl::OkStatus());
  EXPECT_THAT(MessageOf(setup.Apply(Config({}, {}))), HasSubstr("restart the data plane"));
}

TEST_F(InterfaceSetupTest, TenThousandForeignRoutesDoNotMatter) {
  MakeVeth("v0");
  Must(
      "ip addr add 192.0.2.1/24 dev v0; for i in $(seq 0 39); do for j in $(seq 0 249); do "
      "echo route add 20.$i.$j.0/24 via 192.0.2.2; done; done | ip -batch -");
  InterfaceSetup setup = Open();
  ASSERT_EQ(setup.Apply(Config({"100.64.0.1"}, {"100.64.0.0/11"})), absl::OkStatus());
  EXPECT_EQ(Routes(), "100.64.0.0/11 dev tun7 scope link metric 50 linkdown \n");
}

TEST_F(InterfaceSetupTest, LocalAddressesAreThoseOfTheOtherInterfaces) {
  MakeVeth("v0");
  Must("ip addr add 192.0.2.1/24 dev v0; ip addr add 100.64.0.1/32 dev tun7");
  auto socket = NetlinkSocket::Open();
  ASSERT_TRUE(socket.ok());
  const auto local = LocalAddresses(*socket, *InterfaceIndex("tun7"));
  ASSERT_TRUE(local.ok()) << local.status();
  EXPECT_THAT(*local, Contains(*IpAddress::Parse("192.0.2.1")));
  EXPECT_THAT(*local, Contains(*IpAddress::Parse("127.0.0.1")));
  EXPECT_THAT(*local, Not(Contains(*IpAddress::Parse("100.64.0.1"))));
}

TEST_F(InterfaceSetupTest, TheNextHopIsTheKernels) {
  MakeVeth("v0");
  Must("ip addr add 192.0.2.1/24 dev v0; ip -6 addr add 2001:db8::1/64 dev v0 nodad");
  Must("ip route add 10.0.0.0/8 via 192.0.2.2; ip route add blackhole 10.66.0.0/16");
  Must("ip route add prohibit 10.67.0.0/16; ip -6 route add unreachable fd66::/16");
  auto socket = NetlinkSocket::Open();
  ASSERT_TRUE(socket.ok());
  for (const char* to : {"10.1.1.1", "192.0.2.9", "2001:db8::9"}) {
    const auto hop = FindNextHop(*socket, *IpAddress::Parse(to));
    ASSERT_TRUE(hop.ok()) << to << hop.status();
    EXPECT_EQ(InterfaceName(hop->interface_index), "v0") << to;
    EXPECT_FALSE(hop->is_local);
  }
  EXPECT_TRUE(FindNextHop(*socket, *IpAddress::Parse("192.0.2.1"))->is_local);
  for (const char* to : {"10.66.0.1", "10.67.0.1", "8.8.8.8", "fd66::1", "2001:db9::1"}) {
    EXPECT_TRUE(absl::IsNotFound(FindNextHop(*socket, *IpAddress::Parse(to)).status())) << to;
  }
}

}  // namespace
}  // namespace adit::host
