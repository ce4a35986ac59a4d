// One peer: configuration, sending and receiving data, timers. Handshakes are in peer_handshake.cc.
#include "dataplane/wireguard/peer.h"

#include "dataplane/wireguard/constants.h"
#include "dataplane/wireguard/labels.h"

namespace adit::wireguard {

Peer::Peer(PeerContext& context, const PublicKey& remote, std::uint32_t id)
    : context_(context),
      remote_(remote),
      id_(id),
      remote_mac1_key_(crypto::Blake2s({kMac1Label, remote.bytes()})),
      remote_cookie_key_(crypto::Blake2s({kCookieLabel, remote.bytes()})),
      slots_(context.sessions, context.indices) {}

Peer::~Peer() { DropPending(); }

bool Peer::SetPresharedKey(std::optional<std::span<const std::uint8_t, 32>> key) {
  if (!key) {
    preshared_key_.Reset();
    return true;
  }
  crypto::ArenaKey copy = crypto::ArenaKey::Copy(context_.arena, *key);
  if (!copy.is_set()) {
    return false;
  }
  preshared_key_ = std::move(copy);
  return true;
}

bool Peer::has_preshared_key() const { return preshared_key_.is_set(); }

std::span<const std::uint8_t, 32> Peer::preshared_key() const {
  static constexpr std::array<std::uint8_t, 32> kZero{};
  return preshared_key_.is_set() ? preshared_key_.bytes()
                                 : std::span<const std::uint8_t, 32>(kZero);
}

void Peer::SetPersistentKeepalive(std::uint16_t interval_seconds, Instant now) {
  const bool is_running = timers_.persistent_keepalive != Timers::kOff;
  if (interval_seconds == persistent_keepalive_ && is_running) {
    return;  // said again, as every snapshot does: no peer is woken for it
  }
  persistent_keepalive_ = interval_seconds;
  timers_.persistent_keepalive = interval_seconds == 0 ? Timers::kOff : now;
}

std::uint16_t Peer::persistent_keepalive() const { return persistent_keepalive_; }

void Peer::OnIdentityChanged() {
  static_static_.Reset();
  DropPending();
  slots_.StopSending();
  last_initiation_sent_.reset();  // under the new key nothing was sent yet
}

void Peer::Clear() {
  timers_.Stop();
  DropPending();
  slots_.Clear();
  static_static_.Reset();
  cookie_ = HeldCookie();
  wants_initiation_ = false;
  keepalive_due_ = false;
  retransmits_ = 0;
  last_initiation_sent_.reset();
}

const Tai64n& Peer::greatest_timestamp() const { return greatest_timestamp_; }

void Peer::RestoreGreatestTimestamp(const Tai64n& timestamp) {
  greatest_timestamp_ = std::max(greatest_timestamp_, timestamp);
}

Session* Peer::SendSession(Instant now) {
  Session* session = slots_.current();
  const bool is_usable = session != nullptr && session->may_send && session->IsFresh(now) &&
                         session->send_counter < kRejectAfterMessages;
  return is_usable ? session : nullptr;
}

void Peer::RequestHandshake(Instant) { WantInitiation(false); }

void Peer::WantInitiation(bool is_retry) {
  if (!is_retry) {
    retransmits_ = 0;
  }
  // The retransmit timer of a handshake under way, with its jitter, says when the next one goes.
  const bool is_under_way = timers_.retransmit != Timers::kOff;
  wants_initiation_ = wants_initiation_ || !is_under_way;
}

void Peer::OnDataSent(const Session& session, Instant now) {
  timers_.AuthenticatedSent();
  timers_.AuthenticatedEitherWay(now, PersistentInterval());
  keepalive_due_ = false;
  if (timers_.new_handshake == Timers::kOff) {
    timers_.DataSent(now, Jitter());
  }
  const bool is_old = session.is_initiator && now - session.created >= kRekeyAfterTime;
  if (is_old || session.send_counter > kRekeyAfterMessages) {
    WantInitiation(false);
  }
}

void Peer::OnKeepaliveSent(const Session& session, Instant now) {
  timers_.KeepaliveSent(now);
  timers_.AuthenticatedEitherWay(now, PersistentInterval());
  const bool is_old = session.is_initiator && now - session.created >= kRekeyAfterTime;
  if (is_old || session.send_counter > kRekeyAfterMessages) {
    WantInitiation(false);
  }
}

bool Peer::OnAuthenticated(Session& session, bool is_data, Instant now) {
  const bool became_current = slots_.Confirm(&session);
  if (became_current) {
    timers_.retransmit = Timers::kOff;
    retransmits_ = 0;
    wants_initiation_ = false;
    last_handshake_ = responded_;
  }
  timers_.AuthenticatedReceived();
  timers_.AuthenticatedEitherWay(now, PersistentInterval());
  if (is_data) {
    timers_.DataReceived(now);
  }
  // A flow toward us only would otherwise run into REJECT_AFTER_TIME: rekey in its last minute.
  Session* current = slots_.current();
  const bool is_last_minute = current != nullptr && current->may_send && current->is_initiator &&
                              now - current->created >= kLastMinuteAge &&
                              !current->sent_last_minute_handshake;
  if (is_last_minute) {
    current->sent_last_minute_handshake = true;
    WantInitiation(false);
  }
  return became_current;
}

Instant Peer::NextTimeout() const {
  Instant next = timers_.Earliest();
  if (wants_initiation_ && last_initiation_sent_) {
    next = std::min(next, *last_initiation_sent_ + kRekeyTimeout);
  }
  return next;
}

Peer::TimeoutResult Peer::HandleTimeout(Now now) {
  TimeoutResult result;
  const auto has_come = [&](Instant& timer) {
    const bool is_due = timer <= now.boot;
    if (is_due) {
      timer = Timers::kOff;
    }
    return is_due;
  };
  if (has_come(timers_.retransmit)) {
    if (retransmits_ >= kMaxRetransmits) {
      result.gave_up = true;
      timers_.passive_keepalive = Timers::kOff;
      wants_initiation_ = false;
      DropPending();
      if (timers_.zero_keys == Timers::kOff) {
        timers_.zero_keys = now.boot + kZeroKeysTimeout;
      }
    } else {
      ++retransmits_;
      result.clear_source = true;
      WantInitiation(true);
    }
  }
  if (has_come(timers_.passive_keepalive)) {
    keepalive_due_ = true;
  }
  if (has_come(timers_.new_handshake)) {
    result.clear_source = true;
    WantInitiation(false);
  }
  const Instant zero_keys = timers_.zero_keys;
  if (has_come(timers_.zero_keys)) {
    // After the host slept, a packet may have begun the next handshake before its timers were seen.
    const bool is_next_begun = last_initiation_sent_ && *last_initiation_sent_ >= zero_keys;
    if (!is_next_begun) {
      DropPending();
    }
    slots_.Clear();
    static_static_.Reset();
    crypto::WipeStack();
  }
  if (has_come(timers_.persistent_keepalive) && persistent_keepalive_ != 0) {
    keepalive_due_ = true;
    timers_.persistent_keepalive = now.boot + PersistentInterval();
  }
  return result;
}

bool Peer::PollKeepalive() { return std::exchange(keepalive_due_, false); }

std::optional<WallTime> Peer::last_handshake() const { return last_handshake_; }

bool Peer::has_session(Instant now) const {
  for (const Session* session : {slots_.previous(), slots_.current(), slots_.next()}) {
    if (session != nullptr && session->IsFresh(now)) {
      return true;
    }
  }
  return false;
}

std::size_t Peer::session_count() const {
  std::size_t count = 0;
  for (const Session* session : {slots_.previous(), slots_.current(), slots_.next()}) {
    count += session != nullptr ? 1 : 0;
  }
  return count;
}

Duration Peer::Jitter() {
  return Duration(static_cast<std::int64_t>(context_.random.Next32()) % kMaxJitter.count());
}

}  // namespace adit::wireguard
