#include "dataplane/io/udp_receiver.h"

#include <cerrno>

#include <gtest/gtest.h>

#include "tests/support/fake_syscalls.h"

namespace adit::io {
namespace {

using testing::FakeSyscalls;
using Bytes = FakeSyscalls::Bytes;

Endpoint Remote(const char* text) { return *Endpoint::Parse(text); }
IpAddress Address(const char* text) { return *IpAddress::Parse(text); }

class UdpReceiverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto socket = UdpSocket::Open(kernel_, IpFamily::kV4, {.port = 51820});
    ASSERT_TRUE(socket.ok());
    socket_.emplace(std::move(*socket));
  }
  std::span<const packet::ReceivedTrain> Receive() { return receiver_.Receive(*socket_); }
  // One that has only what every datagram has.
  static FakeSyscalls::Datagram Plain(std::size_t size) {
    return {.bytes = Bytes(size, 7), .remote = Remote("192.0.2.1:1000")};
  }

  FakeSyscalls kernel_;
  UdpReceiver receiver_{kernel_};
  std::optional<UdpSocket> socket_;
};

TEST_F(UdpReceiverTest, TrainCarriesItsControlMessages) {
  kernel_.to_receive.push_back({.bytes = Bytes(3000, 1),
                                .remote = Remote("192.0.2.1:1000"),
                                .segment_size = 1452,
                                .source = Address("198.51.100.7"),
                                .interface_index = 4,
                                .tos = 0x8b});
  const auto trains = Receive();
  ASSERT_EQ(trains.size(), 1U);
  EXPECT_EQ(trains[0].bytes.size(), 3000U);
  EXPECT_EQ(trains[0].segment_size, 1452U);
  EXPECT_EQ(trains[0].remote, Remote("192.0.2.1:1000"));
  // The route may well leave by another interface.
  EXPECT_EQ(trains[0].local, (packet::LocalSource{Address("198.51.100.7"), 0}));
  EXPECT_EQ(trains[0].ecn, 3);
  EXPECT_EQ(receiver_.counters().datagrams, 3U);
}

TEST_F(UdpReceiverTest, InterfaceIsKeptForLinkLocalAddressesOnly) {
  kernel_.to_receive.push_back({.bytes = Bytes(100, 1),
                                .remote = Remote("[fe80::1%4]:1000"),
                                .source = Address("fe80::2"),
                                .interface_index = 4,
                                .tos = 1});
  kernel_.to_receive.push_back({.bytes = Bytes(100, 1),
                                .remote = Remote("[2001:db8::1]:1000"),
                                .source = Address("2001:db8::2"),
                                .interface_index = 4});
  const auto trains = Receive();
  ASSERT_EQ(trains.size(), 2U);
  EXPECT_EQ(trains[0].local, (packet::LocalSource{Address("fe80::2"), 4}));
  EXPECT_EQ(trains[0].remote.scope, 4U);
  EXPECT_EQ(trains[0].ecn, 1);
  EXPECT_EQ(trains[1].local, (packet::LocalSource{Address("2001:db8::2"), 0}));
  EXPECT_EQ(trains[1].ecn, 0);
}

TEST_F(UdpReceiverTest, AddressesThatNoReplyCanCarryAreLeftToTheKernel) {
  for (const char* address : {"0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1"}) {
    FakeSyscalls::Datagram datagram = Plain(100);
    datagram.source = Address(address);
    datagram.interface_index = 4;
    kernel_.to_receive.push_back(datagram);
    const auto trains = Receive();
    ASSERT_EQ(trains.size(), 1U);
    EXPECT_EQ(trains[0].local, packet::LocalSource{}) << address;
  }
}

TEST_F(UdpReceiverTest, DatagramWithoutControlMessagesIsATrainOfOne) {
  kernel_.to_receive.push_back(Plain(65507));
  const auto trains = Receive();
  ASSERT_EQ(trains.size(), 1U);
  EXPECT_EQ(trains[0].bytes.size(), 65507U);
  EXPECT_EQ(trains[0].segment_size, 65507U);
  EXPECT_EQ(trains[0].local, packet::LocalSource{});
}

