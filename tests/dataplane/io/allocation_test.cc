#include <fcntl.h>

#include <gtest/gtest.h>

#include "common/unique_fd.h"
#include "dataplane/io/tun_reader.h"
#include "dataplane/io/tun_writer.h"
#include "dataplane/io/udp_receiver.h"
#include "dataplane/io/udp_sender.h"
#include "tests/dataplane/io/allocation_count.h"
#include "tests/dataplane/io/tun_capture.h"

// The packet path allocates nothing once it is set up: with the real system calls, on files and
// sockets that need no privilege.
namespace adit::io {
namespace {

TEST(AllocationTest, CounterCounts) {
  const std::uint64_t before = AllocationCount();
  EXPECT_EQ(Bytes(100, 1).size(), 100U);
  EXPECT_GT(AllocationCount(), before);
}

TEST(AllocationTest, ReadingAndWritingTunAllocatesNothing) {
  const UniqueFd zero(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  SystemSyscalls syscalls;
  TunReader reader(syscalls, zero.get());
  TunWriter writer(syscalls, null.get(), {.tcp = true, .udp = true});
  std::vector<Bytes> packets;
  for (std::uint16_t port = 0; port < 20; ++port) {
    Flow flow = port % 2 == 0 ? Flow::Tcp(port) : Flow::Udp(port);
    for (int i = 0; i < 50; ++i) {
      packets.push_back(flow.Next(1000));
    }
  }
  const std::uint64_t before = AllocationCount();
  for (int round = 0; round < 10; ++round) {
    ASSERT_EQ(reader.Read().outcome, TunRead::Outcome::kPacket);
    // Five packets of each flow in turn: more flows than trains.
    for (std::uint32_t i = 0; i < packets.size(); ++i) {
      const std::uint32_t flow = i / 5 % 20;
      writer.Deliver(packets[flow * 50 + i / 100 * 5 + i % 5], flow);
    }
    writer.FlushDeliveries();
  }
  EXPECT_EQ(AllocationCount(), before);
  EXPECT_EQ(writer.counters().packets, 10000U);
  EXPECT_GT(writer.counters().packets_merged, 0U);
}

TEST(AllocationTest, SendingAndReceivingUdpAllocatesNothing) {
  SystemSyscalls syscalls;
  SystemClock clock;
  const auto sockets = UdpSockets::Open(syscalls, {});
  ASSERT_TRUE(sockets.ok());
  UdpSender sender(syscalls, *sockets, clock);
  UdpReceiver receiver(syscalls);
  const Bytes bytes(10000, 7);
  packet::DatagramPath path;
  path.remote = {*IpAddress::Parse("127.0.0.1"), sockets->port(), 0};
  path.source.address = path.remote.address;
  path.tos = 2;
  std::uint64_t datagrams = 0;
  const std::uint64_t before = AllocationCount();
  for (int round = 0; round < 20; ++round) {
    const bool use_gso = round % 2 == 0 && sockets->Of(IpFamily::kV4)->has_gso();
    const SendResult result = sender.Send(
        {.bytes = bytes, .segment_size = 1000, .count = 10, .path = path, .use_gso = use_gso});
    datagrams += result.datagrams_sent;
    while (!receiver.Receive(*sockets->Of(IpFamily::kV4)).empty()) {
    }
  }
  EXPECT_EQ(AllocationCount(), before);
  EXPECT_EQ(datagrams, 200U);
  EXPECT_EQ(receiver.counters().datagrams, 200U);
}

}  // namespace
}  // namespace adit::io
