// From UDP to TUN: demultiplex, open, judge, deliver.
#include <algorithm>
#include <array>

#include "dataplane/engine/engine.h"
#include "dataplane/engine/inner_packet.h"
#include "dataplane/engine/steering.h"
#include "dataplane/wireguard/constants.h"

namespace adit::engine {

using packet::DropReason;
using packet::IpPacket;
using wireguard::MessageType;

void Engine::HandleUdpTrain(const packet::ReceivedTrain& train, Now now) {
  const std::size_t stride = train.segment_size;
  const auto size_at = [&](std::size_t at) { return std::min(stride, train.bytes.size() - at); };
  PeerState* sender = nullptr;  // of the segments before
  for (std::size_t at = 0; at < train.bytes.size();) {
    ++counters_.datagrams_received;
    const MutableByteSpan datagram = train.bytes.subspan(at, size_at(at));
    const auto type = wireguard::Classify(datagram);
    if (!is_link_up_ || !type) {
      Drop(type ? DropReason::kLinkDown : DropReason::kUnknownMessage);
      if (!type && sender != nullptr && datagram.size() == stride) {
        NoteTrain(*sender, stride, 1, 1, now);
      }
      at += datagram.size();
      continue;
    }
    if (*type != MessageType::kTransport) {
      EnqueueHandshake(datagram, *type, train, now);
      at += datagram.size();
      continue;
    }
    // A run of transport data under one receiver index is opened together. Segments are looked at
    // one by one: a handshake can be the short end of a train, a relayed train mixes peers.
    const std::size_t begin = at;
    const std::uint32_t receiver = LoadLe32(datagram.data() + wireguard::kReceiverAt);
    at += datagram.size();
    while (at < train.bytes.size()) {
      const ByteSpan next = train.bytes.subspan(at, size_at(at));
      if (wireguard::Classify(next) != MessageType::kTransport ||
          LoadLe32(next.data() + wireguard::kReceiverAt) != receiver) {
        break;
      }
      ++counters_.datagrams_received;
      at += next.size();
    }
    sender = OpenRun(train.bytes.subspan(begin, at - begin), stride, train, now);
  }
}

PeerState* Engine::OpenRun(MutableByteSpan run, std::size_t segment_size,
                           const packet::ReceivedTrain& train, Now now) {
  const std::size_t total = (run.size() + segment_size - 1) / segment_size;
  const std::uint32_t receiver = LoadLe32(run.data() + wireguard::kReceiverAt);
  const auto* entry = indices_.Find(receiver);
  if (entry == nullptr) {
    HandOverOrDrop(run, segment_size, receiver, train);
    return nullptr;
  }
  if (entry->session == nullptr) {
    Drop(DropReason::kUnknownIndex, total);
    return nullptr;
  }
  wireguard::Session& session = *entry->session;
  PeerState& peer = *peers_[entry->peer->id()];
  if (!session.IsFresh(now.boot)) {
    Drop(DropReason::kExpiredSession, total);
    return &peer;
  }

  std::array<crypto::OpenJob, packet::kMaxSegments> jobs;
  while (!run.empty()) {
    std::size_t count = 0;
    std::size_t taken = 0;
    for (; taken < run.size() && count < jobs.size(); ++count) {
      std::uint8_t* datagram = run.data() + taken;
      const std::size_t size = std::min(segment_size, run.size() - taken);
      jobs[count] = {.data = datagram + wireguard::kTransportHeaderSize,
                     .length = static_cast<std::uint32_t>(size - wireguard::kTransportOverhead),
                     .counter = LoadLe64(datagram + wireguard::kCounterAt)};
      taken += size;
    }
    context_.aead.Open(session.receive_key.bytes(), {jobs.data(), count});
    WatchTrain(peer, {jobs.data(), count}, segment_size, now);

    std::size_t accepted = 0;
    bool has_data = false;
    for (std::size_t i = 0; i < count; ++i) {
      crypto::OpenJob& job = jobs[i];
      if (job.counter >= wireguard::kRejectAfterMessages) {
        Drop(DropReason::kExpiredSession);
      } else if (!job.opened) {
        Drop(DropReason::kDecryptFailed);
      } else if (!session.replay_window.Accept(job.counter)) {
        Drop(DropReason::kReplayed);
      } else {
        has_data = has_data || job.length != 0;
        counters_.keepalives_received += job.length == 0 ? 1 : 0;
        peer.received_bytes += job.length + wireguard::kTransportOverhead;
        jobs[accepted++] = job;
      }
    }
    if (accepted != 0) {
      Roam(peer, train);
      const bool became_usable = peer.protocol.OnAuthenticated(session, has_data, now.boot);
      if (has_data) {
        peer.last_data = now.boot;
        last_data_[train.remote.address.is_v6() ? 1 : 0] = now.boot;
      }
      if (became_usable) {
        FlushStaged(peer, now);
      }
      for (std::size_t i = 0; i < accepted; ++i) {
        if (jobs[i].length != 0) {
          DeliverPacket(peer, {jobs[i].data, jobs[i].length}, train.ecn, now);
        }
      }
      DrainPeer(peer, now);
    }
    run = run.subspan(taken);
  }
  return &peer;
}

void Engine::WatchTrain(PeerState& peer, std::span<const crypto::OpenJob> jobs,
                        std::size_t segment_size, Now now) {
  const std::size_t full_length = segment_size - wireguard::kTransportOverhead;
  std::uint32_t full = 0;
  std::uint32_t failed = 0;
  for (const crypto::OpenJob& job : jobs) {
    const bool is_full = job.length == full_length;
    full += is_full ? 1 : 0;
    failed += is_full && !job.opened ? 1 : 0;
  }
  if (full != 0) {
    NoteTrain(peer, segment_size, full, failed, now);
  }
}

void Engine::NoteTrain(PeerState& peer, std::size_t size, std::uint32_t full, std::uint32_t failed,
                       Now now) {
  if (peer.trains.Note(static_cast<std::uint32_t>(size), full, failed, now.boot)) {
    ++counters_.garbled_trains;
    garbled_trains_ = {.peer = peer.protocol.remote(),
                       .datagram_size = static_cast<std::uint32_t>(size),
                       .failed = peer.trains.failed(),
                       .looked_at = peer.trains.looked_at()};
  }
}

// Of a receiver index that is not ours: another shard's, or nobody's.
void Engine::HandOverOrDrop(MutableByteSpan datagrams, std::size_t segment_size,
                            std::uint32_t receiver, const packet::ReceivedTrain& train) {
  const std::size_t count = (datagrams.size() + segment_size - 1) / segment_size;
  const std::uint8_t shard = ShardOfIndex(receiver);
  if (shard == options_.shard || shard >= options_.shard_count || context_.neighbours == nullptr) {
    Drop(DropReason::kUnknownIndex, count);
    return;
  }
  packet::ReceivedTrain handed = train;
  handed.bytes = datagrams;
  handed.segment_size = std::min(segment_size, datagrams.size());
  if (context_.neighbours->HandOver(shard, handed)) {
    counters_.datagrams_received -= count;  // it counts them
  } else {
    Drop(DropReason::kHandoverFull, count);
  }
}

void Engine::DeliverPacket(PeerState& peer, MutableByteSpan plaintext, std::uint8_t outer_ecn,
                           Now now) {
  const auto parsed = ReadInnerPacket(plaintext, options_.enforce_access);
  if (const auto* reason = std::get_if<DropReason>(&parsed)) {
    Drop(*reason);
    return;
  }
  const IpPacket& inner = std::get<IpPacket>(parsed);
  const MutableByteSpan packet = plaintext.first(inner.total_length);  // padding ends here
  if (allowed_ips_.Lookup(inner.source) != peer.protocol.id()) {
    Drop(DropReason::kSourceNotAllowed);
    return;
  }
  if (options_.enforce_access) {
    if (const auto refused = gate_.CheckFromPeer(peer.protocol.id(), inner, packet, now.boot)) {
      Drop(*refused);
      ++peer.refused_packets;
      AnswerToPeer(peer, packet::IcmpErrorKind::kAdministrativelyProhibited, inner, packet, now);
      return;
    }
  }
  if (!DecapsulateEcn(packet, outer_ecn)) {
    Drop(DropReason::kEcnNotCapable);
    return;
  }
  ++counters_.delivered_packets;
  counters_.delivered_bytes += packet.size();
  context_.tun.Deliver(packet, packet::FlowHash(inner));
}

void Engine::Roam(PeerState& peer, const packet::ReceivedTrain& train) {
  SetPath(peer, train.remote, train.local);
}

}  // namespace adit::engine
