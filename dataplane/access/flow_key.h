#pragma once

#include <cstdint>

#include "common/bytes.h"
#include "common/ip_address.h"
#include "dataplane/packet/ip_packet.h"

namespace adit::access {

using PeerId = std::uint32_t;

// A flow as its opener sees it: the peer's side and the far side, whichever way a packet goes. For
// ICMP echo both ports are the identifier; for other protocols they are zero.
struct FlowKey {
  IpAddress peer_address;
  IpAddress far_address;
  PeerId peer = 0;
  std::uint16_t peer_port = 0;
  std::uint16_t far_port = 0;
  std::uint8_t protocol = 0;

  // Of a packet that comes from the peer, or goes toward it.
  [[nodiscard]] static FlowKey FromPeer(PeerId peer, const packet::IpPacket& packet) {
    return {packet.source,      packet.destination,      peer,
            packet.source_port, packet.destination_port, packet.protocol};
  }
  [[nodiscard]] static FlowKey TowardPeer(PeerId peer, const packet::IpPacket& packet) {
    return {packet.destination,      packet.source,      peer,
            packet.destination_port, packet.source_port, packet.protocol};
  }
  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};

// Keyed, so that an attacker cannot choose flows that collide.
[[nodiscard]] inline std::uint64_t HashOf(const FlowKey& key, std::uint64_t secret) {
  const auto mix = [](std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;
  std::uint64_t hash = secret;
  for (const IpAddress* address : {&key.peer_address, &key.far_address}) {
    const ByteSpan bytes = address->bytes();
    if (bytes.size() == 4) {
      hash = mix(hash ^ LoadLe32(bytes.data()), kOdd);
    } else if (bytes.size() == 16) {
      hash = mix(hash ^ LoadLe64(bytes.data()), kOdd);
      hash = mix(hash ^ LoadLe64(bytes.data() + 8), kOdd ^ secret);
    }
  }
  const std::uint64_t rest = (static_cast<std::uint64_t>(key.peer_port) << 48) |
                             (static_cast<std::uint64_t>(key.far_port) << 32) |
                             (static_cast<std::uint64_t>(key.protocol) << 24);
  return mix(hash ^ rest ^ (static_cast<std::uint64_t>(key.peer) << 8), kOdd ^ (secret << 1));
}

}  // namespace adit::access
