#include "controlplane/model/view.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace adit::model {
namespace {

std::string KeyBytes(const PublicKey& key) {
  const auto bytes = key.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

PublicKey KeyOf(std::string_view bytes) {
  return PublicKey::FromBytes({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()})
      .value_or(PublicKey());
}

InterfaceView BodyOf(const State& state, const Node& node) {
  return {node.addresses.hosts(), state.network().ranges()};
}

PeerView BodyOf(const Peer& peer) {
  return {peer.public_key, peer.preshared_key, peer.endpoint,
          peer.endpoint ? peer.keepalive : std::uint16_t{0}, peer.addresses.hosts()};
}

ResourceView BodyOf(const Resource& resource) {
  return {resource.name, resource.cidrs, resource.allow_all, resource.allow, resource.nat};
}

// nullopt lasts longest.
bool LastsLonger(const std::optional<WallTime>& a, const std::optional<WallTime>& b) {
  return b.has_value() && (!a.has_value() || *a > *b);
}

std::optional<GrantView> GrantOf(const State& state, const Peer& peer, const Resource& resource) {
  const State::Names& of_peer = state.PoliciesOfPeer(peer.name);
  const State::Names& of_resource = state.PoliciesOfResource(resource.name);
  const bool peer_has_fewer = of_peer.size() <= of_resource.size();
  const State::Names& fewer = peer_has_fewer ? of_peer : of_resource;
  const State::Names& more = peer_has_fewer ? of_resource : of_peer;
  std::optional<GrantView> grant;
  for (const std::string& name : fewer) {
    const Policy& policy = *state.FindPolicy(name);
    if (policy.disabled || !more.contains(name)) {
      continue;
    }
    if (!grant || LastsLonger(policy.expires, grant->expires_at)) {
      grant = GrantView{peer.public_key, resource.name, policy.expires};
    }
  }
  return grant;
}

void AddGrantsOf(const State& state, const Peer& peer, std::vector<ViewObject>& view) {
  std::map<std::string_view, std::optional<WallTime>> best;
  for (const std::string& name : state.PoliciesOfPeer(peer.name)) {
    const Policy& policy = *state.FindPolicy(name);
    if (policy.disabled) {
      continue;
    }
    for (const std::string& resource : policy.resources) {
      if (state.FindResource(resource)->node != peer.node) {
        continue;
      }
      const auto [entry, is_first] = best.emplace(resource, policy.expires);
      if (!is_first && LastsLonger(policy.expires, entry->second)) {
        entry->second = policy.expires;
      }
    }
  }
  for (const auto& [resource, expires] : best) {
    view.push_back({GrantId(peer.public_key, resource),
                    GrantView{peer.public_key, std::string(resource), expires}});
  }
}

}  // namespace

ObjectId InterfaceId() { return {ViewKind::kInterface, {}}; }
ObjectId PeerId(const PublicKey& key) { return {ViewKind::kPeer, KeyBytes(key)}; }
ObjectId ResourceId(std::string_view name) { return {ViewKind::kResource, std::string(name)}; }
ObjectId GrantId(const PublicKey& peer, std::string_view resource) {
  return {ViewKind::kGrant, KeyBytes(peer) + std::string(resource)};
}

std::vector<ObjectId> NeedsOf(const ObjectId& id) {
  if (id.kind != ViewKind::kGrant || id.key.size() < kKeySize) {
    return {};
  }
  return {{ViewKind::kPeer, id.key.substr(0, kKeySize)},
          {ViewKind::kResource, id.key.substr(kKeySize)}};
}

std::string Describe(const State& state, const ObjectId& id) {
  const auto name_of = [&](std::string_view key_bytes) {
    const PublicKey key = KeyOf(key_bytes);
    const Peer* peer = state.FindPeerByKey(key);
    return peer != nullptr ? peer->name : key.ToBase64();
  };
  switch (id.kind) {
    case ViewKind::kInterface:
      return "interface";
    case ViewKind::kPeer:
      return "peer/" + name_of(id.key);
    case ViewKind::kResource:
      return "resource/" + id.key;
    case ViewKind::kGrant:
      if (id.key.size() >= kKeySize) {
        return fmt::format("grant/{}/{}", name_of(std::string_view(id.key).substr(0, kKeySize)),
                           id.key.substr(kKeySize));
      }
      break;
  }
  return fmt::format("object of kind {}", static_cast<std::uint32_t>(id.kind));
}

std::vector<ViewObject> ViewOf(const State& state, std::string_view node_name) {
  const Node* node = state.FindNode(node_name);
  if (node == nullptr) {
    return {};
  }
  std::vector<ViewObject> view;
  view.push_back({InterfaceId(), BodyOf(state, *node)});
  for (const std::string& name : state.PeersOf(node_name)) {
    const Peer& peer = *state.FindPeer(name);
    view.push_back({PeerId(peer.public_key), BodyOf(peer)});
    AddGrantsOf(state, peer, view);
  }
  for (const std::string& name : state.ResourcesOf(node_name)) {
    view.push_back({ResourceId(name), BodyOf(*state.FindResource(name))});
  }
  std::sort(view.begin(), view.end(),
            [](const ViewObject& a, const ViewObject& b) { return a.id < b.id; });
  return view;
}

std::optional<ViewBody> ViewObjectOf(const State& state, std::string_view node_name,
                                     const ObjectId& id) {
  const Node* node = state.FindNode(node_name);
  if (node == nullptr) {
    return std::nullopt;
  }
  const auto peer_here = [&](std::string_view key) -> const Peer* {
    const Peer* peer = state.FindPeerByKey(KeyOf(key));
    return peer != nullptr && peer->node == node_name ? peer : nullptr;
  };
  const auto resource_here = [&](std::string_view name) -> const Resource* {
    const Resource* resource = state.FindResource(name);
    return resource != nullptr && resource->node == node_name ? resource : nullptr;
  };
  switch (id.kind) {
    case ViewKind::kInterface:
      return BodyOf(state, *node);
    case ViewKind::kPeer:
      if (const Peer* peer = peer_here(id.key)) {
        return BodyOf(*peer);
      }
      break;
    case ViewKind::kResource:
      if (const Resource* resource = resource_here(id.key)) {
        return BodyOf(*resource);
      }
      break;
    case ViewKind::kGrant: {
      if (id.key.size() < kKeySize) {
        break;
      }
      const Peer* peer = peer_here(std::string_view(id.key).substr(0, kKeySize));
      const Resource* resource = resource_here(std::string_view(id.key).substr(kKeySize));
      if (peer != nullptr && resource != nullptr) {
        if (auto grant = GrantOf(state, *peer, *resource)) {
          return *std::move(grant);
        }
      }
      break;
    }
  }
  return std::nullopt;
}

}  // namespace adit::model
