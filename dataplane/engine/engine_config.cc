// Configuration: applied between two packets.
#include <algorithm>

#include <absl/container/flat_hash_set.h>

#include "dataplane/crypto/secret.h"
#include "dataplane/engine/engine.h"

namespace adit::engine {

using packet::DropReason;

std::optional<std::uint32_t> Engine::FindSlot(const PublicKey& key) const {
  const auto at = slots_by_key_.find(key);
  return at == slots_by_key_.end() ? std::nullopt : std::optional(at->second);
}

PeerState* Engine::FindPeer(const PublicKey& key) const {
  const auto slot = FindSlot(key);
  return slot ? peers_[*slot].get() : nullptr;
}

std::uint32_t Engine::AddPeer(const PublicKey& key) {
  std::uint32_t slot = 0;
  if (free_slots_.empty()) {
    slot = static_cast<std::uint32_t>(peers_.size());
    peers_.emplace_back();
    owners_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  slots_by_key_[key] = slot;
  context_.shared.remotes.Reserve(slots_by_key_.size());
  timers_.Reserve(peers_.size());
  const auto owner = std::ranges::min_element(population_) - population_.begin();
  owners_[slot] = static_cast<std::uint8_t>(owner);
  ++population_[owners_[slot]];
  if (owners_[slot] == options_.shard) {
    indices_.Reserve(population_[options_.shard]);
    peers_[slot] = std::make_unique<PeerState>(peer_context_, key, slot);
  }
  return slot;
}

void Engine::RemovePeer(const PublicKey& key) {
  const auto at = slots_by_key_.find(key);
  if (at == slots_by_key_.end()) {
    return;
  }
  const std::uint32_t slot = at->second;
  if (peers_[slot] != nullptr) {
    Drop(DropReason::kPeerRemoved, peers_[slot]->staged.Clear());
    Drop(DropReason::kPeerRemoved, context_.datagrams.Discard(slot));
    timers_.Disarm(slot);
    gate_.RemovePeer(slot);
    context_.shared.timestamps.Retire(peers_[slot]->protocol.last_timestamp());
    SetRemote(*peers_[slot], {});
    peers_[slot].reset();
    crypto::WipeStack();
  }
  allowed_ips_.RemoveAllOf(slot);
  --population_[owners_[slot]];
  free_slots_.push_back(slot);
  slots_by_key_.erase(at);
}

void Engine::RemoveAllPeers() {
  std::vector<PublicKey> keys;
  for (const auto& [key, slot] : slots_by_key_) {
    keys.push_back(key);
  }
  for (const PublicKey& key : keys) {
    RemovePeer(key);
  }
}

bool Engine::SetPrivateKey(std::span<const std::uint8_t, 32> key, Now now) {
  if (!identity_.SetPrivateKey(key)) {
    return false;
  }
  if (identity_.is_set()) {
    RemovePeer(identity_.public_key());  // a device is not its own peer
  }
  for (const auto& peer : peers_) {
    if (peer != nullptr) {
      peer->protocol.OnIdentityChanged();
      if (!peer->staged.empty()) {
        peer->protocol.RequestHandshake(now.boot);
      }
      DrainPeer(*peer, now);
    }
  }
  crypto::WipeStack();
  return true;
}

void Engine::SetLinkUp(bool is_up, Now now) {
  if (is_up == is_link_up_) {
    return;
  }
  is_link_up_ = is_up;
  for (const auto& peer : peers_) {
    if (peer == nullptr) {
      continue;
    }
    if (is_up) {
      peer->protocol.SetPersistentKeepalive(peer->protocol.persistent_keepalive(), now.boot);
      DrainPeer(*peer, now);
    } else {
      Drop(DropReason::kLinkDown, peer->staged.Clear());
      Drop(DropReason::kLinkDown, context_.datagrams.Discard(peer->protocol.id()));
      peer->protocol.Clear();
    }
  }
  crypto::WipeStack();
}

void Engine::SetOwnAddresses(const std::vector<IpAddress>& addresses) {
  own_addresses_ = addresses;
}

bool Engine::ApplyPatch(const PeerPatch& patch, Now now) {
  if (patch.remove) {
    RemovePeer(patch.public_key);
    return true;
  }
  if (identity_.is_set() && patch.public_key == identity_.public_key()) {
    return true;
  }
  const auto found = FindSlot(patch.public_key);
  if (!found && patch.update_only) {
    return true;
  }
  const std::uint32_t slot = found ? *found : AddPeer(patch.public_key);
  if (patch.replace_allowed_ips) {
    allowed_ips_.RemoveAllOf(slot);
  }
  for (const IpPrefix& prefix : patch.removed_allowed_ips) {
    (void)allowed_ips_.Remove(prefix, slot);
  }
  for (const IpPrefix& prefix : patch.allowed_ips) {
    (void)allowed_ips_.Insert(prefix, slot);
  }
  PeerState* const peer = peers_[slot].get();
  if (peer == nullptr) {
    return true;
  }
  bool has_room = true;
  if (patch.preshared_key) {
    const bool clears = crypto::IsAllZero(patch.preshared_key->bytes());
    has_room = peer->protocol.SetPresharedKey(clears ? std::nullopt
                                                     : std::optional(patch.preshared_key->bytes()));
  }
  if (patch.endpoint && (patch.replace_endpoint || patch.endpoint != peer->configured_endpoint)) {
    peer->configured_endpoint = patch.endpoint;
    SetPath(*peer, *patch.endpoint, {});
  }
  if (patch.persistent_keepalive) {
    peer->protocol.SetPersistentKeepalive(*patch.persistent_keepalive, now.boot);
  }
  DrainPeer(*peer, now);
  return has_room;
}

void Engine::RemoveAbsent(const Update& update) {
  absl::flat_hash_set<PublicKey> kept;
  for (const PeerPatch& patch : update.peers) {
    kept.insert(patch.public_key);
  }
  std::vector<PublicKey> gone;
  for (const auto& [key, slot] : slots_by_key_) {
    if (!kept.contains(key)) {
      gone.push_back(key);
    }
  }
  for (const PublicKey& key : gone) {
    RemovePeer(key);
  }
  gate_.rules().Clear();
}

// What a choked uplink keeps in the queue was judged by the rules of before.
void Engine::DiscardWhatMayNotBeSent(const Update& update) {
  const auto discard = [this](const PeerState& peer) {
    Drop(DropReason::kNoGrant, context_.datagrams.Discard(peer.protocol.id()));
  };
  const auto is_known = [this](const std::string& id) { return gate_.rules().HasResource(id); };
  const bool concerns_all =
      update.is_snapshot || std::ranges::any_of(update.removed_resources, is_known) ||
      std::ranges::any_of(update.resources, is_known, &access::ResourceConfig::id);
  if (concerns_all) {
    for (const auto& peer : peers_) {
      if (peer != nullptr) {
        discard(*peer);
      }
    }
    return;
  }
  for (const access::GrantKey& key : update.removed_grants) {
    if (const PeerState* peer = FindPeer(key.peer)) {
      discard(*peer);
    }
  }
}

bool Engine::Apply(const Update& update, Now now) {
  bool has_room = true;
  access::Rules& rules = gate_.rules();
  DiscardWhatMayNotBeSent(update);
  if (update.is_snapshot) {
    RemoveAbsent(update);
  }
  for (const access::GrantKey& key : update.removed_grants) {
    if (const PeerState* peer = FindPeer(key.peer)) {
      rules.RemoveGrant(peer->protocol.id(), key.resource_id);
    }
  }
  for (const std::string& id : update.removed_resources) {
    rules.RemoveResource(id);
  }
  for (const PublicKey& key : update.removed_peers) {
    RemovePeer(key);
  }
  for (const PeerPatch& patch : update.peers) {
    has_room = ApplyPatch(patch, now) && has_room;
  }
  for (const access::ResourceConfig& resource : update.resources) {
    rules.PutResource(resource);
  }
  for (const access::GrantConfig& grant : update.grants) {
    if (const PeerState* peer = FindPeer(grant.peer)) {
      rules.PutGrant(peer->protocol.id(), grant);
    }
  }
  gate_.RulesChanged();
  return has_room;
}

void Engine::Restore(const std::vector<PeerMemory>& memories) {
  for (const PeerMemory& memory : memories) {
    PeerState* peer = FindPeer(memory.public_key);
    if (peer == nullptr) {
      continue;
    }
    peer->protocol.RestoreGreatestTimestamp(memory.greatest_timestamp);
    if (memory.endpoint && !peer->path.remote.is_set()) {
      SetPath(*peer, *memory.endpoint, {});
    }
    if (memory.was_active && peer->path.remote.is_set()) {
      restore_queue_.push_back(memory.public_key);
    }
  }
}

void Engine::HandleRouteEvent(const RouteEvent& event) {
  for (const auto& peer : peers_) {
    if (peer != nullptr) {
      packet::DatagramPath& path = peer->path;
      if (event.Concerns(path.source.address, path.source.arrived_on, path.remote.address)) {
        path.source = {};
      }
    }
  }
}

void Engine::ForgetSources() {
  RouteEvent everything;
  everything.is_everything = true;
  HandleRouteEvent(everything);
}

void Engine::ForgetSource(std::uint32_t peer, const IpAddress& source) {
  if (peer < peers_.size() && peers_[peer] != nullptr &&
      peers_[peer]->path.source.address == source) {
    peers_[peer]->path.source = {};
  }
}

void Engine::Wipe() {
  RemoveAllPeers();
  identity_.ClearPrivateKey();
  crypto::WipeStack();
}

}  // namespace adit::engine
