// Allowed IPs against a list that is searched from end to end.
#include <algorithm>
#include <map>

#include "dataplane/wireguard/allowed_ips.h"
#include "tests/fuzz/fuzz_target.h"

namespace adit::fuzz {
namespace {

using wireguard::AllowedIps;
using PeerId = AllowedIps::PeerId;

class LinearAllowedIps {
 public:
  std::optional<PeerId> Insert(const IpPrefix& prefix, PeerId peer) {
    const auto [at, is_new] = owners_.try_emplace(prefix, peer);
    const PeerId before = std::exchange(at->second, peer);
    return is_new || before == peer ? std::nullopt : std::optional(before);
  }
  bool Remove(const IpPrefix& prefix, PeerId peer) {
    const auto at = owners_.find(prefix);
    if (at == owners_.end() || at->second != peer) {
      return false;
    }
    owners_.erase(at);
    return true;
  }
  void RemoveAllOf(PeerId peer) {
    std::erase_if(owners_, [&](const auto& owner) { return owner.second == peer; });
  }
  [[nodiscard]] std::optional<PeerId> Lookup(const IpAddress& address) const {
    std::optional<PeerId> best;
    unsigned best_length = 0;
    for (const auto& [prefix, peer] : owners_) {
      if (Holds(prefix, address) && (!best || prefix.length() >= best_length)) {
        best = peer;
        best_length = prefix.length();
      }
    }
    return best;
  }
  [[nodiscard]] std::vector<IpPrefix> PrefixesOf(PeerId peer) const {
    std::vector<IpPrefix> prefixes;
    for (const auto& [prefix, owner] : owners_) {
      if (owner == peer) {
        prefixes.push_back(prefix);
      }
    }
    return prefixes;
  }
  [[nodiscard]] std::size_t size() const { return owners_.size(); }

 private:
  static bool Holds(const IpPrefix& prefix, const IpAddress& address) {
    if (prefix.family() != address.family()) {
      return false;
    }
    for (unsigned i = 0; i < prefix.length(); ++i) {
      if (prefix.address().bit(i) != address.bit(i)) {
        return false;
      }
    }
    return true;
  }

  std::map<IpPrefix, PeerId> owners_;
};

// Mostly zeros, so that prefixes nest and fork.
IpAddress NextAddress(Input& input, bool is_v6) {
  std::array<std::uint8_t, 16> bytes{};
  const std::uint8_t shape = input.Byte();
  const std::size_t size = is_v6 ? 16 : 4;
  if ((shape & 0x80) != 0) {
    const ByteSpan given = input.Take(size);
    std::ranges::copy(given, bytes.begin());
  } else {
    bytes[shape % size] = input.Byte();
    bytes[(shape >> 4) % size] = static_cast<std::uint8_t>(bytes[(shape >> 4) % size] | 1U);
  }
  return is_v6 ? IpAddress::V6(bytes.data()) : IpAddress::V4(bytes.data());
}

void FuzzAllowedIps(Input input) {
  AllowedIps trie;
  LinearAllowedIps oracle;
  constexpr std::uint32_t kPeers = 5;
  for (int step = 0; step < 300 && !input.empty(); ++step) {
    const std::uint8_t what = input.Byte();
    const bool is_v6 = (what & 1) != 0;
    const PeerId peer = (what >> 4) % kPeers;
    switch ((what >> 1) & 7) {
      case 0: {
        const IpAddress address = NextAddress(input, is_v6);
        const IpPrefix prefix(address, input.Below(address.bit_count() + 1));
        Require(trie.Remove(prefix, peer) == oracle.Remove(prefix, peer), "what is removed");
        break;
      }
      case 1:
        trie.RemoveAllOf(peer);
        oracle.RemoveAllOf(peer);
        break;
      case 2:
      case 3:
      case 4: {
        const IpAddress address = NextAddress(input, is_v6);
        Require(trie.Lookup(address) == oracle.Lookup(address), "the longest match");
        break;
      }
      default: {
        const IpAddress address = NextAddress(input, is_v6);
        const IpPrefix prefix(address, input.Below(address.bit_count() + 1));
        Require(trie.Insert(prefix, peer) == oracle.Insert(prefix, peer), "who lost the prefix");
      }
    }
    Require(trie.size() == oracle.size(), "the number of prefixes");
  }
  for (PeerId peer = 0; peer < kPeers; ++peer) {
    const std::vector<IpPrefix> prefixes = oracle.PrefixesOf(peer);
    Require(trie.PrefixesOf(peer) == prefixes, "the prefixes of a peer");
    for (const IpPrefix& prefix : prefixes) {
      Require(trie.Lookup(prefix.address()) == oracle.Lookup(prefix.address()),
              "the longest match of what is there");
    }
  }
}

ADIT_FUZZ_TARGET(allowed_ips, FuzzAllowedIps)

}  // namespace
}  // namespace adit::fuzz
