#include "dataplane/host/forwarding.h"

#include <net/if.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/host/privileges.h"
#include "tests/dataplane/host/host_namespace.h"

namespace adit::host {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr Account kDataplane{64061, 64061};

class ForwardingTest : public HostNamespace {
 protected:
  void SetUp() override {
    HostNamespace::SetUp();
    MakeTun("tun7");
    MakeVeth("lan0");
    MakeVeth("lan.1");
    Must("ip addr add 10.77.1.1/24 dev lan0; ip addr add 10.77.2.1/24 dev lan.1");
    Must("ip addr add fd77:1::1/64 dev lan0 nodad; ip link set tun7 up");
    for (const char* family : {"ipv4", "ipv6"}) {
      Must(std::string("echo 0 > /proc/sys/net/") + family + "/conf/all/forwarding");
    }
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::remove_all(mirror_, ignored);
  }

  static Forwarding Open(const std::string& root = "/proc/sys") {
    auto forwarding = Forwarding::Open("tun7", root);
    EXPECT_TRUE(forwarding.ok()) << forwarding.status();
    return *std::move(forwarding);
  }
  static std::vector<ServedPrefix> Served(std::initializer_list<const char*> prefixes) {
    std::vector<ServedPrefix> served;
    for (const char* prefix : prefixes) {
      served.push_back({*IpPrefix::Parse(prefix), true});
    }
    return served;
  }
  static std::string V4(const std::string& interface) {
    return ReadFile("/proc/sys/net/ipv4/conf/" + interface + "/forwarding");
  }
  static std::string V6(const std::string& interface, const std::string& name) {
    return ReadFile("/proc/sys/net/ipv6/conf/" + interface + "/" + name);
  }
  static bool HasForceForwarding() { return V6("all", "force_forwarding") != ""; }

  // The real settings, as a kernel before 6.17 shows them: links to all but force_forwarding.
  std::string OlderKernel() {
    char name[] = "/tmp/adit_sysctl_XXXXXX";
    mirror_ = mkdtemp(name);
    for (const auto& conf : std::filesystem::directory_iterator("/proc/sys/net/ipv6/conf")) {
      const std::string directory = mirror_ + "/net/ipv6/conf/" + conf.path().filename().string();
      std::filesystem::create_directories(directory);
      for (const char* key : {"forwarding", "accept_ra"}) {
        std::filesystem::create_symlink(conf.path() / key, directory + "/" + key);
      }
    }
    std::filesystem::create_symlink("/proc/sys/net/ipv4", mirror_ + "/net/ipv4");
    return mirror_;
  }

