#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>

#include <array>
#include <memory>
#include <variant>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/ip_address.h"
#include "common/status.h"
#include "dataplane/io/tun_device.h"
#include "dataplane/io/tun_reader.h"
#include "dataplane/io/tun_writer.h"
#include "dataplane/packet/ip_packet.h"
#include "dataplane/packet/split.h"
#include "tests/dataplane/io/namespaces.h"

// The real TUN of the real kernel: what one end reads, split into packets, is merged and written to
// the other, as a tunnel would do.
namespace adit::io {
namespace {

using ::testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

class TunLink {
 public:
  // Both ends up, 10.8.0.1 and .2, fd08::1 and ::2, MTU 1420.
  explicit TunLink(OffloadSwitch offload) {
    a.Open(syscalls_, offload, "1");
    b.Open(syscalls_, offload, "2");
  }

  struct End {
    NetworkNamespace space;
    std::unique_ptr<TunDevice> device;
    std::unique_ptr<TunReader> reader;
    std::unique_ptr<TunWriter> writer;
    std::uint64_t super_packets_read = 0;
    std::uint64_t udp_super_packets_read = 0;

    void Open(Syscalls& syscalls, OffloadSwitch offload, const std::string& host) {
      space.Enter();
      auto opened =
          TunDevice::Open(syscalls, {.name = "adit0", .is_persistent = false, .offload = offload});
      ASSERT_TRUE(opened.ok()) << MessageOf(opened.status());
      device = std::make_unique<TunDevice>(std::move(*opened));
      reader = std::make_unique<TunReader>(syscalls, device->fd());
      writer = std::make_unique<TunWriter>(syscalls, device->fd(), device->offloads());
      NetworkNamespace::Run("ip addr add 10.8.0." + host + "/24 dev adit0");
      NetworkNamespace::Run("ip addr add fd08::" + host + "/64 dev adit0 nodad");
      NetworkNamespace::Run("ip link set adit0 mtu 1420 up");
    }
  };

  // Carries what waits, both ways.
  void Pump() {
    Carry(a, b);
    Carry(b, a);
  }

  End a;
  End b;

 private:
  static void Carry(End& from, End& to) {
    for (TunRead read = from.reader->Read(); read.outcome == TunRead::Outcome::kPacket;
         read = from.reader->Read()) {
      const auto made = packet::Splitter::Make(read.packet);
      const auto* splitter = std::get_if<packet::Splitter>(&made);
      ASSERT_NE(splitter, nullptr);
      if (splitter->segment_count() > 1) ++from.super_packets_read;
      if (read.packet.offload.gso_type == packet::GsoType::kUdp) ++from.udp_super_packets_read;
      std::vector<Bytes> packets(splitter->segment_count());
      for (std::size_t i = 0; i < packets.size(); ++i) {
        packets[i].resize(splitter->segment_size(i));
        splitter->Write(i, packets[i]);
        const auto parsed = packet::ParseIpPacket(packets[i]);
        const auto* ip = std::get_if<packet::IpPacket>(&parsed);
        to.writer->Deliver(packets[i], ip != nullptr ? packet::FlowHash(*ip) : 0);
      }
      to.writer->FlushDeliveries();
    }
  }

