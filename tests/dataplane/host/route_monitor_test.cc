#include "dataplane/host/route_monitor.h"

#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dataplane/host/host_namespace.h"

namespace adit::host {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class RouteMonitorTest : public HostNamespace {
 protected:
  void SetUp() override {
    HostNamespace::SetUp();
    MakeTun("tun7");
    MakeVeth("v0");
  }
  static RouteMonitor Open() {
    auto monitor = RouteMonitor::Open("tun7");
    EXPECT_TRUE(monitor.ok()) << monitor.status();
    return *std::move(monitor);
  }
  // The kernel notifies before the command that changes something returns.
  static RouteChanges Read(RouteMonitor& monitor) {
    const auto changes = monitor.Read();
    EXPECT_TRUE(changes.ok()) << changes.status();
    return changes.value_or(RouteChanges());
  }
  static bool IsReadable(const RouteMonitor& monitor) {
    pollfd poller{monitor.fd(), POLLIN, 0};
    return poll(&poller, 1, 0) == 1;
  }
};

TEST_F(RouteMonitorTest, OpenKnowsTheInterface) {
  Must("ip addr add 100.64.0.1/32 dev tun7; ip link set tun7 mtu 1300");
  const RouteMonitor monitor = Open();
  EXPECT_TRUE(monitor.interface().exists);
  EXPECT_FALSE(monitor.interface().is_up);
  EXPECT_EQ(monitor.interface().mtu, 1300U);
  EXPECT_THAT(monitor.interface().addresses, ElementsAre(*IpAddress::Parse("100.64.0.1")));
  EXPECT_TRUE(absl::IsNotFound(RouteMonitor::Open("nothere").status()));
}

TEST_F(RouteMonitorTest, NothingHappenedIsNoChange) {
  RouteMonitor monitor = Open();
  Read(monitor);  // what setting up the links still brings
  EXPECT_FALSE(IsReadable(monitor));
  EXPECT_FALSE(Read(monitor).any());
}

TEST_F(RouteMonitorTest, UpDownAndMtuAreSeen) {
  RouteMonitor monitor = Open();
  Must("ip link set tun7 up mtu 1420");
  EXPECT_TRUE(IsReadable(monitor));
  EXPECT_TRUE(Read(monitor).interface_changed);
  EXPECT_TRUE(monitor.interface().is_up);
  EXPECT_EQ(monitor.interface().mtu, 1420U);
  Must("ip link set tun7 down");
  EXPECT_TRUE(Read(monitor).interface_changed);
  EXPECT_FALSE(monitor.interface().is_up);
}

TEST_F(RouteMonitorTest, AddressesAreSeenOursAndOthers) {
  RouteMonitor monitor = Open();
  Read(monitor);
  Must("ip addr add 192.0.2.1/24 dev v0");
  const RouteChanges others = Read(monitor);
  EXPECT_TRUE(others.addresses_changed);
  EXPECT_FALSE(others.interface_changed);
  Must("ip addr add fd00::1/128 dev tun7; ip addr add 100.64.0.1/32 dev tun7");
  const RouteChanges ours = Read(monitor);
  EXPECT_TRUE(ours.addresses_changed);
  EXPECT_TRUE(ours.interface_changed);
  EXPECT_THAT(monitor.interface().addresses,
              ElementsAre(*IpAddress::Parse("100.64.0.1"), *IpAddress::Parse("fd00::1")));
}

TEST_F(RouteMonitorTest, RoutesAreSeen) {
  Must("ip addr add 192.0.2.1/24 dev v0");
  RouteMonitor monitor = Open();
  Read(monitor);
  Must("ip route add default via 192.0.2.2");
  RouteChanges changes = Read(monitor);
  EXPECT_TRUE(changes.routes_changed);
  EXPECT_FALSE(changes.addresses_changed);
  EXPECT_FALSE(changes.interface_changed);
  Must("ip -6 route add 2001:db8::/32 dev v0");
  changes = Read(monitor);
  EXPECT_TRUE(changes.routes_changed);
}

// What a source learned from a peer at 198.51.100.7, on v0, has to fear.
TEST_F(RouteMonitorTest, SaysWhichSourcesAreConcerned) {
  Must("ip addr add 192.0.2.1/24 dev v0; ip addr add 192.0.2.9/24 dev v0");
  Must("ip addr add 203.0.113.1/24 dev v0x");
  RouteMonitor monitor = Open();
  const unsigned v0 = if_nametoindex("v0");
  const auto concerns = [&](const char* command, const char* source = "192.0.2.1") {
    Read(monitor);
    Must(command);
    return Read(monitor).event.Concerns(*IpAddress::Parse(source), v0,
                                        *IpAddress::Parse("198.51.100.7"));
  };
  EXPECT_FALSE(concerns("ip route add default via 192.0.2.2"));
  EXPECT_FALSE(concerns("ip route add 203.0.113.128/25 dev v0x"));
  EXPECT_FALSE(concerns("ip -6 route add default dev v0x"));
  EXPECT_TRUE(concerns("ip route add 198.51.100.0/24 via 203.0.113.2"));
  EXPECT_FALSE(concerns("ip route del 198.51.100.0/24"));
  EXPECT_TRUE(concerns("ip route del default"));
  EXPECT_TRUE(concerns("ip route add blackhole 198.51.100.7"));
  EXPECT_FALSE(concerns("ip addr add 192.0.2.10/24 dev v0"));
  EXPECT_FALSE(concerns("ip addr del 192.0.2.9/24 dev v0"));
  EXPECT_TRUE(concerns("ip addr del 192.0.2.10/24 dev v0", "192.0.2.10"));
  EXPECT_TRUE(
      concerns("ip -6 addr add fd00::1/64 dev v0; ip -6 addr del fd00::1/64 dev v0", "fd00::1"));
  EXPECT_TRUE(concerns("ip rule add fwmark 7 table 100"));
  EXPECT_FALSE(concerns("ip link set tun7 up; ip link set tun7 down"));
  EXPECT_FALSE(
      concerns("ip link add v1 type veth peer name v1x; ip link set v1 up; ip link del v1"));
  EXPECT_TRUE(concerns("ip link set v0 down"));
}

TEST_F(RouteMonitorTest, ARenameIsNoChangeAndADeletionIsForEver) {
  RouteMonitor monitor = Open();
  Must("ip link set tun7 name tun8");
  EXPECT_FALSE(Read(monitor).interface_changed);
  Must("ip link del tun8");
  EXPECT_TRUE(Read(monitor).interface_changed);
  EXPECT_FALSE(monitor.interface().exists);
  MakeTun("tun7");
  EXPECT_FALSE(Read(monitor).interface_changed);
  EXPECT_THAT(monitor.interface().addresses, IsEmpty());
}

TEST_F(RouteMonitorTest, LostNotificationsAreAChangeOfEverything) {
  RouteMonitor monitor = Open();
  const int small = 1;
  ASSERT_EQ(setsockopt(monitor.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
  Must(
      "ip link set tun7 up; for i in $(seq 1 100); do echo addr add 10.0.0.$i/32 dev tun7; done "
      "| ip -batch -");
  const RouteChanges changes = Read(monitor);
  EXPECT_TRUE(changes.interface_changed);
  EXPECT_TRUE(changes.addresses_changed);
  EXPECT_TRUE(changes.routes_changed);
  EXPECT_EQ(monitor.interface().addresses.size(), 100U);
  EXPECT_FALSE(Read(monitor).any());
}

}  // namespace
}  // namespace adit::host
