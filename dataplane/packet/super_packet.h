#pragma once

#include <cstddef>
#include <cstdint>

#include "common/bytes.h"

// An IP packet as it crosses the TUN: possibly a train of TCP or UDP segments behind one header.
namespace adit::packet {

// The largest IP packet a TUN read or write carries.
inline constexpr std::size_t kMaxSuperPacketSize = 65535;
// gso_max_segs is set to this on our TUN, so a super-packet never has more segments.
inline constexpr std::size_t kMaxSegments = 128;

enum class GsoType : std::uint8_t { kNone, kTcpV4, kTcpV6, kUdp };

// What a virtio-net header (virtio 1.2, 5.1.6) says of the packet behind it. All offsets are
// bytes from the start of the IP header.
struct OffloadHeader {
  GsoType gso_type = GsoType::kNone;
  bool needs_checksum = false;        // transport checksum is only the pseudo-header's sum
  std::uint16_t gso_size = 0;         // payload bytes of every segment but the last
  std::uint16_t header_length = 0;    // IP and transport headers; a hint, may be 0
  std::uint16_t checksum_start = 0;   // where the transport header starts
  std::uint16_t checksum_offset = 0;  // of the checksum field, from checksum_start
};

// Bytes borrowed from the reader's buffer, mutable: splitting and NAT rewrite in place.
struct SuperPacket {
  MutableByteSpan bytes;
  OffloadHeader offload;
};

}  // namespace adit::packet
