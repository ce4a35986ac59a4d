#pragma once

#include <cstddef>
#include <cstdint>

#include "common/bytes.h"
#include "common/ip_address.h"
#include "dataplane/packet/ip_packet.h"

// ICMP and ICMPv6 errors we answer refused packets with (RFC 792, RFC 1812 4.3.2, RFC 4443).
namespace adit::packet {

enum class IcmpErrorKind : std::uint8_t {
  kHostUnreachable,             // IPv4 3/1;  IPv6 1/3 address unreachable
  kAdministrativelyProhibited,  // IPv4 3/13; IPv6 1/1
  kPacketTooBig,                // IPv4 3/4;  IPv6 2/0, with the MTU
};

inline constexpr std::size_t kMaxIcmpErrorSize = 1280;

// True when RFC 1122 3.2.2 and RFC 4443 2.4(e) allow an error about this packet: not about an ICMP
// error or redirect, a later fragment, a multicast or broadcast destination, or an unspecified or
// multicast source.
[[nodiscard]] bool MayAnswerWithError(const IpPacket& packet);

// Writes the whole IP packet of an error about `original` (from its IP header on) from `from` back
// to original's source, into out (at least kMaxIcmpErrorSize bytes), quoting as much as RFC 1812
// (576 in all) or RFC 4443 (1280) allows. Returns its length; 0 when `from` has another family.
std::size_t WriteIcmpError(IcmpErrorKind kind, ByteSpan original, const IpPacket& parsed,
                           const IpAddress& from, std::uint32_t mtu, MutableByteSpan out);

}  // namespace adit::packet
