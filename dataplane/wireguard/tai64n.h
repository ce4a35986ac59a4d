#pragma once

#include <array>
#include <cstdint>

#include "common/time.h"

namespace adit::wireguard {

// 12 bytes, big endian: comparing bytes compares times (paper 5.1; cr.yp.to/libtai/tai64.html).
using Tai64n = std::array<std::uint8_t, 12>;

// Makes our handshake timestamps: nanoseconds floored to 2^24 (16.8 ms) so that they tell nothing
// finer, and never going back: the next is at least one step above the last one handed out, and
// above the mark restored from disk (rule R17).
class Tai64nSource {
 public:
  // Strictly greater than any earlier result and than the restored mark.
  [[nodiscard]] Tai64n Next(WallTime now);
  // Everything handed out is <= this; what must be on disk, written ahead, before it is exceeded.
  [[nodiscard]] WallTime greatest() const { return greatest_; }
  // Nothing at or below `mark` is handed out any more. Never lowers.
  void RestoreMark(WallTime mark);

 private:
  WallTime greatest_;
};

}  // namespace adit::wireguard
