#pragma once

#include <cstdint>

#include "common/bytes.h"

// Poly1305 (RFC 8439, 2.5) in integer registers of x86-64 with BMI2, for code that runs it beside
// vector instructions. Radix 2^64: a block costs four multiplications of 64 by 64 bits. Constant
// time; does not wipe.
namespace adit::crypto {

inline constexpr std::size_t kPolyBlockSize = 16;

__extension__ using Uint128 = unsigned __int128;

// r, from the first 16 bytes of a one-time key.
struct PolyKey {
  std::uint64_t r0;
  std::uint64_t r1;
  std::uint64_t s1;  // 5 * r1 / 4, r1 being a multiple of 4: 2^128 * r1 modulo 2^130 - 5
};

// h = h0 + 2^64 * h1 + 2^128 * h2, below 2^131; starts at zero.
struct PolySum {
  std::uint64_t h0 = 0;
  std::uint64_t h1 = 0;
  std::uint64_t h2 = 0;
};

struct PolyTag {
  std::uint64_t low;
  std::uint64_t high;
};

[[gnu::always_inline]] inline PolyKey LoadPolyKey(const std::uint8_t* key) {
  const std::uint64_t r1 = LoadLe64(key + 8) & 0x0ffffffc0ffffffc;
  return {.r0 = LoadLe64(key) & 0x0ffffffc0fffffff, .r1 = r1, .s1 = r1 + (r1 >> 2)};
}

// h = (h + block + 2^128) * r, of 16 bytes: an AEAD pads what is shorter. Written out, because
// g++ 12 makes twice as many instructions of the same in unsigned __int128, and branches on
// carries.
[[gnu::always_inline]] inline void AbsorbBlock(PolySum& h, const PolyKey& key, std::uint64_t low,
                                               std::uint64_t high) {
  std::uint64_t d0 = 0;
  std::uint64_t d0_high = 0;
  std::uint64_t d1 = 0;
  std::uint64_t d1_high = 0;
  std::uint64_t x = 0;
  std::uint64_t y = 0;
  asm("add %[low], %[h0]\n\t"
      "adc %[high], %[h1]\n\t"
      "adc $1, %[h2]\n\t"
      // d0 = h0 * r0 + h1 * s1, d1 = h0 * r1 + h1 * r0 + h2 * s1, h2 = h2 * r0
      "mov %[h0], %%rdx\n\t"
      "mulx %[r0], %[d0], %[d0_high]\n\t"
      "mulx %[r1], %[d1], %[d1_high]\n\t"
      "mov %[h1], %%rdx\n\t"
      "mulx %[s1], %[x], %[y]\n\t"
      "add %[x], %[d0]\n\t"
      "adc %[y], %[d0_high]\n\t"
      "mulx %[r0], %[x], %[y]\n\t"
      "add %[x], %[d1]\n\t"
      "adc %[y], %[d1_high]\n\t"
      "mov %[h2], %[x]\n\t"
      "imul %[s1], %[x]\n\t"
      "imul %[r0], %[h2]\n\t"
      "add %[x], %[d1]\n\t"
      "adc $0, %[d1_high]\n\t"
      "add %[d0_high], %[d1]\n\t"
      "adc %[d1_high], %[h2]\n\t"
      // What is at 2^130 and above comes back five times: h2 / 4 * 4 + h2 / 4.
      "mov %[h2], %[x]\n\t"
      "mov %[h2], %[y]\n\t"
      "and $-4, %[x]\n\t"
      "shr $2, %[y]\n\t"
      "and $3, %[h2]\n\t"
      "add %[y], %[x]\n\t"
      "add %[x], %[d0]\n\t"
      "adc $0, %[d1]\n\t"
      "adc $0, %[h2]"
      : [h0] "+&r"(h.h0), [h1] "+&r"(h.h1), [h2] "+&r"(h.h2), [d0] "=&r"(d0),
        [d0_high] "=&r"(d0_high), [d1] "=&r"(d1), [d1_high] "=&r"(d1_high), [x] "=&r"(x),
        [y] "=&r"(y)
      : [r0] "rm"(key.r0), [r1] "rm"(key.r1), [s1] "rm"(key.s1), [low] "rm"(low), [high] "rm"(high)
      : "rdx", "cc");
  h.h0 = d0;
  h.h1 = d1;
}
[[gnu::always_inline]] inline void AbsorbBlock(PolySum& h, const PolyKey& key,
                                               const std::uint8_t* block) {
  AbsorbBlock(h, key, LoadLe64(block), LoadLe64(block + 8));
}

// (h mod 2^130 - 5) + s mod 2^128; `s`: the last 16 bytes of the one-time key.
[[gnu::always_inline]] inline PolyTag FinishPoly(const PolySum& h, const PolyTag& s) {
  // g = h + 5 is 2^130 or more where h is not below the modulus; h is below twice that.
  Uint128 sum = Uint128{h.h0} + 5;
  const auto g0 = static_cast<std::uint64_t>(sum);
  sum = Uint128{h.h1} + static_cast<std::uint64_t>(sum >> 64);
  const auto g1 = static_cast<std::uint64_t>(sum);
  const std::uint64_t g2 = h.h2 + static_cast<std::uint64_t>(sum >> 64);
  const std::uint64_t mask = 0 - (g2 >> 2);  // all ones where g is taken: g2 is below 8
  sum = Uint128{(g0 & mask) | (h.h0 & ~mask)} + s.low;
  const std::uint64_t carry = static_cast<std::uint64_t>(sum >> 64);
  return {.low = static_cast<std::uint64_t>(sum),
          .high = ((g1 & mask) | (h.h1 & ~mask)) + s.high + carry};
}

}  // namespace adit::crypto
