#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/ip_address.h"

namespace adit::wireguard {

// Cryptokey routing: prefixes to peers, longest match first, IPv4 and IPv6. A prefix belongs to one
// peer: the last that claims it (R13). A path-compressed binary trie per family in one array of
// nodes; the prefixes of a peer are chained, so that its removal costs what it had.
//
// Thread: the shard's. Lookup touches no allocator.
class AllowedIps {
 public:
  using PeerId = std::uint32_t;

  // Returns the peer that lost the prefix, if another had it.
  std::optional<PeerId> Insert(const IpPrefix& prefix, PeerId peer);
  // False when that peer does not hold it.
  bool Remove(const IpPrefix& prefix, PeerId peer);
  // Sorted by address and length.
  [[nodiscard]] std::vector<IpPrefix> PrefixesOf(PeerId peer) const;
  void RemoveAllOf(PeerId peer);
  [[nodiscard]] std::optional<PeerId> Lookup(const IpAddress& address) const;
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  // The bits of an address, most significant first; IPv4 lies in the upper half of `high`.
  struct Bits {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    friend bool operator==(const Bits&, const Bits&) = default;
  };
  struct Node {
    Bits bits;
    std::uint8_t length = 0;
    bool is_v6 = false;
    std::uint32_t peer = kNone;  // kNone: a fork without a prefix of its own
    std::uint32_t parent = kNone;
    std::uint32_t child[2] = {kNone, kNone};
    std::uint32_t peer_next = kNone;  // the same peer's prefixes
    std::uint32_t peer_previous = kNone;
  };

  [[nodiscard]] static Bits BitsOf(const IpAddress& address);
  [[nodiscard]] static IpPrefix PrefixOf(const Node& node);
  [[nodiscard]] static bool Matches(const Node& node, const Bits& bits);
  [[nodiscard]] static unsigned BitAt(const Bits& bits, unsigned position);
  [[nodiscard]] static unsigned CommonLength(const Bits& a, const Bits& b);

  std::uint32_t NewNode(const Bits& bits, unsigned length, bool is_v6);
  void SetPeer(std::uint32_t index, PeerId peer);
  void UnsetPeer(std::uint32_t index);
  void SetLink(std::uint32_t parent, bool is_v6, unsigned side, std::uint32_t child);
  void Prune(std::uint32_t index);
  [[nodiscard]] std::uint32_t FindExact(const IpPrefix& prefix) const;

  std::vector<Node> nodes_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> peer_heads_;
  std::uint32_t roots_[2] = {kNone, kNone};  // IPv4, IPv6
  std::size_t size_ = 0;
};

}  // namespace adit::wireguard
