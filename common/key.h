#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/bytes.h"

// Text forms of 32-byte keys. Secret keys live in dataplane/crypto; what is here may be printed.
namespace adit {

inline constexpr std::size_t kKeySize = 32;

// A Curve25519 public key, 32 bytes as on the wire.
class PublicKey {
 public:
  constexpr PublicKey() = default;
  explicit PublicKey(std::span<const std::uint8_t, kKeySize> bytes);
  // 44 characters of canonical base64, as `wg pubkey` prints it.
  [[nodiscard]] static std::optional<PublicKey> FromBase64(std::string_view text);
  [[nodiscard]] static std::optional<PublicKey> FromBytes(ByteSpan bytes);  // exactly 32

  [[nodiscard]] std::span<const std::uint8_t, kKeySize> bytes() const { return bytes_; }
  [[nodiscard]] bool is_zero() const;
  [[nodiscard]] std::string ToBase64() const;
  [[nodiscard]] std::string ToHex() const;

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a null pointer into it
  friend auto operator<=>(const PublicKey&, const PublicKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const PublicKey& k) {
    return H::combine(std::move(h), k.bytes_);
  }

 private:
  std::array<std::uint8_t, kKeySize> bytes_{};
};

// Constant-time in the bytes' values, so that they also serve for secrets.
// Decodes exactly 44 characters of canonical base64 into 32 bytes; false leaves out unspecified.
[[nodiscard]] bool DecodeKeyBase64(std::string_view text, std::span<std::uint8_t, kKeySize> out);
// Decodes exactly 64 hexadecimal digits of either case.
[[nodiscard]] bool DecodeKeyHex(std::string_view text, std::span<std::uint8_t, kKeySize> out);
// Writes 44 characters, no terminator.
void EncodeKeyBase64(std::span<const std::uint8_t, kKeySize> key, std::span<char, 44> out);
// Writes 64 lower-case digits, no terminator.
void EncodeKeyHex(std::span<const std::uint8_t, kKeySize> key, std::span<char, 64> out);

}  // namespace adit
