#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ip_address.h"
#include "common/key.h"
#include "dataplane/access/config.h"
#include "dataplane/crypto/secret.h"
#include "dataplane/wireguard/tai64n.h"

// The engine's plain inputs. `rpc` and `uapi` fill them in; neither protobuf nor text goes further.
namespace adit::engine {

// A change to one peer. Absent fields are left as they are; a peer that does not exist is created
// unless update_only or remove.
struct PeerPatch {
  PublicKey public_key;
  bool remove = false;
  bool update_only = false;
  // Present: set; all zero clears.
  std::optional<crypto::SymmetricKey> preshared_key;
  // Of configuration that is repeated: set when it differs from the last one given, so that a peer
  // that has roamed stays where it is. With replace_endpoint (a person's order) set whatever was.
  std::optional<Endpoint> endpoint;
  bool replace_endpoint = false;
  std::optional<std::uint16_t> persistent_keepalive;  // seconds, 0 off
  bool replace_allowed_ips = false;
  std::vector<IpPrefix> allowed_ips;          // added after a replacement
  std::vector<IpPrefix> removed_allowed_ips;  // taken away if this peer holds them
};

// One atomic update of everything the control plane owns: validated whole before it gets here,
// applied between two packets. Removals come first.
struct Update {
  // What is not among the upserts goes: peers, resources, grants.
  bool is_snapshot = false;
  std::vector<PublicKey> removed_peers;
  std::vector<std::string> removed_resources;
  std::vector<access::GrantKey> removed_grants;
  std::vector<PeerPatch> peers;
  std::vector<access::ResourceConfig> resources;
  std::vector<access::GrantConfig> grants;
};

// What a restarted data plane knows of a peer from its state file (channel.md rule 7).
struct PeerMemory {
  PublicKey public_key;
  std::optional<Endpoint> endpoint;
  wireguard::Tai64n greatest_timestamp{};
  bool was_active = false;  // carried data recently: speak first
};

}  // namespace adit::engine
