#include "dataplane/packet/ip_packet.h"

#include <algorithm>

namespace adit::packet {
namespace {

constexpr std::uint8_t kProtocolIpv4 = 4;
constexpr std::uint8_t kProtocolIpv6 = 41;
constexpr int kMaxExtensionHeaders = 8;

constexpr std::uint8_t kHopByHop = 0;
constexpr std::uint8_t kRouting = 43;
constexpr std::uint8_t kFragment = 44;
constexpr std::uint8_t kAuthentication = 51;
constexpr std::uint8_t kDestinationOptions = 60;

// What filters read of each transport header.
std::size_t NeededTransportBytes(std::uint8_t protocol) {
  switch (protocol) {
    case kProtocolTcp:
      return 20;
    case kProtocolUdp:
    case kProtocolIcmp:
    case kProtocolIcmpV6:
      return 8;
    default:
      return 0;
  }
}

bool IsEcho(const IpPacket& packet) { return packet.is_echo_request() || packet.is_echo_reply(); }

// Reads ports, flags and types, as far as `available` bytes from the transport header go.
void ReadTransport(IpPacket& packet, const std::uint8_t* header, std::size_t available) {
  const bool is_icmp = packet.protocol == kProtocolIcmp || packet.protocol == kProtocolIcmpV6;
  if (packet.has_ports() && available >= 4) {
    packet.source_port = LoadBe16(header);
    packet.destination_port = LoadBe16(header + 2);
    if (packet.protocol == kProtocolTcp && available >= 14) {
      packet.tcp_flags = header[13];
    }
  } else if (is_icmp && available >= 2) {
    packet.icmp_type = header[0];
    packet.icmp_code = header[1];
    if (available >= 6 && IsEcho(packet)) {
      packet.source_port = LoadBe16(header + 4);
      packet.destination_port = packet.source_port;
    }
  }
}

// lenient: for quoted packets, of which only the first bytes are there.
std::optional<DropReason> ReadIpv4(ByteSpan bytes, bool is_lenient, IpPacket& packet) {
  if (bytes.size() < kIpv4HeaderSize) {
    return DropReason::kMalformed;
  }
  const std::size_t header_size = std::size_t{4} * (bytes[0] & 15U);
  packet.total_length = LoadBe16(bytes.data() + 2);
  if (header_size < kIpv4HeaderSize || header_size > bytes.size() ||
      packet.total_length < header_size || (!is_lenient && packet.total_length > bytes.size())) {
    return DropReason::kMalformed;
  }
  packet.tos = bytes[1];
  packet.protocol = bytes[9];
  packet.transport_offset = static_cast<std::uint16_t>(header_size);
  packet.source = IpAddress::V4(bytes.data() + 12);
  packet.destination = IpAddress::V4(bytes.data() + 16);
  const std::uint16_t fragment = LoadBe16(bytes.data() + 6);
  const std::uint16_t offset_units = fragment & 0x1fff;
  const bool has_more = (fragment & 0x2000) != 0;
  if (offset_units != 0) {
    packet.fragment = FragmentKind::kLater;
    // RFC 1858 3: a fragment at offset 8 could overwrite the flags of a TCP header.
    if (offset_units == 1 && packet.protocol == kProtocolTcp) {
      return DropReason::kTinyFragment;
    }
  } else if (has_more) {
    packet.fragment = FragmentKind::kFirst;
  }
  packet.fragment_id = LoadBe16(bytes.data() + 4);
  return std::nullopt;
}

std::optional<DropReason> ReadIpv6(ByteSpan bytes, bool is_lenient, IpPacket& packet) {
  if (bytes.size() < kIpv6HeaderSize) {
    return DropReason::kMalformed;
  }
  packet.is_v6 = true;
  packet.total_length = LoadBe16(bytes.data() + 4) + static_cast<std::uint32_t>(kIpv6HeaderSize);
  if (!is_lenient && packet.total_length > bytes.size()) {
    return DropReason::kMalformed;
  }
  packet.tos = static_cast<std::uint8_t>(LoadBe16(bytes.data()) >> 4);
  packet.source = IpAddress::V6(bytes.data() + 8);
  packet.destination = IpAddress::V6(bytes.data() + 24);
  packet.protocol = bytes[6];
  const std::size_t end = std::min<std::size_t>(bytes.size(), packet.total_length);
  std::size_t at = kIpv6HeaderSize;
  for (int headers = 0;; ++headers) {
    const std::uint8_t kind = packet.protocol;
    const bool is_extension = kind == kHopByHop || kind == kRouting || kind == kFragment ||
                              kind == kAuthentication || kind == kDestinationOptions;
    if (!is_extension) {
      packet.transport_offset = static_cast<std::uint16_t>(at);
      return std::nullopt;
    }
    const bool is_misplaced = kind == kHopByHop && headers != 0;  // RFC 8200 4.1: first only
    if (headers == kMaxExtensionHeaders || is_misplaced || end - at < 8) {
      return DropReason::kExtensionHeaders;
    }
    packet.protocol = bytes[at];
    if (kind == kFragment) {
      if (packet.fragment != FragmentKind::kWhole) {
        return DropReason::kExtensionHeaders;
      }
      const std::uint16_t offset_and_flags = LoadBe16(bytes.data() + at + 2);
      packet.fragment_id = LoadBe32(bytes.data() + at + 4);
      at += 8;
      if ((offset_and_flags & 0xfff8) != 0) {
        packet.fragment = FragmentKind::kLater;
        packet.transport_offset = static_cast<std::uint16_t>(at);
        return std::nullopt;  // what follows is the middle of something
      }
      if ((offset_and_flags & 1) != 0) {
        packet.fragment = FragmentKind::kFirst;
      }
      continue;
    }
    const std::size_t size =
        kind == kAuthentication ? (bytes[at + 1] + 2U) * 4U : (bytes[at + 1] + 1U) * 8U;
    if (size > end - at) {
      return DropReason::kExtensionHeaders;
    }
    at += size;
  }
}

std::optional<DropReason> ReadHeaders(ByteSpan bytes, bool is_lenient, IpPacket& packet) {
  if (bytes.empty()) {
    return DropReason::kMalformed;
  }
  switch (bytes[0] >> 4) {
    case 4:
      return ReadIpv4(bytes, is_lenient, packet);
    case 6:
      return ReadIpv6(bytes, is_lenient, packet);
    default:
      return DropReason::kUnknownVersion;
  }
}

std::uint32_t Mix(std::uint32_t hash, std::uint32_t word) {
  return (hash ^ word) * 0x9e3779b1U ^ (hash >> 15);
}

}  // namespace

bool IpPacket::is_icmp_error() const {
  if (fragment == FragmentKind::kLater) {
    return false;
  }
  if (protocol == kProtocolIcmp && !is_v6) {
    return icmp_type == 3 || icmp_type == 4 || icmp_type == 5 || icmp_type == 11 || icmp_type == 12;
  }
  return protocol == kProtocolIcmpV6 && is_v6 && icmp_type < 128;
}

bool IpPacket::is_echo_request() const {
  return fragment != FragmentKind::kLater && ((protocol == kProtocolIcmp && icmp_type == 8) ||
                                              (protocol == kProtocolIcmpV6 && icmp_type == 128));
}

bool IpPacket::is_echo_reply() const {
  return fragment != FragmentKind::kLater && ((protocol == kProtocolIcmp && icmp_type == 0) ||
                                              (protocol == kProtocolIcmpV6 && icmp_type == 129));
}

ParseResult ParseIpPacket(ByteSpan bytes) {
  IpPacket packet;
  if (const auto reason = ReadHeaders(bytes, false, packet)) {
    return *reason;
  }
  const bool is_tunnelled = packet.protocol == kProtocolIpv4 || packet.protocol == kProtocolIpv6;
  if (is_tunnelled || packet.source.is_v4_mapped() || packet.destination.is_v4_mapped()) {
    return DropReason::kMappedAddress;
  }
  if (packet.fragment == FragmentKind::kLater) {
    return packet;
  }
  const std::size_t available = packet.total_length - packet.transport_offset;
  if (available < NeededTransportBytes(packet.protocol)) {
    return packet.fragment == FragmentKind::kFirst ? DropReason::kTinyFragment
                                                   : DropReason::kMalformed;
  }
  ReadTransport(packet, bytes.data() + packet.transport_offset, available);
  return packet;
}

std::optional<IpPacket> ParseQuotedPacket(ByteSpan icmp_error_packet, const IpPacket& icmp_error) {
  constexpr std::size_t kErrorHeaderSize = 8;
  const std::size_t at = icmp_error.transport_offset + kErrorHeaderSize;
  if (icmp_error_packet.size() <= at) {
    return std::nullopt;
  }
  const ByteSpan quoted = icmp_error_packet.subspan(at);
  IpPacket packet;
  if (ReadHeaders(quoted, true, packet) || packet.is_v6 != icmp_error.is_v6) {
    return std::nullopt;
  }
  if (packet.fragment != FragmentKind::kLater) {
    if (quoted.size() < packet.transport_offset + std::size_t{8}) {
      return std::nullopt;
    }
    ReadTransport(packet, quoted.data() + packet.transport_offset,
                  quoted.size() - packet.transport_offset);
  }
  return packet;
}

std::uint32_t FlowHash(const IpPacket& packet) {
  std::uint32_t hash = 0x811c9dc5;
  for (const IpAddress* address : {&packet.source, &packet.destination}) {
    const ByteSpan bytes = address->bytes();
    for (std::size_t i = 0; i < bytes.size(); i += 4) {
      hash = Mix(hash, LoadLe32(bytes.data() + i));
    }
  }
  const bool is_fragment = packet.fragment != FragmentKind::kWhole;
  // An IPv6 later fragment does not know the upper protocol.
  hash = Mix(hash, is_fragment && packet.is_v6 ? 0 : packet.protocol);
  if (is_fragment) {
    hash = Mix(hash, packet.fragment_id);
  } else if (packet.has_ports()) {
    hash =
        Mix(hash, static_cast<std::uint32_t>(packet.source_port) << 16 | packet.destination_port);
  }
  return hash ^ (hash >> 16);
}

std::optional<IpAddress> DestinationOf(ByteSpan bytes) {
  if (bytes.size() >= kIpv4HeaderSize && (bytes[0] >> 4) == 4) {
    return IpAddress::V4(bytes.data() + 16);
  }
  if (bytes.size() >= kIpv6HeaderSize && (bytes[0] >> 4) == 6) {
    return IpAddress::V6(bytes.data() + 24);
  }
  return std::nullopt;
}

}  // namespace adit::packet
