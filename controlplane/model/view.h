#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/ip_address.h"
#include "common/key.h"
#include "common/time.h"
#include "controlplane/model/records.h"
#include "controlplane/model/state.h"

// What one node is told of the state: the objects its data plane enforces, as plain values. The
// edge makes adit.dataplane.v1 bodies of them.
namespace adit::model {

// The numbers of adit.dataplane.v1.ObjectKind.
enum class ViewKind : std::uint32_t { kInterface = 1, kPeer = 2, kResource = 3, kGrant = 4 };

// Which object. Keys: interface: empty; peer: the 32 bytes of its public key; resource: its name;
// grant: the peer's 32 bytes, then the resource's name.
struct ObjectId {
  ViewKind kind = ViewKind::kInterface;
  std::string key;

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a null pointer into it
  friend auto operator<=>(const ObjectId&, const ObjectId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ObjectId& id) {
    return H::combine(std::move(h), id.kind, id.key);
  }
};

[[nodiscard]] ObjectId InterfaceId();
[[nodiscard]] ObjectId PeerId(const PublicKey& key);
[[nodiscard]] ObjectId ResourceId(std::string_view name);
[[nodiscard]] ObjectId GrantId(const PublicKey& peer, std::string_view resource);
// The peer and the resource without which a grant means nothing; none for other kinds.
[[nodiscard]] std::vector<ObjectId> NeedsOf(const ObjectId& id);
// For people: "interface", "peer/alice", "resource/wiki", "grant/alice/wiki"; the key in base64
// for a peer that is not in the state any more.
[[nodiscard]] std::string Describe(const State& state, const ObjectId& id);

struct InterfaceView {
  std::vector<IpPrefix> addresses;  // /32 and /128
  std::vector<IpPrefix> tunnel_ranges;
  friend bool operator==(const InterfaceView&, const InterfaceView&) = default;
};

struct PeerView {
  PublicKey public_key;
  std::optional<PresharedKey> preshared_key;
  std::optional<Endpoint> endpoint;
  // Seconds; 0: none. Only toward a peer with a fixed endpoint: a roaming client keeps its own
  // NAT mapping open, and pays for it only if it asked to.
  std::uint16_t persistent_keepalive = 0;
  std::vector<IpPrefix> allowed_ips;  // its tunnel addresses
  friend bool operator==(const PeerView&, const PeerView&) = default;
};

struct ResourceView {
  std::string id;  // its name
  std::vector<IpPrefix> prefixes;
  bool allow_all = false;
  std::vector<Allow> allow;
  bool nat = true;
  friend bool operator==(const ResourceView&, const ResourceView&) = default;
};

struct GrantView {
  PublicKey peer;
  std::string resource_id;
  std::optional<WallTime> expires_at;  // nullopt: does not expire
  friend bool operator==(const GrantView&, const GrantView&) = default;
};

using ViewBody = std::variant<InterfaceView, PeerView, ResourceView, GrantView>;

struct ViewObject {
  ObjectId id;
  ViewBody body;
};

// Everything the node must have: its interface, the peers and resources that belong to it, and a
// grant for each pair of them that an enabled policy names. Of several policies the one that lasts
// longest decides. A function of the state alone, not of the time: a grant whose time is over
// stays in the view, and data planes deny it, until its policy changes.
// Ordered by id. Empty for a node that does not exist.
[[nodiscard]] std::vector<ViewObject> ViewOf(const State& state, std::string_view node);

// One object of the node's view as the state has it; nullopt when it has none.
[[nodiscard]] std::optional<ViewBody> ViewObjectOf(const State& state, std::string_view node,
                                                   const ObjectId& id);

}  // namespace adit::model
