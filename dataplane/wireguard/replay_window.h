#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace adit::wireguard {

// The sliding window of RFC 6479 over 64-bit counters: 8,192 bits, of which 8,128 count (one word
// is always being cleared). The zero value is ready to use.
class ReplayWindow {
 public:
  static constexpr std::size_t kBits = 8192;
  static constexpr std::size_t kUsableBits = kBits - 64;

  // True when the counter was not seen and is not older than the window; marks it seen. Called
  // only after the packet was authenticated (rule R7).
  [[nodiscard]] bool Accept(std::uint64_t counter);
  void Reset();

 private:
  std::uint64_t next_ = 0;  // greatest accepted + 1
  std::array<std::uint64_t, kBits / 64> words_{};
};

}  // namespace adit::wireguard
