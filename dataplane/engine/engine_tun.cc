// From TUN to UDP: route, judge, split, seal.
#include <algorithm>
#include <array>

#include "dataplane/engine/engine.h"
#include "dataplane/engine/inner_packet.h"

namespace adit::engine {

using packet::DropReason;
using packet::IpPacket;
using packet::SendClass;

namespace {

constexpr std::uint8_t kEcnMask = 3;

// Keepalives are a flow of their own: they never hold a data flow back.
constexpr std::uint32_t kKeepaliveFlow = 0x6b656570;

std::uint32_t FamilyIndex(const Endpoint& endpoint) { return endpoint.address.is_v6() ? 1 : 0; }

}  // namespace

void Engine::HandleTunPacket(const packet::SuperPacket& super_packet, Now now) {
  counters_.tun_bytes += super_packet.bytes.size();
  if (!is_link_up_) {
    ++counters_.tun_packets;
    Drop(DropReason::kLinkDown);
    return;
  }
  RouteTowardPeer(super_packet, now);
}

std::uint8_t Engine::OwnerOf(ByteSpan packet) const {
  const unsigned version = packet.empty() ? 0 : packet[0] >> 4;
  IpAddress destination;
  if (version == 4 && packet.size() >= packet::kIpv4HeaderSize) {
    destination = IpAddress::V4(packet.data() + 16);
  } else if (version == 6 && packet.size() >= packet::kIpv6HeaderSize) {
    destination = IpAddress::V6(packet.data() + 24);
  }
  const auto slot = allowed_ips_.Lookup(destination);
  return slot ? owners_[*slot] : options_.shard;
}

void Engine::RouteTowardPeer(const packet::SuperPacket& super_packet, Now now) {
  const auto made = packet::Splitter::Make(super_packet);
  if (const auto* reason = std::get_if<DropReason>(&made)) {
    ++counters_.tun_packets;
    Drop(*reason);
    return;
  }
  const auto& splitter = std::get<packet::Splitter>(made);
  const auto segments = static_cast<std::uint32_t>(splitter.segment_count());
  counters_.tun_packets += segments;

  const auto parsed = ReadInnerPacket(super_packet.bytes, options_.enforce_access);
  if (const auto* reason = std::get_if<DropReason>(&parsed)) {
    Drop(*reason, segments);
    return;
  }
  const IpPacket& inner = std::get<IpPacket>(parsed);
  if (IsOwnDatagram(inner)) {
    Drop(DropReason::kOwnDatagram, segments);
    return;
  }
  const auto slot = allowed_ips_.Lookup(inner.destination);
  // Another shard's: the prefix moved while the packet was handed over.
  if (!slot || peers_[*slot] == nullptr) {
    Drop(DropReason::kNoPeerForDestination, segments);
    if (icmp_budget_.Take(now.boot)) {
      AnswerIntoTun(packet::IcmpErrorKind::kHostUnreachable, inner, super_packet.bytes);
    }
    return;
  }
  PeerState& peer = *peers_[*slot];
  if (options_.enforce_access) {
    if (const auto refused = gate_.CheckTowardPeer(*slot, inner, super_packet.bytes, now.boot)) {
      Drop(*refused, segments);
      peer.refused_packets += segments;
      if (peer.icmp_budget.Take(now.boot)) {
        AnswerIntoTun(packet::IcmpErrorKind::kAdministrativelyProhibited, inner,
                      super_packet.bytes);
      }
      return;
    }
  }
  if (!peer.path.remote.is_set()) {
    Drop(DropReason::kNoEndpoint, segments);
    if (peer.icmp_budget.Take(now.boot)) {
      AnswerIntoTun(packet::IcmpErrorKind::kHostUnreachable, inner, super_packet.bytes);
    }
    return;
  }
  if (!identity_.is_set()) {
    Drop(DropReason::kNoPrivateKey, segments);
    return;
  }
  if (!peer.staged.empty()) {
    FlushStaged(peer, now);  // what waits goes first
  }
  if (!peer.staged.empty()) {
    Stage(peer, super_packet, segments, now);
    return;
  }
  switch (SealTrain(peer, splitter, inner.tos, packet::FlowHash(inner), SendClass::kFromTun, now)) {
    case SealResult::kSent:
      DrainPeer(peer, now);
      return;
    case SealResult::kNoSession:
    case SealResult::kNoRoom:
      Stage(peer, super_packet, segments, now);
      return;
  }
}

Engine::SealResult Engine::SealTrain(PeerState& peer, const packet::Splitter& splitter,
                                     std::uint8_t inner_tos, std::uint32_t flow_hash,
                                     SendClass send_class, Now now) {
  wireguard::Session* session = peer.protocol.SendSession(now.boot);
  if (session == nullptr) {
    return SealResult::kNoSession;
  }
  const auto count = static_cast<std::uint32_t>(splitter.segment_count());
  const auto counters = session->ReserveCounters(count);
  if (!counters) {
    return SealResult::kNoSession;
  }
  const std::size_t full_padded = wireguard::PaddedLength(splitter.segment_size(0), mtu_);
  const std::size_t last_padded = wireguard::PaddedLength(splitter.segment_size(count - 1), mtu_);
  const std::size_t stride = full_padded + wireguard::kTransportOverhead;
  packet::DatagramPath path = peer.path;
  path.tos = inner_tos & kEcnMask;  // RFC 6040 normal mode: ECN is copied, DSCP is not

  std::array<crypto::SealJob, packet::kMaxSegments> jobs;
  std::uint32_t done = 0;
  while (done < count) {
    const packet::Reservation reservation = context_.datagrams.ReserveTrain(
        {.peer = peer.protocol.id(),
         .flow_hash = flow_hash,
         .segment_size = static_cast<std::uint32_t>(stride),
         .count = count - done,
         .last_size = static_cast<std::uint32_t>(last_padded + wireguard::kTransportOverhead)},
        path, send_class);
    if (!reservation.granted()) {
      if (done == 0) {
        return SealResult::kNoRoom;
      }
      Drop(DropReason::kSlowPathNoRoom, count - done);
      break;
    }
    for (std::uint32_t i = 0; i < reservation.count; ++i) {
      const std::uint32_t segment = done + i;
      const std::size_t length = splitter.segment_size(segment);
      const std::size_t padded = segment + 1 == count ? last_padded : full_padded;
      std::uint8_t* out = reservation.bytes.data() + i * stride;
      wireguard::WriteTransportHeader(out, session->remote_index, *counters + segment);
      std::uint8_t* plaintext = out + wireguard::kTransportHeaderSize;
      splitter.Write(segment, {plaintext, length});
      std::memset(plaintext + length, 0, padded - length);
      jobs[i] = {plaintext, static_cast<std::uint32_t>(padded), *counters + segment};
    }
    context_.aead.Seal(session->send_key.bytes(), {jobs.data(), reservation.count});
    context_.datagrams.Commit();
    done += reservation.count;
    peer.sent_bytes += reservation.bytes.size();
    counters_.datagrams_sealed += reservation.count;
  }
  peer.last_data = now.boot;
  last_data_[FamilyIndex(peer.path.remote)] = now.boot;
  peer.protocol.OnDataSent(*session, now.boot);
  return SealResult::kSent;
}

bool Engine::SendKeepalive(PeerState& peer, Now now) {
  wireguard::Session* session = peer.protocol.SendSession(now.boot);
  if (session == nullptr) {
    return false;
  }
  const auto counter = session->ReserveCounters(1);
  if (!counter) {
    return false;
  }
  ++counters_.own_packets;
  constexpr auto kSize = static_cast<std::uint32_t>(wireguard::kTransportOverhead);
  packet::DatagramPath path = peer.path;
  path.tos = 0;
  const packet::Reservation reservation =
      context_.datagrams.ReserveTrain({.peer = peer.protocol.id(),
                                       .flow_hash = kKeepaliveFlow,
                                       .segment_size = kSize,
                                       .count = 1,
                                       .last_size = kSize},
                                      path, SendClass::kSlowPath);
  if (!reservation.granted()) {
    Drop(DropReason::kSlowPathNoRoom);
    return true;  // there is a session: no handshake would make room
  }
  std::uint8_t* out = reservation.bytes.data();
  wireguard::WriteTransportHeader(out, session->remote_index, *counter);
  const crypto::SealJob job{out + wireguard::kTransportHeaderSize, 0, *counter};
  context_.aead.Seal(session->send_key.bytes(), {&job, 1});
  context_.datagrams.Commit();
  peer.sent_bytes += kSize;
  ++counters_.datagrams_sealed;
  peer.protocol.OnKeepaliveSent(*session, now.boot);
  return true;
}

void Engine::Stage(PeerState& peer, const packet::SuperPacket& super_packet, std::uint32_t segments,
                   Now now) {
  Drop(DropReason::kStagedOverflow, peer.staged.Push(super_packet, segments));
  if (peer.protocol.SendSession(now.boot) == nullptr) {
    peer.protocol.RequestHandshake(now.boot);
  } else if (!peer.is_flush_pending) {
    peer.is_flush_pending = true;
    flush_pending_.push_back(peer.protocol.id());
  }
  DrainPeer(peer, now);
}

void Engine::FlushStaged(PeerState& peer, Now now) {
  while (!peer.staged.empty()) {
    StagedPackets::Packet& staged = peer.staged.front();
    const packet::SuperPacket super_packet{staged.bytes, staged.offload};
    const auto made = packet::Splitter::Make(super_packet);
    const auto parsed = ReadInnerPacket(super_packet.bytes, options_.enforce_access);
    if (std::holds_alternative<DropReason>(made) || std::holds_alternative<DropReason>(parsed)) {
      Drop(DropReason::kMalformed, staged.segments);
      peer.staged.PopFront();
      continue;
    }
    const IpPacket& inner = std::get<IpPacket>(parsed);
    // The rules may have changed, and the address moved, while it waited.
    const bool is_still_routed = allowed_ips_.Lookup(inner.destination) == peer.protocol.id();
    const auto refused =
        options_.enforce_access
            ? gate_.CheckTowardPeer(peer.protocol.id(), inner, super_packet.bytes, now.boot)
            : std::nullopt;
    if (!is_still_routed || refused) {
      Drop(refused.value_or(DropReason::kNoPeerForDestination), staged.segments);
      peer.staged.PopFront();
      continue;
    }
    const SealResult result = SealTrain(peer, std::get<packet::Splitter>(made), inner.tos,
                                        packet::FlowHash(inner), SendClass::kSlowPath, now);
    if (result == SealResult::kNoRoom && !peer.is_flush_pending) {
      peer.is_flush_pending = true;
      flush_pending_.push_back(peer.protocol.id());
    }
    if (result == SealResult::kNoSession) {
      peer.protocol.RequestHandshake(now.boot);  // it ended while they waited
    }
    if (result != SealResult::kSent) {
      return;
    }
    peer.staged.PopFront();
  }
}

bool Engine::IsOwnDatagram(const IpPacket& parsed) const {
  if (parsed.protocol != packet::kProtocolUdp || parsed.source_port != listen_port_ ||
      listen_port_ == 0) {
    return false;
  }
  return context_.shared.remotes.Contains({parsed.destination, parsed.destination_port});
}

IpAddress Engine::IcmpSource(const IpPacket& parsed) const {
  const auto own = std::ranges::find_if(own_addresses_, [&](const IpAddress& address) {
    return address.family() == parsed.destination.family();
  });
  return own != own_addresses_.end() ? *own : parsed.destination;
}

void Engine::AnswerIntoTun(packet::IcmpErrorKind kind, const IpPacket& parsed, ByteSpan original) {
  if (!packet::MayAnswerWithError(parsed)) {
    return;
  }
  std::array<std::uint8_t, packet::kMaxIcmpErrorSize> error;
  // In the name of the destination: a packet from an address of its own that comes out of a device
  // is a martian to the host, which drops it.
  const std::size_t length =
      packet::WriteIcmpError(kind, original, parsed, parsed.destination, mtu_, error);
  if (length != 0) {
    context_.tun.Deliver({error.data(), length}, packet::FlowHash(parsed));
    context_.tun.FlushDeliveries();  // the bytes end with this call
    ++counters_.icmp_errors_sent;
  }
}

void Engine::AnswerToPeer(PeerState& peer, packet::IcmpErrorKind kind, const IpPacket& parsed,
                          ByteSpan original, Now now) {
  if (!packet::MayAnswerWithError(parsed) || !peer.path.remote.is_set()) {
    return;
  }
  if (!peer.icmp_budget.Take(now.boot)) {
    return;
  }
  std::array<std::uint8_t, packet::kMaxIcmpErrorSize> error;
  const std::size_t length =
      packet::WriteIcmpError(kind, original, parsed, IcmpSource(parsed), mtu_, error);
  if (length == 0) {
    return;
  }
  const auto made = packet::Splitter::Make({.bytes = {error.data(), length}, .offload = {}});
  if (const auto* splitter = std::get_if<packet::Splitter>(&made)) {
    ++counters_.own_packets;
    if (SealTrain(peer, *splitter, 0, packet::FlowHash(parsed), SendClass::kSlowPath, now) ==
        SealResult::kSent) {
      ++counters_.icmp_errors_sent;
    } else {
      Drop(DropReason::kSlowPathNoRoom);
    }
  }
}

}  // namespace adit::engine
