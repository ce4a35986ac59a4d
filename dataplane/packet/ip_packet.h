#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "common/bytes.h"
#include "common/ip_address.h"
#include "dataplane/packet/drop_reason.h"

// A read-only view of one IP packet's headers: addresses, transport, ports, fragments.
namespace adit::packet {

inline constexpr std::size_t kIpv4HeaderSize = 20;  // without options
inline constexpr std::size_t kIpv6HeaderSize = 40;  // without extension headers
inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::uint8_t kProtocolIcmpV6 = 58;

enum class FragmentKind : std::uint8_t { kWhole, kFirst, kLater };

struct IpPacket {
  bool is_v6 = false;
  std::uint8_t protocol = 0;  // of the upper layer, past IPv6 extension headers
  FragmentKind fragment = FragmentKind::kWhole;
  std::uint8_t tos = 0;                // DSCP and ECN
  std::uint16_t transport_offset = 0;  // bytes from the start to the upper-layer header
  std::uint16_t source_port = 0;       // TCP and UDP; ICMP echo: the identifier in both ports
  std::uint16_t destination_port = 0;
  std::uint8_t icmp_type = 0;  // ICMP and ICMPv6, unless a later fragment
  std::uint8_t icmp_code = 0;
  std::uint8_t tcp_flags = 0;      // TCP, unless a later fragment
  std::uint32_t fragment_id = 0;   // IPv4 identification or the fragment header's
  std::uint32_t total_length = 0;  // of the packet as its header says, <= the span's size
  IpAddress source;
  IpAddress destination;

  [[nodiscard]] bool has_ports() const {
    return protocol == kProtocolTcp || protocol == kProtocolUdp;
  }
  // An ICMP or ICMPv6 error message (which quotes another packet).
  [[nodiscard]] bool is_icmp_error() const;
  [[nodiscard]] bool is_echo_request() const;
  [[nodiscard]] bool is_echo_reply() const;
};

using ParseResult = std::variant<IpPacket, DropReason>;

// Walks the headers of the packet in `bytes`, which may be longer than the packet (WireGuard
// padding) but not shorter. IPv6 extension headers are walked: hop-by-hop, destination options,
// routing, fragment, authentication; at most 8. Refused: kMalformed, kUnknownVersion,
// kExtensionHeaders, kMappedAddress (either address v4-mapped, or protocol 4 or 41: IP in IP is
// never looked into, so it is never let through), kTinyFragment (a first fragment without the
// whole TCP, UDP or ICMP header that filters read; an IPv4 fragment at offset 8 (1 unit) of TCP).
[[nodiscard]] ParseResult ParseIpPacket(ByteSpan bytes);

// The packet an ICMP error quotes, parsed leniently (only headers through the first 8 transport
// bytes need be there; total_length may exceed what is quoted). nullopt when it cannot be read.
[[nodiscard]] std::optional<IpPacket> ParseQuotedPacket(ByteSpan icmp_error_packet,
                                                        const IpPacket& icmp_error);

// The hash of the inner flow for ordering and batching. Whole TCP and UDP packets: addresses,
// protocol and ports; every fragment, and all other protocols: addresses, protocol and, for
// fragments, the identification only. Never the flow label.
[[nodiscard]] std::uint32_t FlowHash(const IpPacket& packet);

// Destination address without a full parse: for routing. nullopt when the version is neither 4
// nor 6 or the header is cut short.
[[nodiscard]] std::optional<IpAddress> DestinationOf(ByteSpan bytes);

}  // namespace adit::packet
