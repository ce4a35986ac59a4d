#include "controlplane/model/peers.h"

#include <fmt/format.h>

#include "common/status.h"
#include "controlplane/model/fields.h"
#include "controlplane/model/policy_members.h"

namespace adit::model {
namespace {

Change ChangeTo(const State& state, Peer peer) {
  const Peer* before = state.FindPeer(peer.name);
  Change change{.revision = state.revision()};
  if (before == nullptr || *before != peer) {
    peer.revision = ++change.revision;
    change.peers.upserts.push_back(std::move(peer));
  }
  return change;
}

// The peer's file names the node's endpoint, and one data plane has a bound.
absl::Status CheckRoomForPeer(const State& state, const Node& node) {
  if (node.advertise.empty()) {
    return Refusal(absl::StatusCode::kFailedPrecondition, kNoAdvertise,
                   fmt::format("node {0} advertises no endpoint for its peers' files: start its "
                               "data plane with --advertise HOST:PORT, or: aditctl node update "
                               "{0} --advertise HOST:PORT",
                               node.name),
                   {{"node", "has no advertised endpoint"}});
  }
  if (state.PeersOf(node.name).size() >= kMaxPeersPerNode) {
    return Refusal(absl::StatusCode::kResourceExhausted, kLimitReached,
                   fmt::format("node {} has {} peers, which is the most it can have", node.name,
                               kMaxPeersPerNode));
  }
  return absl::OkStatus();
}

absl::StatusOr<const Peer*> FindPeerToChange(const State& state, std::string_view name,
                                             std::string_view etag) {
  const Peer* peer = state.FindPeer(name);
  if (peer == nullptr) {
    return NotFoundError("peer", name);
  }
  RETURN_IF_ERROR(CheckEtag(peer->revision, etag, "peer", name));
  return peer;
}

}  // namespace

absl::StatusOr<Change> CreatePeer(const State& state, const PeerCreate& create, WallTime now) {
  FieldErrors errors;
  Peer peer;
  CheckName(create.name, "name", errors);
  peer.name = create.name;
  peer.public_key = ParsePublicKey(create.public_key, errors);
  peer.preshared_key = ParsePresharedKey(create.preshared_key, errors);
  peer.endpoint = ParseEndpoint(create.endpoint, state.network(), errors);
  peer.keepalive = ParseKeepalive(create.keepalive, errors);
  RETURN_IF_ERROR(errors.ToStatus());
  if (state.FindPeer(create.name) != nullptr) {
    return AlreadyExistsError("peer", create.name);
  }
  RETURN_IF_ERROR(CheckKeyIsFree(state, peer.public_key, {}, {}));
  ASSIGN_OR_RETURN(const Node* node, ResolveNode(state, create.node, "--gateway"));
  RETURN_IF_ERROR(CheckRoomForPeer(state, *node));
  peer.node = node->name;
  ASSIGN_OR_RETURN(peer.addresses, state.NextAddresses());
  peer.created = now;
  peer.exported_revision = state.revision() + 1;
  return ChangeTo(state, std::move(peer));
}

absl::StatusOr<Change> UpdatePeer(const State& state, const PeerUpdate& update) {
  ASSIGN_OR_RETURN(const Peer* before, FindPeerToChange(state, update.name, update.etag));
  Peer peer = *before;
  FieldErrors errors;
  if (update.endpoint) {
    peer.endpoint = ParseEndpoint(*update.endpoint, state.network(), errors);
  }
  if (update.keepalive) {
    peer.keepalive = ParseKeepalive(*update.keepalive, errors);
  }
  RETURN_IF_ERROR(errors.ToStatus());
  if (update.node && *update.node != before->node) {
    ASSIGN_OR_RETURN(const Node* node, ResolveNode(state, *update.node, "--gateway"));
    if (node->name != before->node) {
      RETURN_IF_ERROR(CheckRoomForPeer(state, *node));
      peer.node = node->name;
      peer.exported_revision = 0;
    }
  }
  return ChangeTo(state, std::move(peer));
}

absl::StatusOr<Change> RotatePeer(const State& state, const PeerRotate& rotate) {
  ASSIGN_OR_RETURN(const Peer* before, FindPeerToChange(state, rotate.name, rotate.etag));
  Peer peer = *before;
  FieldErrors errors;
  peer.public_key = ParsePublicKey(rotate.public_key, errors);
  if (rotate.preshared_key && rotate.remove_preshared_key) {
    errors.Add("preshared_key", "a preshared key and its removal contradict each other");
  } else if (rotate.preshared_key) {
    peer.preshared_key = ParsePresharedKey(rotate.preshared_key, errors);
  } else if (rotate.remove_preshared_key) {
    peer.preshared_key.reset();
  }
  if (errors.empty() && peer.public_key == before->public_key) {
    errors.Add("public_key", "is the one the peer has: rotate needs another");
  }
  RETURN_IF_ERROR(errors.ToStatus());
  RETURN_IF_ERROR(CheckKeyIsFree(state, peer.public_key, {}, peer.name));
  peer.exported_revision = state.revision() + 1;
  return ChangeTo(state, std::move(peer));
}

absl::StatusOr<Change> DeletePeer(const State& state, std::string_view name,
                                  std::string_view etag) {
  RETURN_IF_ERROR(FindPeerToChange(state, name, etag).status());
  Change change{.revision = state.revision() + 1};
  change.peers.deletes.emplace_back(name);
  for (const std::string& policy : state.PoliciesOfPeer(name)) {
    RemoveMember(*state.FindPolicy(policy), &Policy::peers, name, change);
  }
  return change;
}

absl::StatusOr<Change> RecordExport(const State& state, std::string_view name) {
  ASSIGN_OR_RETURN(const Peer* before, FindPeerToChange(state, name, {}));
  Change change{.revision = state.revision()};
  if (!NotInExport(state, *before).empty()) {
    Peer peer = *before;
    peer.exported_revision = ++change.revision;
    change.peers.upserts.push_back(std::move(peer));
  }
  return change;
}

std::vector<std::string> NotInExport(const State& state, const Peer& peer) {
  std::vector<std::string> missing;
  for (const std::string& name : state.ResourcesOf(peer.node)) {
    if (state.FindResource(name)->destinations_revision > peer.exported_revision) {
      missing.push_back(name);
    }
  }
  return missing;
}

}  // namespace adit::model
