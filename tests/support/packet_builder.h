#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "common/bytes.h"
#include "common/ip_address.h"

// Whole IP packets with right checksums, for tests. Slow and obvious on purpose: its checksums are
// byte-at-a-time, independent of the code under test.
namespace adit::testing {

using Bytes = std::vector<std::uint8_t>;

struct PacketSpec {
  std::string_view source = "100.64.0.2";
  std::string_view destination = "10.0.0.5";
  std::uint8_t protocol = 17;
  std::uint16_t source_port = 40000;
  std::uint16_t destination_port = 443;
  Bytes payload = {1, 2, 3, 4};
  std::uint8_t tos = 0;
  std::uint8_t tcp_flags = 0x10;  // ACK
  std::uint32_t tcp_sequence = 1000;
  std::uint32_t tcp_acknowledgement = 5000;
  std::uint16_t ip_id = 0x1234;
  std::uint8_t icmp_type = 8;  // echo request; 128 for IPv6
  std::uint8_t icmp_code = 0;
  std::uint8_t ttl = 64;
  bool dont_fragment = true;
  Bytes tcp_options = {};  // a multiple of 4 bytes
  std::uint16_t tcp_window = 65535;
};

// IPv4 or IPv6 by the addresses; UDP, TCP, ICMP/ICMPv6 (8-byte header: identifier
// is source_port), or any other protocol with the payload behind the IP header.
[[nodiscard]] Bytes BuildPacket(const PacketSpec& spec);

// An ICMP error (type, code) from `from` that quotes the packet.
[[nodiscard]] Bytes BuildIcmpError(std::string_view from, std::string_view to, std::uint8_t type,
                                   std::uint8_t code, const Bytes& quoted);

// IPv4 fragments of a packet, cut at multiples of 8 bytes.
[[nodiscard]] std::vector<Bytes> FragmentIpv4(const Bytes& packet, std::size_t payload_bytes);

// 0 when the checksum over the bytes is right.
[[nodiscard]] std::uint16_t SlowChecksum(ByteSpan bytes, std::uint32_t initial = 0);
// True when the IPv4 header and the transport checksum of a whole TCP, UDP or ICMP packet are
// right.
[[nodiscard]] bool HasValidChecksums(ByteSpan packet);

}  // namespace adit::testing
