#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "dataplane/rpc/enforcer.h"

namespace adit::rpc::testing {

// What the shards and the host would do, as plain maps: the engine's rules for an update, written
// the obvious way. Thread: any.
class FakeEnforcer final : public Enforcer {
 public:
  struct PeerState {
    std::set<IpPrefix> allowed_ips;
    std::map<std::string, Instant> grants;  // by resource, whether or not it is there
  };

  std::optional<Problem> CheckInterface(const InterfaceObject& interface) override {
    const std::lock_guard lock(mutex_);
    for (const IpPrefix& range : interface.tunnel_ranges) {
      if (forbidden_routes.contains(range)) {
        return Problem{"tunnel_ranges[0]", "FORBIDDEN_ROUTE", "covers a local address"};
      }
    }
    return std::nullopt;
  }
  void ApplyHost(const HostConfig& config) override {
    const std::lock_guard lock(mutex_);
    host = config;
    ++host_applied;
    resources_at_host = resources.size();
  }
  bool Apply(const engine::Update& update) override {
    const std::lock_guard lock(mutex_);
    ++applied;
    if (update.is_snapshot) {
      std::set<PublicKey> kept;
      for (const engine::PeerPatch& patch : update.peers) {
        kept.insert(patch.public_key);
      }
      std::erase_if(peers, [&](const auto& entry) { return !kept.contains(entry.first); });
      for (auto& [key, peer] : peers) {
        peer.grants.clear();
      }
      resources.clear();
    }
    for (const access::GrantKey& key : update.removed_grants) {
      if (const auto peer = peers.find(key.peer); peer != peers.end()) {
        peer->second.grants.erase(key.resource_id);
      }
    }
    for (const std::string& id : update.removed_resources) {
      resources.erase(id);
    }
    for (const PublicKey& key : update.removed_peers) {
      peers.erase(key);
    }
    for (const engine::PeerPatch& patch : update.peers) {
      for (auto& [key, other] : peers) {
        for (const IpPrefix& prefix : patch.allowed_ips) {
          other.allowed_ips.erase(prefix);
        }
      }
      PeerState& peer = peers[patch.public_key];
      peer.allowed_ips = {patch.allowed_ips.begin(), patch.allowed_ips.end()};
    }
    for (const access::ResourceConfig& resource : update.resources) {
      resources.insert_or_assign(resource.id, resource);
    }
    for (const access::GrantConfig& grant : update.grants) {
      if (const auto peer = peers.find(grant.peer); peer != peers.end()) {
        peer->second.grants[grant.resource_id] = grant.deadline;
      }
    }
    return has_room;
  }
  void Restore(const std::vector<engine::PeerMemory>& memories, WallTime mark) override {
    const std::lock_guard lock(mutex_);
    restored = memories;
    restored_mark = mark;
  }
  void AppendReports(std::vector<engine::PeerReport>& out) override {
    const std::lock_guard lock(mutex_);
    out.insert(out.end(), reports.begin(), reports.end());
    ++asked_for_reports;
  }
  engine::Counters Counters() override {
    const std::lock_guard lock(mutex_);
    return counters;
  }
  WallTime GreatestTimestamp() override { return {}; }

  void CountPacket() {
    const std::lock_guard lock(mutex_);
    ++counters.tun_packets;
  }
  int TimesAskedForReports() {
    const std::lock_guard lock(mutex_);
    return asked_for_reports;
  }

  // Would the peer's packet to this resource pass at `now`?
  bool Passes(const PublicKey& peer, const std::string& resource, Instant now) {
    const std::lock_guard lock(mutex_);
    const auto at = peers.find(peer);
    if (at == peers.end() || !resources.contains(resource)) {
      return false;
    }
    const auto grant = at->second.grants.find(resource);
    return grant != at->second.grants.end() && now < grant->second;
  }
  // All that passes.
  std::set<std::pair<PublicKey, std::string>> Rights(Instant now) {
    const std::lock_guard lock(mutex_);
    std::set<std::pair<PublicKey, std::string>> rights;
    for (const auto& [key, peer] : peers) {
      for (const auto& [resource, deadline] : peer.grants) {
        if (resources.contains(resource) && now < deadline) {
          rights.emplace(key, resource);
        }
      }
    }
    return rights;
  }

  std::set<IpPrefix> forbidden_routes;
  bool has_room = true;
  int applied = 0;
  int host_applied = 0;
  std::size_t resources_at_host = 0;  // that were in force when the host was set up last
  HostConfig host;
  std::map<PublicKey, PeerState> peers;
  std::map<std::string, access::ResourceConfig> resources;
  std::vector<engine::PeerMemory> restored;
  WallTime restored_mark;
  std::vector<engine::PeerReport> reports;
  engine::Counters counters;
  int asked_for_reports = 0;

 private:
  std::mutex mutex_;
};

// Both clocks by hand.
class FakeClock final : public Clock {
 public:
  [[nodiscard]] Now Read() const override { return now; }
  void Advance(Duration by) {
    now.boot = now.boot + by;
    now.wall = now.wall + by;
  }
  Now now{Instant(seconds(1'000)), WallTime(seconds(1'700'000'000))};
};

}  // namespace adit::rpc::testing
