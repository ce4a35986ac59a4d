#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "common/time.h"
#include "dataplane/access/config.h"
#include "dataplane/access/flow_key.h"

namespace adit::access {

// What peers may reach: resources, and grants of them. Default deny. Plain look-ups over what was
// validated before; changed only between packets.
//
// Thread: the shard's.
class Rules {
 public:
  void PutResource(const ResourceConfig& resource);
  void RemoveResource(const std::string& id);
  // The peer's slot is the engine's; a grant for a resource that is not there permits nothing.
  void PutGrant(PeerId peer, const GrantConfig& grant);
  void RemoveGrant(PeerId peer, const std::string& resource_id);
  void RemovePeer(PeerId peer);
  // For snapshots: drops every resource and grant not in the given lists.
  void Clear();

  struct Permission {
    Instant deadline;
  };
  // May the peer open this flow? Of several granted resources that hold the destination: one that
  // permits the packet, then the longest prefix, then the smallest id (it decides the deadline).
  // has_destination tells "no grant for this address" from "refused by the filter".
  [[nodiscard]] std::optional<Permission> Ask(const FlowKey& flow, Instant now,
                                              bool& has_destination, bool& has_expired) const;

  [[nodiscard]] bool HasResource(const std::string& id) const { return resources_.contains(id); }
  [[nodiscard]] std::size_t resource_count() const { return resources_.size(); }
  [[nodiscard]] std::vector<std::string> resource_ids() const;
  [[nodiscard]] std::vector<std::string> grants_of(PeerId peer) const;

 private:
  struct Grant {
    std::string resource_id;
    Instant deadline;
  };
  absl::flat_hash_map<std::string, ResourceConfig> resources_;
  absl::flat_hash_map<PeerId, std::vector<Grant>> grants_;
};

// Does the filter let this protocol and destination port through?
[[nodiscard]] bool Permits(const TrafficFilter& filter, std::uint8_t protocol, std::uint16_t port);

}  // namespace adit::access
