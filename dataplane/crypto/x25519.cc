#include "dataplane/crypto/x25519.h"

#include <sodium.h>

#include "dataplane/crypto/libsodium.h"

namespace adit::crypto {

static_assert(crypto_scalarmult_curve25519_BYTES == 32);

void ClampPrivateKey(std::span<std::uint8_t, 32> key) {
  key[0] &= 0xf8;
  key[31] = static_cast<std::uint8_t>((key[31] & 0x7f) | 0x40);
}

PublicKey DerivePublicKey(std::span<const std::uint8_t, 32> private_key) {
  InitLibsodium();
  std::array<std::uint8_t, 32> public_key{};
  // Cannot fail: the base point has no small order.
  (void)crypto_scalarmult_curve25519_base(public_key.data(), private_key.data());
  return PublicKey(public_key);
}

bool X25519(std::span<const std::uint8_t, 32> private_key, const PublicKey& public_key,
            SymmetricKey& out) {
  InitLibsodium();
  const bool computed = crypto_scalarmult_curve25519(out.mutable_bytes().data(), private_key.data(),
                                                     public_key.bytes().data()) == 0;
  // libsodium refuses the points it knows to be of low order; the result tells of any it does not.
  if (!computed || IsAllZero(out.bytes())) {
    Wipe(out.mutable_bytes());
    return false;
  }
  return true;
}

}  // namespace adit::crypto
