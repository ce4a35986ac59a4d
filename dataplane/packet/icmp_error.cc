#include "dataplane/packet/icmp_error.h"

#include <algorithm>

#include "dataplane/packet/checksum.h"

namespace adit::packet {
namespace {

constexpr std::size_t kIcmpHeaderSize = 8;
constexpr std::size_t kMaxIpv4Error = 576;   // RFC 1812 4.3.2.3
constexpr std::size_t kMaxIpv6Error = 1280;  // RFC 4443 2.4 (c)
constexpr std::uint8_t kHopLimit = 64;

struct TypeAndCode {
  std::uint8_t type;
  std::uint8_t code;
};

TypeAndCode NumbersOf(IcmpErrorKind kind, bool is_v6) {
  switch (kind) {
    case IcmpErrorKind::kHostUnreachable:
      return is_v6 ? TypeAndCode{1, 3} : TypeAndCode{3, 1};
    case IcmpErrorKind::kAdministrativelyProhibited:
      return is_v6 ? TypeAndCode{1, 1} : TypeAndCode{3, 13};
    case IcmpErrorKind::kPacketTooBig:
      return is_v6 ? TypeAndCode{2, 0} : TypeAndCode{3, 4};
  }
  return {3, 1};
}

}  // namespace

bool MayAnswerWithError(const IpPacket& packet) {
  constexpr std::uint8_t kIcmpV6Redirect = 137;
  const bool is_redirect =
      packet.protocol == kProtocolIcmpV6 && packet.icmp_type == kIcmpV6Redirect;
  return !packet.is_icmp_error() && !is_redirect && packet.fragment != FragmentKind::kLater &&
         !packet.destination.is_multicast() && !packet.source.is_multicast() &&
         !packet.source.is_unspecified();
}

std::size_t WriteIcmpError(IcmpErrorKind kind, ByteSpan original, const IpPacket& parsed,
                           const IpAddress& from, std::uint32_t mtu, MutableByteSpan out) {
  if (from.is_v6() != parsed.is_v6 || !from.is_set()) {
    return 0;
  }
  const std::size_t ip_header = parsed.is_v6 ? kIpv6HeaderSize : kIpv4HeaderSize;
  const std::size_t limit = parsed.is_v6 ? kMaxIpv6Error : kMaxIpv4Error;
  const std::size_t quoted = std::min(
      {limit - ip_header - kIcmpHeaderSize, original.size(), std::size_t{parsed.total_length}});
  const std::size_t icmp_size = kIcmpHeaderSize + quoted;
  const std::size_t total = ip_header + icmp_size;
  std::fill_n(out.begin(), ip_header + kIcmpHeaderSize, std::uint8_t{0});
  std::uint8_t* header = out.data();
  if (parsed.is_v6) {
    header[0] = 0x60;
    StoreBe16(header + 4, static_cast<std::uint16_t>(icmp_size));
    header[6] = kProtocolIcmpV6;
    header[7] = kHopLimit;
    std::ranges::copy(from.bytes(), header + 8);
    std::ranges::copy(parsed.source.bytes(), header + 24);
  } else {
    header[0] = 0x45;
    header[1] = 0xc0;  // RFC 1812 4.3.2.5: precedence 6
    StoreBe16(header + 2, static_cast<std::uint16_t>(total));
    header[8] = kHopLimit;
    header[9] = kProtocolIcmp;
    std::ranges::copy(from.bytes(), header + 12);
    std::ranges::copy(parsed.source.bytes(), header + 16);
    UpdateIpv4HeaderChecksum(header, kIpv4HeaderSize);
  }
  std::uint8_t* icmp = header + ip_header;
  const TypeAndCode numbers = NumbersOf(kind, parsed.is_v6);
  icmp[0] = numbers.type;
  icmp[1] = numbers.code;
  if (kind == IcmpErrorKind::kPacketTooBig) {
    if (parsed.is_v6) {
      StoreBe32(icmp + 4, mtu);
    } else {
      StoreBe16(icmp + 6, static_cast<std::uint16_t>(std::min<std::uint32_t>(mtu, 65535)));
    }
  }
  std::copy_n(original.begin(), quoted, icmp + kIcmpHeaderSize);
  const std::uint64_t pseudo = parsed.is_v6 ? SumPseudoHeader(header, true, kProtocolIcmpV6,
                                                              static_cast<std::uint32_t>(icmp_size))
                                            : 0;
  StoreChecksum(icmp + 2, Fold(SumBytes({icmp, icmp_size}, pseudo)));
  return total;
}

}  // namespace adit::packet
