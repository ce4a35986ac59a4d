#pragma once

#include <cstdint>
#include <span>

#include "common/key.h"
#include "dataplane/crypto/blake2s.h"
#include "dataplane/crypto/secret_arena.h"

namespace adit::wireguard {

// Our static key pair and what follows from it alone. Without a private key nothing is sent and
// nothing is answered.
//
// Thread: the shard's. Owns a place in the arena from the beginning, so that a change of the key
// finds room in every shard or in none.
class LocalIdentity {
 public:
  explicit LocalIdentity(crypto::SecretArena& arena);

  // Clamps and stores a copy; all zero, or ClearPrivateKey, means none. False: the arena was full
  // from the beginning; nothing changed.
  [[nodiscard]] bool SetPrivateKey(std::span<const std::uint8_t, 32> key);
  void ClearPrivateKey();

  [[nodiscard]] bool is_set() const { return is_set_; }
  // Requires is_set().
  [[nodiscard]] std::span<const std::uint8_t, 32> private_key() const {
    return private_key_.bytes();
  }
  [[nodiscard]] const PublicKey& public_key() const { return public_key_; }
  // BLAKE2s("mac1----" ‖ own public key): what mac1 of messages to us is keyed with.
  [[nodiscard]] const crypto::Hash& mac1_key() const { return mac1_key_; }
  // BLAKE2s("cookie--" ‖ own public key): what our cookie replies are sealed with.
  [[nodiscard]] const crypto::Hash& cookie_key() const { return cookie_key_; }
  // Raised by every change, so that peers know their cached static-static result is stale.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }

 private:
  crypto::ArenaKey private_key_;
  bool is_set_ = false;
  PublicKey public_key_;
  crypto::Hash mac1_key_{};
  crypto::Hash cookie_key_{};
  std::uint64_t generation_ = 0;
};

}  // namespace adit::wireguard
