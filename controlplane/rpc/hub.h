#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <google/protobuf/message.h>

#include "adit/admin/v1/common.pb.h"
#include "adit/admin/v1/system.pb.h"
#include "common/time.h"
#include "controlplane/model/state.h"
#include "controlplane/rpc/dataplane_links.h"
#include "controlplane/rpc/node_watch.h"
#include "controlplane/rpc/request_log.h"
#include "controlplane/rpc/waiting_calls.h"
#include "controlplane/store/store.h"

namespace adit::hub {

struct HubLimits {
  DataplaneLimits dataplane;
  Duration default_wait = seconds(5);  // for acknowledgements, where a call does not say
  Duration longest_wait = seconds(300);
  std::size_t max_waiting_calls = 1024;  // posted, and again: waiting for nodes
  std::size_t max_watches = 64;
  std::size_t max_remembered_requests = 4096;
};

using Judge = std::function<absl::StatusOr<model::Change>(const model::State&, WallTime now)>;

// One request that changes the desired state, with where its answer goes.
struct Mutation {
  // What is to be stored; a refusal ends the call. Runs once, before anything is changed.
  Judge judge;
  // Puts the object into the response, from the state with the change in it (with validate_only: a
  // copy of it).
  std::function<void(const model::State&)> fill;
  admin::v1::MutationOptions options;
  StateDigest fingerprint;
  google::protobuf::Message* response = nullptr;
  std::function<admin::v1::MutationResult*()> result;  // of the response
  Duration patience{0};                                // what is left of the caller's deadline
  std::function<void(const absl::Status&)> finish;
};

// The hub: owns the desired state, and is the one way to change it.
//
// A change is judged, stored, applied, pushed to the nodes whose views it touches, and then its
// author is answered: when every connected one of them has answered, or its patience ends. Nothing
// here blocks but the store.
//
// Thread: the model thread, except the constructor. Borrows store and clock.
class Hub final : public NodeWatchOwner {
 public:
  Hub(const Clock& clock, store::Store& store, model::State state, const HubLimits& limits);

  // Calls finish exactly once, now or later. The request and response live until then.
  void Mutate(Mutation mutation);
  // Without an answer from anybody but the store.
  [[nodiscard]] absl::Status Change(const Judge& judge);

  [[nodiscard]] const model::State& state() const { return state_; }
  [[nodiscard]] DataplaneLinks& links() { return links_; }
  void FillNode(const model::State& state, const model::Node& node, admin::v1::Node* out) const;
  void FillPeer(const model::State& state, const model::Peer& peer, admin::v1::Peer* out) const;
  void FillStatus(admin::v1::Status* out) const;

  // Every node, then what changes. False: there are too many watches.
  [[nodiscard]] bool AddWatch(NodeWatch& watch);
  void FillWatched(const std::string& node, admin::v1::Node* out) const override;
  void HandleWatchGone(NodeWatch& watch) override;

  // Everything that is due. Returns when to be called again.
  Instant Turn();
  // Answers who waits, ends every stream; later mutations are UNAVAILABLE.
  void Stop();

 private:
  [[nodiscard]] absl::Status Register(const model::NodeHello& hello);
  // Stores and applies. On an error nothing has changed.
  absl::StatusOr<std::vector<Concern>> Commit(model::Change change);
  // Of a change that is stored already: who has not come as far.
  [[nodiscard]] std::vector<Concern> Unsettled() const;
  [[nodiscard]] bool IsPast(const std::optional<WallTime>& expiry) const;
  void TryOut(const Mutation& mutation, model::Change change) const;
  [[nodiscard]] absl::Status Begin(Mutation& mutation, WaitingCall* call);

  const Clock& clock_;
  store::Store& store_;
  const HubLimits limits_;
  const WallTime started_;
  model::State state_;
  DataplaneLinks links_;
  WaitingCalls waiting_;
  RequestLog requests_;
  std::set<NodeWatch*> watches_;
  bool is_stopping_ = false;
};

}  // namespace adit::hub
