#pragma once

#include <cstdint>
#include <span>

#include "common/key.h"
#include "dataplane/crypto/secret.h"

// Curve25519 (RFC 7748), from libsodium.
namespace adit::crypto {

// Clamps in place as RFC 7748 5 says (and `wg set` does on input).
void ClampPrivateKey(std::span<std::uint8_t, 32> key);
[[nodiscard]] PublicKey DerivePublicKey(std::span<const std::uint8_t, 32> private_key);
// False, with out zeroed, when the result is all zero (a low-order point, rule R1).
[[nodiscard]] bool X25519(std::span<const std::uint8_t, 32> private_key,
                          const PublicKey& public_key, SymmetricKey& out);

}  // namespace adit::crypto
