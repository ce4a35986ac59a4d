#include "controlplane/model/nodes.h"

#include <fmt/format.h>

#include "common/bytes.h"
#include "common/status.h"
#include "controlplane/model/fields.h"

namespace adit::model {
namespace {

Change ChangeTo(const State& state, Node node) {
  const Node* before = state.FindNode(node.name);
  Change change{.revision = state.revision()};
  if (before == nullptr || *before != node) {
    node.revision = ++change.revision;
    change.nodes.upserts.push_back(std::move(node));
  }
  return change;
}

}  // namespace

absl::StatusOr<Change> RegisterNode(const State& state, const NodeHello& hello, WallTime now) {
  FieldErrors errors;
  CheckName(hello.name, "node_name", errors);
  const auto key = PublicKey::FromBytes(AsBytes(hello.public_key));
  if (!key || key->is_zero()) {
    errors.Add("public_key", "expected 32 bytes, not all zero");
  }
  if (!hello.advertise.empty()) {
    CheckAdvertise(hello.advertise, errors);
  }
  if (const absl::Status status = errors.ToStatus(); !status.ok()) {
    return Refusal(status.code(), ReasonOf(status),
                   MessageOf(status) + " (set by the data plane's --node-name and --advertise)",
                   FieldErrorsOf(status));
  }
  RETURN_IF_ERROR(CheckKeyIsFree(state, *key, hello.name, {}));
  const Node* before = state.FindNode(hello.name);
  if (before != nullptr && before->public_key != *key) {
    return Refusal(
        absl::StatusCode::kFailedPrecondition, kKeyPinned,
        fmt::format("node {0} is known with the public key {1}, but this data plane has {2}. If "
                    "it is the right one (its state was lost): aditctl node update {0} "
                    "--public-key {2}. If it is another host: give it another --node-name",
                    hello.name, before->public_key.ToBase64(), key->ToBase64()),
        {{"public_key", "another key is pinned"}});
  }
  Node node;
  if (before != nullptr) {
    node = *before;
  } else {
    node.name = hello.name;
    node.public_key = *key;
    node.created = now;
    ASSIGN_OR_RETURN(node.addresses, state.NextAddresses());
  }
  if (hello.advertise != node.reported_advertise) {
    node.reported_advertise = hello.advertise;
    if (!hello.advertise.empty()) {
      node.advertise = hello.advertise;
    }
  }
  node.listen_port = hello.listen_port;
  node.mtu = hello.mtu;
  return ChangeTo(state, std::move(node));
}

absl::StatusOr<Change> UpdateNode(const State& state, const NodeUpdate& update) {
  const Node* before = state.FindNode(update.name);
  if (before == nullptr) {
    return NotFoundError("node", update.name);
  }
  RETURN_IF_ERROR(CheckEtag(before->revision, update.etag, "node", update.name));
  Node node = *before;
  FieldErrors errors;
  if (update.public_key) {
    node.public_key = ParsePublicKey(*update.public_key, errors);
  }
  if (update.advertise) {
    node.advertise = *update.advertise;
    if (!node.advertise.empty()) {
      CheckAdvertise(node.advertise, errors);
    }
  }
  RETURN_IF_ERROR(errors.ToStatus());
  RETURN_IF_ERROR(CheckKeyIsFree(state, node.public_key, node.name, {}));
  return ChangeTo(state, std::move(node));
}

absl::StatusOr<Change> DeleteNode(const State& state, std::string_view name,
                                  std::string_view etag) {
  const Node* node = state.FindNode(name);
  if (node == nullptr) {
    return NotFoundError("node", name);
  }
  RETURN_IF_ERROR(CheckEtag(node->revision, etag, "node", name));
  const std::size_t peers = state.PeersOf(name).size();
  const std::size_t resources = state.ResourcesOf(name).size();
  if (peers + resources > 0) {
    return Refusal(absl::StatusCode::kFailedPrecondition, kNodeInUse,
                   fmt::format("node {} still has {} peer(s) and {} resource(s): delete them or "
                               "move them to another node first",
                               name, peers, resources));
  }
  Change change{.revision = state.revision() + 1};
  change.nodes.deletes.emplace_back(name);
  return change;
}

}  // namespace adit::model
