#pragma once

#include <array>
#include <cstdint>

// The byte strings of paper 5.4 that keys and hashes begin with.
namespace adit::wireguard {

template <std::size_t N>
constexpr std::array<std::uint8_t, N - 1> LabelBytes(const char (&text)[N]) {
  std::array<std::uint8_t, N - 1> bytes{};
  for (std::size_t i = 0; i + 1 < N; ++i) {
    bytes[i] = static_cast<std::uint8_t>(text[i]);
  }
  return bytes;
}

inline constexpr auto kConstruction = LabelBytes("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s");
inline constexpr auto kIdentifier = LabelBytes("WireGuard v1 zx2c4 Jason@zx2c4.com");
inline constexpr auto kMac1Label = LabelBytes("mac1----");
inline constexpr auto kCookieLabel = LabelBytes("cookie--");

}  // namespace adit::wireguard
