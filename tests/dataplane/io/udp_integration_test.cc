#include <net/if.h>
#include <poll.h>

#include <map>

#include <gtest/gtest.h>

#include "common/status.h"
#include "common/time.h"
#include "dataplane/io/gso_queue.h"
#include "dataplane/io/udp_receiver.h"
#include "dataplane/io/udp_sender.h"
#include "dataplane/io/udp_sockets.h"
#include "tests/dataplane/io/namespaces.h"

// Real sockets on both ends of a veth pair, with the GSO queue in front of them.
namespace adit::io {
namespace {

using Bytes = std::vector<std::uint8_t>;

IpAddress Address(const char* text) { return *IpAddress::Parse(text); }

// One end: sockets, queue, receiver.
class Host {
 public:
  Host(const NetworkNamespace& space, const UdpOptions& options = {}) {
    space.Enter();
    auto opened = UdpSockets::Open(syscalls_, options);
    EXPECT_TRUE(opened.ok()) << MessageOf(opened.status());
    sockets_.emplace(std::move(*opened));
    sender_.emplace(syscalls_, *sockets_, clock_);
    for (const IpFamily family : kFamilies) {
      queue_.HandleSocketReplaced(family, sockets_->Of(family)->has_gso());
    }
  }

  // A train of one flow: datagram i is filled with its number and i.
  void Put(const packet::DatagramPath& path, std::uint32_t segment_size, std::uint32_t count,
           std::uint32_t last_size, std::uint32_t peer = 1) {
    packet::TrainRequest request{peer, peer, segment_size, count, last_size};
    while (request.count > 0) {
      const packet::Reservation reservation =
          queue_.ReserveTrain(request, path, packet::SendClass::kFromTun);
      ASSERT_TRUE(reservation.granted());
      for (std::uint32_t i = 0; i < reservation.count; ++i) {
        const MutableByteSpan rest = reservation.bytes.subspan(std::size_t{i} * segment_size);
        const MutableByteSpan datagram =
            rest.first(std::min<std::size_t>(segment_size, rest.size()));
        std::fill(datagram.begin(), datagram.end(), static_cast<std::uint8_t>(next_number_));
        StoreLe32(datagram.data(), next_number_++);
      }
      queue_.Commit();
      request.count -= reservation.count;
    }
  }
  const DrainReport& Drain() { return queue_.Drain(*sender_, clock_.Read().boot); }

  // Waits for at most 5 s.
  std::span<const packet::ReceivedTrain> Receive(IpFamily family) {
    pollfd polled{sockets_->Of(family)->fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&polled, 1, 5000), 1) << "nothing came";
    return receiver_.Receive(*sockets_->Of(family));
  }
  // Receives numbered datagrams from `first` up to (not including) `end` in this order.
  void ExpectInOrder(IpFamily family, std::uint32_t first, std::uint32_t end) {
    for (std::uint32_t next = first; next < end;) {
      const auto trains = Receive(family);
      ASSERT_FALSE(trains.empty()) << next << " of " << end;
      for (const packet::ReceivedTrain& train : trains) next = CheckTrain(train, next);
    }
  }
  static std::uint32_t CheckTrain(const packet::ReceivedTrain& train, std::uint32_t next) {
    for (std::size_t at = 0; at < train.bytes.size(); at += train.segment_size) {
      const ByteSpan rest = train.bytes.subspan(at);
      const ByteSpan datagram = rest.first(std::min(train.segment_size, rest.size()));
      EXPECT_EQ(LoadLe32(datagram.data()), next);
      for (const std::uint8_t byte : datagram.subspan(4)) {
        if (byte != static_cast<std::uint8_t>(next)) {
          ADD_FAILURE() << "datagram " << next << " has changed";
          break;
        }
      }
      ++next;
    }
    return next;
  }

  [[nodiscard]] std::uint16_t port() const { return sockets_->port(); }
  [[nodiscard]] int fd(IpFamily family) const { return sockets_->Of(family)->fd(); }
  GsoQueue& queue() { return queue_; }
  UdpReceiver& receiver() { return receiver_; }
  [[nodiscard]] std::uint32_t next_number() const { return next_number_; }

