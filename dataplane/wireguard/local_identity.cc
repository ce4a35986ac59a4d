#include "dataplane/wireguard/local_identity.h"

#include "dataplane/crypto/x25519.h"
#include "dataplane/wireguard/labels.h"

namespace adit::wireguard {

bool LocalIdentity::SetPrivateKey(std::span<const std::uint8_t, 32> key) {
  if (crypto::IsAllZero(key)) {
    ClearPrivateKey();
    return true;
  }
  crypto::ArenaKey copy = crypto::ArenaKey::Copy(arena_, key);
  if (!copy.is_set()) {
    return false;
  }
  crypto::ClampPrivateKey(copy.mutable_bytes());
  private_key_ = std::move(copy);
  public_key_ = crypto::DerivePublicKey(private_key_.bytes());
  mac1_key_ = crypto::Blake2s({kMac1Label, public_key_.bytes()});
  ++generation_;
  return true;
}

void LocalIdentity::ClearPrivateKey() {
  private_key_.Reset();
  public_key_ = PublicKey();
  mac1_key_ = {};
  ++generation_;
}

}  // namespace adit::wireguard
