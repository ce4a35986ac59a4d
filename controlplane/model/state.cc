#include "controlplane/model/state.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "common/status.h"

namespace adit::model {
namespace {

template <typename Record>
const Record* Find(const State::ByName<Record>& records, std::string_view name) {
  const auto found = records.find(name);
  return found == records.end() ? nullptr : &found->second;
}

template <typename Index>
const State::Names& NamesIn(const Index& index, std::string_view key) {
  static const State::Names kNone;
  const auto found = index.find(absl::string_view(key.data(), key.size()));
  return found == index.end() ? kNone : found->second;
}

template <typename Index>
void EraseIn(Index& index, const std::string& key, const std::string& name) {
  const auto found = index.find(key);
  if (found != index.end()) {
    found->second.erase(name);
    if (found->second.empty()) {
      index.erase(found);
    }
  }
}

// Moves `name` from the entries of `before` to those of `after` (both sorted), touching only where
// they differ.
template <typename Index>
void Reindex(Index& index, const std::string& name, const std::vector<std::string>& before,
             const std::vector<std::string>& after) {
  std::vector<std::string> gone;
  std::set_difference(before.begin(), before.end(), after.begin(), after.end(),
                      std::back_inserter(gone));
  for (const std::string& key : gone) {
    EraseIn(index, key, name);
  }
  std::vector<std::string> come;
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                      std::back_inserter(come));
  for (const std::string& key : come) {
    index[key].insert(name);
  }
}

absl::Status Contradiction(std::string_view what, std::string_view name, std::string_view why) {
  return DataLoss(
      fmt::format("the stored {} {} contradicts the rest: {}; restore a backup of the "
                  "store",
                  what, name, why));
}

}  // namespace

absl::StatusOr<State> State::Create(const Network& network, StoredState stored) {
  RETURN_IF_ERROR(network.Validate());
  State state(network, std::move(stored.epoch), stored.revision);
  RETURN_IF_ERROR(state.Load(std::move(stored)));
  return state;
}

absl::Status State::Load(StoredState stored) {
  const auto check_addresses = [&](const TunnelAddresses& addresses, std::string_view what,
                                   std::string_view name) -> absl::Status {
    AddressPool empty(network_);
    if (!empty.Hold(addresses)) {
      std::string text;
      for (const IpPrefix& host : addresses.hosts()) {
        text += (text.empty() ? "" : " and ") + host.address().ToString();
      }
      return FailedPrecondition(
          fmt::format("{} {} has the address {}, which does not fit the tunnel ranges: start with "
                      "the ranges that this store was made with",
                      what, name, text));
    }
    return pool_.Hold(addresses) ? absl::OkStatus()
                                 : Contradiction(what, name, "its address is another's too");
  };
  for (Node& node : stored.nodes) {
    if (FindNode(node.name) != nullptr || FindNodeByKey(node.public_key) != nullptr) {
      return Contradiction("node", node.name, "its name or key is another's too");
    }
    RETURN_IF_ERROR(check_addresses(node.addresses, "node", node.name));
    PutNode(std::move(node));
  }
  for (Peer& peer : stored.peers) {
    if (FindPeer(peer.name) != nullptr || FindPeerByKey(peer.public_key) != nullptr ||
        FindNodeByKey(peer.public_key) != nullptr) {
      return Contradiction("peer", peer.name, "its name or key is another's too");
    }
    if (FindNode(peer.node) == nullptr) {
      return Contradiction("peer", peer.name, "its node does not exist");
    }
    RETURN_IF_ERROR(check_addresses(peer.addresses, "peer", peer.name));
    PutPeer(std::move(peer));
  }
  for (Resource& resource : stored.resources) {
    if (FindResource(resource.name) != nullptr || FindNode(resource.node) == nullptr ||
        resource.cidrs.empty() || resource.allow_all != resource.allow.empty()) {
      return Contradiction("resource", resource.name, "its node, cidrs or filter");
    }
    PutResource(std::move(resource));
  }
  for (Policy& policy : stored.policies) {
    std::sort(policy.peers.begin(), policy.peers.end());
    std::sort(policy.resources.begin(), policy.resources.end());
    const bool has_peers =
        !policy.peers.empty() &&
        std::all_of(policy.peers.begin(), policy.peers.end(),
                    [&](const std::string& name) { return FindPeer(name) != nullptr; });
    const bool has_resources =
        !policy.resources.empty() &&
        std::all_of(policy.resources.begin(), policy.resources.end(),
                    [&](const std::string& name) { return FindResource(name) != nullptr; });
    if (FindPolicy(policy.name) != nullptr || !has_peers || !has_resources) {
      return Contradiction("policy", policy.name, "its peers or resources");
    }
    PutPolicy(std::move(policy));
  }
  return absl::OkStatus();
}

