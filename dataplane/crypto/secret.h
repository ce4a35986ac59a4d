#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/bytes.h"

namespace adit::crypto {

// Overwrites memory in a way the compiler may not leave out (sodium_memzero).
void Wipe(MutableByteSpan bytes);

// Overwrites bytes of the stack below the caller: ciphers spill keys there, and a key that was
// removed must not be found in memory. With all of kStackWipeSize slow path only: after a key is
// erased. Not inlined: the array has to lie below the caller's frame, where the ciphers' frames
// were.
inline constexpr std::size_t kStackWipeSize = std::size_t{64} * 1024;
template <std::size_t size = kStackWipeSize>
[[gnu::noinline]] void WipeStack() {
  std::array<std::uint8_t, size> below;
  Wipe(below);
}

// N secret bytes, for a function's lifetime: wiped when destroyed, not printable, not comparable
// by ==. Long-lived keys live in a SecretArena instead.
template <std::size_t N>
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::span<const std::uint8_t, N> bytes) {
    std::memcpy(bytes_.data(), bytes.data(), N);
  }
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret() { Wipe(bytes_); }

  [[nodiscard]] std::span<const std::uint8_t, N> bytes() const { return bytes_; }
  [[nodiscard]] std::span<std::uint8_t, N> mutable_bytes() { return bytes_; }

 private:
  std::array<std::uint8_t, N> bytes_{};
};

using SymmetricKey = Secret<32>;

// Constant time in the contents; false when the sizes differ.
[[nodiscard]] bool ConstantTimeEqual(ByteSpan a, ByteSpan b);
[[nodiscard]] bool IsAllZero(ByteSpan bytes);  // constant time in the contents

}  // namespace adit::crypto
