#include "dataplane/rpc/answers.h"

#include <algorithm>

#include "dataplane/packet/drop_reason.h"
#include "dataplane/rpc/convert.h"

namespace adit::rpc {
namespace {

namespace pb = ::adit::dataplane::v1;

constexpr std::uint32_t kProtocolVersion = 1;
constexpr std::size_t kPeersPerMessage = 4096;

void FillKey(const ObjectId& id, pb::ObjectKey& out) {
  out.set_kind(static_cast<pb::ObjectKind>(id.kind));
  out.set_key(id.key);
}

void FillProblems(const std::vector<HostProblem>& problems,
                  google::protobuf::RepeatedPtrField<pb::HostProblem>& out) {
  for (const HostProblem& problem : problems) {
    pb::HostProblem& added = *out.Add();
    added.set_setting(problem.setting);
    added.set_remedy(problem.remedy);
  }
}

pb::Event& EventOf(Outgoing& message, WallTime now) {
  pb::Event& event = *message.mutable_event();
  event.set_at_unix_ns(now.since_epoch().count());
  return event;
}

void FillPeer(const engine::PeerReport& peer, pb::PeerStats& out) {
  out.set_public_key(StringOf(peer.public_key));
  out.set_received_bytes(peer.received_bytes);
  out.set_sent_bytes(peer.sent_bytes);
  out.set_refused_packets(peer.refused_packets);
  if (peer.last_handshake) {
    out.set_last_handshake_unix_ns(peer.last_handshake->since_epoch().count());
  }
  if (peer.endpoint) {
    out.set_endpoint(peer.endpoint->ToString());
  }
}

}  // namespace

Outgoing MakeHello(const SyncOptions& options, const DesiredState& state,
                   const std::vector<HostProblem>& problems) {
  Outgoing message;
  pb::Hello& hello = *message.mutable_hello();
  hello.set_node_name(options.node_name);
  hello.set_build(ADIT_VERSION);
  hello.set_protocol_min(kProtocolVersion);
  hello.set_protocol_max(kProtocolVersion);
  hello.set_public_key(StringOf(options.limits.own_key));
  for (const std::uint16_t port : options.listen_ports) {
    hello.add_listen_ports(port);
  }
  if (options.advertise) {
    hello.set_advertise(*options.advertise);
  }
  if (state.has_state()) {
    hello.set_store_epoch(state.epoch());
    hello.set_applied_revision(state.revision());
    hello.set_digest(state.objects().digest().bytes());
  }
  hello.set_mtu(options.mtu);
  FillProblems(problems, *hello.mutable_host_problems());
  return message;
}

Outgoing MakeAck(std::uint64_t nonce, std::uint64_t revision, std::string digest,
                 Duration apply_time) {
  Outgoing message;
  pb::Ack& ack = *message.mutable_ack();
  ack.set_nonce(nonce);
  ack.set_revision(revision);
  ack.set_digest(std::move(digest));
  ack.set_apply_ns(static_cast<std::uint64_t>(std::max(apply_time, Duration(0)).count()));
  return message;
}

Outgoing MakeNack(std::uint64_t nonce, std::uint64_t revision, const Refusal& refusal) {
  Outgoing message;
  pb::Nack& nack = *message.mutable_nack();
  nack.set_nonce(nonce);
  nack.set_revision(revision);
  nack.set_needs_snapshot(refusal.needs_snapshot);
  nack.set_text(refusal.text);
  for (const Rejection& rejection : refusal.rejections) {
    pb::Rejection& added = *nack.add_rejections();
    FillKey(rejection.object, *added.mutable_object());
    added.set_field(rejection.problem.field);
    added.set_code(rejection.problem.code);
    added.set_text(rejection.problem.text);
    for (const ObjectId& cure : rejection.cured_by) {
      FillKey(cure, *added.add_cured_by());
    }
  }
  return message;
}

Outgoing MakePong(std::uint64_t nonce) {
  Outgoing message;
  message.mutable_pong()->set_nonce(nonce);
  return message;
}

Outgoing MakeFault(std::string_view code, std::string_view text, WallTime now) {
  Outgoing message;
  pb::Fault& fault = *EventOf(message, now).mutable_fault();
  fault.set_code(std::string(code));
  fault.set_text(std::string(text));
  return message;
}

Outgoing MakeGrantExpired(const ObjectId& grant, WallTime now) {
  Outgoing message;
  FillKey(grant, *EventOf(message, now).mutable_grant_expired()->mutable_grant());
  return message;
}

Outgoing MakeHostChanged(const std::vector<HostProblem>& problems, WallTime now) {
  Outgoing message;
  FillProblems(problems, *EventOf(message, now).mutable_host_changed()->mutable_host_problems());
  return message;
}

std::vector<Outgoing> MakeStats(const std::vector<engine::PeerReport>& peers,
                                const engine::Counters& counters, WallTime now) {
  std::vector<Outgoing> messages(1);
  for (std::size_t i = 0; i < peers.size(); ++i) {
    if (i != 0 && i % kPeersPerMessage == 0) {
      messages.emplace_back();
    }
    FillPeer(peers[i], *messages.back().mutable_stats()->add_peers());
  }
  for (Outgoing& message : messages) {
    message.mutable_stats()->set_at_unix_ns(now.since_epoch().count());
  }
  for (std::size_t i = 0; i < packet::kDropReasonCount; ++i) {
    if (counters.drops[i] != 0) {
      pb::DropCount& drop = *messages.front().mutable_stats()->add_drops();
      drop.set_reason(std::string(packet::TextOf(static_cast<packet::DropReason>(i))));
      drop.set_packets(counters.drops[i]);
    }
  }
  return messages;
}

}  // namespace adit::rpc
