#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status.h"
#include "dataplane/io/udp_sockets.h"
#include "tests/support/fake_syscalls.h"

namespace adit::io {
namespace {

using ::testing::ElementsAre;
using testing::FakeSyscalls;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class UdpSocketTest : public ::testing::Test {
 protected:
  FakeSyscalls kernel_;
  UdpOptions options_{.port = 51820};
};

TEST_F(UdpSocketTest, SetsWhatThePathNeedsBeforeItBinds) {
  const auto socket = UdpSocket::Open(kernel_, IpFamily::kV4, options_);
  ASSERT_TRUE(socket.ok());
  EXPECT_THAT(kernel_.calls,
              ElementsAre("socket AF_INET", "setsockopt AF_INET IP_PKTINFO 1",
                          "setsockopt AF_INET IP_RECVTOS 1", "setsockopt AF_INET IP_MTU_DISCOVER 0",
                          "getsockopt AF_INET UDP_SEGMENT", "setsockopt AF_INET UDP_GRO 1",
                          "setsockopt AF_INET SO_RCVBUFFORCE 7340032",
                          "setsockopt AF_INET SO_SNDBUFFORCE 7340032", "bind AF_INET 51820",
                          "getsockname"));
  EXPECT_TRUE(socket->has_gso());
  EXPECT_TRUE(socket->has_gro());
  EXPECT_EQ(socket->port(), 51820);
  EXPECT_THAT(socket->limitations(), IsEmpty());
}

TEST_F(UdpSocketTest, Ipv6SocketIsForIpv6Only) {
  const auto socket = UdpSocket::Open(kernel_, IpFamily::kV6, options_);
  ASSERT_TRUE(socket.ok());
  EXPECT_THAT(
      kernel_.calls,
      ElementsAre("socket AF_INET6", "setsockopt AF_INET6 IPV6_V6ONLY 1",
                  "setsockopt AF_INET6 IPV6_RECVPKTINFO 1", "setsockopt AF_INET6 IPV6_RECVTCLASS 1",
                  "setsockopt AF_INET6 IPV6_MTU_DISCOVER 0", "getsockopt AF_INET6 UDP_SEGMENT",
                  "setsockopt AF_INET6 UDP_GRO 1", "setsockopt AF_INET6 SO_RCVBUFFORCE 7340032",
                  "setsockopt AF_INET6 SO_SNDBUFFORCE 7340032", "bind AF_INET6 51820",
                  "getsockname"));
}

TEST_F(UdpSocketTest, EveryRefusedCallIsAnErrorWithItsErrno) {
  for (const char* call :
       {"socket AF_INET", "setsockopt AF_INET IP_PKTINFO", "setsockopt AF_INET IP_RECVTOS",
        "setsockopt AF_INET IP_MTU_DISCOVER", "bind AF_INET", "getsockname"}) {
    kernel_.Fail(call, ENOMEM);
    EXPECT_EQ(ErrnoOf(UdpSocket::Open(kernel_, IpFamily::kV4, options_).status()), ENOMEM) << call;
  }
  for (const char* call :
       {"socket AF_INET6", "setsockopt AF_INET6 IPV6_V6ONLY",
        "setsockopt AF_INET6 IPV6_RECVPKTINFO", "setsockopt AF_INET6 IPV6_RECVTCLASS",
        "setsockopt AF_INET6 IPV6_MTU_DISCOVER", "bind AF_INET6"}) {
    kernel_.Fail(call, ENOMEM);
    EXPECT_EQ(ErrnoOf(UdpSocket::Open(kernel_, IpFamily::kV6, options_).status()), ENOMEM) << call;
  }
}

TEST_F(UdpSocketTest, PortThatIsTakenOrForbiddenNamesTheRemedy) {
  kernel_.Fail("bind", EADDRINUSE);
  const auto taken = UdpSocket::Open(kernel_, IpFamily::kV4, options_);
  EXPECT_EQ(ErrnoOf(taken.status()), EADDRINUSE);
  EXPECT_THAT(MessageOf(taken.status()), HasSubstr("choose another --listen-port"));
  kernel_.Fail("bind", EACCES);
  EXPECT_THAT(MessageOf(UdpSocket::Open(kernel_, IpFamily::kV4, options_).status()),
              HasSubstr("CAP_NET_BIND_SERVICE"));
}

TEST_F(UdpSocketTest, OffloadsFollowTheirSwitches) {
  for (const int error : {ENOPROTOOPT, EINVAL}) {
    kernel_.Fail("getsockopt AF_INET UDP_SEGMENT", error);
    kernel_.Fail("setsockopt AF_INET UDP_GRO", error);
    const auto without = UdpSocket::Open(kernel_, IpFamily::kV4, options_);
    ASSERT_TRUE(without.ok());
    EXPECT_FALSE(without->has_gso());
    EXPECT_FALSE(without->has_gro());
    EXPECT_THAT(without->limitations(),
                ElementsAre(HasSubstr("UDP_SEGMENT"), HasSubstr("UDP_GRO")));
  }

  options_.gso = options_.gro = OffloadSwitch::kOn;
  EXPECT_TRUE(UdpSocket::Open(kernel_, IpFamily::kV4, options_).ok());
  kernel_.Fail("getsockopt AF_INET UDP_SEGMENT", ENOPROTOOPT);
  EXPECT_THAT(MessageOf(UdpSocket::Open(kernel_, IpFamily::kV4, options_).status()),
              HasSubstr("UDP_SEGMENT"));
  kernel_.Fail("setsockopt AF_INET UDP_GRO", ENOPROTOOPT);
  EXPECT_THAT(MessageOf(UdpSocket::Open(kernel_, IpFamily::kV4, options_).status()),
              HasSubstr("use auto"));

  options_.gso = options_.gro = OffloadSwitch::kOff;
  kernel_.calls.clear();
  const auto off = UdpSocket::Open(kernel_, IpFamily::kV4, options_);
  ASSERT_TRUE(off.ok());
  EXPECT_FALSE(off->has_gso());
  EXPECT_FALSE(off->has_gro());
  EXPECT_THAT(off->limitations(), IsEmpty());
  EXPECT_FALSE(kernel_.Saw("getsockopt AF_INET UDP_SEGMENT"));
  EXPECT_FALSE(kernel_.Saw("setsockopt AF_INET UDP_GRO"));
}

TEST_F(UdpSocketTest, BuffersWithoutTheCapabilityAreAsLargeAsTheSystemAllows) {
  kernel_.Fail("setsockopt AF_INET SO_RCVBUFFORCE", EPERM);
  kernel_.Fail("setsockopt AF_INET SO_SNDBUFFORCE", EPERM);
  kernel_.socket_buffers[SO_SNDBUF] = 2 * 7340032;
  const auto socket = UdpSocket::Open(kernel_, IpFamily::kV4, options_);
  ASSERT_TRUE(socket.ok());
  EXPECT_TRUE(kernel_.Saw("setsockopt AF_INET SO_RCVBUF 7340032"));
  EXPECT_THAT(socket->limitations(),
              ElementsAre("the IPv4 UDP socket buffers 212992 bytes instead of 7340032: bursts are "
                          "lost; raise net.core.rmem_max"));
}

TEST_F(UdpSocketTest, MarkIsSetWhenAskedForAndMayChange) {
  options_.mark = 0xca6c;
  auto socket = UdpSocket::Open(kernel_, IpFamily::kV4, options_);
  ASSERT_TRUE(socket.ok());
  EXPECT_TRUE(kernel_.Saw("setsockopt AF_INET SO_MARK 51820"));
  EXPECT_TRUE(socket->SetMark(0).ok());
  EXPECT_TRUE(kernel_.Saw("setsockopt AF_INET SO_MARK 0"));
  kernel_.Fail("setsockopt AF_INET SO_MARK", EPERM);
  EXPECT_THAT(MessageOf(socket->SetMark(1)), HasSubstr("CAP_NET_ADMIN"));
  kernel_.Fail("setsockopt AF_INET SO_MARK", EPERM);
  EXPECT_EQ(ErrnoOf(UdpSocket::Open(kernel_, IpFamily::kV4, options_).status()), EPERM);
}

class UdpSocketsTest : public UdpSocketTest {};

TEST_F(UdpSocketsTest, BothFamiliesShareAPort) {
  auto sockets = UdpSockets::Open(kernel_, options_);
  ASSERT_TRUE(sockets.ok());
  EXPECT_EQ(sockets->Of(IpFamily::kV4)->family(), IpFamily::kV4);
  EXPECT_EQ(sockets->Of(IpFamily::kV6)->family(), IpFamily::kV6);
  EXPECT_EQ(sockets->Of(IpFamily::kV6)->port(), 51820);
  EXPECT_EQ(sockets->port(), 51820);
  EXPECT_TRUE(sockets->SetMark(5).ok());
  EXPECT_TRUE(kernel_.Saw("setsockopt AF_INET SO_MARK 5"));
  EXPECT_TRUE(kernel_.Saw("setsockopt AF_INET6 SO_MARK 5"));
}

TEST_F(UdpSocketsTest, HostWithoutAFamilyDoesWithTheOther) {
  for (const int error : {EAFNOSUPPORT, EPROTONOSUPPORT}) {
    kernel_.Fail("socket AF_INET6", error);
    const auto v4_only = UdpSockets::Open(kernel_, options_);
    ASSERT_TRUE(v4_only.ok());
    EXPECT_EQ(v4_only->Of(IpFamily::kV6), nullptr);
    EXPECT_THAT(v4_only->limitations(), ElementsAre(HasSubstr("no IPv6")));
  }
  kernel_.Fail("bind AF_INET6", EADDRNOTAVAIL);  // disabled by sysctl
  EXPECT_TRUE(UdpSockets::Open(kernel_, options_).ok());

  kernel_.Fail("socket AF_INET", EAFNOSUPPORT);
  const auto v6_only = UdpSockets::Open(kernel_, options_);
  ASSERT_TRUE(v6_only.ok());
  EXPECT_EQ(v6_only->Of(IpFamily::kV4), nullptr);
  EXPECT_NE(v6_only->Of(IpFamily::kV6), nullptr);

  kernel_.Fail("socket", EAFNOSUPPORT, 2);
  EXPECT_EQ(ErrnoOf(UdpSockets::Open(kernel_, options_).status()), EAFNOSUPPORT);
}

TEST_F(UdpSocketsTest, FamilyThatFailsOtherwiseFailsBoth) {
  kernel_.Fail("bind AF_INET6", EADDRINUSE);
  EXPECT_EQ(ErrnoOf(UdpSockets::Open(kernel_, options_).status()), EADDRINUSE);
  // Also after a family that the host lacks.
  kernel_.Fail("socket AF_INET", EAFNOSUPPORT);
  kernel_.Fail("bind AF_INET6", EADDRINUSE);
  EXPECT_EQ(ErrnoOf(UdpSockets::Open(kernel_, options_).status()), EADDRINUSE);
}

TEST_F(UdpSocketsTest, AnyPortIsFreeInBothFamilies) {
  options_.port = 0;
  kernel_.Fail("bind AF_INET6 4000", EADDRINUSE, 3);
  const auto sockets = UdpSockets::Open(kernel_, options_);
  ASSERT_TRUE(sockets.ok());
  EXPECT_EQ(sockets->port(), 40004);
  EXPECT_EQ(sockets->Of(IpFamily::kV4)->port(), 40004);
  EXPECT_EQ(sockets->Of(IpFamily::kV6)->port(), 40004);

  kernel_.Fail("bind AF_INET6", EADDRINUSE, 1000);
  EXPECT_EQ(ErrnoOf(UdpSockets::Open(kernel_, options_).status()), EADDRINUSE);
}

}  // namespace
}  // namespace adit::io