  std::string mirror_;
};

TEST_F(ForwardingTest, TunAndEgressForwardAndEverythingComesBack) {
  Forwarding forwarding = Open();
  EXPECT_THAT(forwarding.Apply(Served({"10.77.1.10/32"})), IsEmpty());
  EXPECT_EQ(V4("tun7"), "1");
  EXPECT_EQ(V4("lan0"), "1");
  EXPECT_EQ(V4("lan.1"), "0");
  EXPECT_EQ(V4("all"), "0");
  EXPECT_EQ(forwarding.Restore(), absl::OkStatus());
  EXPECT_EQ(V4("tun7"), "0");
  EXPECT_EQ(V4("lan0"), "0");
}

TEST_F(ForwardingTest, KnowsWhatItOpenedAndWhatOthersDid) {
  Must("echo 1 > /proc/sys/net/ipv4/conf/lan.1/forwarding");
  Forwarding forwarding = Open(OlderKernel());
  EXPECT_THAT(forwarding.Apply(Served({"10.77.1.0/24", "10.77.2.0/24", "fd77:1::/64"})), IsEmpty());
  const OpenedForwarding opened = forwarding.Opened();
  EXPECT_THAT(opened.v4, ElementsAre(if_nametoindex("lan0"))) << "lan.1 forwarded before";
  EXPECT_TRUE(opened.all_v6);
  Must("echo 1 > /proc/sys/net/ipv4/ip_forward");  // somebody makes a router of the host
  EXPECT_THAT(forwarding.Apply(Served({"10.77.1.0/24"})), IsEmpty());
  EXPECT_EQ(forwarding.Opened(), OpenedForwarding());
}

TEST_F(ForwardingTest, AnInterfaceThatIsEgressNoMoreGetsItsSettingBack) {
  Forwarding forwarding = Open();
  EXPECT_THAT(forwarding.Apply(Served({"10.77.1.0/24", "10.77.2.0/24"})), IsEmpty());
  EXPECT_EQ(V4("lan0"), "1");
  EXPECT_EQ(V4("lan.1"), "1");
  EXPECT_THAT(forwarding.Apply(Served({"10.77.2.0/24"})), IsEmpty());
  EXPECT_EQ(V4("lan0"), "0");
  EXPECT_EQ(V4("lan.1"), "1");
  EXPECT_THAT(forwarding.Apply({}), IsEmpty());
  EXPECT_EQ(V4("lan.1"), "0");
  EXPECT_EQ(V4("tun7"), "0");
}

TEST_F(ForwardingTest, ARouteThatMovesMovesForwarding) {
  Must("ip route add 10.99.0.0/16 via 10.77.1.9");
  Forwarding forwarding = Open();
  const auto served = Served({"10.99.1.0/24"});
  EXPECT_THAT(forwarding.Apply(served), IsEmpty());
  EXPECT_EQ(V4("lan0"), "1");
  Must("ip route replace 10.99.0.0/16 via 10.77.2.9");
  forwarding.ForgetRoutes();
  EXPECT_THAT(forwarding.Apply(served), IsEmpty());
  EXPECT_EQ(V4("lan0"), "0");
  EXPECT_EQ(V4("lan.1"), "1");
}

TEST_F(ForwardingTest, WhatWasOnBeforeStaysOnAndWhatOthersChangeStaysTheirs) {
  Must("echo 1 > /proc/sys/net/ipv4/conf/lan0/forwarding");
  Forwarding forwarding = Open();
  EXPECT_THAT(forwarding.Apply(Served({"10.77.1.0/24", "10.77.2.0/24"})), IsEmpty());
  Must("ip link del lan.1");
  EXPECT_EQ(forwarding.Restore(), absl::OkStatus());
  EXPECT_EQ(V4("lan0"), "1");
}

TEST_F(ForwardingTest, WhatAKilledProcessSetIsPutBackByTheNext) {
  const std::string record = testing::TempDir() + "/adit_record_" + std::to_string(getpid());
  const auto open = [&] {
    Forwarding forwarding = Open();
    forwarding.KeepRecord(record);
    return forwarding;
  };
  EXPECT_TRUE(InChild([&] {
    EXPECT_THAT(open().Apply(Served({"10.77.1.0/24", "10.77.2.0/24"})), IsEmpty());
    return true;  // and ends without Restore
  }));
  EXPECT_EQ(V4("lan0"), "1");
  Must("echo 0 > /proc/sys/net/ipv4/conf/lan.1/forwarding");
  {
    Forwarding next = open();
    EXPECT_THAT(next.Apply(Served({"10.77.2.0/24"})), IsEmpty());
    EXPECT_EQ(V4("lan0"), "0") << "served by the killed one only";
    EXPECT_EQ(V4("lan.1"), "1");
    EXPECT_EQ(next.Restore(), absl::OkStatus());
  }
  EXPECT_EQ(V4("lan.1"), "0");
  EXPECT_EQ(V4("tun7"), "0");
  // Nothing is left in it, and what is not ours to undo is not undone.
  Must("echo 1 > /proc/sys/net/ipv4/conf/lan0/forwarding");
  for (const char* content : {"", "another boot\nnet/ipv4/conf/lan0/forwarding\t0\t1\n"}) {
    Must("printf '" + std::string(content) + "' > " + record);
    EXPECT_EQ(open().Restore(), absl::OkStatus());
    EXPECT_EQ(V4("lan0"), "1");
  }
  Must("rm " + record);
}

TEST_F(ForwardingTest, MissingAndCircularRoutesAreProblems) {
  Must("ip route add 10.99.0.0/16 dev tun7");
  Forwarding forwarding = Open();
  const auto problems = forwarding.Apply(Served({"10.98.0.0/16", "10.99.1.0/24", "10.77.1.0/24"}));
  EXPECT_EQ(problems.size(), 2U);
  EXPECT_THAT(problems, Contains(AllOf(Field(&HostProblem::setting, "route to 10.98.0.0/16"),
                                       Field(&HostProblem::remedy, HasSubstr("add a route")))));
  EXPECT_THAT(problems, Contains(AllOf(Field(&HostProblem::setting, "route to 10.99.1.0/24"),
                                       Field(&HostProblem::remedy, HasSubstr("back into tun7")))));
  EXPECT_EQ(V4("lan0"), "1");
}

TEST_F(ForwardingTest, ANetworkTheHostIsInIsNotTheHost) {
  Must("ip addr add 10.77.3.0/24 dev lan.1; ip addr add 10.77.3.1/24 dev lan.1");
  Forwarding forwarding = Open();
  EXPECT_THAT(forwarding.Apply(Served({"10.77.3.0/24"})), IsEmpty());
  EXPECT_EQ(V4("lan.1"), "1");
}

TEST_F(ForwardingTest, AResourceOnTheHostItselfNeedsNothing) {
  Forwarding forwarding = Open();
  EXPECT_THAT(forwarding.Apply(Served({"10.77.1.1/32"})), IsEmpty());
  EXPECT_EQ(V4("tun7"), "0");
}

TEST_F(ForwardingTest, Ipv6IsForcedPerInterfaceWhereTheKernelCan) {
  Forwarding forwarding = Open();
  EXPECT_THAT(forwarding.Apply(Served({"fd77:1::10/128"})), IsEmpty());
  if (!HasForceForwarding()) {  // before Linux 6.17
    EXPECT_EQ(V6("all", "forwarding"), "1");
    return;
  }
  EXPECT_EQ(V6("tun7", "force_forwarding"), "1");
  EXPECT_EQ(V6("lan0", "force_forwarding"), "1");
  EXPECT_EQ(V6("all", "forwarding"), "0");
  EXPECT_EQ(V6("lan0", "accept_ra"), "1");
  EXPECT_EQ(forwarding.Restore(), absl::OkStatus());
  EXPECT_EQ(V6("tun7", "force_forwarding"), "0");
  EXPECT_EQ(V6("lan0", "force_forwarding"), "0");
}

TEST_F(ForwardingTest, OlderKernelsForwardIpv6EverywhereAndKeepAcceptingRouters) {
  Must(
      "echo 1 > /proc/sys/net/ipv6/conf/lan.1/forwarding; "
      "echo 0 > /proc/sys/net/ipv6/conf/lan.1x/accept_ra");
  const std::string root = OlderKernel();
  Forwarding forwarding = Open(root);
  const auto served = Served({"fd77:1::10/128"});
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(forwarding.Apply(served), IsEmpty());
    EXPECT_EQ(V6("all", "forwarding"), "1");
    EXPECT_EQ(V6("lan0", "forwarding"), "1");
    EXPECT_EQ(V6("lan0", "accept_ra"), "2");
    EXPECT_EQ(V6("default", "accept_ra"), "2");
    EXPECT_EQ(V6("lan.1x", "accept_ra"), "0") << "was off";
    EXPECT_EQ(V6("lan.1", "accept_ra"), "1") << "was a router and did not accept";
  }
  EXPECT_THAT(forwarding.Apply({}), IsEmpty());
  EXPECT_EQ(V6("all", "forwarding"), "0");
  EXPECT_EQ(V6("lan0", "forwarding"), "0");
  EXPECT_EQ(V6("lan0", "accept_ra"), "1");
  EXPECT_EQ(V6("default", "accept_ra"), "1");
  EXPECT_EQ(V6("lan.1", "forwarding"), "1") << "was a router";
}

