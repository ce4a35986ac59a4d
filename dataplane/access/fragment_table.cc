#include "dataplane/access/fragment_table.h"

#include <algorithm>

namespace adit::access {

FlowKey FragmentTable::KeyOf(PeerId peer, const packet::IpPacket& packet) {
  // The upper-layer protocol is left out: an IPv6 later fragment names whatever header came first.
  FlowKey key;
  key.peer = peer;
  key.peer_address = packet.source;
  key.far_address = packet.destination;
  key.peer_port = static_cast<std::uint16_t>(packet.fragment_id >> 16);
  key.far_port = static_cast<std::uint16_t>(packet.fragment_id);
  key.protocol = packet.is_v6 ? 0 : packet.protocol;
  return key;
}

void FragmentTable::Allow(PeerId peer, bool from_peer, const packet::IpPacket& first, Instant now,
                          Instant deadline) {
  const FlowKey key = KeyOf(peer, first);
  entries_[HashOf(key, hash_secret_) % kEntries] = {key, from_peer,
                                                    std::min(now + kLifetime, deadline)};
}

bool FragmentTable::IsAllowed(PeerId peer, bool from_peer, const packet::IpPacket& later,
                              Instant now) const {
  const FlowKey key = KeyOf(peer, later);
  const Entry& entry = entries_[HashOf(key, hash_secret_) % kEntries];
  return entry.from_peer == from_peer && entry.expires > now && entry.key == key;
}

}  // namespace adit::access