const Node* State::FindNode(std::string_view name) const { return Find(nodes_, name); }
const Peer* State::FindPeer(std::string_view name) const { return Find(peers_, name); }
const Resource* State::FindResource(std::string_view name) const { return Find(resources_, name); }
const Policy* State::FindPolicy(std::string_view name) const { return Find(policies_, name); }

const Node* State::FindNodeByKey(const PublicKey& key) const {
  const auto found = node_by_key_.find(key);
  return found == node_by_key_.end() ? nullptr : FindNode(found->second);
}

const Peer* State::FindPeerByKey(const PublicKey& key) const {
  const auto found = peer_by_key_.find(key);
  return found == peer_by_key_.end() ? nullptr : FindPeer(found->second);
}

const State::Names& State::PeersOf(std::string_view node) const {
  return NamesIn(peers_of_node_, node);
}
const State::Names& State::ResourcesOf(std::string_view node) const {
  return NamesIn(resources_of_node_, node);
}
const State::Names& State::PoliciesOfPeer(std::string_view peer) const {
  return NamesIn(policies_of_peer_, peer);
}
const State::Names& State::PoliciesOfResource(std::string_view resource) const {
  return NamesIn(policies_of_resource_, resource);
}

void State::Apply(Change change) {
  // Deletions from the outside in, so that what refers goes before what is referred to.
  for (const std::string& name : change.policies.deletes) {
    ErasePolicy(name);
  }
  for (Policy& policy : change.policies.upserts) {
    PutPolicy(std::move(policy));
  }
  for (const std::string& name : change.resources.deletes) {
    EraseResource(name);
  }
  for (const std::string& name : change.peers.deletes) {
    ErasePeer(name);
  }
  for (const std::string& name : change.nodes.deletes) {
    EraseNode(name);
  }
  for (Node& node : change.nodes.upserts) {
    PutNode(std::move(node));
  }
  for (Peer& peer : change.peers.upserts) {
    PutPeer(std::move(peer));
  }
  for (Resource& resource : change.resources.upserts) {
    PutResource(std::move(resource));
  }
  revision_ = change.revision;
}

void State::PutNode(Node node) {
  if (const Node* before = FindNode(node.name)) {
    node_by_key_.erase(before->public_key);
  }
  // False for a node whose addresses are held already: by itself.
  static_cast<void>(pool_.Hold(node.addresses));
  node_by_key_[node.public_key] = node.name;
  std::string name = node.name;
  nodes_.insert_or_assign(std::move(name), std::move(node));
}

void State::PutPeer(Peer peer) {
  if (const Peer* before = FindPeer(peer.name)) {
    peer_by_key_.erase(before->public_key);
    EraseIn(peers_of_node_, before->node, peer.name);
  }
  static_cast<void>(pool_.Hold(peer.addresses));
  peer_by_key_[peer.public_key] = peer.name;
  peers_of_node_[peer.node].insert(peer.name);
  std::string name = peer.name;
  peers_.insert_or_assign(std::move(name), std::move(peer));
}

void State::PutResource(Resource resource) {
  if (const Resource* before = FindResource(resource.name)) {
    EraseIn(resources_of_node_, before->node, resource.name);
  }
  resources_of_node_[resource.node].insert(resource.name);
  std::string name = resource.name;
  resources_.insert_or_assign(std::move(name), std::move(resource));
}

void State::PutPolicy(Policy policy) {
  static const std::vector<std::string> kNone;
  const Policy* before = FindPolicy(policy.name);
  Reindex(policies_of_peer_, policy.name, before != nullptr ? before->peers : kNone, policy.peers);
  Reindex(policies_of_resource_, policy.name, before != nullptr ? before->resources : kNone,
          policy.resources);
  std::string name = policy.name;
  policies_.insert_or_assign(std::move(name), std::move(policy));
}

void State::EraseNode(const std::string& name) {
  if (const Node* node = FindNode(name)) {
    node_by_key_.erase(node->public_key);
    pool_.Release(node->addresses);
    nodes_.erase(name);
  }
}

void State::ErasePeer(const std::string& name) {
  if (const Peer* peer = FindPeer(name)) {
    peer_by_key_.erase(peer->public_key);
    EraseIn(peers_of_node_, peer->node, name);
    pool_.Release(peer->addresses);
    peers_.erase(name);
  }
}

void State::EraseResource(const std::string& name) {
  if (const Resource* resource = FindResource(name)) {
    EraseIn(resources_of_node_, resource->node, name);
    resources_.erase(name);
  }
}

void State::ErasePolicy(const std::string& name) {
  if (const Policy* policy = FindPolicy(name)) {
    Reindex(policies_of_peer_, name, policy->peers, {});
    Reindex(policies_of_resource_, name, policy->resources, {});
    policies_.erase(name);
  }
}

}  // namespace adit::model
