#include "controlplane/rpc/hub.h"

#include <algorithm>
#include <utility>

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include "common/log.h"
#include "common/status.h"
#include "controlplane/rpc/admin_records.h"

namespace adit::hub {

Hub::Hub(const Clock& clock, store::Store& store, model::State state, const HubLimits& limits)
    : clock_(clock),
      store_(store),
      limits_(limits),
      started_(clock.Read().wall),
      state_(std::move(state)),
      links_(state_, clock_, limits.dataplane,
             [this](const model::NodeHello& hello) { return Register(hello); }),
      waiting_(state_, links_),
      requests_(limits.max_remembered_requests) {}

absl::Status Hub::Register(const model::NodeHello& hello) {
  if (is_stopping_) {
    return Unavailable("the control plane is stopping");
  }
  ASSIGN_OR_RETURN(model::Change change, model::RegisterNode(state_, hello, clock_.Read().wall));
  if (change.empty()) {
    return absl::OkStatus();
  }
  const bool is_known = state_.FindNode(hello.name) != nullptr;
  const absl::Status committed = Commit(std::move(change)).status();
  if (is_known) {
    // Its name and key are right. What it says of itself anew may wait for a disk with room; what
    // was revoked may not wait.
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(committed);
  LOG_INFO("node {}: registered and approved, its public key is pinned", hello.name);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Concern>> Hub::Commit(model::Change change) {
  if (absl::Status status = store_.Commit(change); !status.ok()) {
    LOG_ERROR("the store refused a change, which is lost: {}", MessageOf(status));
    return Annotate(status, "nothing has changed, the store could not keep it");
  }
  model::Change::Of<model::Node> nodes = change.nodes;
  std::vector<model::NodeDelta> deltas = model::ApplyChange(state_, std::move(change));
  links_.Distribute(nodes, deltas);
  std::vector<Concern> concerns;
  for (model::NodeDelta& delta : deltas) {
    Concern& concern = concerns.emplace_back();
    concern.node = std::move(delta.node);
    concern.changed = std::move(delta.removals);
    for (model::ViewObject& object : delta.upserts) {
      concern.changed.push_back(std::move(object.id));
    }
    const NodeLink* link = links_.Find(concern.node);
    concern.was_connected = link != nullptr && link->sync.is_connected();
    concern.takes_rights = delta.takes_rights && !IsPast(delta.rights_until);
    concern.rights_until = delta.rights_until;
  }
  return concerns;
}

bool Hub::IsPast(const std::optional<WallTime>& expiry) const {
  return expiry && *expiry <= clock_.Read().wall;
}

std::vector<Concern> Hub::Unsettled() const {
  std::vector<Concern> concerns;
  for (const auto& [name, link] : links_.all()) {
    if (link->sync.settled_revision() < state_.revision()) {
      const auto until = link->RightsAtRisk();
      Concern& concern = concerns.emplace_back();
      concern.node = name;
      concern.was_connected = link->sync.is_connected();
      concern.takes_rights = until && !IsPast(*until);
      concern.rights_until = until.value_or(std::nullopt);
    }
  }
  return concerns;
}

void Hub::TryOut(const Mutation& mutation, model::Change change) const {
  model::State copy = state_;
  if (!change.empty()) {
    model::ApplyChange(copy, std::move(change));
  }
  mutation.fill(copy);
  mutation.result()->set_validate_only(true);
}

absl::Status Hub::Change(const Judge& judge) {
  if (is_stopping_) {
    return Unavailable("the control plane is stopping: try again");
  }
  ASSIGN_OR_RETURN(model::Change change, judge(state_, clock_.Read().wall));
  return change.empty() ? absl::OkStatus() : Commit(std::move(change)).status();
}

absl::Status Hub::Begin(Mutation& mutation, WaitingCall* call) {
  if (is_stopping_) {
    return Unavailable("the control plane is stopping: try again");
  }
  const Now now = clock_.Read();
  const std::string& id = mutation.options.request_id();
  if (!id.empty() && !mutation.options.validate_only()) {
    ASSIGN_OR_RETURN(const RequestLog::Entry* earlier,
                     requests_.Find(id, mutation.fingerprint, now.boot));
    if (earlier != nullptr) {
      mutation.response->ParseFromString(earlier->response);
      call->revision = earlier->revision;
      call->concerns = earlier->concerns;
      return absl::OkStatus();
    }
  }
  if (waiting_.size() >= limits_.max_waiting_calls && !mutation.options.no_wait()) {
    return ResourceExhausted("too many calls wait for nodes: nothing was done, try again later");
  }
  ASSIGN_OR_RETURN(model::Change change, mutation.judge(state_, now.wall));
  if (mutation.options.validate_only()) {
    TryOut(mutation, std::move(change));
    return absl::OkStatus();
  }
  if (change.empty()) {
    // Asked again, who asks wants to know where it holds.
    call->concerns = Unsettled();
  } else {
    ASSIGN_OR_RETURN(call->concerns, Commit(std::move(change)));
  }
  call->revision = state_.revision();
  mutation.fill(state_);
  mutation.result()->set_revision(state_.revision());
  if (!id.empty()) {
    requests_.Add(id,
                  {mutation.fingerprint, mutation.response->SerializeAsString(), call->revision,
                   call->concerns},
                  now.boot);
  }
  return absl::OkStatus();
}

void Hub::Mutate(Mutation mutation) {
  WaitingCall call;
  const absl::Status status = Begin(mutation, &call);
  if (!status.ok()) {
    mutation.finish(status);
    return;
  }
  const admin::v1::MutationOptions& options = mutation.options;
  const Duration asked =
      options.wait_ms() == 0 ? limits_.default_wait : Duration(milliseconds(options.wait_ms()));
  const Instant now = clock_.Read().boot;
  call.deadline =
      options.no_wait() ? now : now + std::min({asked, limits_.longest_wait, mutation.patience});
  call.result = mutation.result();
  call.finish = [finish = std::move(mutation.finish)] { finish(absl::OkStatus()); };
  // What has to be sent goes out before the call is looked at: it may be answered by then.
  Turn();
  waiting_.Add(std::move(call), now);
}

void Hub::FillNode(const model::State& state, const model::Node& node, admin::v1::Node* out) const {
  hub::FillNode(state, node, links_.Find(node.name), out);
}

void Hub::FillPeer(const model::State& state, const model::Peer& peer, admin::v1::Peer* out) const {
  hub::FillPeer(state, peer, out);
  const NodeLink* link = links_.Find(peer.node);
  if (link == nullptr) {
    return;
  }
  if (const auto found = link->peers.find(peer.public_key); found != link->peers.end()) {
    FillActivity(found->second, out);
  }
}

void Hub::FillStatus(admin::v1::Status* out) const {
  out->set_version(ADIT_VERSION);
  out->set_store(store_.Describe());
  out->set_revision(state_.revision());
  out->set_epoch(absl::BytesToHexString(state_.epoch()));
  out->set_started_unix_ns(started_.since_epoch().count());
  for (const auto& [name, node] : state_.nodes()) {
    FillNode(state_, node, out->add_nodes());
  }
  out->set_peers(static_cast<std::uint32_t>(state_.peers().size()));
  out->set_resources(static_cast<std::uint32_t>(state_.resources().size()));
  out->set_policies(static_cast<std::uint32_t>(state_.policies().size()));
}

bool Hub::AddWatch(NodeWatch& watch) {
  if (is_stopping_ || watches_.size() >= limits_.max_watches) {
    return false;
  }
  watches_.insert(&watch);
  for (const auto& [name, node] : state_.nodes()) {
    watch.Notify(name);
  }
  return true;
}

void Hub::FillWatched(const std::string& node, admin::v1::Node* out) const {
  if (const model::Node* found = state_.FindNode(node)) {
    FillNode(state_, *found, out);
  } else {
    out->set_name(node);
    out->set_state(admin::v1::Node::DELETED);
  }
}

void Hub::HandleWatchGone(NodeWatch& watch) { watches_.erase(&watch); }

Instant Hub::Turn() {
  const Now now = clock_.Read();
  const Instant next_link = links_.Turn(now);
  for (const std::string& node : links_.TakeChanged()) {
    for (NodeWatch* watch : watches_) {
      watch->Notify(node);
    }
  }
  return std::min(next_link, waiting_.Turn(now.boot));
}

void Hub::Stop() {
  is_stopping_ = true;
  waiting_.FinishAll();
  for (NodeWatch* watch : watches_) {
    watch->Close({grpc::StatusCode::UNAVAILABLE, "the control plane is stopping"});
  }
  links_.CloseAll("the control plane is stopping");
}

}  // namespace adit::hub
