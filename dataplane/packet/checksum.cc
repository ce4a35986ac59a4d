#include "dataplane/packet/checksum.h"

#include <cstring>

namespace adit::packet {

namespace {

// Two 64-bit lanes, which every 64-bit processor has in one register.
using Lanes = std::uint64_t __attribute__((vector_size(16)));
constexpr Lanes kLowHalves = {0xffffffff, 0xffffffff};

Lanes LoadLanes(const std::uint8_t* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

// 32-bit words into 64-bit lanes cannot overflow below 2^32 words. One pass, whether or not it
// copies: a packet is often not in the nearest cache.
template <bool kCopies>
std::uint64_t Sum(const std::uint8_t* at, std::size_t left, std::uint8_t* to, std::uint64_t sum) {
  Lanes low{};
  Lanes high{};
  Lanes other_low{};
  Lanes other_high{};
  for (; left >= 32; at += 32, left -= 32) {
    const Lanes first = LoadLanes(at);
    const Lanes second = LoadLanes(at + 16);
    if constexpr (kCopies) {
      std::memcpy(to, &first, sizeof first);
      std::memcpy(to + 16, &second, sizeof second);
      to += 32;
    }
    low += first & kLowHalves;
    high += first >> 32;
    other_low += second & kLowHalves;
    other_high += second >> 32;
  }
  const Lanes all = low + high + other_low + other_high;
  sum += all[0] + all[1];
  for (; left >= 4; at += 4, left -= 4) {
    const auto word = LoadNative<std::uint32_t>(at);
    if constexpr (kCopies) {
      StoreNative(to, word);
      to += 4;
    }
    sum += word;
  }
  if (left != 0) {
    std::uint32_t word = 0;
    std::memcpy(&word, at, left);
    if constexpr (kCopies) {
      std::memcpy(to, &word, left);
    }
    sum += word;
  }
  return sum;
}

}  // namespace

std::uint64_t SumBytes(ByteSpan bytes, std::uint64_t initial) {
  return Sum<false>(bytes.data(), bytes.size(), nullptr, initial);
}

std::uint64_t CopyAndSumBytes(ByteSpan from, std::uint8_t* to, std::uint64_t initial) {
  return Sum<true>(from.data(), from.size(), to, initial);
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
