#include "dataplane/io/tun_segment.h"

#include "dataplane/packet/ip_packet.h"
#include "dataplane/packet/super_packet.h"

namespace adit::io {
namespace {

constexpr std::uint8_t kFin = 0x01;
constexpr std::uint8_t kPsh = 0x08;
constexpr std::uint8_t kAck = 0x10;
constexpr std::uint8_t kEce = 0x40;
// A checksum of 0 may also be written as 0xffff. Nobody does; a split writes 0.
constexpr std::uint16_t kUnusualZero = 0xffff;

bool ReadIpHeader(ByteSpan packet, TunSegment& segment, std::uint8_t& protocol) {
  const std::uint8_t* ip = packet.data();
  if (packet.size() >= 20 && ip[0] == 0x45) {
    const bool is_fragment = (LoadBe16(ip + 6) & 0xbfff) != 0;  // all but DF
    protocol = ip[9];
    segment.transport_offset = 20;
    return !is_fragment && LoadBe16(ip + 2) == packet.size() && LoadBe16(ip + 10) != kUnusualZero;
  }
  if (packet.size() >= 40 && (ip[0] >> 4) == 6) {
    protocol = ip[6];
    segment.is_v6 = true;
    segment.transport_offset = 40;
    return LoadBe16(ip + 4) + std::size_t{40} == packet.size();
  }
  return false;
}

bool ReadTcpHeader(const std::uint8_t* tcp, std::size_t available, TunSegment& segment) {
  if (available < 20) {
    return false;
  }
  const auto header_size = static_cast<std::uint16_t>((tcp[12] >> 4) * 4);
  const std::uint8_t flags = tcp[13];
  const bool is_plain = (flags & ~(kFin | kPsh | kEce)) == kAck;
  segment.is_tcp = true;
  segment.ends_train = (flags & (kFin | kPsh)) != 0;
  segment.header_length = static_cast<std::uint16_t>(segment.transport_offset + header_size);
  return is_plain && header_size >= 20 && header_size < available &&
         LoadBe16(tcp + 16) != kUnusualZero;
}

bool ReadUdpHeader(const std::uint8_t* udp, std::size_t available, TunSegment& segment) {
  segment.header_length = static_cast<std::uint16_t>(segment.transport_offset + 8);
  return available > 8 && LoadBe16(udp + 4) == available && LoadBe16(udp + 6) != 0;
}

}  // namespace

std::optional<TunSegment> TunSegment::Of(ByteSpan packet) {
  TunSegment segment;
  std::uint8_t protocol = 0;
  if (packet.size() > packet::kMaxSuperPacketSize || !ReadIpHeader(packet, segment, protocol)) {
    return std::nullopt;
  }
  const std::uint8_t* transport = packet.data() + segment.transport_offset;
  const std::size_t available = packet.size() - segment.transport_offset;
  const bool is_mergeable =
      protocol == packet::kProtocolTcp
          ? ReadTcpHeader(transport, available, segment)
          : protocol == packet::kProtocolUdp && ReadUdpHeader(transport, available, segment);
  if (!is_mergeable) {
    return std::nullopt;
  }
  segment.payload_length = static_cast<std::uint16_t>(packet.size() - segment.header_length);
  return segment;
}

}  // namespace adit::io