  SystemSyscalls syscalls_;
};

UniqueFd OpenSocket(int type, const Endpoint& own) {
  UniqueFd fd(::socket(own.address.is_v6() ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK, 0));
  sockaddr_storage address{};
  const socklen_t size = own.ToSockaddr(address);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  return fd;
}

Endpoint NameOf(const UniqueFd& fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return *Endpoint::FromSockaddr(address);
}

void Connect(const UniqueFd& fd, const Endpoint& to) {
  sockaddr_storage address{};
  const socklen_t size = to.ToSockaddr(address);
  ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size);
}

Bytes Pattern(std::size_t size) {
  Bytes bytes(size);
  std::uint32_t state = 1;
  for (std::uint8_t& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<std::uint8_t>(state >> 24);
  }
  return bytes;
}

// Of /proc/net/snmp or snmp6 and netstat, in the namespace the thread is in.
std::string Statistic(const std::string& name) {
  return NetworkNamespace::OutputOf("nstat -asz " + name + " | awk 'END {print $2}'");
}

// Sends the pattern over TCP from a to b and expects it there.
void TransferTcp(TunLink& link, const std::string& server_address, std::size_t size) {
  const IpAddress address = *IpAddress::Parse(server_address);
  link.b.space.Enter();
  const UniqueFd listener = OpenSocket(SOCK_STREAM, {.address = address});
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  const Endpoint server = NameOf(listener);
  link.a.space.Enter();
  const UniqueFd client(
      ::socket(address.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  Connect(client, server);

  const Bytes pattern = Pattern(size);
  Bytes received;
  std::size_t sent = 0;
  UniqueFd accepted;
  while (received.size() < size) {
    pollfd polled[] = {{link.a.device->fd(), POLLIN, 0},
                       {link.b.device->fd(), POLLIN, 0},
                       {client.get(), static_cast<short>(sent < size ? POLLOUT : 0), 0},
                       {accepted.is_open() ? accepted.get() : listener.get(), POLLIN, 0}};
    ASSERT_GT(::poll(polled, 4, 10000), 0) << received.size() << " of " << size;
    link.Pump();
    if (!accepted.is_open()) {
      accepted.Reset(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK));
      if (!accepted.is_open()) continue;
    }
    if (sent < size) {
      const ssize_t n = ::send(client.get(), &pattern[sent], size - sent, MSG_NOSIGNAL);
      if (n > 0) sent += static_cast<std::size_t>(n);
    }
    link.Pump();
    std::array<std::uint8_t, 65536> piece;
    for (ssize_t n = 0; (n = ::recv(accepted.get(), piece.data(), piece.size(), 0)) > 0;) {
      received.insert(received.end(), piece.begin(), piece.begin() + n);
    }
  }
  EXPECT_TRUE(received == pattern);
}

TEST(TunIntegration, TcpCrossesAsSuperPacketsAndArrivesIntact) {
  for (const char* address : {"10.8.0.2", "fd08::2"}) {
    TunLink link(OffloadSwitch::kOn);
    TransferTcp(link, address, 8U << 20);
    EXPECT_GT(link.a.super_packets_read, 0U);
    EXPECT_GT(link.b.writer->counters().super_packets, 0U);
    EXPECT_EQ(link.b.writer->counters().packets_lost, 0U);
    EXPECT_EQ(link.a.reader->counters().bad_virtio_headers, 0U);
    // Most of it: the packets of a super-packet leave together again.
    EXPECT_GT(link.b.writer->counters().packets_merged, link.b.writer->counters().packets * 9 / 10);
    link.b.space.Enter();
    EXPECT_EQ(Statistic("TcpInCsumErrors"), "0\n");
    EXPECT_EQ(Statistic("TcpExtTCPOFOQueue"), "0\n") << "came out of order";
    RecordProperty(
        std::string("packets per write to ") + (address[0] == 'f' ? "IPv6" : "IPv4"),
        static_cast<int>(link.b.writer->counters().packets / link.b.writer->counters().writes));
  }
}

TEST(TunIntegration, WithoutOffloadsPacketsCrossOneByOne) {
  TunLink link(OffloadSwitch::kOff);
  TransferTcp(link, "10.8.0.2", 1U << 20);
  EXPECT_EQ(link.a.super_packets_read, 0U);
  EXPECT_EQ(link.b.writer->counters().super_packets, 0U);
  EXPECT_EQ(link.b.writer->counters().packets_lost, 0U);
}

// 40 datagrams of 1,200 bytes and one of 500, sent with one call.
TEST(TunIntegration, UdpTrainCrossesAsOneSuperPacketEachWay) {
  for (const char* address : {"10.8.0.2", "fd08::2"}) {
    for (const bool receiver_has_gro : {false, true}) {
      TunLink link(OffloadSwitch::kOn);
      link.b.space.Enter();
      const UniqueFd receiver = OpenSocket(SOCK_DGRAM, {.address = *IpAddress::Parse(address)});
      const int one = 1;
      if (receiver_has_gro) {
        ASSERT_EQ(::setsockopt(receiver.get(), IPPROTO_UDP, UDP_GRO, &one, sizeof one), 0);
      }
      link.a.space.Enter();
      const UniqueFd sender(::socket(address[0] == 'f' ? AF_INET6 : AF_INET, SOCK_DGRAM, 0));
      Connect(sender, NameOf(receiver));
      const int segment_size = 1200;
      ASSERT_EQ(
          ::setsockopt(sender.get(), IPPROTO_UDP, UDP_SEGMENT, &segment_size, sizeof segment_size),
          0);
      const Bytes pattern = Pattern(40 * 1200 + 500);
      ASSERT_EQ(::send(sender.get(), pattern.data(), pattern.size(), 0),
                static_cast<ssize_t>(pattern.size()));
      link.Pump();

      EXPECT_EQ(link.a.udp_super_packets_read, 1U);
      EXPECT_EQ(link.b.writer->counters().super_packets, 1U);
      EXPECT_EQ(link.b.writer->counters().packets_merged, 41U);
      Bytes received;
      std::size_t receives = 0;
      std::array<std::uint8_t, 65536> piece;
      for (ssize_t n = 0; (n = ::recv(receiver.get(), piece.data(), piece.size(), 0)) > 0;) {
        received.insert(received.end(), piece.begin(), piece.begin() + n);
        ++receives;
      }
      EXPECT_TRUE(received == pattern);
      EXPECT_EQ(receives, receiver_has_gro ? 1U : 41U);
      link.b.space.Enter();
      EXPECT_EQ(Statistic(address[0] == 'f' ? "Udp6InCsumErrors" : "UdpInCsumErrors"), "0\n");
    }
  }
}

TEST(TunIntegration, InterfaceHasTheLimitsThatTheReaderReliesOn) {
  const NetworkNamespace space;
  SystemSyscalls syscalls;
  const auto device = TunDevice::Open(syscalls, {.name = "adit0"});
  ASSERT_TRUE(device.ok()) << MessageOf(device.status());
  EXPECT_TRUE(device->limitations().empty());
  const std::string link = NetworkNamespace::OutputOf("ip -d link show adit0");
  EXPECT_THAT(link, HasSubstr("gso_max_segs 128 "));
  EXPECT_THAT(link, HasSubstr("qlen 1000"));
  EXPECT_THAT(link, HasSubstr("vnet_hdr on"));
  EXPECT_THAT(link, HasSubstr("numtxqueues 1 "));
  EXPECT_THAT(link, HasSubstr("persist on"));
  EXPECT_THAT(link, HasSubstr(std::to_string(device->index()) + ": adit0"));
}

TEST(TunIntegration, PersistentInterfaceOutlivesItsOwnerAndIsAdopted) {
  const NetworkNamespace space;
  SystemSyscalls syscalls;
  std::uint32_t index = 0;
  {
    const auto device = TunDevice::Open(syscalls, {.name = "adit0"});
    ASSERT_TRUE(device.ok());
    index = device->index();
    // While it is held nobody else may have it.
    const auto second = TunDevice::Open(syscalls, {.name = "adit0"});
    EXPECT_EQ(ErrnoOf(second.status()), EBUSY);
    EXPECT_THAT(MessageOf(second.status()), HasSubstr("another running process holds it"));
  }
  auto device = TunDevice::Open(syscalls, {.name = "adit0", .offload = OffloadSwitch::kOff});
  ASSERT_TRUE(device.ok());
  EXPECT_EQ(device->index(), index);
  EXPECT_THAT(NetworkNamespace::OutputOf("ethtool -k adit0"),
              HasSubstr("tx-tcp-segmentation: off"));
  EXPECT_TRUE(device->SetPersistent(false).ok());
  *device = *TunDevice::Open(syscalls, {.name = "adit1", .is_persistent = false});
  EXPECT_THAT(NetworkNamespace::OutputOf("ip link"), ::testing::Not(HasSubstr("adit0")));
}

TEST(TunIntegration, NameOfAnotherKindOfInterfaceIsRefused) {
  const NetworkNamespace space;
  NetworkNamespace::Run("ip link add adit0 type veth peer name other");
  NetworkNamespace::Run("ip tuntap add dev adit1 mode tun multi_queue");
  SystemSyscalls syscalls;
  for (const char* name : {"adit0", "adit1", "lo"}) {
    const auto device = TunDevice::Open(syscalls, {.name = name});
    EXPECT_EQ(ErrnoOf(device.status()), EINVAL);
    EXPECT_THAT(MessageOf(device.status()), HasSubstr("ip link delete"));
  }
}

TEST(TunIntegration, DeletedInterfaceIsReported) {
  const NetworkNamespace space;
  SystemSyscalls syscalls;
  const auto device = TunDevice::Open(syscalls, {.name = "adit0"});
  ASSERT_TRUE(device.ok());
  TunReader reader(syscalls, device->fd());
  TunWriter writer(syscalls, device->fd(), device->offloads());
  EXPECT_EQ(reader.Read().outcome, TunRead::Outcome::kEmpty);
  Bytes packet(40, 0);
  packet[0] = 0x45;
  writer.Deliver(packet, 1);
  EXPECT_EQ(writer.counters().lost_by_errno[EIO], 1U) << "the link is down";
  NetworkNamespace::Run("ip link delete adit0");
  const TunRead read = reader.Read();
  EXPECT_EQ(read.outcome, TunRead::Outcome::kFailed);
  EXPECT_EQ(read.error, EBADFD);
  pollfd polled{device->fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&polled, 1, 0), 1);
  EXPECT_NE(polled.revents & POLLERR, 0);
}

}  // namespace
}  // namespace adit::io