TEST_F(ForwardingTest, AHostThatForwardsIpv6AlreadyIsLeftAlone) {
  Must("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
  Forwarding forwarding = Open();
  EXPECT_THAT(forwarding.Apply(Served({"fd77:1::10/128"})), IsEmpty());
  EXPECT_EQ(V6("lan0", "accept_ra"), "1");
  EXPECT_EQ(forwarding.Restore(), absl::OkStatus());
  EXPECT_EQ(V6("all", "forwarding"), "1");
}

TEST_F(ForwardingTest, ItWorksWithNetAdminOnlyAndWithoutUid0) {
  EXPECT_TRUE(InChild([] {
    EXPECT_EQ(DropTo(kDataplane), absl::OkStatus());
    Forwarding forwarding = Open();
    EXPECT_THAT(forwarding.Apply(Served({"10.77.1.0/24", "fd77:1::/64"})), IsEmpty());
    EXPECT_EQ(V4("tun7"), "1");
    EXPECT_EQ(V4("lan0"), "1");
    EXPECT_EQ(forwarding.Restore(), absl::OkStatus());
    EXPECT_EQ(V4("lan0"), "0");
    return true;
  }));
}

TEST_F(ForwardingTest, OlderKernelsWorkWithoutUid0Too) {
  const std::string root = OlderKernel();
  Must("chmod -R a+rX " + root);
  EXPECT_TRUE(InChild([&] {
    EXPECT_EQ(DropTo(kDataplane), absl::OkStatus());
    Forwarding forwarding = Open(root);
    EXPECT_THAT(forwarding.Apply(Served({"fd77:1::/64"})), IsEmpty());
    EXPECT_EQ(V6("all", "forwarding"), "1");
    EXPECT_EQ(forwarding.Restore(), absl::OkStatus());
    EXPECT_EQ(V6("all", "forwarding"), "0");
    EXPECT_EQ(V6("lan0", "accept_ra"), "1");
    return true;
  }));
}

TEST_F(ForwardingTest, AReadOnlyProcSysIsAProblemThatNamesSettingAndRemedy) {
  ASSERT_EQ(mount("/proc/sys", "/proc/sys", nullptr, MS_BIND, nullptr), 0);
  ASSERT_EQ(mount(nullptr, "/proc/sys", nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr), 0);
  Forwarding forwarding = Open();
  const auto problems = forwarding.Apply(Served({"10.77.2.0/24"}));
  ASSERT_EQ(problems.size(), 2U);
  EXPECT_EQ(problems[0].setting, "net.ipv4.conf.lan/1.forwarding");
  EXPECT_EQ(problems[1].setting, "net.ipv4.conf.tun7.forwarding");
  EXPECT_THAT(problems[0].remedy, HasSubstr("sysctl -w net.ipv4.conf.lan/1.forwarding=1"));
  EXPECT_THAT(problems[0].remedy, HasSubstr("--sysctl net.ipv4.ip_forward=1"));
  EXPECT_THAT(problems[0].remedy, HasSubstr("Read-only file system"));
  EXPECT_EQ(forwarding.Restore(), absl::OkStatus());
}

}  // namespace
}  // namespace adit::host
