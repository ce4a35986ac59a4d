#include "dataplane/wireguard/noise_state.h"

#include "dataplane/crypto/handshake_aead.h"
#include "dataplane/crypto/x25519.h"
#include "dataplane/wireguard/labels.h"

namespace adit::wireguard {

NoiseState NoiseState::Begin(ByteSpan prologue, const PublicKey& responder) {
  NoiseState state;
  // The name is longer than a hash, so both start as its hash.
  state.hash_ = crypto::Blake2s({kConstruction});
  state.chaining_key_ = crypto::SymmetricKey(state.hash_);
  state.MixHash(prologue);
  state.MixHash(responder.bytes());
  return state;
}

void NoiseState::MixHash(ByteSpan data) { hash_ = crypto::Blake2s({hash_, data}); }

void NoiseState::MixEphemeral(const PublicKey& ephemeral) {
  MixHash(ephemeral.bytes());
  crypto::Kdf1(chaining_key_.bytes(), ephemeral.bytes(), chaining_key_.mutable_bytes());
}

bool NoiseState::MixDh(std::span<const std::uint8_t, 32> private_key, const PublicKey& public_key) {
  crypto::SymmetricKey shared;
  if (!crypto::X25519(private_key, public_key, shared)) {
    return false;
  }
  MixKey(shared.bytes());
  return true;
}

void NoiseState::MixKey(ByteSpan input) {
  crypto::Kdf2(chaining_key_.bytes(), input, chaining_key_.mutable_bytes(), key_.mutable_bytes());
}

void NoiseState::MixPresharedKey(std::span<const std::uint8_t, 32> key) {
  crypto::Hash mixed{};
  crypto::Kdf3(chaining_key_.bytes(), key, chaining_key_.mutable_bytes(), mixed,
               key_.mutable_bytes());
  MixHash(mixed);
  crypto::Wipe(mixed);
}

void NoiseState::Seal(ByteSpan plaintext, MutableByteSpan out) {
  crypto::ChaCha20Poly1305Seal(key_.bytes(), 0, plaintext, hash_, out);
  MixHash(out);
}

bool NoiseState::Open(ByteSpan sealed, MutableByteSpan out) {
  if (!crypto::ChaCha20Poly1305Open(key_.bytes(), 0, sealed, hash_, out)) {
    return false;
  }
  MixHash(sealed);
  return true;
}

void NoiseState::Split(crypto::SymmetricKey& to_responder,
                       crypto::SymmetricKey& to_initiator) const {
  crypto::Kdf2(chaining_key_.bytes(), {}, to_responder.mutable_bytes(),
               to_initiator.mutable_bytes());
}

}  // namespace adit::wireguard