TEST_F(UdpReceiverTest, SegmentSizesThatMakeNoSenseAreTheWhole) {
  for (const int size : {0, -1, 200}) {
    FakeSyscalls::Datagram datagram = Plain(100);
    datagram.segment_size = size;
    kernel_.to_receive.push_back(datagram);
    EXPECT_EQ(Receive()[0].segment_size, 100U);
  }
}

TEST_F(UdpReceiverTest, TruncatedAndEmptyOnesAreDroppedAndCountedAndTheRestIsKept) {
  FakeSyscalls::Datagram cut = Plain(100);
  cut.flags = MSG_TRUNC;
  FakeSyscalls::Datagram without_control = Plain(100);
  without_control.flags = MSG_CTRUNC;
  for (const auto& datagram : {cut, Plain(10), without_control, Plain(0), Plain(20)}) {
    kernel_.to_receive.push_back(datagram);
  }
  const auto trains = Receive();
  ASSERT_EQ(trains.size(), 2U);
  EXPECT_EQ(trains[0].bytes.size(), 10U);
  EXPECT_EQ(trains[1].bytes.size(), 20U);
  EXPECT_EQ(receiver_.counters().truncated, 2U);
  EXPECT_EQ(receiver_.counters().empty, 1U);
  EXPECT_EQ(receiver_.counters().trains, 2U);
}

// No kernel writes such; found by fuzzing.
TEST(ControlMessagesTest, OneThatIsNotThereWholeEndsThem) {
  for (const std::size_t length : {0UL, 15UL, 21UL, 4096UL, SIZE_MAX}) {
    ControlMessages control;
    control.Add(IPPROTO_UDP, UDP_GRO, 1000);
    msghdr message{};
    control.AttachTo(message);
    message.msg_controllen = CMSG_LEN(sizeof(int));
    int seen = 0;
    const auto count = [&](int, int, const std::uint8_t*, std::size_t size) {
      EXPECT_EQ(size, sizeof(int));
      ++seen;
    };
    ForEachControlMessage(message, count);
    EXPECT_EQ(seen, 1);
    StoreNative(static_cast<std::uint8_t*>(message.msg_control), length);
    ForEachControlMessage(message, count);
    EXPECT_EQ(seen, 1) << length;
  }
}

TEST_F(UdpReceiverTest, TakesABatchAtATime) {
  for (std::size_t i = 0; i < UdpReceiver::kMaxTrains + 1; ++i) {
    kernel_.to_receive.push_back(Plain(100 + i));
  }
  const auto first = Receive();
  ASSERT_EQ(first.size(), UdpReceiver::kMaxTrains);
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_EQ(first[i].bytes.size(), 100 + i);
  EXPECT_EQ(Receive().size(), 1U);
  EXPECT_TRUE(Receive().empty());
  EXPECT_EQ(receiver_.counters().receives, 2U);
  EXPECT_EQ(receiver_.counters().failures, 0U);
}

TEST_F(UdpReceiverTest, FailuresAreCountedByErrnoAndInterruptionsRepeated) {
  kernel_.to_receive.push_back(Plain(100));
  kernel_.Fail("recvmmsg", EINTR, 2);
  EXPECT_EQ(Receive().size(), 1U);
  kernel_.to_receive.push_back(Plain(100));
  for (const int error : {ECONNREFUSED, EHOSTUNREACH, ENETDOWN, ENOMEM, EPERM}) {
    kernel_.Fail("recvmmsg", error);
    EXPECT_TRUE(Receive().empty());
    EXPECT_EQ(receiver_.counters().failures_by_errno[static_cast<std::size_t>(error)], 1U);
  }
  EXPECT_EQ(receiver_.counters().failures, 5U);
  EXPECT_EQ(Receive().size(), 1U) << "what waited is not lost";
}

}  // namespace
}  // namespace adit::io
