#include "tests/support/packet_builder.h"

#include <stdexcept>

namespace adit::testing {
namespace {

std::uint32_t SlowSum(ByteSpan bytes, std::uint32_t sum) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? static_cast<std::uint32_t>(bytes[i]) << 8 : bytes[i];
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

bool IsV6(ByteSpan packet) { return (packet[0] >> 4) == 6; }
std::size_t HeaderSize(ByteSpan packet) { return IsV6(packet) ? 40 : (packet[0] & 15U) * 4U; }
std::uint8_t ProtocolOf(ByteSpan packet) { return IsV6(packet) ? packet[6] : packet[9]; }

std::uint32_t PseudoHeaderSum(ByteSpan packet) {
  const std::size_t header = HeaderSize(packet);
  const auto length = static_cast<std::uint32_t>(packet.size() - header);
  const ByteSpan addresses = IsV6(packet) ? packet.subspan(8, 32) : packet.subspan(12, 8);
  const std::uint8_t rest[8] = {static_cast<std::uint8_t>(length >> 24),
                                static_cast<std::uint8_t>(length >> 16),
                                static_cast<std::uint8_t>(length >> 8),
                                static_cast<std::uint8_t>(length),
                                0,
                                0,
                                0,
                                ProtocolOf(packet)};
  return SlowSum(rest, SlowSum(addresses, 0));
}

std::size_t ChecksumOffset(std::uint8_t protocol) {
  switch (protocol) {
    case 6:
      return 16;
    case 17:
      return 6;
    default:
      return 2;
  }
}

void FillTransportChecksum(Bytes& packet) {
  const std::size_t header = HeaderSize(packet);
  const std::uint8_t protocol = ProtocolOf(packet);
  const std::uint32_t initial = protocol == 1 ? 0 : PseudoHeaderSum(packet);
  const std::uint16_t checksum = SlowChecksum(ByteSpan(packet).subspan(header), initial);
  StoreBe16(packet.data() + header + ChecksumOffset(protocol), checksum);
}

void FillIpv4HeaderChecksum(Bytes& packet) {
  StoreBe16(packet.data() + 10, 0);
  StoreBe16(packet.data() + 10, SlowChecksum(ByteSpan(packet).first(HeaderSize(packet))));
}

IpAddress ParseAddress(std::string_view text) {
  const auto address = IpAddress::Parse(text);
  if (!address) {
    throw std::invalid_argument("address");
  }
  return *address;
}

Bytes IpHeader(const PacketSpec& spec, std::size_t payload) {
  const IpAddress source = ParseAddress(spec.source);
  const IpAddress destination = ParseAddress(spec.destination);
  Bytes header;
  if (source.is_v4()) {
    header.assign(20, 0);
    header[0] = 0x45;
    header[1] = spec.tos;
    StoreBe16(header.data() + 2, static_cast<std::uint16_t>(20 + payload));
    StoreBe16(header.data() + 4, spec.ip_id);
    StoreBe16(header.data() + 6, spec.dont_fragment ? 0x4000 : 0);
    header[8] = spec.ttl;
    header[9] = spec.protocol;
    std::memcpy(header.data() + 12, source.bytes().data(), 4);
    std::memcpy(header.data() + 16, destination.bytes().data(), 4);
  } else {
    header.assign(40, 0);
    StoreBe32(header.data(), 0x60000000U | (static_cast<std::uint32_t>(spec.tos) << 20));
    StoreBe16(header.data() + 4, static_cast<std::uint16_t>(payload));
    header[6] = spec.protocol;
    header[7] = spec.ttl;
    std::memcpy(header.data() + 8, source.bytes().data(), 16);
    std::memcpy(header.data() + 24, destination.bytes().data(), 16);
  }
  return header;
}

Bytes TransportHeader(const PacketSpec& spec) {
  Bytes header;
  if (spec.protocol == 6) {
    header.assign(20, 0);
    StoreBe16(header.data(), spec.source_port);
    StoreBe16(header.data() + 2, spec.destination_port);
    StoreBe32(header.data() + 4, spec.tcp_sequence);
    StoreBe32(header.data() + 8, spec.tcp_acknowledgement);
    header[12] = static_cast<std::uint8_t>((20 + spec.tcp_options.size()) / 4 << 4);
    header[13] = spec.tcp_flags;
    StoreBe16(header.data() + 14, spec.tcp_window);
    header.insert(header.end(), spec.tcp_options.begin(), spec.tcp_options.end());
  } else if (spec.protocol == 17) {
    header.assign(8, 0);
    StoreBe16(header.data(), spec.source_port);
    StoreBe16(header.data() + 2, spec.destination_port);
    StoreBe16(header.data() + 4, static_cast<std::uint16_t>(8 + spec.payload.size()));
  } else if (spec.protocol == 1 || spec.protocol == 58) {
    header.assign(8, 0);
    header[0] = spec.icmp_type;
    header[1] = spec.icmp_code;
    StoreBe16(header.data() + 4, spec.source_port);
  }
  return header;
}

}  // namespace

std::uint16_t SlowChecksum(ByteSpan bytes, std::uint32_t initial) {
  return static_cast<std::uint16_t>(~SlowSum(bytes, initial));
}

Bytes BuildPacket(const PacketSpec& spec) {
  const Bytes transport = TransportHeader(spec);
  Bytes packet = IpHeader(spec, transport.size() + spec.payload.size());
  packet.insert(packet.end(), transport.begin(), transport.end());
  packet.insert(packet.end(), spec.payload.begin(), spec.payload.end());
  if (!IsV6(packet)) {
    FillIpv4HeaderChecksum(packet);
  }
  if (!transport.empty()) {
    FillTransportChecksum(packet);
  }
  return packet;
}

Bytes BuildIcmpError(std::string_view from, std::string_view to, std::uint8_t type,
                     std::uint8_t code, const Bytes& quoted) {
  PacketSpec spec;
  spec.source = from;
  spec.destination = to;
  spec.protocol = ParseAddress(from).is_v6() ? 58 : 1;
  spec.icmp_type = type;
  spec.icmp_code = code;
  spec.source_port = 0;
  spec.payload = quoted;
  return BuildPacket(spec);
}

std::vector<Bytes> FragmentIpv4(const Bytes& packet, std::size_t payload_bytes) {
  const std::size_t header = HeaderSize(packet);
  std::vector<Bytes> fragments;
  for (std::size_t at = header; at < packet.size(); at += payload_bytes) {
    const std::size_t size = std::min(payload_bytes, packet.size() - at);
    Bytes fragment(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(header));
    fragment.insert(fragment.end(), packet.begin() + static_cast<std::ptrdiff_t>(at),
                    packet.begin() + static_cast<std::ptrdiff_t>(at + size));
    const bool is_last = at + size == packet.size();
    StoreBe16(fragment.data() + 2, static_cast<std::uint16_t>(fragment.size()));
    StoreBe16(fragment.data() + 6,
              static_cast<std::uint16_t>((is_last ? 0 : 0x2000) | ((at - header) / 8)));
    FillIpv4HeaderChecksum(fragment);
    fragments.push_back(std::move(fragment));
  }
  return fragments;
}

bool HasValidChecksums(ByteSpan packet) {
  if (!IsV6(packet) && SlowChecksum(packet.first(HeaderSize(packet))) != 0) {
    return false;
  }
  const std::uint8_t protocol = ProtocolOf(packet);
  if (protocol != 1 && protocol != 6 && protocol != 17 && protocol != 58) {
    return true;
  }
  const std::uint32_t initial = protocol == 1 ? 0 : PseudoHeaderSum(packet);
  return SlowChecksum(packet.subspan(HeaderSize(packet)), initial) == 0;
}

}  // namespace adit::testing
