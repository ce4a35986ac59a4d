#pragma once

#include <array>
#include <cstdint>

#include "dataplane/packet/steering_byte.h"
#include "dataplane/wireguard/messages.h"

namespace adit::engine {

// The low byte of a receiver index is the number of the shard that made it. Initiations have none:
// any shard takes them.
inline constexpr std::array<packet::SteeringByte, 3> kSteeringBytes = {{
    {static_cast<std::uint8_t>(wireguard::MessageType::kTransport), wireguard::kReceiverAt},
    {static_cast<std::uint8_t>(wireguard::MessageType::kCookieReply), wireguard::kReceiverAt},
    {static_cast<std::uint8_t>(wireguard::MessageType::kResponse), wireguard::kResponseReceiverAt},
}};

[[nodiscard]] constexpr std::uint8_t ShardOfIndex(std::uint32_t receiver_index) {
  return static_cast<std::uint8_t>(receiver_index);
}

}  // namespace adit::engine
