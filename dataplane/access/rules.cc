#include "dataplane/access/rules.h"

#include <algorithm>

namespace adit::access {

bool Permits(const TrafficFilter& filter, std::uint8_t protocol, std::uint16_t port) {
  if (filter.allow_all) {
    return true;
  }
  return std::ranges::any_of(filter.rules, [&](const TrafficRule& rule) {
    switch (rule.protocol) {
      case TrafficRule::Protocol::kTcp:
        return protocol == packet::kProtocolTcp && port >= rule.first_port &&
               port <= rule.last_port;
      case TrafficRule::Protocol::kUdp:
        return protocol == packet::kProtocolUdp && port >= rule.first_port &&
               port <= rule.last_port;
      case TrafficRule::Protocol::kIcmp:
        return protocol == packet::kProtocolIcmp || protocol == packet::kProtocolIcmpV6;
    }
    return false;
  });
}

void Rules::PutResource(const ResourceConfig& resource) { resources_[resource.id] = resource; }

void Rules::RemoveResource(const std::string& id) { resources_.erase(id); }

void Rules::PutGrant(PeerId peer, const GrantConfig& grant) {
  RemoveGrant(peer, grant.resource_id);
  grants_[peer].push_back({grant.resource_id, grant.deadline});
}

void Rules::RemoveGrant(PeerId peer, const std::string& resource_id) {
  const auto at = grants_.find(peer);
  if (at == grants_.end()) {
    return;
  }
  std::erase_if(at->second, [&](const Grant& grant) { return grant.resource_id == resource_id; });
  if (at->second.empty()) {
    grants_.erase(at);
  }
}

void Rules::RemovePeer(PeerId peer) { grants_.erase(peer); }

void Rules::Clear() {
  resources_.clear();
  grants_.clear();
}

std::optional<Rules::Permission> Rules::Ask(const FlowKey& flow, Instant now, bool& has_destination,
                                            bool& has_expired) const {
  has_destination = false;
  has_expired = false;
  const auto at = grants_.find(flow.peer);
  if (at == grants_.end()) {
    return std::nullopt;
  }
  const Grant* best = nullptr;
  unsigned best_length = 0;
  for (const Grant& grant : at->second) {
    const auto resource = resources_.find(grant.resource_id);
    if (resource == resources_.end()) {
      continue;
    }
    for (const IpPrefix& prefix : resource->second.prefixes) {
      if (!prefix.Contains(flow.far_address)) {
        continue;
      }
      if (grant.deadline <= now) {
        has_expired = true;
        continue;
      }
      has_destination = true;
      if (!Permits(resource->second.filter, flow.protocol, flow.far_port)) {
        continue;
      }
      const bool is_better =
          best == nullptr || prefix.length() > best_length ||
          (prefix.length() == best_length && grant.resource_id < best->resource_id);
      if (is_better) {
        best = &grant;
        best_length = prefix.length();
      }
    }
  }
  if (best == nullptr) {
    return std::nullopt;
  }
  return Permission{best->deadline};
}

std::vector<std::string> Rules::resource_ids() const {
  std::vector<std::string> ids;
  for (const auto& [id, resource] : resources_) {
    ids.push_back(id);
  }
  std::ranges::sort(ids);
  return ids;
}

std::vector<std::string> Rules::grants_of(PeerId peer) const {
  std::vector<std::string> ids;
  if (const auto at = grants_.find(peer); at != grants_.end()) {
    for (const Grant& grant : at->second) {
      ids.push_back(grant.resource_id);
    }
  }
  return ids;
}

}  // namespace adit::access
