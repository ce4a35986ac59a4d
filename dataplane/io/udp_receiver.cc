#include "dataplane/io/udp_receiver.h"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "common/ip_address.h"
#include "dataplane/io/control_messages.h"
#include "dataplane/io/gso_refusals.h"

namespace adit::io {
namespace {

// Whatever one receive may carry: a datagram, or a train that UDP_GRO joined.
constexpr std::size_t kTrainSize = 65536;

template <typename T>
std::optional<T> Load(const std::uint8_t* data, std::size_t size) {
  if (size < sizeof(T)) {
    return std::nullopt;
  }
  return LoadNative<T>(data);
}

// Not a source that a reply can carry: the kernel chooses.
bool IsUsableSource(const IpAddress& address) {
  return !address.is_unspecified() && !address.is_multicast();
}

void ReadSourceV4(const in_pktinfo& info, packet::ReceivedTrain& train) {
  // Where the datagram was sent to a broadcast address, this is the local one to reply from.
  const in_addr local = info.ipi_spec_dst;
  const IpAddress address = IpAddress::V4(reinterpret_cast<const std::uint8_t*>(&local));
  if (IsUsableSource(address)) {
    train.local.address = address;
    train.local.arrived_on = static_cast<std::uint32_t>(info.ipi_ifindex);
  }
}

void ReadSourceV6(const in6_pktinfo& info, packet::ReceivedTrain& train) {
  const IpAddress address = IpAddress::V6(info.ipi6_addr.s6_addr);
  if (!IsUsableSource(address)) {
    return;
  }
  train.local.address = address;
  train.local.arrived_on = info.ipi6_ifindex;
  if (address.is_link_local()) {
    train.local.interface_index = info.ipi6_ifindex;
  }
}

void ReadControlMessage(int level, int type, const std::uint8_t* data, std::size_t size,
                        packet::ReceivedTrain& train) {
  if (level == IPPROTO_UDP && type == UDP_GRO) {
    const auto segment_size = Load<int>(data, size);
    if (segment_size && *segment_size > 0) {
      train.segment_size = std::min(train.segment_size, static_cast<std::size_t>(*segment_size));
    }
  } else if (level == IPPROTO_IP && type == IP_PKTINFO) {
    if (const auto info = Load<in_pktinfo>(data, size)) {
      ReadSourceV4(*info, train);
    }
  } else if (level == IPPROTO_IPV6 && type == IPV6_PKTINFO) {
    if (const auto info = Load<in6_pktinfo>(data, size)) {
      ReadSourceV6(*info, train);
    }
  } else if (level == IPPROTO_IP && type == IP_TOS) {
    if (const auto tos = Load<std::uint8_t>(data, size)) {
      train.ecn = *tos & 3U;
    }
  } else if (level == IPPROTO_IPV6 && type == IPV6_TCLASS) {
    if (const auto traffic_class = Load<int>(data, size)) {
      train.ecn = static_cast<std::uint8_t>(*traffic_class & 3);
    }
  }
}

}  // namespace

struct UdpReceiver::Slots {
  std::unique_ptr<std::uint8_t[]> buffers =
      std::make_unique_for_overwrite<std::uint8_t[]>(kMaxTrains * kTrainSize);
  std::array<mmsghdr, kMaxTrains> messages{};
  std::array<iovec, kMaxTrains> parts{};
  std::array<sockaddr_storage, kMaxTrains> remotes{};
  struct alignas(cmsghdr) Control {
    std::array<std::uint8_t, kControlSize> bytes{};
  };
  std::array<Control, kMaxTrains> controls{};

  [[nodiscard]] std::uint8_t* BufferOf(std::size_t slot) const {
    return buffers.get() + slot * kTrainSize;
  }
  void Prepare() {
    for (std::size_t i = 0; i < kMaxTrains; ++i) {
      parts[i] = {BufferOf(i), kTrainSize};
      messages[i] = {.msg_hdr = {.msg_name = &remotes[i],
                                 .msg_namelen = sizeof remotes[i],
                                 .msg_iov = &parts[i],
                                 .msg_iovlen = 1,
                                 .msg_control = controls[i].bytes.data(),
                                 .msg_controllen = kControlSize,
                                 .msg_flags = 0},
                     .msg_len = 0};
    }
  }
};

UdpReceiver::UdpReceiver(Syscalls& syscalls)
    : syscalls_(syscalls), slots_(std::make_unique<Slots>()) {}

UdpReceiver::~UdpReceiver() = default;

std::span<const packet::ReceivedTrain> UdpReceiver::Receive(const UdpSocket& socket) {
  slots_->Prepare();
  const int result = Uninterrupted([&] {
    return syscalls_.RecvMmsg(socket.fd(), slots_->messages.data(), kMaxTrains, MSG_DONTWAIT);
  });
  if (result < 0) {
    if (result != -EAGAIN) {
      ++counters_.failures;
      ++counters_.failures_by_errno[ErrnoIndex(-result)];
    }
    return {};
  }
  ++counters_.receives;
  std::size_t count = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(result); ++i) {
    if (ReadTrain(i, trains_[count])) {
      ++count;
    }
  }
  return {trains_.data(), count};
}

bool UdpReceiver::ReadTrain(std::size_t slot, packet::ReceivedTrain& train) {
  mmsghdr& message = slots_->messages[slot];
  // Without its control messages a train cannot be cut.
  const bool is_cut_off = (message.msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  const auto remote = Endpoint::FromSockaddr(slots_->remotes[slot]);
  if (is_cut_off || !remote) {
    ++counters_.truncated;
    return false;
  }
  if (message.msg_len == 0) {
    ++counters_.empty;
    return false;
  }
  const std::size_t size = message.msg_len;
  train = {.bytes = {slots_->BufferOf(slot), size},
           .segment_size = size,
           .remote = *remote,
           .local = {},
           .ecn = 0};
  ForEachControlMessage(message.msg_hdr,
                        [&](int level, int type, const std::uint8_t* data, std::size_t data_size) {
                          ReadControlMessage(level, type, data, data_size, train);
                        });
  ++counters_.trains;
  counters_.datagrams += (size + train.segment_size - 1) / train.segment_size;
  counters_.bytes += size;
  return true;
}

}  // namespace adit::io
