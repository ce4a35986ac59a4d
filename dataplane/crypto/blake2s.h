#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "common/bytes.h"
#include "dataplane/crypto/secret.h"

// BLAKE2s (RFC 7693) and the constructions WireGuard makes of it (paper 5.4).
// Thread: any. No call allocates.
namespace adit::crypto {

inline constexpr std::size_t kHashSize = 32;
inline constexpr std::size_t kMacSize = 16;
using Hash = std::array<std::uint8_t, kHashSize>;
using Mac = std::array<std::uint8_t, kMacSize>;

// HASH of the concatenation of the parts.
[[nodiscard]] Hash Blake2s(std::initializer_list<ByteSpan> parts);
// MAC: keyed BLAKE2s with a 16-byte result; key of 1 to 32 bytes.
[[nodiscard]] Mac KeyedBlake2s128(ByteSpan key, ByteSpan input);
// HMAC: HMAC-BLAKE2s of the concatenation of the parts, key of any length.
void HmacBlake2s(ByteSpan key, std::initializer_list<ByteSpan> parts,
                 std::span<std::uint8_t, kHashSize> out);
// KDF1..3 (paper 5.4: HKDF with an empty info). Outputs may alias key; not input.
void Kdf1(ByteSpan key, ByteSpan input, std::span<std::uint8_t, 32> t1);
void Kdf2(ByteSpan key, ByteSpan input, std::span<std::uint8_t, 32> t1,
          std::span<std::uint8_t, 32> t2);
void Kdf3(ByteSpan key, ByteSpan input, std::span<std::uint8_t, 32> t1,
          std::span<std::uint8_t, 32> t2, std::span<std::uint8_t, 32> t3);

}  // namespace adit::crypto
