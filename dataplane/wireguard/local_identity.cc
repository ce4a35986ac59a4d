#include "dataplane/wireguard/local_identity.h"

#include <algorithm>

#include "dataplane/crypto/secret.h"
#include "dataplane/crypto/x25519.h"
#include "dataplane/wireguard/labels.h"

namespace adit::wireguard {

LocalIdentity::LocalIdentity(crypto::SecretArena& arena)
    : private_key_(crypto::ArenaKey::Copy(arena, crypto::SymmetricKey().bytes())) {}

bool LocalIdentity::SetPrivateKey(std::span<const std::uint8_t, 32> key) {
  if (!private_key_.is_set()) {
    return false;
  }
  if (crypto::IsAllZero(key)) {
    ClearPrivateKey();
    return true;
  }
  std::ranges::copy(key, private_key_.mutable_bytes().begin());
  crypto::ClampPrivateKey(private_key_.mutable_bytes());
  is_set_ = true;
  public_key_ = crypto::DerivePublicKey(private_key_.bytes());
  mac1_key_ = crypto::Blake2s({kMac1Label, public_key_.bytes()});
  cookie_key_ = crypto::Blake2s({kCookieLabel, public_key_.bytes()});
  ++generation_;
  return true;
}

void LocalIdentity::ClearPrivateKey() {
  if (is_set_) {
    crypto::Wipe(private_key_.mutable_bytes());
    is_set_ = false;
  }
  public_key_ = PublicKey();
  mac1_key_ = {};
  cookie_key_ = {};
  ++generation_;
}

}  // namespace adit::wireguard
