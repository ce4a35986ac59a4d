#pragma once

#include <cstdint>

#include "common/bytes.h"

// The Internet checksum (RFC 1071). Sums are of 16-bit words as they lie in memory (native order,
// which commutes with the ones' complement sum): fold, complement, store as is.
namespace adit::packet {

// The unfolded sum of the bytes; an odd last byte counts as if a zero followed. `initial` chains
// sums of even-length parts.
[[nodiscard]] std::uint64_t SumBytes(ByteSpan bytes, std::uint64_t initial = 0);

// Copies `from` to `to` (which do not overlap) and returns their sum as SumBytes does, in one pass.
[[nodiscard]] std::uint64_t CopyAndSumBytes(ByteSpan from, std::uint8_t* to,
                                            std::uint64_t initial = 0);

// 16-bit folded ones' complement sum, in memory order.
[[nodiscard]] std::uint16_t Fold(std::uint64_t sum);

// Sum of the pseudo-header of TCP and UDP (RFC 9293 3.1, RFC 8200 8.1): ip_header starts an IPv4
// or IPv6 header of at least 20 or 40 bytes; length is of transport header and payload.
[[nodiscard]] std::uint64_t SumPseudoHeader(const std::uint8_t* ip_header, bool is_v6,
                                            std::uint8_t protocol, std::uint32_t length);

inline void StoreChecksum(std::uint8_t* field, std::uint16_t folded) {
  StoreNative<std::uint16_t>(field, static_cast<std::uint16_t>(~folded));
}

// Recomputes the header checksum of an IPv4 header of header_length bytes in place.
void UpdateIpv4HeaderChecksum(std::uint8_t* ip_header, std::size_t header_length);

}  // namespace adit::packet
