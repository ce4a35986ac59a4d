#include "dataplane/wireguard/allowed_ips.h"

#include <algorithm>
#include <bit>

namespace adit::wireguard {

AllowedIps::Bits AllowedIps::BitsOf(const IpAddress& address) {
  const std::uint8_t* bytes = address.bytes().data();
  if (address.is_v4()) {
    return {static_cast<std::uint64_t>(LoadBe32(bytes)) << 32, 0};
  }
  return address.is_v6() ? Bits{LoadBe64(bytes), LoadBe64(bytes + 8)} : Bits{};
}

IpPrefix AllowedIps::PrefixOf(const Node& node) {
  std::uint8_t bytes[16];
  StoreBe64(bytes, node.bits.high);
  StoreBe64(bytes + 8, node.bits.low);
  return {node.is_v6 ? IpAddress::V6(bytes) : IpAddress::V4(bytes), node.length};
}

bool AllowedIps::Matches(const Node& node, const Bits& bits) {
  if (node.length == 0) {
    return true;
  }
  const std::uint64_t high = node.bits.high ^ bits.high;
  if (node.length <= 64) {
    return (high >> (64 - node.length)) == 0;
  }
  return high == 0 && ((node.bits.low ^ bits.low) >> (128 - node.length)) == 0;
}

unsigned AllowedIps::BitAt(const Bits& bits, unsigned position) {
  return static_cast<unsigned>(position < 64 ? bits.high >> (63 - position)
                                             : bits.low >> (127 - position)) &
         1U;
}

unsigned AllowedIps::CommonLength(const Bits& a, const Bits& b) {
  if (a.high != b.high) {
    return static_cast<unsigned>(std::countl_zero(a.high ^ b.high));
  }
  return 64 + static_cast<unsigned>(std::countl_zero(a.low ^ b.low));
}

std::optional<AllowedIps::PeerId> AllowedIps::Lookup(const IpAddress& address) const {
  const Bits bits = BitsOf(address);
  const unsigned width = address.bit_count();
  std::uint32_t best = kNone;
  for (std::uint32_t at = width == 0 ? kNone : roots_[address.is_v6() ? 1 : 0]; at != kNone;) {
    const Node& node = nodes_[at];
    if (!Matches(node, bits)) {
      break;
    }
    if (node.peer != kNone) {
      best = node.peer;
    }
    at = node.length == width ? kNone : node.child[BitAt(bits, node.length)];
  }
  return best == kNone ? std::nullopt : std::optional(best);
}

std::uint32_t AllowedIps::NewNode(const Bits& bits, unsigned length, bool is_v6) {
  std::uint32_t index = 0;
  if (free_.empty()) {
    index = static_cast<std::uint32_t>(nodes_.size());
    nodes_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
    nodes_[index] = Node();
  }
  nodes_[index].bits = bits;
  nodes_[index].length = static_cast<std::uint8_t>(length);
  nodes_[index].is_v6 = is_v6;
  return index;
}

void AllowedIps::SetLink(std::uint32_t parent, bool is_v6, unsigned side, std::uint32_t child) {
  (parent == kNone ? roots_[is_v6 ? 1 : 0] : nodes_[parent].child[side]) = child;
  if (child != kNone) {
    nodes_[child].parent = parent;
  }
}

void AllowedIps::SetPeer(std::uint32_t index, PeerId peer) {
  if (peer >= peer_heads_.size()) {
    peer_heads_.resize(peer + 1, kNone);
  }
  Node& node = nodes_[index];
  node.peer = peer;
  node.peer_previous = kNone;
  node.peer_next = peer_heads_[peer];
  if (node.peer_next != kNone) {
    nodes_[node.peer_next].peer_previous = index;
  }
  peer_heads_[peer] = index;
  ++size_;
}

void AllowedIps::UnsetPeer(std::uint32_t index) {
  Node& node = nodes_[index];
  (node.peer_previous == kNone ? peer_heads_[node.peer] : nodes_[node.peer_previous].peer_next) =
      node.peer_next;
  if (node.peer_next != kNone) {
    nodes_[node.peer_next].peer_previous = node.peer_previous;
  }
  node.peer = kNone;
  node.peer_next = kNone;
  node.peer_previous = kNone;
  --size_;
}

std::optional<AllowedIps::PeerId> AllowedIps::Insert(const IpPrefix& prefix, PeerId peer) {
  const Bits bits = BitsOf(prefix.address());
  const unsigned length = prefix.length();
  const bool is_v6 = prefix.address().is_v6();
  std::uint32_t parent = kNone;
  unsigned side = 0;
  std::uint32_t at = roots_[is_v6 ? 1 : 0];
  while (at != kNone && nodes_[at].length < length && Matches(nodes_[at], bits)) {
    parent = at;
    side = BitAt(bits, nodes_[at].length);
    at = nodes_[at].child[side];
  }

  const bool is_present = at != kNone && nodes_[at].length == length && nodes_[at].bits == bits;
  if (is_present) {
    const std::uint32_t before = nodes_[at].peer;
    if (before == peer) {
      return std::nullopt;
    }
    if (before != kNone) {
      UnsetPeer(at);
    }
    SetPeer(at, peer);
    return before == kNone ? std::nullopt : std::optional(before);
  }

  const std::uint32_t added = NewNode(bits, length, is_v6);
  if (at == kNone) {
    SetLink(parent, is_v6, side, added);
  } else {
    const unsigned common =
        std::min({CommonLength(nodes_[at].bits, bits), length, unsigned{nodes_[at].length}});
    if (common == length) {  // the new prefix contains what was there
      SetLink(parent, is_v6, side, added);
      SetLink(added, is_v6, BitAt(nodes_[at].bits, length), at);
    } else {
      const IpPrefix fork_prefix(prefix.address(), common);
      const std::uint32_t fork = NewNode(BitsOf(fork_prefix.address()), common, is_v6);
      SetLink(parent, is_v6, side, fork);
      SetLink(fork, is_v6, BitAt(bits, common), added);
      SetLink(fork, is_v6, BitAt(nodes_[at].bits, common), at);
    }
  }
  SetPeer(added, peer);
  return std::nullopt;
}

std::uint32_t AllowedIps::FindExact(const IpPrefix& prefix) const {
  const Bits bits = BitsOf(prefix.address());
  std::uint32_t at = roots_[prefix.address().is_v6() ? 1 : 0];
  while (at != kNone && nodes_[at].length < prefix.length() && Matches(nodes_[at], bits)) {
    at = nodes_[at].child[BitAt(bits, nodes_[at].length)];
  }
  const bool is_exact =
      at != kNone && nodes_[at].length == prefix.length() && nodes_[at].bits == bits;
  return is_exact ? at : kNone;
}

void AllowedIps::Prune(std::uint32_t index) {
  while (index != kNone && nodes_[index].peer == kNone) {
    const Node& node = nodes_[index];
    const bool is_fork = node.child[0] != kNone && node.child[1] != kNone;
    if (is_fork) {
      return;
    }
    const std::uint32_t only = node.child[0] != kNone ? node.child[0] : node.child[1];
    const std::uint32_t parent = node.parent;
    const unsigned side = parent != kNone && nodes_[parent].child[1] == index ? 1 : 0;
    SetLink(parent, node.is_v6, side, only);
    free_.push_back(index);
    index = parent;
  }
}

bool AllowedIps::Remove(const IpPrefix& prefix, PeerId peer) {
  const std::uint32_t at = FindExact(prefix);
  if (at == kNone || nodes_[at].peer != peer) {
    return false;
  }
  UnsetPeer(at);
  Prune(at);
  return true;
}

void AllowedIps::RemoveAllOf(PeerId peer) {
  while (peer < peer_heads_.size() && peer_heads_[peer] != kNone) {
    const std::uint32_t at = peer_heads_[peer];
    UnsetPeer(at);
    Prune(at);
  }
}

std::vector<IpPrefix> AllowedIps::PrefixesOf(PeerId peer) const {
  std::vector<IpPrefix> prefixes;
  for (std::uint32_t at = peer < peer_heads_.size() ? peer_heads_[peer] : kNone; at != kNone;
       at = nodes_[at].peer_next) {
    prefixes.push_back(PrefixOf(nodes_[at]));
  }
  std::ranges::sort(prefixes);
  return prefixes;
}

}  // namespace adit::wireguard
