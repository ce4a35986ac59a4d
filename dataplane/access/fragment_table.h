#pragma once

#include <array>
#include <cstdint>

#include "common/time.h"
#include "dataplane/access/flow_key.h"

namespace adit::access {

// Which fragmented packets' first fragments were let through, so that the later ones, which carry
// no ports, share the verdict. A fixed direct-mapped table: a collision forgets the older packet,
// whose remaining fragments are then dropped, never passed.
//
// Thread: the shard's.
class FragmentTable {
 public:
  // RFC 1122 3.3.2 lets a receiver wait 60 s and more; half of that is Linux's ipfrag_time.
  static constexpr Duration kLifetime = std::chrono::seconds(30);

  explicit FragmentTable(std::uint64_t hash_secret) : hash_secret_(hash_secret) {}

  // `deadline` is the flow's: the later ones are not let through past it.
  void Allow(PeerId peer, bool from_peer, const packet::IpPacket& first, Instant now,
             Instant deadline);
  [[nodiscard]] bool IsAllowed(PeerId peer, bool from_peer, const packet::IpPacket& later,
                               Instant now) const;
  // What was permitted before the rules changed is asked anew.
  void Clear() { entries_ = {}; }

 private:
  struct Entry {
    FlowKey key;  // ports hold the halves of the identification
    bool from_peer = false;
    Instant expires;
  };
  [[nodiscard]] static FlowKey KeyOf(PeerId peer, const packet::IpPacket& packet);

  static constexpr std::size_t kEntries = 512;
  const std::uint64_t hash_secret_;
  std::array<Entry, kEntries> entries_{};
};

}  // namespace adit::access
