#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/bytes.h"

namespace adit {

// The digest both ends of the channel keep over a set of objects: the sum mod 2^256 (little
// endian) of SHA-256(kind u32le ‖ key length u32le ‖ key ‖ body) over the objects. Independent of
// order; adding or removing an object costs one hash, whatever the size of the set.
class StateDigest {
 public:
  static constexpr std::size_t kSize = 32;

  void Add(std::uint32_t kind, ByteSpan key, ByteSpan body);
  void Remove(std::uint32_t kind, ByteSpan key, ByteSpan body);
  [[nodiscard]] std::string bytes() const;  // kSize bytes, little endian
  [[nodiscard]] std::string ToHex() const;
  friend bool operator==(const StateDigest&, const StateDigest&) = default;

 private:
  std::array<std::uint64_t, 4> words_{};
};

}  // namespace adit
