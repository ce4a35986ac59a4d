#include "dataplane/engine/inner_packet.h"

namespace adit::engine {

using packet::DropReason;
using packet::IpPacket;
using packet::kIpv4HeaderSize;
using packet::kIpv6HeaderSize;

namespace {

constexpr std::uint8_t kNotEct = 0;
constexpr std::uint8_t kEct1 = 1;
constexpr std::uint8_t kEct0 = 2;
constexpr std::uint8_t kCongestion = 3;

// Addresses, length and the first protocol: enough to route and to keep order.
packet::ParseResult ReadOutermostHeader(ByteSpan bytes) {
  IpPacket view;
  view.fragment = packet::FragmentKind::kLater;  // ports are not looked at
  if ((bytes[0] >> 4) == 4 && bytes.size() >= kIpv4HeaderSize) {
    view.total_length = LoadBe16(bytes.data() + 2);
    view.tos = bytes[1];
    view.protocol = bytes[9];
    view.source = IpAddress::V4(bytes.data() + 12);
    view.destination = IpAddress::V4(bytes.data() + 16);
    if (view.total_length < kIpv4HeaderSize) {
      return DropReason::kMalformed;
    }
  } else if ((bytes[0] >> 4) == 6 && bytes.size() >= kIpv6HeaderSize) {
    view.is_v6 = true;
    view.total_length = LoadBe16(bytes.data() + 4) + static_cast<std::uint32_t>(kIpv6HeaderSize);
    view.tos = static_cast<std::uint8_t>(LoadBe16(bytes.data()) >> 4);
    view.protocol = bytes[6];
    view.source = IpAddress::V6(bytes.data() + 8);
    view.destination = IpAddress::V6(bytes.data() + 24);
  } else {
    return DropReason::kMalformed;
  }
  if (view.total_length > bytes.size()) {
    return DropReason::kMalformed;
  }
  return view;
}

void SetEcn(MutableByteSpan packet, std::uint8_t ecn) {
  if ((packet[0] >> 4) == 6) {
    packet[1] = static_cast<std::uint8_t>((packet[1] & 0xcf) | (ecn << 4));
    return;
  }
  // Incremental update of the header checksum (RFC 1624 eqn. 3) for the 16-bit word of the TOS.
  const std::uint16_t before = LoadBe16(packet.data());
  packet[1] = static_cast<std::uint8_t>((packet[1] & 0xfc) | ecn);
  const std::uint16_t after = LoadBe16(packet.data());
  std::uint32_t sum = static_cast<std::uint16_t>(~LoadBe16(packet.data() + 10));
  sum += static_cast<std::uint16_t>(~before);
  sum += after;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  StoreBe16(packet.data() + 10, static_cast<std::uint16_t>(~sum));
}

}  // namespace

packet::ParseResult ReadInnerPacket(ByteSpan bytes, bool is_strict) {
  packet::ParseResult strict = packet::ParseIpPacket(bytes);
  if (is_strict || std::holds_alternative<IpPacket>(strict)) {
    return strict;
  }
  switch (std::get<DropReason>(strict)) {
    case DropReason::kMappedAddress:
    case DropReason::kTinyFragment:
    case DropReason::kExtensionHeaders:
      return ReadOutermostHeader(bytes);
    default:
      return strict;
  }
}

bool DecapsulateEcn(MutableByteSpan packet, std::uint8_t outer_ecn) {
  const bool is_v6 = (packet[0] >> 4) == 6;
  const auto inner_ecn = static_cast<std::uint8_t>(is_v6 ? (packet[1] >> 4) & 3 : packet[1] & 3);
  if (outer_ecn == kCongestion && inner_ecn == kNotEct) {
    return false;
  }
  if (outer_ecn == kCongestion && inner_ecn != kCongestion) {
    SetEcn(packet, kCongestion);
  } else if (outer_ecn == kEct1 && inner_ecn == kEct0) {
    SetEcn(packet, kEct1);
  }
  return true;
}

}  // namespace adit::engine
