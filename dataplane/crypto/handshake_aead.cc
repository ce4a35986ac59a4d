#include "dataplane/crypto/handshake_aead.h"

#include <sodium.h>

#include <array>

#include "dataplane/crypto/libsodium.h"

namespace adit::crypto {
namespace {

constexpr std::size_t kTagSize = 16;
static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == kTagSize);
static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == kTagSize);

using Nonce = std::array<std::uint8_t, crypto_aead_chacha20poly1305_ietf_NPUBBYTES>;

Nonce NonceOf(std::uint64_t counter) {
  Nonce nonce{};
  StoreLe64(nonce.data() + 4, counter);
  return nonce;
}

}  // namespace

void ChaCha20Poly1305Seal(std::span<const std::uint8_t, 32> key, std::uint64_t counter,
                          ByteSpan plaintext, ByteSpan associated_data, MutableByteSpan out) {
  InitLibsodium();
  const Nonce nonce = NonceOf(counter);
  crypto_aead_chacha20poly1305_ietf_encrypt(out.data(), nullptr, plaintext.data(), plaintext.size(),
                                            associated_data.data(), associated_data.size(), nullptr,
                                            nonce.data(), key.data());
}

bool ChaCha20Poly1305Open(std::span<const std::uint8_t, 32> key, std::uint64_t counter,
                          ByteSpan sealed, ByteSpan associated_data, MutableByteSpan out) {
  if (sealed.size() < kTagSize) {
    return false;
  }
  InitLibsodium();
  const Nonce nonce = NonceOf(counter);
  return crypto_aead_chacha20poly1305_ietf_decrypt(
             out.data(), nullptr, nullptr, sealed.data(), sealed.size(), associated_data.data(),
             associated_data.size(), nonce.data(), key.data()) == 0;
}

void XChaCha20Poly1305Seal(std::span<const std::uint8_t, 32> key,
                           std::span<const std::uint8_t, 24> nonce, ByteSpan plaintext,
                           ByteSpan associated_data, MutableByteSpan out) {
  InitLibsodium();
  crypto_aead_xchacha20poly1305_ietf_encrypt(
      out.data(), nullptr, plaintext.data(), plaintext.size(), associated_data.data(),
      associated_data.size(), nullptr, nonce.data(), key.data());
}

bool XChaCha20Poly1305Open(std::span<const std::uint8_t, 32> key,
                           std::span<const std::uint8_t, 24> nonce, ByteSpan sealed,
                           ByteSpan associated_data, MutableByteSpan out) {
  if (sealed.size() < kTagSize) {
    return false;
  }
  InitLibsodium();
  return crypto_aead_xchacha20poly1305_ietf_decrypt(
             out.data(), nullptr, nullptr, sealed.data(), sealed.size(), associated_data.data(),
             associated_data.size(), nonce.data(), key.data()) == 0;
}

}  // namespace adit::crypto
