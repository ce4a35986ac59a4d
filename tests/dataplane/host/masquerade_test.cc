#include "dataplane/host/masquerade.h"

#include <net/if.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/host/foreign_firewall.h"
#include "dataplane/host/privileges.h"
#include "tests/dataplane/host/host_namespace.h"

namespace adit::host {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kOddName[] = "x;{}\"'-1";

class MasqueradeTest : public HostNamespace {
 protected:
  static Masquerade Open(const std::string& name) {
    auto masquerade = Masquerade::Open(name);
    EXPECT_TRUE(masquerade.ok()) << masquerade.status();
    return *std::move(masquerade);
  }
  static std::vector<ServedPrefix> Served(std::initializer_list<const char*> prefixes) {
    std::vector<ServedPrefix> served;
    for (const char* prefix : prefixes) {
      served.push_back({*IpPrefix::Parse(prefix), true});
    }
    return served;
  }
};

TEST_F(MasqueradeTest, TheTableIsThereReplacedAndRemoved) {
  MakeTun("tun7");
  Masquerade masquerade = Open("tun7");
  ASSERT_EQ(masquerade.Apply(Served({"10.77.1.10/32", "fd77:1::/64"}), 1280), absl::OkStatus());
  const std::string first = Must("nft list ruleset");
  EXPECT_THAT(first, HasSubstr("table inet adit_tun7"));
  EXPECT_THAT(first, HasSubstr("iif \"tun7\" oif != \"tun7\" ip daddr @nat4 masquerade"));
  EXPECT_THAT(first, HasSubstr("iif \"tun7\" oif != \"tun7\" ip6 daddr @nat6 masquerade"));
  EXPECT_THAT(first, HasSubstr("10.77.1.10"));
  EXPECT_THAT(first, HasSubstr("fd77:1::/64"));
  EXPECT_THAT(first, HasSubstr("maxseg size set 1240"));
  EXPECT_THAT(first, HasSubstr("maxseg size set 1220"));
  ASSERT_EQ(masquerade.Apply(Served({"10.88.0.0/16"}), 1420), absl::OkStatus());
  const std::string second = Must("nft list ruleset");
  EXPECT_THAT(second, Not(HasSubstr("10.77.1.10")));
  EXPECT_THAT(second, HasSubstr("10.88.0.0/16"));
  EXPECT_THAT(second, HasSubstr("maxseg size set 1380"));
  EXPECT_EQ(masquerade.Remove(), absl::OkStatus());
  EXPECT_EQ(Must("nft list ruleset"), "");
  EXPECT_EQ(masquerade.Remove(), absl::OkStatus());
}

TEST_F(MasqueradeTest, TheLeftoverOfAKilledProcessIsReplacedAndOtherTablesAreNot) {
  MakeTun("tun7");
  Must("nft 'add table inet adit_tun7; add chain inet adit_tun7 leftover; add table inet theirs'");
  ASSERT_EQ(Open("tun7").Apply({}, 1280), absl::OkStatus());
  const std::string ruleset = Must("nft list ruleset");
  EXPECT_THAT(ruleset, Not(HasSubstr("leftover")));
  EXPECT_THAT(ruleset, HasSubstr("table inet theirs"));
}

TEST_F(MasqueradeTest, AnyInterfaceNameWorks) {
  for (const char* name : {kOddName, "@set", "wild*", "42", "-", "drop", "\xc3\xa9"}) {
    MakeTun(name);
    Masquerade masquerade = Open(name);
    ASSERT_EQ(masquerade.Apply(Served({"10.77.1.10/32"}), 1280), absl::OkStatus()) << name;
    EXPECT_THAT(Must("nft list tables"), HasSubstr(TableName(name) + "\n"));
    ASSERT_EQ(masquerade.Remove(), absl::OkStatus()) << name;
  }
  EXPECT_EQ(Must("nft list ruleset"), "");
}

TEST_F(MasqueradeTest, ItWorksWithNetAdminOnlyAndWithoutUid0) {
  MakeTun("tun7");
  EXPECT_TRUE(InChild([] {
    EXPECT_EQ(DropTo(Account{64061, 64061}), absl::OkStatus());
    EXPECT_EQ(Open("tun7").Apply(Served({"10.77.1.10/32"}), 1280), absl::OkStatus());
    return true;
  }));
  EXPECT_THAT(Must("nft list ruleset"), HasSubstr("10.77.1.10"));
}

TEST_F(MasqueradeTest, ManyPrefixesAreOneTransaction) {
  MakeTun("tun7");
  std::vector<ServedPrefix> served;
  for (unsigned i = 0; i < 5000; ++i) {
    const std::uint8_t bytes[4] = {10, static_cast<std::uint8_t>(i / 100),
                                   static_cast<std::uint8_t>(i % 100 * 2), 0};
    served.push_back({IpPrefix(IpAddress::V4(bytes), 24), true});
  }
  Masquerade masquerade = Open("tun7");
  ASSERT_EQ(masquerade.Apply(served, 1280), absl::OkStatus());
  ASSERT_EQ(masquerade.Apply(served, 1280), absl::OkStatus());
  EXPECT_THAT(Must("nft list ruleset"), HasSubstr("10.49.198.0/24"));
}

// A client's network on the TUN's side, a resource's on the other, and this host between.
TEST_F(MasqueradeTest, TheResourceSeesTheGatewayOrTheClientAndFittingSegments) {
  Must("ip netns add far_c && ip netns add far_r");
  // A veth stands for the TUN: what matters is only where packets come from.
  Must(
      "ip link add tun7 type veth peer name eth0 netns far_c; "
      "ip link add lan0 type veth peer name eth0 netns far_r; "
      "ip addr add 100.64.0.1/24 dev tun7; ip addr add 10.77.1.1/24 dev lan0; "
      "ip link set tun7 up; ip link set lan0 up; echo 1 > /proc/sys/net/ipv4/ip_forward; "
      "ip -n far_c addr add 100.64.0.2/24 dev eth0; ip -n far_c link set eth0 up; "
      "ip -n far_c route add default via 100.64.0.1; "
      "ip -n far_r addr add 10.77.1.10/24 dev eth0; ip -n far_r addr add 10.77.1.11/24 dev eth0; "
      "ip -n far_r link set eth0 up; ip -n far_r route add default via 10.77.1.1");
  // The resource counts what it sees.
  Must(
      "ip netns exec far_r nft 'table ip t { chain c { type filter hook input priority 0; "
      "ip saddr 10.77.1.1 icmp type echo-request counter comment \"gateway\"; "
      "ip saddr 100.64.0.2 icmp type echo-request counter comment \"client\"; "
      "tcp flags syn tcp option maxseg size 1240 counter comment \"fits\"; }; }'");
  Masquerade masquerade = Open("tun7");
  ASSERT_EQ(masquerade.Apply({{*IpPrefix::Parse("10.77.1.0/24"), true},
                              {*IpPrefix::Parse("10.77.1.11/32"), false}},
                             1280),
            absl::OkStatus());
  Must(
      "ip netns exec far_c ping -c 2 -i 0.2 -W 2 10.77.1.10; "
      "ip netns exec far_c ping -c 3 -i 0.2 -W 2 10.77.1.11");
  Must("ip netns exec far_c bash -c ': < /dev/tcp/10.77.1.10/9' || true");
  const std::string seen = Must("ip netns exec far_r nft list ruleset");
  EXPECT_THAT(seen, HasSubstr("counter packets 2 bytes 168 comment \"gateway\""));
  EXPECT_THAT(seen, HasSubstr("counter packets 3 bytes 252 comment \"client\""));
  EXPECT_THAT(seen, HasSubstr("counter packets 1 bytes 60 comment \"fits\""));
}

// Two networks of which the host let nobody into the other, until forwarding was opened for the
// TUN.
TEST_F(MasqueradeTest, NeighboursDoNotReachOtherNetworksThroughUs) {
  MakeTun("tun7");
  Must("ip netns add far_c && ip netns add far_r");
  Must(
      "ip link add lan0 type veth peer name eth0 netns far_c; "
      "ip link add lan1 type veth peer name eth0 netns far_r; "
      "ip addr add 10.77.1.1/24 dev lan0; ip addr add 10.77.2.1/24 dev lan1; "
      "ip addr add fd77:1::1/64 dev lan0 nodad; ip addr add fd77:2::1/64 dev lan1 nodad; "
      "ip link set lan0 up; ip link set lan1 up; "
      "echo 1 > /proc/sys/net/ipv4/conf/lan0/forwarding; "
      "echo 1 > /proc/sys/net/ipv4/conf/lan1/forwarding; "
      "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; "
      "ip -n far_c addr add 10.77.1.10/24 dev eth0; ip -n far_r addr add 10.77.2.10/24 dev eth0; "
      "ip -n far_c addr add fd77:1::10/64 dev eth0 nodad; "
      "ip -n far_r addr add fd77:2::10/64 dev eth0 nodad; "
      "ip -n far_c link set eth0 up; ip -n far_r link set eth0 up; "
      "ip -n far_c route add default via 10.77.1.1; ip -n far_r route add default via 10.77.2.1; "
      "ip -n far_c route add default via fd77:1::1; ip -n far_r route add default via fd77:2::1");
  const std::string ping4 = "ip netns exec far_c ping -c 1 -w 8 10.77.2.10";
  const std::string ping6 = "ip netns exec far_c ping -c 1 -w 8 fd77:2::10";
  Masquerade masquerade = Open("tun7");
  ASSERT_EQ(masquerade.Apply(Served({"10.77.2.0/24"}), 1280), absl::OkStatus());
  Must(ping4 + " && " + ping6);  // the host forwards of itself
  OpenedForwarding opened;
  opened.v4 = {if_nametoindex("lan0")};
  opened.all_v6 = true;
  ASSERT_EQ(masquerade.Apply(Served({"10.77.2.0/24"}), 1280, opened), absl::OkStatus());
  const auto without_patience = [](std::string ping) {
    return ping.replace(ping.find("-w 8"), 4, "-w 1");
  };
  Must("! " + without_patience(ping4) + " && ! " + without_patience(ping6));
  Must("ip netns exec far_c ping -c 1 -w 2 10.77.1.1");
}

TEST_F(MasqueradeTest, AForeignChainThatDropsIsFoundInTheRealRuleset) {
  MakeTun("tun7");
  ASSERT_EQ(Open("tun7").Apply(Served({"10.77.1.10/32"}), 1280), absl::OkStatus());
  auto nftables = Nftables::Open();
  ASSERT_TRUE(nftables.ok());
  auto drops = [&] { return ForeignForwardDrops(*nftables, "tun7").value(); };
  EXPECT_THAT(drops(), IsEmpty()) << "ours drops nothing";
  Must(
      "nft 'table ip filter { chain FORWARD { type filter hook forward priority filter; "
      "policy drop; }; chain DOCKER-USER { }; }'");
  EXPECT_THAT(drops(), ElementsAre(Field(&HostProblem::setting, "nft chain ip filter FORWARD")));
  Must("nft add rule ip filter DOCKER-USER iifname tun7 accept");
  EXPECT_THAT(drops(), IsEmpty());
  Must(
      "nft 'table inet fw { chain f { type filter hook forward priority filter; "
      "ct state established accept; reject with icmpx type admin-prohibited; }; }'");
  EXPECT_THAT(drops(), ElementsAre(Field(&HostProblem::setting, "nft chain inet fw f")));
}

}  // namespace
}  // namespace adit::host
