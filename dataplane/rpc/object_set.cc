#include "dataplane/rpc/object_set.h"

#include <fmt/format.h>

#include "common/bytes.h"
#include "dataplane/rpc/convert.h"

namespace adit::rpc {
namespace {

std::size_t SizeOf(const ObjectId& id, const HeldObject& object) {
  return id.key.size() + object.body.bytes().size();
}

}  // namespace

ObjectId PeerId(const PublicKey& key) {
  const auto bytes = key.bytes();
  return {kPeerKind, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())};
}

std::optional<Rejection> ObjectSet::Judge(const ObjectId& id, const HeldObject& object) const {
  if (auto problem = JudgeLimits(id, object)) {
    return Rejection{id, *std::move(problem), {}};
  }
  if (const auto* peer = std::get_if<PeerObject>(&object.parsed)) {
    return JudgePeer(id, *peer);
  }
  if (const auto* interface = std::get_if<InterfaceObject>(&object.parsed)) {
    return JudgeInterface(id, *interface);
  }
  if (const auto* grant = std::get_if<GrantObject>(&object.parsed)) {
    return JudgeGrant(id, *grant);
  }
  return std::nullopt;
}

std::optional<Problem> ObjectSet::JudgeLimits(const ObjectId& id, const HeldObject& object) const {
  std::size_t limit = 1;
  std::string_view what = "interface objects";
  if (id.kind == kPeerKind) {
    limit = limits_->max_peers;
    what = "peers";
  } else if (id.kind == kResourceKind) {
    limit = limits_->max_resources;
    what = "resources";
  } else if (id.kind == kGrantKind) {
    limit = limits_->max_grants;
    what = "grants";
  }
  const auto count = counts_.find(id.kind);
  if (count != counts_.end() && count->second >= limit) {
    return Problem{"", "LIMIT", fmt::format("more than {} {}", limit, what)};
  }
  if (bytes_ + SizeOf(id, object) > limits_->max_state_bytes) {
    return Problem{
        "", "LIMIT",
        fmt::format("all objects together have more than {} bytes", limits_->max_state_bytes)};
  }
  return std::nullopt;
}

std::optional<Rejection> ObjectSet::JudgePeer(const ObjectId& id, const PeerObject& peer) const {
  const InterfaceObject* own = interface();
  for (std::size_t i = 0; i < peer.allowed_ips.size(); ++i) {
    const IpPrefix& prefix = peer.allowed_ips[i];
    std::string field = fmt::format("allowed_ips[{}]", i);
    if (const auto held = tunnel_prefixes_.FindOverlap(prefix, peer.public_key)) {
      return Rejection{id,
                       {std::move(field), "OVERLAP",
                        fmt::format("{} overlaps {} of peer {}", prefix.ToString(),
                                    held->first.ToString(), held->second.ToBase64())},
                       {PeerId(held->second)}};
    }
    if (own == nullptr) {
      continue;
    }
    for (const IpPrefix& address : own->addresses) {
      if (prefix.Overlaps(address)) {
        return Rejection{id,
                         {std::move(field), "OVERLAP",
                          fmt::format("{} holds {}, this data plane's own address",
                                      prefix.ToString(), address.address().ToString())},
                         {ObjectId{kInterfaceKind, ""}}};
      }
    }
  }
  return std::nullopt;
}

std::optional<Rejection> ObjectSet::JudgeInterface(const ObjectId& id,
                                                   const InterfaceObject& interface) const {
  for (std::size_t i = 0; i < interface.addresses.size(); ++i) {
    // The zero key is nobody's.
    const auto held = tunnel_prefixes_.FindOverlap(interface.addresses[i], PublicKey());
    if (held) {
      return Rejection{
          id,
          {fmt::format("addresses[{}]", i), "OVERLAP",
           fmt::format("{} is inside {} of peer {}", interface.addresses[i].address().ToString(),
                       held->first.ToString(), held->second.ToBase64())},
          {PeerId(held->second)}};
    }
  }
  return std::nullopt;
}

