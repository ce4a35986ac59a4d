#pragma once

#include <cstdint>
#include <optional>

#include "common/bytes.h"
#include "common/time.h"
#include "dataplane/access/flow_table.h"
#include "dataplane/access/fragment_table.h"
#include "dataplane/access/rules.h"
#include "dataplane/packet/drop_reason.h"
#include "dataplane/packet/ip_packet.h"

namespace adit::access {

// Decides each inner packet, both ways, statefully. A peer opens flows its grants permit; packets
// toward it pass only for a flow it opened, or as an ICMP error quoting one. Later fragments share
// the first one's verdict. When the rules change, every open flow is asked about anew at its next
// packet, so a revocation cuts what it permitted at once.
//
// Thread: the shard's. Check* allocate nothing.
class Gate {
 public:
  explicit Gate(std::uint64_t hash_secret, std::size_t flow_capacity = FlowTable::kDefaultCapacity)
      : flows_(flow_capacity, hash_secret), fragments_(hash_secret) {}

  // nullopt: it may pass. `bytes` is the whole packet that `packet` describes.
  [[nodiscard]] std::optional<packet::DropReason> CheckFromPeer(PeerId peer,
                                                                const packet::IpPacket& packet,
                                                                ByteSpan bytes, Instant now);
  [[nodiscard]] std::optional<packet::DropReason> CheckTowardPeer(PeerId peer,
                                                                  const packet::IpPacket& packet,
                                                                  ByteSpan bytes, Instant now);

  // Change the rules, then call RulesChanged once: flows are re-checked from then on.
  [[nodiscard]] Rules& rules() { return rules_; }
  void RulesChanged();
  // The peer is removed: its grants and flows go.
  void RemovePeer(PeerId peer);
  void Sweep(std::size_t entries, Instant now) { flows_.Sweep(entries, now); }

  [[nodiscard]] const FlowTable& flows() const { return flows_; }

 private:
  [[nodiscard]] Flow* FindPermitted(const FlowKey& key, Instant now);
  [[nodiscard]] std::optional<packet::DropReason> Open(const FlowKey& key,
                                                       const packet::IpPacket& packet, Instant now,
                                                       Flow*& flow);
  [[nodiscard]] bool QuotesFlow(PeerId peer, bool from_peer, const packet::IpPacket& error,
                                ByteSpan bytes, Instant now);

  Rules rules_;
  FlowTable flows_;
  FragmentTable fragments_;
  std::uint32_t generation_ = 1;
};

}  // namespace adit::access
