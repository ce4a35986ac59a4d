#pragma once

#include <cstdint>

#include "common/bytes.h"

namespace adit {

// Where randomness enters. Cores hold a reference; tests pass a seeded one.
class RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual void Fill(MutableByteSpan out) = 0;

  [[nodiscard]] std::uint32_t Next32() {
    std::uint8_t bytes[4];
    Fill(bytes);
    return LoadLe32(bytes);
  }
  [[nodiscard]] std::uint64_t Next64() {
    std::uint8_t bytes[8];
    Fill(bytes);
    return LoadLe64(bytes);
  }
};

// The kernel's generator (getrandom(2)); aborts if it fails, since nothing is safe without it.
class SystemRandom final : public RandomSource {
 public:
  void Fill(MutableByteSpan out) override;
};

}  // namespace adit
