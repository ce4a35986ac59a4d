#include "tests/sim/configuration.h"

#include <algorithm>

namespace adit::sim {

std::optional<std::size_t> Configuration::OwnerOf(const IpAddress& address) const {
  std::optional<std::size_t> owner;
  unsigned longest = 0;
  for (const auto& [host, peer] : peers) {
    for (const IpPrefix& prefix : peer.prefixes) {
      if (prefix.Contains(address) && (!owner || prefix.length() > longest)) {
        owner = host;
        longest = prefix.length();
      }
    }
  }
  return owner;
}

bool Configuration::Grants(std::size_t peer, const Tuple& from_peer, Instant now) const {
  const auto permits = [&](const access::ResourceConfig& resource) {
    const bool holds = std::ranges::any_of(resource.prefixes, [&](const IpPrefix& prefix) {
      return prefix.Contains(from_peer.destination);
    });
    using Protocol = access::TrafficRule::Protocol;
    const auto matches = [&](const access::TrafficRule& rule) {
      const bool is_icmp = from_peer.protocol == 1;
      const bool is_in_range = from_peer.destination_port >= rule.first_port &&
                               from_peer.destination_port <= rule.last_port;
      return rule.protocol == Protocol::kIcmp  ? is_icmp
             : rule.protocol == Protocol::kTcp ? from_peer.protocol == 6 && is_in_range
                                               : from_peer.protocol == 17 && is_in_range;
    };
    return holds &&
           (resource.filter.allow_all || std::ranges::any_of(resource.filter.rules, matches));
  };
  return std::ranges::any_of(grants, [&](const auto& grant) {
    const auto& [granted_peer, resource_id] = grant.first;
    const auto resource = resources.find(resource_id);
    return granted_peer == peer && peers.contains(peer) && grant.second > now &&
           resource != resources.end() && permits(resource->second);
  });
}

engine::PeerPatch Configuration::PatchOf(std::size_t peer) const {
  const Peer& wanted = peers.at(peer);
  engine::PeerPatch patch;
  patch.public_key = wanted.key;
  patch.endpoint = wanted.endpoint;
  patch.preshared_key =
      wanted.preshared_key ? crypto::SymmetricKey(*wanted.preshared_key) : crypto::SymmetricKey();
  patch.replace_allowed_ips = true;
  patch.allowed_ips = wanted.prefixes;
  patch.persistent_keepalive = wanted.persistent_keepalive;
  return patch;
}

engine::Update Configuration::Snapshot() const {
  engine::Update update;
  update.is_snapshot = true;
  for (const auto& [host, peer] : peers) {
    update.peers.push_back(PatchOf(host));
  }
  for (const auto& [id, resource] : resources) {
    update.resources.push_back(resource);
  }
  for (const auto& [key, deadline] : grants) {
    if (const auto peer = peers.find(key.first); peer != peers.end()) {
      update.grants.push_back({peer->second.key, key.second, deadline});
    }
  }
  return update;
}

}  // namespace adit::sim
