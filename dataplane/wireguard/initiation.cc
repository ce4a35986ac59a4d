#include "dataplane/wireguard/initiation.h"

#include <algorithm>

#include "dataplane/wireguard/labels.h"
#include "dataplane/wireguard/noise_state.h"

namespace adit::wireguard {

using packet::DropReason;

std::variant<OpenedInitiation, DropReason> OpenInitiation(const LocalIdentity& identity,
                                                          ByteSpan message) {
  if (!identity.is_set()) {
    return DropReason::kNoPrivateKey;
  }
  constexpr std::size_t kEphemeralAt = 8;
  constexpr std::size_t kStaticAt = 40;
  constexpr std::size_t kTimestampAt = 88;
  OpenedInitiation opened;
  opened.sender = LoadLe32(message.data() + kSenderAt);
  opened.ephemeral = PublicKey(message.subspan<kEphemeralAt, 32>());
  NoiseState noise = NoiseState::Begin(kIdentifier, identity.public_key());
  noise.MixEphemeral(opened.ephemeral);
  std::array<std::uint8_t, 32> static_key{};
  const bool is_open = noise.MixDh(identity.private_key(), opened.ephemeral) &&
                       noise.Open(message.subspan(kStaticAt, 48), static_key);
  if (!is_open) {
    return DropReason::kHandshakeFailed;
  }
  opened.static_key = PublicKey(static_key);
  opened.chaining_key = noise.chaining_key();
  opened.hash = noise.hash();
  std::ranges::copy(message.subspan(kTimestampAt, opened.sealed_timestamp.size()),
                    opened.sealed_timestamp.begin());
  return opened;
}

}  // namespace adit::wireguard
