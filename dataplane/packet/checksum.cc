#include "dataplane/packet/checksum.h"

#include <algorithm>
#include <array>

namespace adit::packet {

std::uint64_t SumBytes(ByteSpan bytes, std::uint64_t initial) {
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  // 32-bit words into 64-bit lanes cannot overflow below 2^32 words, and the compiler makes vector
  // code of the fixed inner loop.
  std::array<std::uint64_t, 8> lanes{};
  while (left >= 32) {
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      lanes[i] += LoadNative<std::uint32_t>(at + 4 * i);
    }
    at += 32;
    left -= 32;
  }
  std::uint64_t sum = initial;
  for (const std::uint64_t lane : lanes) {
    sum += lane;
  }
  while (left >= 4) {
    sum += LoadNative<std::uint32_t>(at);
    at += 4;
    left -= 4;
  }
  if (left != 0) {
    std::uint32_t word = 0;
    std::memcpy(&word, at, left);
    sum += word;
  }
  return sum;
}

std::uint64_t CopyAndSumBytes(ByteSpan from, std::uint8_t* to, std::uint64_t initial) {
  // In pieces that stay in the first-level cache: what is summed was just copied.
  constexpr std::size_t kPiece = 2048;
  std::uint64_t sum = initial;
  while (!from.empty()) {
    const ByteSpan piece = from.first(std::min(kPiece, from.size()));
    std::memcpy(to, piece.data(), piece.size());
    sum = SumBytes({to, piece.size()}, sum);
    to += piece.size();
    from = from.subspan(piece.size());
  }
  return sum;
}

std::uint16_t Fold(std::uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

std::uint64_t SumPseudoHeader(const std::uint8_t* ip_header, bool is_v6, std::uint8_t protocol,
                              std::uint32_t length) {
  const std::uint64_t addresses =
      is_v6 ? SumBytes({ip_header + 8, 32}) : SumBytes({ip_header + 12, 8});
  return addresses + __builtin_bswap16(protocol) + __builtin_bswap32(length);
}

void UpdateIpv4HeaderChecksum(std::uint8_t* ip_header, std::size_t header_length) {
  ip_header[10] = 0;
  ip_header[11] = 0;
  StoreChecksum(ip_header + 10, Fold(SumBytes({ip_header, header_length})));
}

}  // namespace adit::packet
