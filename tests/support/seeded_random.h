#pragma once

#include <cstdint>
#include <random>

#include "common/random.h"

namespace adit::testing {

// Reproducible randomness for tests: never for keys that matter.
class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void Fill(MutableByteSpan out) override {
    for (std::uint8_t& byte : out) {
      byte = static_cast<std::uint8_t>(engine_());
    }
  }
  // Uniform in [0, bound).
  std::uint64_t Below(std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(engine_);
  }
  bool Chance(double probability) {
    return std::uniform_real_distribution<double>(0, 1)(engine_) < probability;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace adit::testing
