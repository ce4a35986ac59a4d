#include "dataplane/access/gate.h"

namespace adit::access {

using packet::DropReason;
using packet::FragmentKind;

namespace {

constexpr std::uint8_t kTcpFin = 0x01;
constexpr std::uint8_t kTcpSyn = 0x02;
constexpr std::uint8_t kTcpRst = 0x04;
constexpr std::uint8_t kTcpAck = 0x10;

void TrackTcp(Flow& flow, const packet::IpPacket& packet) {
  if (packet.protocol != packet::kProtocolTcp) {
    return;
  }
  if ((packet.tcp_flags & (kTcpFin | kTcpRst)) != 0) {
    flow.is_tcp_closing = true;
  } else if ((packet.tcp_flags & kTcpSyn) != 0) {
    flow.is_tcp_closing = false;  // the ports are used again
    flow.is_tcp_established = false;
  } else if (flow.is_confirmed) {
    flow.is_tcp_established = true;
  }
}

// Of ICMP, an echo and its reply are a flow; errors are judged by what they quote.
bool IsOutsideFlows(const packet::IpPacket& packet) {
  const bool is_icmp =
      packet.protocol == packet::kProtocolIcmp || packet.protocol == packet::kProtocolIcmpV6;
  return is_icmp && !packet.is_echo_request() && !packet.is_echo_reply();
}

// Errors that quote a flow pass, but for those that change the receiver's routes.
bool IsRedirect(const packet::IpPacket& error) { return !error.is_v6 && error.icmp_type == 5; }

}  // namespace

Flow* Gate::FindPermitted(const FlowKey& key, Instant now) {
  Flow* flow = flows_.Find(key, now);
  if (flow == nullptr) {
    return nullptr;
  }
  const bool is_verdict_current = flow->generation == generation_ && now < flow->deadline;
  if (is_verdict_current) {
    return flow;
  }
  bool has_destination = false;
  bool has_expired = false;
  const auto permission = rules_.Ask(key, now, has_destination, has_expired);
  if (!permission) {
    flows_.Remove(flow);
    return nullptr;
  }
  flow->generation = generation_;
  flow->deadline = permission->deadline;
  return flow;
}

std::optional<DropReason> Gate::Open(const FlowKey& key, const packet::IpPacket& packet,
                                     Instant now, Flow*& flow) {
  bool has_destination = false;
  bool has_expired = false;
  const auto permission = rules_.Ask(key, now, has_destination, has_expired);
  if (!permission) {
    return has_destination ? DropReason::kFilterRefused
           : has_expired   ? DropReason::kGrantExpired
                           : DropReason::kNoGrant;
  }
  if (IsOutsideFlows(packet) || packet.is_echo_reply()) {
    return DropReason::kFilterRefused;  // of ICMP only a request opens a flow
  }
  flow = flows_.Add(key, now);
  if (flow == nullptr) {
    return DropReason::kFlowTableFull;
  }
  flow->generation = generation_;
  flow->deadline = permission->deadline;
  TrackTcp(*flow, packet);
  return std::nullopt;
}

bool Gate::QuotesFlow(PeerId peer, bool from_peer, const packet::IpPacket& error, ByteSpan bytes,
                      Instant now) {
  const auto quoted = packet::ParseQuotedPacket(bytes, error);
  // The error travels against the quoted packet: it must go to that packet's sender.
  if (IsRedirect(error) || !quoted || quoted->source != error.destination ||
      quoted->fragment == FragmentKind::kLater) {
    return false;
  }
  const FlowKey key =
      from_peer ? FlowKey::TowardPeer(peer, *quoted) : FlowKey::FromPeer(peer, *quoted);
  return FindPermitted(key, now) != nullptr;
}

std::optional<DropReason> Gate::CheckFromPeer(PeerId peer, const packet::IpPacket& packet,
                                              ByteSpan bytes, Instant now) {
  if (packet.fragment == FragmentKind::kLater) {
    return fragments_.IsAllowed(peer, true, packet, now)
               ? std::nullopt
               : std::optional(DropReason::kFragmentWithoutFirst);
  }
  if (packet.is_icmp_error()) {
    return QuotesFlow(peer, true, packet, bytes, now) ? std::nullopt
                                                      : std::optional(DropReason::kNoFlow);
  }
  const FlowKey key = FlowKey::FromPeer(peer, packet);
  Flow* flow = IsOutsideFlows(packet) ? nullptr : FindPermitted(key, now);
  if (flow != nullptr) {
    flow->last_used = now;
    TrackTcp(*flow, packet);
  } else if (const auto refused = Open(key, packet, now, flow)) {
    return refused;
  }
  if (packet.fragment == FragmentKind::kFirst) {
    fragments_.Allow(peer, true, packet, now, flow->deadline);
  }
  return std::nullopt;
}

std::optional<DropReason> Gate::CheckTowardPeer(PeerId peer, const packet::IpPacket& packet,
                                                ByteSpan bytes, Instant now) {
  if (packet.fragment == FragmentKind::kLater) {
    return fragments_.IsAllowed(peer, false, packet, now)
               ? std::nullopt
               : std::optional(DropReason::kFragmentWithoutFirst);
  }
  if (packet.is_icmp_error()) {
    return QuotesFlow(peer, false, packet, bytes, now) ? std::nullopt
                                                       : std::optional(DropReason::kNoFlow);
  }
  Flow* flow =
      IsOutsideFlows(packet) ? nullptr : FindPermitted(FlowKey::TowardPeer(peer, packet), now);
  const bool opens_a_connection =
      packet.is_echo_request() || (packet.protocol == packet::kProtocolTcp &&
                                   (packet.tcp_flags & (kTcpSyn | kTcpAck)) == kTcpSyn);
  if (flow == nullptr || opens_a_connection) {
    return DropReason::kNoFlow;
  }
  flow->last_used = now;
  flows_.Confirm(flow);
  TrackTcp(*flow, packet);
  if (packet.fragment == FragmentKind::kFirst) {
    fragments_.Allow(peer, false, packet, now, flow->deadline);
  }
  return std::nullopt;
}

void Gate::RulesChanged() {
  ++generation_;
  fragments_.Clear();
}

void Gate::RemovePeer(PeerId peer) {
  rules_.RemovePeer(peer);
  flows_.RemovePeer(peer);
}

}  // namespace adit::access
