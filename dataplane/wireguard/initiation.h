#pragma once

#include <cstdint>
#include <variant>

#include "common/bytes.h"
#include "dataplane/crypto/blake2s.h"
#include "dataplane/crypto/secret.h"
#include "dataplane/packet/drop_reason.h"
#include "dataplane/wireguard/local_identity.h"
#include "dataplane/wireguard/messages.h"

namespace adit::wireguard {

// An initiation after the stateless part: the first Diffie-Hellman and the sender's static key.
// It can be handed to the shard that owns the peer.
struct OpenedInitiation {
  PublicKey static_key;
  PublicKey ephemeral;
  std::uint32_t sender = 0;
  crypto::SymmetricKey chaining_key;
  crypto::Hash hash{};
  std::array<std::uint8_t, 28> sealed_timestamp{};
};

// Reads a type-1 message of exactly kInitiationSize bytes whose mac1 (and, under load, mac2) was
// checked: es, then the static key. Changes no state. kHandshakeFailed when it does not decrypt or
// a key is of low order (R1), kNoPrivateKey without an identity.
[[nodiscard]] std::variant<OpenedInitiation, packet::DropReason> OpenInitiation(
    const LocalIdentity& identity, ByteSpan message);

}  // namespace adit::wireguard
