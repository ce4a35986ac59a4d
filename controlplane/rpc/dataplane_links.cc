#include "controlplane/rpc/dataplane_links.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/bytes.h"
#include "common/log.h"
#include "common/status.h"
#include "controlplane/model/error.h"
#include "controlplane/model/view.h"
#include "controlplane/rpc/channel_messages.h"

namespace adit::hub {
namespace {

namespace pb = ::adit::dataplane::v1;

constexpr std::uint32_t kProtocol = 1;
// Answers that wait for a stream; a data plane that asks faster than it reads loses the rest.
constexpr std::size_t kMaxExtra = 64;
constexpr int kMaxHostProblems = 64;
constexpr std::size_t kMaxTextSize = 1024;

std::string Bounded(const std::string& text) { return text.substr(0, kMaxTextSize); }

template <typename Problems>
std::vector<std::string> HostProblemsOf(const Problems& problems) {
  std::vector<std::string> out;
  for (int i = 0; i < std::min(problems.size(), kMaxHostProblems); ++i) {
    out.push_back(Bounded(problems[i].setting() + ": " + problems[i].remedy()));
  }
  return out;
}

}  // namespace

DataplaneLinks::DataplaneLinks(const model::State& state, const Clock& clock,
                               const DataplaneLimits& limits, Register register_node)
    : state_(state),
      clock_(clock),
      limits_(limits),
      register_node_(std::move(register_node)),
      stats_interval_seconds_(limits.stats_interval_seconds) {
  const Now now = clock_.Read();
  for (const auto& [name, node] : state_.nodes()) {
    AddLink(name, now);
  }
}

void DataplaneLinks::AddLink(const std::string& node, const Now& now) {
  auto link = std::make_unique<NodeLink>(state_.epoch(), now, limits_.sync);
  link->sync.HandleViewChange(state_.revision(), ObjectsOf(model::ViewOf(state_, node)), {}, now);
  links_.emplace(node, std::move(link));
}

const NodeLink* DataplaneLinks::Find(std::string_view node) const {
  const auto found = links_.find(node);
  return found == links_.end() ? nullptr : found->second.get();
}

void DataplaneLinks::Distribute(const model::Change::Of<model::Node>& nodes,
                                const std::vector<model::NodeDelta>& deltas) {
  const Now now = clock_.Read();
  for (const std::string& name : nodes.deletes) {
    const auto found = links_.find(name);
    if (found->second->session != nullptr) {
      found->second->session->Close({grpc::StatusCode::ABORTED, "the node was deleted"});
    }
    links_.erase(found);
    changed_.insert(name);
  }
  for (const model::Node& node : nodes.upserts) {
    const auto found = links_.find(node.name);
    changed_.insert(node.name);
    if (found == links_.end()) {
      AddLink(node.name, now);
      continue;
    }
    NodeLink& link = *found->second;
    const bool has_other_key =
        link.session != nullptr &&
        PublicKey::FromBytes(AsBytes(link.session->public_key)) != node.public_key;
    if (has_other_key) {
      link.session->Close({grpc::StatusCode::ABORTED, "the node's public key was changed"});
      Detach(link, node.name, now);
    }
  }
  const std::vector<sync::Object> none;
  auto delta = deltas.begin();
  for (const auto& [name, link] : links_) {
    while (delta != deltas.end() && delta->node < name) {
      ++delta;
    }
    if (delta == deltas.end() || delta->node != name) {
      link->sync.HandleViewChange(state_.revision(), none, {}, now);
      continue;
    }
    link->sync.HandleViewChange(state_.revision(), ObjectsOf(delta->upserts), delta->removals, now);
    changed_.insert(name);  // it lags until it answers
    if (delta->takes_rights) {
      link->NoteRights(state_.revision(), delta->rights_until);
    }
  }
}

std::set<std::string, std::less<>> DataplaneLinks::TakeChanged() {
  return std::exchange(changed_, {});
}

void DataplaneLinks::Greet(NodeLink& link, const Now& now) const {
  // Nonce 0 needs no answer.
  pb::Ping* ping = link.extra.emplace_back().mutable_ping();
  ping->set_hub_now_unix_ns(now.wall.since_epoch().count());
  ping->set_stats_interval_seconds(stats_interval_seconds_);
}

void DataplaneLinks::SetStatsInterval(std::uint32_t seconds) {
  if (seconds == stats_interval_seconds_) {
    return;
  }
  stats_interval_seconds_ = seconds;
  const Now now = clock_.Read();
  for (const auto& [name, link] : links_) {
    if (link->session != nullptr && link->extra.size() < kMaxExtra) {
      Greet(*link, now);
      Pump(*link, name, now);
    }
  }
}

void DataplaneLinks::CloseAll(const std::string& why) {
  const std::vector<DataplaneSession*> all(sessions_.begin(), sessions_.end());
  for (DataplaneSession* session : all) {
    session->Close({grpc::StatusCode::UNAVAILABLE, why});
  }
}

void DataplaneLinks::HandleOpened(DataplaneSession& session) {
  session.hello_deadline = clock_.Read().boot + limits_.hello_timeout;
  sessions_.insert(&session);
}

void DataplaneLinks::HandleGone(DataplaneSession& session) {
  HandleEnded(session);
  sessions_.erase(&session);
}

void DataplaneLinks::HandleEnded(DataplaneSession& session) {
  const auto found = links_.find(session.node);
  if (found != links_.end() && found->second->session == &session) {
    LOG_INFO("node {}: the data plane has disconnected", session.node);
    Detach(*found->second, session.node, clock_.Read());
  }
}

void DataplaneLinks::HandleWritten(DataplaneSession& session) {
  const auto found = links_.find(session.node);
  if (found != links_.end() && found->second->session == &session) {
    Pump(*found->second, session.node, clock_.Read());
  }
}

void DataplaneLinks::Detach(NodeLink& link, const std::string& node, const Now& now) {
  link.session = nullptr;
  link.extra.clear();
  link.sync.HandleDisconnected(now);
  changed_.insert(node);
}

void DataplaneLinks::GiveUp(NodeLink& link, const std::string& node, const Now& now) {
  LOG_INFO("node {}: the data plane does not answer: its stream is ended", node);
  DataplaneSession* const session = link.session;
  Detach(link, node, now);
  session->Abort({grpc::StatusCode::DEADLINE_EXCEEDED, "the data plane does not answer"});
}

Instant DataplaneLinks::Turn(const Now& now) {
  Instant next = Instant::Max();
  for (const auto& [name, link] : links_) {
    if (now.boot >= link->sync.next_deadline()) {
      link->sync.HandleTick(now);
    }
    // What waits for a stream that takes nothing cannot say so itself.
    if (link->session != nullptr && now.boot >= link->session->write_deadline) {
      GiveUp(*link, name, now);
    }
    Pump(*link, name, now);
    if (link->session != nullptr) {
      next = std::min(next, link->session->write_deadline);
    }
    if (link->sync.PollProgress()) {
      changed_.insert(name);
    }
    next = std::min(next, link->sync.next_deadline());
  }
  for (DataplaneSession* session : sessions_) {
    if (now.boot >= session->hello_deadline) {
      session->hello_deadline = Instant::Max();
      session->Abort({grpc::StatusCode::DEADLINE_EXCEEDED, "no Hello"});
    }
    next = std::min(next, session->hello_deadline);
  }
  return next;
}

void DataplaneLinks::Pump(NodeLink& link, const std::string& node, const Now& now) {
  while (link.session != nullptr && link.session->CanWrite()) {
    pb::FromControlplane next;
    if (!link.extra.empty()) {
      next = std::move(link.extra.front());
      link.extra.pop_front();
    } else {
      std::optional<sync::Message> message = link.sync.PollMessage(now);
      if (!message) {
        return;
      }
      if (std::holds_alternative<sync::Close>(*message)) {
        GiveUp(link, node, now);
        return;
      }
      next = ToProto(std::move(*message), now.wall);
    }
    link.session->Write(std::move(next));
    link.session->write_deadline = now.boot + limits_.sync.pong_timeout;
  }
}

void DataplaneLinks::HandleMessage(DataplaneSession& session, const pb::FromDataplane& message) {
  if (session.node.empty()) {
    if (message.has_hello()) {
      HandleHello(session, message.hello());
    } else {
      Refuse(session, "", "HELLO_EXPECTED", "the first message of a stream must be a Hello");
    }
    return;
  }
  const auto found = links_.find(session.node);
  if (found == links_.end() || found->second->session != &session) {
    return;  // replaced or deleted, and about to end
  }
  NodeLink& link = *found->second;
  const Now now = clock_.Read();
  switch (message.message_case()) {
    case pb::FromDataplane::kHello:
      LOG_INFO("node {}: a second Hello on its stream: the stream is ended", session.node);
      session.Close({grpc::StatusCode::INVALID_ARGUMENT, "a stream begins with one Hello"});
      Detach(link, session.node, now);
      return;
    case pb::FromDataplane::kAck:
      link.sync.HandleAck(FromProto(message.ack()), now);
      break;
    case pb::FromDataplane::kNack:
      link.sync.HandleNack(FromProto(message.nack()), now);
      break;
    case pb::FromDataplane::kPong:
      link.sync.HandlePong(message.pong().nonce(), now);
      break;
    case pb::FromDataplane::kAccessRequest:
      // Grants are made ahead of time; whoever asks is told at once that there is none.
      if (link.extra.size() < kMaxExtra) {
        pb::AccessDenied* denied = link.extra.emplace_back().mutable_access_denied();
        denied->set_request_id(message.access_request().request_id());
        denied->set_reason("NO_POLICY");
      }
      break;
    case pb::FromDataplane::kEvent:
      HandleEvent(link, session.node, message.event());
      break;
    case pb::FromDataplane::kStats:
      HandleStats(link, session.node, message.stats());
      break;
    case pb::FromDataplane::kCandidates:
    case pb::FromDataplane::MESSAGE_NOT_SET:
      LOG_DEBUG("node {}: a message of a kind this control plane does not use", session.node);
      break;
  }
  Pump(link, session.node, now);
}

void DataplaneLinks::Refuse(DataplaneSession& session, const std::string& node,
                            const std::string& reason, const std::string& text) {
  LOG_INFO("refused a data plane that calls itself \"{}\": {}: {}", Bounded(node), reason, text);
  const auto found = links_.find(node);
  if (found != links_.end()) {
    found->second->last_refusal = text;
    changed_.insert(node);
  }
  session.hello_deadline = Instant::Max();
  session.Refuse(reason, text);
}

void DataplaneLinks::HandleHello(DataplaneSession& session, const pb::Hello& hello) {
  const std::string& name = hello.node_name();
  if (hello.protocol_min() > kProtocol || hello.protocol_max() < kProtocol) {
    Refuse(session, name, "PROTOCOL_MISMATCH",
           fmt::format("this control plane ({}) speaks protocol {}, the data plane ({}) {} to {}: "
                       "update the older of the two",
                       ADIT_VERSION, kProtocol, Bounded(hello.build()), hello.protocol_min(),
                       hello.protocol_max()));
    return;
  }
  const std::uint32_t port = hello.listen_ports_size() > 0 ? hello.listen_ports(0) : 0;
  if (port > 65535) {
    Refuse(session, name, "INVALID_FIELDS", fmt::format("listen_ports: {} is no port", port));
    return;
  }
  const absl::Status registered = register_node_(
      {name, hello.public_key(), hello.advertise(), static_cast<std::uint16_t>(port), hello.mtu()});
  if (!registered.ok()) {
    const std::string reason = model::ReasonOf(registered);
    Refuse(session, name,
           reason.empty() ? std::string(absl::StatusCodeToString(registered.code())) : reason,
           MessageOf(registered));
    return;
  }
  NodeLink& link = *links_.find(name)->second;
  const Now now = clock_.Read();
  if (link.session != nullptr) {
    LOG_INFO("node {}: another stream of its data plane replaces the one there was", name);
    DataplaneSession* const older = link.session;
    Detach(link, name, now);
    older->Abort({grpc::StatusCode::ABORTED, "another stream of this node replaces this one"});
  }
  if (const absl::Status status = link.sync.HandleHello(FromProto(hello), now); !status.ok()) {
    Refuse(session, name, "REVISION_AHEAD", MessageOf(status));
    return;
  }
  session.node = name;
  session.public_key = hello.public_key();
  session.hello_deadline = Instant::Max();
  link.session = &session;
  link.build = Bounded(hello.build());
  link.host_problems = HostProblemsOf(hello.host_problems());
  link.last_refusal.reset();
  changed_.insert(name);
  Greet(link, now);
  LOG_INFO("node {}: its data plane has connected ({}, revision {})", name, link.build,
           hello.applied_revision());
  Pump(link, name, now);
}

const model::Peer* DataplaneLinks::PeerOf(const std::string& node,
                                          const std::string& public_key) const {
  const auto key = PublicKey::FromBytes(AsBytes(public_key));
  const model::Peer* peer = key ? state_.FindPeerByKey(*key) : nullptr;
  return peer != nullptr && peer->node == node ? peer : nullptr;
}

void DataplaneLinks::HandleEvent(NodeLink& link, const std::string& node, const pb::Event& event) {
  switch (event.event_case()) {
    case pb::Event::kHostChanged:
      link.host_problems = HostProblemsOf(event.host_changed().host_problems());
      for (const std::string& problem : link.host_problems) {
        LOG_INFO("node {}: {}", node, problem);
      }
      changed_.insert(node);
      break;
    case pb::Event::kPathChanged:
      if (const model::Peer* peer = PeerOf(node, event.path_changed().peer_public_key())) {
        link.peers[peer->public_key].endpoint = Bounded(event.path_changed().endpoint());
      }
      break;
    case pb::Event::kFault:
      LOG_INFO("node {}: {}: {}", node, Bounded(event.fault().code()),
               Bounded(event.fault().text()));
      break;
    case pb::Event::kSessionUp:
    case pb::Event::kSessionDown:
    case pb::Event::kGrantExpired:
    case pb::Event::EVENT_NOT_SET:
      break;
  }
}

void DataplaneLinks::HandleStats(NodeLink& link, const std::string& node, const pb::Stats& stats) {
  for (const pb::PeerStats& from : stats.peers()) {
    const model::Peer* peer = PeerOf(node, from.public_key());
    if (peer == nullptr) {
      continue;
    }
    PeerActivity& activity = link.peers[peer->public_key];
    activity.received_bytes = from.received_bytes();
    activity.sent_bytes = from.sent_bytes();
    if (from.has_last_handshake_unix_ns()) {
      activity.last_handshake_unix_ns = from.last_handshake_unix_ns();
    }
    if (from.has_endpoint()) {
      activity.endpoint = Bounded(from.endpoint());
    }
  }
  // Peers that are gone are forgotten once they are as many as those that are there.
  if (link.peers.size() > 2 * state_.PeersOf(node).size() + 64) {
    absl::erase_if(link.peers, [&](const auto& entry) {
      const model::Peer* peer = state_.FindPeerByKey(entry.first);
      return peer == nullptr || peer->node != node;
    });
  }
}

}  // namespace adit::hub
