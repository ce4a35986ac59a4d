#include "dataplane/io/virtio_header.h"

namespace adit::io {
namespace {

using packet::GsoType;

// <linux/virtio_net.h> of some kernels has a member named `class`: it is no C++.
constexpr std::uint8_t kNeedsChecksum = 1;  // VIRTIO_NET_HDR_F_NEEDS_CSUM
constexpr std::uint8_t kTcpV4 = 1;          // VIRTIO_NET_HDR_GSO_TCPV4
constexpr std::uint8_t kTcpV6 = 4;          // VIRTIO_NET_HDR_GSO_TCPV6
constexpr std::uint8_t kUdp = 5;            // VIRTIO_NET_HDR_GSO_UDP_L4
constexpr std::uint8_t kEcn = 0x80;         // VIRTIO_NET_HDR_GSO_ECN: the first has CWR

std::optional<GsoType> GsoTypeOf(std::uint8_t type) {
  switch (type & ~kEcn) {
    case 0:
      return GsoType::kNone;
    case kTcpV4:
      return GsoType::kTcpV4;
    case kTcpV6:
      return GsoType::kTcpV6;
    case kUdp:
      return GsoType::kUdp;
    default:
      return std::nullopt;
  }
}

std::uint8_t NumberOf(GsoType type) {
  switch (type) {
    case GsoType::kNone:
      return 0;
    case GsoType::kTcpV4:
      return kTcpV4;
    case GsoType::kTcpV6:
      return kTcpV6;
    case GsoType::kUdp:
      return kUdp;
  }
  return 0;
}

}  // namespace

std::optional<packet::OffloadHeader> ReadVirtioHeader(
    std::span<const std::uint8_t, kVirtioHeaderSize> bytes) {
  const std::optional<GsoType> type = GsoTypeOf(bytes[1]);
  if (!type) {
    return std::nullopt;
  }
  return packet::OffloadHeader{
      .gso_type = *type,
      .needs_checksum = (bytes[0] & kNeedsChecksum) != 0,
      .gso_size = LoadNative<std::uint16_t>(&bytes[4]),
      .header_length = LoadNative<std::uint16_t>(&bytes[2]),
      .checksum_start = LoadNative<std::uint16_t>(&bytes[6]),
      .checksum_offset = LoadNative<std::uint16_t>(&bytes[8]),
  };
}

void WriteVirtioHeader(const packet::OffloadHeader& offload,
                       std::span<std::uint8_t, kVirtioHeaderSize> out) {
  out[0] = offload.needs_checksum ? kNeedsChecksum : 0;
  out[1] = NumberOf(offload.gso_type);
  StoreNative(&out[2], offload.header_length);
  StoreNative(&out[4], offload.gso_size);
  StoreNative(&out[6], offload.checksum_start);
  StoreNative(&out[8], offload.checksum_offset);
}

}  // namespace adit::io
