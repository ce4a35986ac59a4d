#include "controlplane/model/view_delta.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

namespace adit::model {
namespace {

// What the change may alter, by names: what they mean in the views is read from the state before
// and from the state after.
struct Touched {
  std::set<std::string> nodes;
  std::set<std::string> peers;
  std::set<std::string> resources;
  // Their grants are touched with them.
  std::set<std::string> peers_with_grants;
  std::set<std::string> resources_with_grants;
  std::set<std::pair<std::string, std::string>> pairs;  // of peer and resource
};

using Names = std::vector<std::string>;

Names Union(const Names& a, const Names& b) {
  Names all;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(all));
  return all;
}

Names Difference(const Names& a, const Names& b) {
  Names differing;
  std::set_symmetric_difference(a.begin(), a.end(), b.begin(), b.end(),
                                std::back_inserter(differing));
  return differing;
}

void AddPairs(const Names& peers, const Names& resources, Touched& touched) {
  for (const std::string& peer : peers) {
    for (const std::string& resource : resources) {
      touched.pairs.emplace(peer, resource);
    }
  }
}

// Only the pairs that are in one of the two and not the other, unless all are affected.
void AddPolicy(const Policy& before, const Policy& after, Touched& touched) {
  if (before.disabled && after.disabled) {
    return;
  }
  const Names peers = Union(before.peers, after.peers);
  const Names resources = Union(before.resources, after.resources);
  if (before.disabled != after.disabled || before.expires != after.expires) {
    AddPairs(peers, resources, touched);
    return;
  }
  AddPairs(Difference(before.peers, after.peers), resources, touched);
  AddPairs(peers, Difference(before.resources, after.resources), touched);
}

Touched TouchedBy(const State& before, const Change& change) {
  Touched touched;
  for (const Node& node : change.nodes.upserts) {
    touched.nodes.insert(node.name);
  }
  for (const Peer& peer : change.peers.upserts) {
    touched.peers.insert(peer.name);
    const Peer* old = before.FindPeer(peer.name);
    if (old == nullptr || old->public_key != peer.public_key || old->node != peer.node) {
      touched.peers_with_grants.insert(peer.name);
    }
  }
  for (const std::string& name : change.peers.deletes) {
    touched.peers.insert(name);
    touched.peers_with_grants.insert(name);
  }
  for (const Resource& resource : change.resources.upserts) {
    touched.resources.insert(resource.name);
    const Resource* old = before.FindResource(resource.name);
    if (old == nullptr || old->node != resource.node) {
      touched.resources_with_grants.insert(resource.name);
    }
  }
  for (const std::string& name : change.resources.deletes) {
    touched.resources.insert(name);
    touched.resources_with_grants.insert(name);
  }
  Policy none;
  none.disabled = true;
  for (const Policy& policy : change.policies.upserts) {
    const Policy* old = before.FindPolicy(policy.name);
    AddPolicy(old != nullptr ? *old : none, policy, touched);
  }
  for (const std::string& name : change.policies.deletes) {
    AddPolicy(*before.FindPolicy(name), none, touched);
  }
  return touched;
}

using Affected = std::map<std::string, std::map<ObjectId, std::optional<ViewBody>>>;

// Adds what the touched names mean in this state, with no bodies.
void AddObjects(const State& state, const Touched& touched, Affected& affected) {
  const auto add_pair = [&](const std::string& peer_name, const std::string& resource_name) {
    const Peer* peer = state.FindPeer(peer_name);
    const Resource* resource = state.FindResource(resource_name);
    if (peer != nullptr && resource != nullptr && peer->node == resource->node) {
      affected[peer->node].emplace(GrantId(peer->public_key, resource_name), std::nullopt);
    }
  };
  for (const std::string& name : touched.nodes) {
    affected[name].emplace(InterfaceId(), std::nullopt);
  }
  for (const std::string& name : touched.peers) {
    if (const Peer* peer = state.FindPeer(name)) {
      affected[peer->node].emplace(PeerId(peer->public_key), std::nullopt);
    }
  }
  for (const std::string& name : touched.resources) {
    if (const Resource* resource = state.FindResource(name)) {
      affected[resource->node].emplace(ResourceId(name), std::nullopt);
    }
  }
  for (const std::string& peer : touched.peers_with_grants) {
    for (const std::string& policy : state.PoliciesOfPeer(peer)) {
      for (const std::string& resource : state.FindPolicy(policy)->resources) {
        add_pair(peer, resource);
      }
    }
  }
  for (const std::string& resource : touched.resources_with_grants) {
    for (const std::string& policy : state.PoliciesOfResource(resource)) {
      for (const std::string& peer : state.FindPolicy(policy)->peers) {
        add_pair(peer, resource);
      }
    }
  }
  for (const auto& [peer, resource] : touched.pairs) {
    add_pair(peer, resource);
  }
}

bool Covers(const Allow& wide, const Allow& narrow) {
  return wide.protocol == narrow.protocol && wide.first_port <= narrow.first_port &&
         wide.last_port >= narrow.last_port;
}

bool IsNarrower(const ResourceView& after, const ResourceView& before) {
  const bool keeps_prefixes =
      std::all_of(before.prefixes.begin(), before.prefixes.end(), [&](const IpPrefix& old) {
        return std::any_of(after.prefixes.begin(), after.prefixes.end(),
                           [&](const IpPrefix& prefix) { return prefix.Contains(old); });
      });
  const bool keeps_traffic =
      after.allow_all ||
      (!before.allow_all &&
       std::all_of(before.allow.begin(), before.allow.end(), [&](const Allow& old) {
         return std::any_of(after.allow.begin(), after.allow.end(),
                            [&](const Allow& allow) { return Covers(allow, old); });
       }));
  return !keeps_prefixes || !keeps_traffic;
}

// Keeps the latest end of the rights that a node loses.
class LostRights {
 public:
  void Add(const std::optional<WallTime>& until) {
    const bool is_later =
        !delta_.takes_rights || !until || (delta_.rights_until && *until > *delta_.rights_until);
    if (is_later) {
      delta_.rights_until = until;
    }
    delta_.takes_rights = true;
  }
  explicit LostRights(NodeDelta& delta) : delta_(delta) {}

