#include "dataplane/engine/engine.h"

#include <algorithm>

#include "dataplane/crypto/secret.h"

namespace adit::engine {

using packet::DropReason;

namespace {

// A herd of timers (10,000 peers after a restart) must not hold the packets up.
constexpr int kTimersPerTurn = 64;

}  // namespace

Engine::Engine(const EngineContext& context, const EngineOptions& options)
    : context_(context),
      options_(options),
      mtu_(options.mtu),
      identity_(context.arena),
      indices_(options.shard, context.random),
      cookies_(identity_, context.shared.cookie_secret, context.random),
      peer_context_{identity_,     indices_,       sessions_,
                    context.arena, context.random, context.shared.timestamps},
      handshakes_(options.handshake_queue_capacity),
      population_(options.shard_count),
      gate_(context.random.Next64(), options.enforce_access ? options.flow_capacity : 1) {}

Engine::~Engine() = default;

Instant Engine::PollTimeout() const {
  if (!restore_queue_.empty()) {
    return Instant();
  }
  Instant earliest = timers_.Earliest();
  if (gate_.flows().size() != 0) {
    earliest = std::min(earliest, next_sweep_);
  }
  return earliest;
}

void Engine::HandleTimeout(Now now) {
  for (int i = 0; i < kTimersPerTurn && timers_.Earliest() <= now.boot; ++i) {
    PeerState& peer = *peers_[timers_.PopEarliest()];
    const auto result = peer.protocol.HandleTimeout(now);
    if (result.gave_up) {
      Drop(DropReason::kHandshakeGaveUp, peer.staged.Clear());
    }
    if (result.clear_source) {
      peer.path.source = {};
    }
    DrainPeer(peer, now);
  }
  SpeakFirst(now);
  if (now.boot >= next_sweep_) {
    next_sweep_ = now.boot + kSweepInterval;
    gate_.Sweep(kSweepEntries, now.boot);
  }
}

void Engine::SpeakFirst(Now now) {
  for (int i = 0; i < kTimersPerTurn && !restore_queue_.empty(); ++i) {
    PeerState* peer = FindPeer(restore_queue_.back());
    restore_queue_.pop_back();
    if (peer != nullptr && peer->protocol.SendSession(now.boot) == nullptr) {
      peer->protocol.RequestHandshake(now.boot);
      DrainPeer(*peer, now);
    }
  }
}

void Engine::FlushPending(Now now) {
  if (flush_pending_.empty()) {
    return;
  }
  std::vector<std::uint32_t> slots;
  slots.swap(flush_pending_);
  for (const std::uint32_t slot : slots) {
    if (PeerState* peer = peers_[slot].get(); peer != nullptr && peer->is_flush_pending) {
      peer->is_flush_pending = false;
      FlushStaged(*peer, now);
      DrainPeer(*peer, now);
    }
  }
}

void Engine::DrainPeer(PeerState& peer, Now now) {
  if (peer.path.remote.is_set() && is_link_up_) {
    SendInitiation(peer, now);
    if (peer.protocol.PollKeepalive() && !SendKeepalive(peer, now)) {
      peer.protocol.RequestHandshake(now.boot);
      SendInitiation(peer, now);
    }
  }
  timers_.ArmNoLaterThan(peer.protocol.id(), peer.protocol.NextTimeout());
}

Counters Engine::counters() const {
  Counters counters = counters_;
  counters.flows = gate_.flows().size();
  counters.flows_evicted = gate_.flows().evicted();
  return counters;
}

Holdings Engine::holdings() const {
  Holdings holdings;
  holdings.peers = slots_by_key_.size();
  holdings.receiver_indices = indices_.size();
  holdings.timers = timers_.size();
  holdings.waiting_handshakes = handshakes_.size();
  holdings.pending_flushes = flush_pending_.size();
  for (const auto& peer : peers_) {
    if (peer == nullptr) {
      continue;
    }
    const std::size_t sessions = peer->protocol.session_count();
    holdings.sessions += sessions;
    holdings.most_sessions = std::max(holdings.most_sessions, sessions);
    const std::size_t staged = peer->staged.segment_count();
    holdings.staged_packets += staged;
    holdings.most_staged_packets = std::max(holdings.most_staged_packets, staged);
    holdings.most_staged_bytes = std::max(holdings.most_staged_bytes, peer->staged.byte_count());
  }
  return holdings;
}

std::uint32_t Engine::AppendReports(std::uint32_t first, std::uint32_t count,
                                    std::vector<PeerReport>& out, ReportDetail detail) const {
  std::size_t slot = first;
  for (; slot < peers_.size() && count != 0; ++slot) {
    const PeerState* peer = peers_[slot].get();
    if (peer == nullptr) {
      continue;
    }
    --count;
    PeerReport report;
    report.public_key = peer->protocol.remote();
    report.has_preshared_key = peer->protocol.has_preshared_key();
    if (peer->path.remote.is_set()) {
      report.endpoint = peer->path.remote;
    }
    report.persistent_keepalive = peer->protocol.persistent_keepalive();
    report.last_handshake = peer->protocol.last_handshake();
    report.received_bytes = peer->received_bytes;
    report.sent_bytes = peer->sent_bytes;
    report.refused_packets = peer->refused_packets;
    report.garbled_trains = peer->trains.alarms();
    if (detail == ReportDetail::kAll) {
      report.preshared_key = crypto::SymmetricKey(peer->protocol.preshared_key());
      report.allowed_ips = allowed_ips_.PrefixesOf(static_cast<std::uint32_t>(slot));
    }
    report.greatest_timestamp = peer->protocol.greatest_timestamp();
    report.last_data = peer->last_data;
    out.push_back(std::move(report));
  }
  return slot < peers_.size() ? static_cast<std::uint32_t>(slot) : 0;
}

}  // namespace adit::engine