 private:
  SystemSyscalls syscalls_;
  SystemClock clock_;
  GsoQueue queue_;
  std::optional<UdpSockets> sockets_;
  std::optional<UdpSender> sender_;
  UdpReceiver receiver_{syscalls_};
  std::uint32_t next_number_ = 0;
};

packet::DatagramPath PathTo(const char* address, const Host& host) {
  return {.remote = {.address = Address(address), .port = host.port()}, .source = {}};
}

// A train arrives whole, and each datagram of it keeps where it came from and went to.
TEST(UdpIntegration, TrainArrivesAsOneWithItsAddressesAndEcn) {
  VethPair pair;
  NetworkNamespace::Run("ip addr add 10.7.0.101/32 dev v0");
  NetworkNamespace::Run("ip addr add fd07::101/128 dev v0 nodad");
  pair.b.Enter();
  NetworkNamespace::Run("ip addr add 10.7.0.102/32 dev v1");
  NetworkNamespace::Run("ip addr add fd07::102/128 dev v1 nodad");
  Host a(pair.a);
  Host b(pair.b);
  struct Case {
    const char* source;
    const char* destination;
  };
  for (const auto& [source, destination] :
       {Case{"10.7.0.101", "10.7.0.102"}, Case{"fd07::101", "fd07::102"}}) {
    for (std::uint8_t ecn = 0; ecn < 4; ++ecn) {
      packet::DatagramPath path = PathTo(destination, b);
      path.source.address = Address(source);
      path.tos = ecn;
      const std::uint32_t first = a.next_number();
      a.Put(path, 1452, 10, 300);
      const DrainReport& report = a.Drain();
      EXPECT_EQ(report.sends, 1U);
      EXPECT_EQ(report.data_datagrams, 10U);
      const auto trains = b.Receive(path.remote.address.family());
      ASSERT_EQ(trains.size(), 1U);
      EXPECT_EQ(trains[0].bytes.size(), 9U * 1452 + 300);
      EXPECT_EQ(trains[0].segment_size, 1452U);
      EXPECT_EQ(trains[0].remote, (Endpoint{Address(source), a.port(), 0}));
      EXPECT_EQ(trains[0].local, (packet::LocalSource{Address(destination), 0}));
      EXPECT_EQ(trains[0].ecn, ecn);
      EXPECT_EQ(Host::CheckTrain(trains[0], first), first + 10);
    }
  }
  EXPECT_EQ(a.queue().counters().gso_sends, 8U);
  EXPECT_EQ(a.queue().counters().refused_datagrams, 0U);
}

TEST(UdpIntegration, LinkLocalPeerIsAnsweredOnItsInterface) {
  VethPair pair;
  NetworkNamespace::Run("ip addr add fe80::77/64 dev v0 nodad");
  pair.b.Enter();
  NetworkNamespace::Run("ip addr add fe80::88/64 dev v1 nodad");
  Host a(pair.a);
  Host b(pair.b);
  pair.a.Enter();
  packet::DatagramPath path = PathTo("fe80::88", b);
  path.remote.scope = ::if_nametoindex("v0");
  path.source = {Address("fe80::77"), path.remote.scope};
  a.Put(path, 100, 3, 50);
  a.Drain();
  const auto trains = b.Receive(IpFamily::kV6);
  ASSERT_EQ(trains.size(), 1U);
  pair.b.Enter();
  EXPECT_EQ(trains[0].local, (packet::LocalSource{Address("fe80::88"), ::if_nametoindex("v1")}));
  EXPECT_EQ(trains[0].remote, (Endpoint{Address("fe80::77"), a.port(), ::if_nametoindex("v1")}));
  // The reply takes the path as it was received.
  b.Put({.remote = trains[0].remote, .source = trains[0].local}, 100, 3, 50);
  EXPECT_EQ(b.Drain().data_datagrams, 3U);
  a.ExpectInOrder(IpFamily::kV6, 0, 3);
}

TEST(UdpIntegration, DeviceWithoutSegmentationDeliversTheSameDatagrams) {
  VethPair pair;
  NetworkNamespace::Run("ethtool -K v0 tx-udp-segmentation off gso off tx off >/dev/null");
  Host a(pair.a);
  Host b(pair.b);
  for (const char* destination : {"10.7.0.2", "fd07::2"}) {
    const packet::DatagramPath path = PathTo(destination, b);
    const std::uint32_t first = a.next_number();
    a.Put(path, 1400, 40, 700);
    EXPECT_EQ(a.Drain().data_datagrams, 40U);
    b.ExpectInOrder(path.remote.address.family(), first, first + 40);
  }
}

TEST(UdpIntegration, SwitchesTurnTheOffloadsOff) {
  VethPair pair;
  Host a(pair.a, {.gso = OffloadSwitch::kOff});
  Host b(pair.b, {.gro = OffloadSwitch::kOff});
  a.Put(PathTo("10.7.0.2", b), 1400, 20, 700);
  EXPECT_EQ(a.Drain().data_datagrams, 20U);
  EXPECT_EQ(a.queue().counters().gso_sends, 0U);
  b.ExpectInOrder(IpFamily::kV4, 0, 20);
  EXPECT_EQ(b.receiver().counters().trains, 20U);
}

// UDP_SEGMENT does not let the kernel fragment; single datagrams it does, DF being clear.
TEST(UdpIntegration, SegmentsLongerThanTheMtuArriveFragmented) {
  VethPair pair;
  NetworkNamespace::Run("ip link set v0 mtu 1300");
  Host a(pair.a);
  Host b(pair.b);
  for (const char* destination : {"10.7.0.2", "fd07::2"}) {
    const packet::DatagramPath path = PathTo(destination, b);
    const std::uint32_t first = a.next_number();
    a.Put(path, 1452, 10, 300);
    EXPECT_EQ(a.Drain().data_datagrams, 10U);
    b.ExpectInOrder(path.remote.address.family(), first, first + 10);
  }
  EXPECT_EQ(a.queue().counters().refused_datagrams, 0U);
  EXPECT_EQ(a.queue().counters().datagrams_without_gso, 20U);
}

// A route learns late that its path takes less: only to that destination do datagrams leave singly.
TEST(UdpIntegration, RouteWhoseMtuShrinksCostsNoDatagramAndNobodyElsesTrains) {
  VethPair pair;
  pair.b.Enter();
  NetworkNamespace::Run("ip addr add 10.8.1.1/32 dev lo && ip addr add 10.8.2.1/32 dev lo");
  NetworkNamespace::Run("ip addr add fd08:1::1/128 dev lo && ip addr add fd08:2::1/128 dev lo");
  pair.a.Enter();
  for (const std::string net : {"10.8.1.0/24 via 10.7.0.2", "10.8.2.0/24 via 10.7.0.2",
                                "fd08:1::/64 via fd07::2", "fd08:2::/64 via fd07::2"}) {
    NetworkNamespace::Run("ip route add " + net);
  }
  Host a(pair.a);
  Host b(pair.b);
  const auto exchange = [&](const char* destination) {
    const packet::DatagramPath path = PathTo(destination, b);
    const std::uint32_t first = a.next_number();
    a.Put(path, 1452, 10, 300);
    EXPECT_EQ(a.Drain().data_datagrams, 10U);
    b.ExpectInOrder(path.remote.address.family(), first, first + 10);
  };
  const auto singly = [&] { return a.queue().counters().datagrams_without_gso; };
  for (const char* destination : {"10.8.1.1", "fd08:1::1"}) exchange(destination);
  EXPECT_EQ(singly(), 0U);
  pair.a.Enter();
  NetworkNamespace::Run("ip route change 10.8.1.0/24 via 10.7.0.2 mtu 1300");
  NetworkNamespace::Run("ip route change fd08:1::/64 via fd07::2 mtu 1300");
  for (const char* destination : {"10.8.1.1", "fd08:1::1"}) exchange(destination);
  EXPECT_EQ(singly(), 20U);
  for (const char* destination : {"10.8.2.1", "fd08:2::1"}) exchange(destination);
  EXPECT_EQ(singly(), 20U);
  EXPECT_EQ(a.queue().counters().refused_datagrams, 0U);
}

// What one send may carry at most: 64 segments, and as many bytes as a UDP datagram.
TEST(UdpIntegration, LargestTrainsLeaveWithOneSend) {
  const NetworkNamespace space;
  Host a(space);
  Host b(space);
  struct Case {
    const char* destination;
    std::uint32_t last_size;
  };
  // 63 × 1,024 and the rest of 65,507 and 65,487 bytes.
  for (const auto& [destination, last_size] : {Case{"127.0.0.1", 995}, Case{"::1", 975}}) {
    const packet::DatagramPath path = PathTo(destination, b);
    const std::uint32_t first = a.next_number();
    const std::uint64_t sends = a.queue().counters().sends;
    a.Put(path, 1024, 64, last_size);
    EXPECT_EQ(a.Drain().data_datagrams, 64U);
    EXPECT_EQ(a.queue().counters().sends, sends + 1);
    b.ExpectInOrder(path.remote.address.family(), first, first + 64);
  }
  EXPECT_EQ(a.queue().counters().datagrams_without_gso, 0U);
}

TEST(UdpIntegration, SourceThatVanishedIsForgottenAndNothingLost) {
  VethPair pair;
  Host a(pair.a);
  Host b(pair.b);
  struct Case {
    const char* source;
    const char* destination;
  };
  for (const auto& [source, destination] :
       {Case{"10.9.9.9", "10.7.0.2"}, Case{"fd99::9", "fd07::2"}}) {
    packet::DatagramPath path = PathTo(destination, b);
    path.source.address = Address(source);
    const std::uint32_t first = a.next_number();
    a.Put(path, 1400, 5, 700);
    const DrainReport& report = a.Drain();
    EXPECT_EQ(report.data_datagrams, 5U);
    ASSERT_EQ(report.forgotten_sources.size(), 1U);
    EXPECT_EQ(report.forgotten_sources[0].source, path.source);
    b.ExpectInOrder(path.remote.address.family(), first, first + 5);
  }
}

TEST(UdpIntegration, UnreachableDestinationIsCountedAndStopsNobody) {
  VethPair pair;
  Host a(pair.a);
  Host b(pair.b);
  a.Put(PathTo("203.0.113.1", b), 100, 1, 100, 2);
  a.Put(PathTo("10.7.0.2", b), 100, 1, 100, 1);
  EXPECT_EQ(a.Drain().data_datagrams, 1U);
  EXPECT_EQ(a.queue().counters().refused_by_errno[ENETUNREACH], 1U);
  b.ExpectInOrder(IpFamily::kV4, 1, 2);
}

TEST(UdpIntegration, TakenPortNamesTheRemedy) {
  const NetworkNamespace space;
  SystemSyscalls syscalls;
  const auto first = UdpSockets::Open(syscalls, {});
  ASSERT_TRUE(first.ok());
  const auto second = UdpSockets::Open(syscalls, {.port = first->port()});
  EXPECT_EQ(ErrnoOf(second.status()), EADDRINUSE);
  EXPECT_EQ(first->Of(IpFamily::kV4)->port(), first->Of(IpFamily::kV6)->port());
}

// A socket that is not writable suspends; nothing is dropped or overtaken. The limit of tbf is
// larger than the socket's buffer, so that the socket is full before the queue of the device is.
TEST(UdpIntegration, SlowDeviceSuspendsTheQueueAndLosesNothing) {
  VethPair pair;
  NetworkNamespace::Run("tc qdisc add dev v0 root tbf rate 100mbit burst 64kb limit 8mb");
  Host a(pair.a, {.buffer_bytes = 256U << 10});
  Host b(pair.b);
  const packet::DatagramPath path = PathTo("10.7.0.2", b);
  constexpr std::uint32_t kTrains = 100;
  constexpr std::uint32_t kDatagrams = kTrains * 40;
  std::uint32_t next = 0;
  std::uint64_t refused_room = 0;
  while (next < kDatagrams) {
    while (a.next_number() < kDatagrams && a.queue().HasRoomForSuperPacket()) {
      a.Put(path, 1452, 40, 700);
    }
    if (!a.queue().HasRoomForSuperPacket()) ++refused_room;
    const DrainReport& report = a.Drain();
    const short await = report.await_writable[0] ? POLLOUT : short{0};
    pollfd polled[] = {{a.fd(IpFamily::kV4), await, 0}, {b.fd(IpFamily::kV4), POLLIN, 0}};
    ASSERT_GT(::poll(polled, 2, 5000), 0) << next << " of " << kDatagrams;
    if ((polled[0].revents & POLLOUT) != 0) a.queue().HandleWritable(IpFamily::kV4);
    if ((polled[1].revents & POLLIN) == 0) continue;
    for (const packet::ReceivedTrain& train : b.Receive(IpFamily::kV4)) {
      next = Host::CheckTrain(train, next);
    }
  }
  const GsoCounters& counters = a.queue().counters();
  EXPECT_GT(counters.suspends[0], 0U);
  EXPECT_GT(refused_room, 0U);
  EXPECT_EQ(counters.data_datagrams, kDatagrams);
  EXPECT_EQ(counters.refused_datagrams, 0U);
  EXPECT_EQ(counters.underlay_stuck, 0U);
  EXPECT_EQ(b.receiver().counters().datagrams, kDatagrams);
}

}  // namespace
}  // namespace adit::io