  void Compare(const State& after_state, const ViewBody& before,
               const std::optional<ViewBody>& after) {
    if (const auto* old_grant = std::get_if<GrantView>(&before)) {
      const auto* grant = after ? std::get_if<GrantView>(&*after) : nullptr;
      const bool ends_earlier =
          grant == nullptr || (grant->expires_at && (!old_grant->expires_at ||
                                                     *grant->expires_at < *old_grant->expires_at));
      if (ends_earlier) {
        Add(old_grant->expires_at);
      }
    }
    const auto* old_resource = std::get_if<ResourceView>(&before);
    const auto* resource = after ? std::get_if<ResourceView>(&*after) : nullptr;
    if (old_resource != nullptr && resource != nullptr && IsNarrower(*resource, *old_resource)) {
      AddGrantsOf(after_state, *resource);
    }
  }

 private:
  void AddGrantsOf(const State& state, const ResourceView& resource) {
    for (const std::string& name : state.PoliciesOfResource(resource.id)) {
      const Policy& policy = *state.FindPolicy(name);
      const bool grants_here =
          !policy.disabled &&
          std::any_of(policy.peers.begin(), policy.peers.end(), [&](const std::string& peer) {
            return state.FindPeer(peer)->node == delta_.node;
          });
      if (grants_here) {
        Add(policy.expires);
      }
    }
  }

  NodeDelta& delta_;
};

}  // namespace

std::vector<NodeDelta> ApplyChange(State& state, Change change) {
  if (change.empty()) {
    return {};
  }
  const Touched touched = TouchedBy(state, change);
  Affected affected;
  AddObjects(state, touched, affected);
  for (auto& [node, objects] : affected) {
    for (auto& [id, body] : objects) {
      body = ViewObjectOf(state, node, id);
    }
  }
  state.Apply(std::move(change));
  // What only this adds was in no view before: one request never gives an object's key to another.
  AddObjects(state, touched, affected);

  std::vector<NodeDelta> deltas;
  for (const auto& [node, objects] : affected) {
    if (state.FindNode(node) == nullptr) {
      continue;
    }
    NodeDelta delta;
    delta.node = node;
    LostRights lost(delta);
    for (const auto& [id, before] : objects) {
      std::optional<ViewBody> after = ViewObjectOf(state, node, id);
      if (before == after) {
        continue;
      }
      if (before) {
        lost.Compare(state, *before, after);
      }
      if (after) {
        delta.upserts.push_back({id, *std::move(after)});
      } else {
        delta.removals.push_back(id);
      }
    }
    if (!delta.removals.empty() || !delta.upserts.empty()) {
      deltas.push_back(std::move(delta));
    }
  }
  return deltas;
}

}  // namespace adit::model
