#pragma once

#include "tests/support/packet_builder.h"
#include "tests/support/seeded_random.h"

namespace adit::testing {

// Flips bits, overwrites, cuts, extends or repeats: what a hostile or broken network does to bytes.
inline void Mutate(Bytes& bytes, SeededRandom& random) {
  switch (random.Below(6)) {
    case 0:
      bytes.resize(random.Below(bytes.size() + 1));
      break;
    case 1: {
      Bytes more(1 + random.Below(80));
      random.Fill(more);
      bytes.insert(bytes.end(), more.begin(), more.end());
      break;
    }
    case 2: {  // a run of one byte
      const std::size_t begin = random.Below(bytes.size() + 1);
      const std::size_t size = std::min<std::size_t>(bytes.size() - begin, random.Below(40));
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(begin), size,
                  static_cast<std::uint8_t>(random.Below(2) == 0 ? 0xff : random.Next32()));
      break;
    }
    default:
      for (std::uint64_t flips = 1 + random.Below(4); flips != 0 && !bytes.empty(); --flips) {
        std::uint8_t& byte = bytes[random.Below(bytes.size())];
        byte = static_cast<std::uint8_t>(byte ^ (1U << random.Below(8)));
      }
  }
}

}  // namespace adit::testing