std::optional<Rejection> ObjectSet::JudgeGrant(const ObjectId& id, const GrantObject& grant) const {
  ObjectId peer = PeerId(grant.peer);
  if (!objects_.contains(peer)) {
    return Rejection{
        id,
        {"peer_public_key", "MISSING", fmt::format("there is no peer {}", grant.peer.ToBase64())},
        {std::move(peer)}};
  }
  ObjectId resource{kResourceKind, grant.resource_id};
  if (!objects_.contains(resource)) {
    return Rejection{
        id,
        {"resource_id", "MISSING", fmt::format("there is no resource {}", grant.resource_id)},
        {std::move(resource)}};
  }
  return std::nullopt;
}

void ObjectSet::Insert(ObjectId id, HeldObject object) {
  digest_.Add(id.kind, AsBytes(id.key), AsBytes(object.body.bytes()));
  bytes_ += SizeOf(id, object);
  ++counts_[id.kind];
  if (const auto* peer = std::get_if<PeerObject>(&object.parsed)) {
    for (const IpPrefix& prefix : peer->allowed_ips) {
      tunnel_prefixes_.Insert(prefix, peer->public_key);
    }
  } else if (const auto* resource = std::get_if<access::ResourceConfig>(&object.parsed)) {
    for (const IpPrefix& prefix : resource->prefixes) {
      Claims& claims = served_[prefix];
      ++claims.resources;
      claims.with_nat += resource->nat ? 1 : 0;
    }
  } else if (const auto* grant = std::get_if<GrantObject>(&object.parsed)) {
    grants_[grant->peer].insert(grant->resource_id);
    if (grant->expires_at) {
      expiring_.emplace(*grant->expires_at, id.key);
    }
  }
  objects_.emplace(std::move(id), std::move(object));
}

std::optional<HeldObject> ObjectSet::Take(const ObjectId& id) {
  const auto at = objects_.find(id);
  if (at == objects_.end()) {
    return std::nullopt;
  }
  HeldObject object = std::move(at->second);
  objects_.erase(at);
  digest_.Remove(id.kind, AsBytes(id.key), AsBytes(object.body.bytes()));
  bytes_ -= SizeOf(id, object);
  --counts_[id.kind];
  if (const auto* peer = std::get_if<PeerObject>(&object.parsed)) {
    for (const IpPrefix& prefix : peer->allowed_ips) {
      tunnel_prefixes_.Erase(prefix);
    }
  } else if (const auto* resource = std::get_if<access::ResourceConfig>(&object.parsed)) {
    for (const IpPrefix& prefix : resource->prefixes) {
      const auto served = served_.find(prefix);
      served->second.with_nat -= resource->nat ? 1 : 0;
      if (--served->second.resources == 0) {
        served_.erase(served);
      }
    }
  } else if (const auto* grant = std::get_if<GrantObject>(&object.parsed)) {
    const auto grants = grants_.find(grant->peer);
    grants->second.erase(grant->resource_id);
    if (grants->second.empty()) {
      grants_.erase(grants);
    }
    if (grant->expires_at) {
      expiring_.erase({*grant->expires_at, id.key});
    }
  }
  return object;
}

const HeldObject* ObjectSet::Find(const ObjectId& id) const {
  const auto at = objects_.find(id);
  return at == objects_.end() ? nullptr : &at->second;
}

const InterfaceObject* ObjectSet::interface() const {
  const HeldObject* object = Find({kInterfaceKind, ""});
  return object == nullptr ? nullptr : std::get_if<InterfaceObject>(&object->parsed);
}

std::vector<ServedPrefix> ObjectSet::Served() const {
  std::vector<ServedPrefix> served;
  served.reserve(served_.size());
  for (const auto& [prefix, claims] : served_) {
    served.push_back({prefix, claims.with_nat > 0});
  }
  return served;
}

const absl::flat_hash_set<std::string>* ObjectSet::GrantsOf(const PublicKey& peer) const {
  const auto at = grants_.find(peer);
  return at == grants_.end() ? nullptr : &at->second;
}

state::ObjectView ObjectSet::ViewOf(const ObjectId& id) const {
  const auto at = objects_.find(id);
  if (at == objects_.end()) {
    return {};
  }
  return {at->first.kind, at->first.key, at->second.body.bytes()};
}

}  // namespace adit::rpc
