#include "dataplane/io/udp_steering.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>

#include <gtest/gtest.h>

#include "common/status.h"
#include "common/unique_fd.h"
#include "dataplane/io/udp_receiver.h"
#include "dataplane/io/udp_sockets.h"

// Real sockets on the loopback.
namespace adit::io {
namespace {

constexpr std::size_t kSockets = 3;
constexpr std::array<packet::SteeringByte, 3> kSteering = {{{4, 4}, {3, 4}, {2, 8}}};
using Bytes = std::vector<std::uint8_t>;

struct Case {
  IpFamily family;
  OffloadSwitch gro;
};

class UdpSteeringTest : public ::testing::TestWithParam<Case> {
 protected:
  UdpSteeringTest() {
    auto opened = UdpSockets::OpenGroup(syscalls_, {.gro = GetParam().gro}, kSockets, kSteering);
    EXPECT_TRUE(opened.ok()) << MessageOf(opened.status());
    group_ = std::move(*opened);
    client_ = NewClient();
  }

  [[nodiscard]] UniqueFd NewClient() const {
    const bool is_v6 = GetParam().family == IpFamily::kV6;
    UniqueFd fd(::socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_storage address{};
    const Endpoint to{*IpAddress::Parse(is_v6 ? "::1" : "127.0.0.1"), group_.front().port(), 0};
    const socklen_t size = to.ToSockaddr(address);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    return fd;
  }
  // The number of the socket it came to, and what came there.
  struct Arrival {
    std::size_t socket = 0;
    std::size_t bytes = 0;
    std::size_t trains = 0;
  };
  [[nodiscard]] Arrival NextArrival() {
    std::array<pollfd, kSockets> polled{};
    for (std::size_t i = 0; i < kSockets; ++i) {
      polled[i] = {group_[i].Of(GetParam().family)->fd(), POLLIN, 0};
    }
    EXPECT_GT(::poll(polled.data(), polled.size(), 5000), 0) << "nothing came";
    Arrival arrival;
    for (std::size_t i = 0; i < kSockets; ++i) {
      if (polled[i].revents != 0) {
        for (const auto& train : receiver_.Receive(*group_[i].Of(GetParam().family))) {
          arrival.socket = i;
          arrival.bytes += train.bytes.size();
          ++arrival.trains;
        }
      }
    }
    return arrival;
  }
  [[nodiscard]] std::size_t SocketOf(const Bytes& datagram) {
    EXPECT_EQ(::send(client_.get(), datagram.data(), datagram.size(), 0),
              static_cast<ssize_t>(datagram.size()));
    return NextArrival().socket;
  }

  SystemSyscalls syscalls_;
  UdpReceiver receiver_{syscalls_};
  std::vector<UdpSockets> group_;
  UniqueFd client_;
};

TEST_P(UdpSteeringTest, EachDatagramGoesWhereItsByteSays) {
  for (const packet::SteeringByte& byte : kSteering) {
    for (std::uint8_t number = 0; number < kSockets; ++number) {
      Bytes datagram(92, 0xff);
      datagram[0] = byte.first_byte;
      datagram[byte.offset] = number;
      EXPECT_EQ(SocketOf(datagram), number) << "first byte " << int{byte.first_byte};
    }
  }
}

TEST_P(UdpSteeringTest, OthersAreSpreadByTheirSourceAndAlwaysAlike) {
  Bytes initiation(148, 0);
  initiation[0] = 1;
  Bytes of_no_socket(32, 0);
  of_no_socket[0] = 4;
  of_no_socket[4] = kSockets;
  for (const Bytes& datagram : {initiation, of_no_socket}) {
    std::array<int, kSockets> came{};
    for (int i = 0; i < 64; ++i) {
      client_ = NewClient();
      const std::size_t socket = SocketOf(datagram);
      EXPECT_EQ(SocketOf(datagram), socket);
      ++came[socket];
    }
    for (const int count : came) {
      EXPECT_GT(count, 0);
    }
  }
}

TEST_P(UdpSteeringTest, WhatIsTooShortForItsByteGoesToTheFirst) {
  EXPECT_EQ(SocketOf(Bytes{4}), 0U);
  EXPECT_EQ(SocketOf(Bytes{2, 1, 1, 1}), 0U);
}

TEST_P(UdpSteeringTest, ATrainGoesWholeWhereItsFirstDatagramSays) {
  constexpr std::uint16_t kSegment = 100;
  Bytes train(5 * kSegment, 0);
  for (std::size_t i = 0; i < 5; ++i) {
    train[i * kSegment] = 4;
    train[i * kSegment + 4] = i == 0 ? 2 : 1;
  }
  const int segment = kSegment;
  ASSERT_EQ(::setsockopt(client_.get(), IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
  ASSERT_EQ(::send(client_.get(), train.data(), train.size(), 0),
            static_cast<ssize_t>(train.size()));
  const Arrival arrival = NextArrival();
  if (GetParam().gro == OffloadSwitch::kAuto) {
    EXPECT_EQ(arrival.socket, 2U);
    EXPECT_EQ(arrival.trains, 1U);
    EXPECT_EQ(arrival.bytes, train.size());
  } else {  // the kernel cuts it before it asks the program
    EXPECT_EQ(arrival.trains, 5U);
    EXPECT_EQ(arrival.bytes, train.size());
  }
}

TEST_P(UdpSteeringTest, AnotherProgramsPortIsNotShared) {
  const auto second =
      UdpSockets::OpenGroup(syscalls_, {.port = group_.front().port()}, 2, kSteering);
  EXPECT_EQ(ErrnoOf(second.status()), EADDRINUSE);
  const auto single = UdpSockets::Open(syscalls_, {.port = group_.front().port()});
  EXPECT_EQ(ErrnoOf(single.status()), EADDRINUSE);
}

INSTANTIATE_TEST_SUITE_P(Families, UdpSteeringTest,
                         ::testing::Values(Case{IpFamily::kV4, OffloadSwitch::kAuto},
                                           Case{IpFamily::kV4, OffloadSwitch::kOff},
                                           Case{IpFamily::kV6, OffloadSwitch::kAuto},
                                           Case{IpFamily::kV6, OffloadSwitch::kOff}));

}  // namespace
}  // namespace adit::io
