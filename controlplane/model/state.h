#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include "controlplane/model/address_pool.h"
#include "controlplane/model/change.h"
#include "controlplane/model/network.h"
#include "controlplane/model/records.h"

namespace adit::model {

// What a store holds.
struct StoredState {
  std::string epoch;  // 16 random bytes: the store's lineage; changes on restore
  std::uint64_t revision = 0;
  std::vector<Node> nodes;
  std::vector<Peer> peers;
  std::vector<Resource> resources;
  std::vector<Policy> policies;
};

// The desired state of the whole network with the indexes that make a change cost what it
// touches. Validation is in nodes.h, peers.h, resources.h and policies.h; what a node is told of
// it in view.h.
//
// Changed only by ApplyChange (view_delta.h). Copyable, for trying a change out (validate_only).
// Pointers returned live until the next change.
// Thread: the model thread.
class State {
 public:
  template <typename Record>
  using ByName = std::map<std::string, Record, std::less<>>;
  using Names = std::set<std::string, std::less<>>;

  // DATA_LOSS when the records contradict each other, FAILED_PRECONDITION when addresses lie
  // outside the network's ranges (text: which, and to start with the ranges they came from),
  // INVALID_ARGUMENT for the network.
  static absl::StatusOr<State> Create(const Network& network, StoredState stored);

  [[nodiscard]] const Network& network() const { return network_; }
  [[nodiscard]] const std::string& epoch() const { return epoch_; }
  [[nodiscard]] std::uint64_t revision() const { return revision_; }

  [[nodiscard]] const ByName<Node>& nodes() const { return nodes_; }
  [[nodiscard]] const ByName<Peer>& peers() const { return peers_; }
  [[nodiscard]] const ByName<Resource>& resources() const { return resources_; }
  [[nodiscard]] const ByName<Policy>& policies() const { return policies_; }

  // nullptr when there is none.
  [[nodiscard]] const Node* FindNode(std::string_view name) const;
  [[nodiscard]] const Peer* FindPeer(std::string_view name) const;
  [[nodiscard]] const Resource* FindResource(std::string_view name) const;
  [[nodiscard]] const Policy* FindPolicy(std::string_view name) const;
  [[nodiscard]] const Node* FindNodeByKey(const PublicKey& key) const;
  [[nodiscard]] const Peer* FindPeerByKey(const PublicKey& key) const;

  // Names, in order; empty for a name that does not exist.
  [[nodiscard]] const Names& PeersOf(std::string_view node) const;
  [[nodiscard]] const Names& ResourcesOf(std::string_view node) const;
  [[nodiscard]] const Names& PoliciesOfPeer(std::string_view peer) const;
  [[nodiscard]] const Names& PoliciesOfResource(std::string_view resource) const;

  // The lowest free pair. RESOURCE_EXHAUSTED when the ranges are full.
  [[nodiscard]] absl::StatusOr<TunnelAddresses> NextAddresses() const { return pool_.Next(); }

  // Puts the change in place. Requires that it was made from this very state; use ApplyChange,
  // which also says what it means for each node.
  void Apply(Change change);

 private:
  using Index = absl::flat_hash_map<std::string, Names>;

  State(const Network& network, std::string epoch, std::uint64_t revision)
      : network_(network), epoch_(std::move(epoch)), revision_(revision), pool_(network) {}
  absl::Status Load(StoredState stored);
  void PutNode(Node node);
  void PutPeer(Peer peer);
  void PutResource(Resource resource);
  void PutPolicy(Policy policy);
  void EraseNode(const std::string& name);
  void ErasePeer(const std::string& name);
  void EraseResource(const std::string& name);
  void ErasePolicy(const std::string& name);

  Network network_;
  std::string epoch_;
  std::uint64_t revision_;
  AddressPool pool_;
  ByName<Node> nodes_;
  ByName<Peer> peers_;
  ByName<Resource> resources_;
  ByName<Policy> policies_;
  absl::flat_hash_map<PublicKey, std::string> node_by_key_;
  absl::flat_hash_map<PublicKey, std::string> peer_by_key_;
  Index peers_of_node_;
  Index resources_of_node_;
  Index policies_of_peer_;
  Index policies_of_resource_;
};

}  // namespace adit::model
