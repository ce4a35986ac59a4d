// Handshakes: the bounded queue, the under-load rule, initiations both ways.
#include <array>

#include "dataplane/engine/engine.h"

namespace adit::engine {

using packet::DropReason;
using wireguard::MessageType;

namespace {

// Handshakes are marked AF41, as the kernel's WireGuard does.
constexpr std::uint8_t kHandshakeTos = 0x88;

packet::DatagramPath ControlPath(const Endpoint& remote, const packet::LocalSource& source) {
  return {.remote = remote, .source = source, .tos = kHandshakeTos};
}

}  // namespace

void Engine::EnqueueHandshake(MutableByteSpan message, MessageType type,
                              const packet::ReceivedTrain& train, Now now) {
  if (!identity_.is_set()) {
    Drop(DropReason::kNoPrivateKey);
    return;
  }
  if (type == MessageType::kCookieReply) {
    HandleCookieReply(message, train, now);
    return;
  }
  if (!cookies_.IsMac1Valid(message)) {
    Drop(DropReason::kBadMac1);
    return;
  }
  if (type == MessageType::kResponse) {
    const std::uint32_t receiver = LoadLe32(message.data() + wireguard::kResponseReceiverAt);
    const auto* entry = indices_.Find(receiver);
    if (entry == nullptr) {
      HandOverOrDrop(message, message.size(), receiver, train);
      return;
    }
    if (entry->session != nullptr) {
      Drop(DropReason::kUnknownIndex);
      return;
    }
  }
  // Under load a source proves its address before it takes a place in the queue.
  if (context_.shared.handshake_load.IsUnderLoad(now.boot)) {
    if (!cookies_.IsMac2Valid(message, train.remote, now.boot)) {
      Drop(DropReason::kBadMac2);
      std::array<std::uint8_t, wireguard::kCookieReplySize> reply;
      cookies_.WriteReply(message, train.remote, now.boot, reply);
      if (context_.datagrams.SendControl(reply, ControlPath(train.remote, train.local),
                                         packet::ControlKind::kCookieReply)) {
        ++counters_.cookie_replies_sent;
      } else {
        Drop(DropReason::kControlLaneFull);
      }
      return;
    }
    if (!context_.shared.rate_limiter.Allow(train.remote.address, now.boot)) {
      Drop(DropReason::kHandshakeRateLimited);
      return;
    }
  }
  if (!handshakes_.Push(message, train.remote, train.local)) {
    Drop(DropReason::kHandshakeQueueFull);
    return;
  }
  context_.shared.handshake_load.Add(1, now.boot);
}

bool Engine::ServeHandshakes(Now now) {
  std::size_t served = 0;
  if (!is_link_up_) {
    for (; !handshakes_.empty(); ++served) {
      handshakes_.Pop();
    }
    Drop(DropReason::kLinkDown, served);
  }
  for (; served < kHandshakesPerTurn && !handshakes_.empty(); ++served) {
    const HandshakeQueue::Entry& entry = handshakes_.front();
    if (wireguard::Classify(entry.message()) == MessageType::kInitiation) {
      ServeInitiation(entry, now);
    } else {
      ServeResponse(entry, now);
    }
    handshakes_.Pop();
  }
  if (served != 0) {
    context_.shared.handshake_load.Remove(static_cast<std::uint32_t>(served), now.boot);
  }
  return !handshakes_.empty();
}

void Engine::ServeInitiation(const HandshakeQueue::Entry& entry, Now now) {
  const auto opened = wireguard::OpenInitiation(identity_, entry.message());
  if (const auto* reason = std::get_if<DropReason>(&opened)) {
    Drop(*reason);
    return;
  }
  const HandedInitiation initiation{std::get<wireguard::OpenedInitiation>(opened), entry.remote,
                                    entry.local};
  const auto slot = FindSlot(initiation.opened.static_key);
  if (!slot) {
    Drop(DropReason::kUnknownPeer);
  } else if (PeerState* peer = peers_[*slot].get()) {
    AnswerInitiation(*peer, initiation, now);
  } else if (context_.neighbours == nullptr ||
             !context_.neighbours->HandOver(owners_[*slot], initiation)) {
    Drop(DropReason::kHandoverFull);
  }
}

void Engine::HandleInitiation(const HandedInitiation& initiation, Now now) {
  PeerState* peer = FindPeer(initiation.opened.static_key);
  if (!is_link_up_) {
    Drop(DropReason::kLinkDown);
  } else if (peer == nullptr) {
    Drop(DropReason::kUnknownPeer);
  } else {
    AnswerInitiation(*peer, initiation, now);
  }
}

void Engine::AnswerInitiation(PeerState& peer, const HandedInitiation& initiation, Now now) {
  std::array<std::uint8_t, wireguard::kResponseSize> response;
  if (const auto reason = peer.protocol.HandleOpenedInitiation(initiation.opened, now, response)) {
    Drop(*reason);
    return;
  }
  SetPath(peer, initiation.remote, initiation.local);
  peer.received_bytes += wireguard::kInitiationSize;
  if (context_.datagrams.SendControl(response, ControlPath(peer.path.remote, peer.path.source),
                                     packet::ControlKind::kHandshake)) {
    ++counters_.handshakes_answered;
    peer.sent_bytes += response.size();
  } else {
    Drop(DropReason::kControlLaneFull);
  }
  DrainPeer(peer, now);
}

void Engine::ServeResponse(const HandshakeQueue::Entry& entry, Now now) {
  const auto* at = indices_.Find(LoadLe32(entry.bytes.data() + wireguard::kResponseReceiverAt));
  if (at == nullptr || at->session != nullptr) {
    Drop(DropReason::kUnknownIndex);
    return;
  }
  PeerState& peer = *peers_[at->peer->id()];
  if (const auto reason = peer.protocol.HandleResponse(entry.message(), now)) {
    Drop(*reason);
    return;
  }
  ++counters_.handshakes_completed;
  SetPath(peer, entry.remote, entry.local);
  peer.received_bytes += entry.size;
  // The responder may not send before it heard from us under the session's keys: confirm at once,
  // with a keepalive when nothing waits or nothing of it may go any more.
  const std::uint64_t sealed = counters_.datagrams_sealed;
  FlushStaged(peer, now);
  if (peer.staged.empty() && counters_.datagrams_sealed == sealed) {
    (void)SendKeepalive(peer, now);
  }
  DrainPeer(peer, now);
}

void Engine::HandleCookieReply(MutableByteSpan message, const packet::ReceivedTrain& train,
                               Now now) {
  const std::uint32_t receiver = LoadLe32(message.data() + wireguard::kReceiverAt);
  const auto* entry = indices_.Find(receiver);
  if (entry == nullptr) {
    HandOverOrDrop(message, message.size(), receiver, train);
    return;
  }
  if (const auto reason = entry->peer->HandleCookieReply(message, now.boot)) {
    Drop(*reason);
    return;
  }
  ++counters_.cookies_accepted;
}

void Engine::SendInitiation(PeerState& peer, Now now) {
  std::array<std::uint8_t, wireguard::kInitiationSize> initiation;
  if (!peer.protocol.PollInitiation(now, initiation)) {
    return;
  }
  ++counters_.handshakes_initiated;
  peer.sent_bytes += initiation.size();
  if (!context_.datagrams.SendControl(initiation, ControlPath(peer.path.remote, peer.path.source),
                                      packet::ControlKind::kHandshake)) {
    Drop(DropReason::kControlLaneFull);
  }
}

void Engine::SetPath(PeerState& peer, const Endpoint& remote, const packet::LocalSource& local) {
  if (peer.path.remote != remote) {
    SetRemote(peer, remote);
    context_.datagrams.StartEpoch(peer.protocol.id());
  }
  peer.path.source = local;
}

void Engine::SetRemote(PeerState& peer, const Endpoint& remote) {
  context_.shared.remotes.Replace(peer.path.remote, remote);
  peer.path.remote = remote;
}

}  // namespace adit::engine
