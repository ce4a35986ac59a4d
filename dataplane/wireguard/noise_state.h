#pragma once

#include <cstdint>

#include "common/key.h"
#include "dataplane/crypto/blake2s.h"
#include "dataplane/crypto/secret.h"

namespace adit::wireguard {

// The running state of a Noise handshake (noiseprotocol.org 5.2): chaining key, hash, and the key
// of the last MixKey. Noise_IKpsk2 is written out with it in initiation.cc and response.cc.
//
// A value for a function's lifetime: wiped when it ends.
class NoiseState {
 public:
  NoiseState() = default;
  NoiseState(const crypto::SymmetricKey& chaining_key, const crypto::Hash& hash)
      : chaining_key_(chaining_key), hash_(hash) {}

  // InitializeSymmetric with the construction's name, then MixHash(prologue), then the pre-message
  // MixHash(responder's static key).
  static NoiseState Begin(ByteSpan prologue, const PublicKey& responder);

  void MixHash(ByteSpan data);
  // "e" in a psk pattern: the ephemeral is mixed into hash and chaining key.
  void MixEphemeral(const PublicKey& ephemeral);
  // MixKey(DH). False when the result of the Diffie-Hellman is all zero (rule R1).
  [[nodiscard]] bool MixDh(std::span<const std::uint8_t, 32> private_key,
                           const PublicKey& public_key);
  void MixKey(ByteSpan input);
  // "psk": MixKeyAndHash.
  void MixPresharedKey(std::span<const std::uint8_t, 32> key);

  // Seals or opens under the current key with the hash as associated data, then mixes in the
  // ciphertext. out: plaintext + 16 bytes, or sealed - 16.
  void Seal(ByteSpan plaintext, MutableByteSpan out);
  [[nodiscard]] bool Open(ByteSpan sealed, MutableByteSpan out);

  // Split: the keys of initiator to responder, and back.
  void Split(crypto::SymmetricKey& to_responder, crypto::SymmetricKey& to_initiator) const;

  [[nodiscard]] const crypto::SymmetricKey& chaining_key() const { return chaining_key_; }
  [[nodiscard]] const crypto::Hash& hash() const { return hash_; }

 private:
  crypto::SymmetricKey chaining_key_;
  crypto::SymmetricKey key_;
  crypto::Hash hash_{};
};

}  // namespace adit::wireguard
