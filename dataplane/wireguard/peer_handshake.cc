// One peer's handshakes, both ways (paper 5.4.2 to 5.4.5, 5.4.7).
#include <algorithm>

#include "dataplane/crypto/handshake_aead.h"
#include "dataplane/crypto/x25519.h"
#include "dataplane/wireguard/constants.h"
#include "dataplane/wireguard/labels.h"
#include "dataplane/wireguard/peer.h"

namespace adit::wireguard {

using packet::DropReason;

namespace {

constexpr std::size_t kTimestampSize = 12;

// Scrubs what ciphers and curve arithmetic left on the stack, however a function is left.
struct StackWiper {
  StackWiper() = default;
  StackWiper(const StackWiper&) = delete;
  StackWiper& operator=(const StackWiper&) = delete;
  ~StackWiper() { crypto::WipeStack(); }
};

}  // namespace

const crypto::ArenaKey* Peer::StaticStatic() {
  const bool is_current =
      static_static_.is_set() && static_static_generation_ == context_.identity.generation();
  if (!is_current) {
    static_static_.Reset();
    crypto::SymmetricKey shared;
    if (!context_.identity.is_set() ||
        !crypto::X25519(context_.identity.private_key(), remote_, shared)) {
      return nullptr;
    }
    static_static_ = crypto::ArenaKey::Copy(context_.arena, shared.bytes());
    static_static_generation_ = context_.identity.generation();
  }
  return static_static_.is_set() ? &static_static_ : nullptr;
}

void Peer::AppendMacs(MutableByteSpan message, Instant now) {
  const std::size_t mac1_at = message.size() - 2 * crypto::kMacSize;
  const std::size_t mac2_at = message.size() - crypto::kMacSize;
  cookie_.last_mac1 = crypto::KeyedBlake2s128(remote_mac1_key_, message.first(mac1_at));
  cookie_.has_sent_mac1 = true;
  std::ranges::copy(cookie_.last_mac1, message.begin() + static_cast<std::ptrdiff_t>(mac1_at));
  crypto::Mac mac2{};
  if (cookie_.is_held && now - cookie_.received < kCookieLifetime) {
    mac2 = crypto::KeyedBlake2s128(cookie_.cookie, message.first(mac2_at));
  }
  std::ranges::copy(mac2, message.begin() + static_cast<std::ptrdiff_t>(mac2_at));
}

void Peer::DropPending() {
  if (pending_.is_open) {
    context_.indices.Remove(pending_.local_index);
    pending_ = PendingHandshake();
  }
}

bool Peer::PollInitiation(Now now, std::span<std::uint8_t, kInitiationSize> out) {
  if (!wants_initiation_) {
    return false;
  }
  if (!context_.identity.is_set()) {
    wants_initiation_ = false;
    return false;
  }
  if (last_initiation_sent_ && now.boot - *last_initiation_sent_ < kRekeyTimeout) {
    return false;
  }
  wants_initiation_ = false;
  const StackWiper wiper;
  last_initiation_sent_ = now.boot;
  if (!WriteInitiation(now, out)) {
    return false;
  }
  timers_.AuthenticatedSent();
  timers_.AuthenticatedEitherWay(now.boot, PersistentInterval());
  timers_.retransmit = now.boot + kRekeyTimeout + Jitter();
  return true;
}

bool Peer::WriteInitiation(Now now, std::span<std::uint8_t, kInitiationSize> out) {
  const crypto::ArenaKey* static_static = StaticStatic();
  if (static_static == nullptr) {
    return false;  // R1: a low-order static key
  }
  crypto::SymmetricKey ephemeral;
  context_.random.Fill(ephemeral.mutable_bytes());
  crypto::ClampPrivateKey(ephemeral.mutable_bytes());
  const PublicKey ephemeral_public = crypto::DerivePublicKey(ephemeral.bytes());

  std::ranges::fill(out, std::uint8_t{0});
  StoreLe32(out.data(), static_cast<std::uint32_t>(MessageType::kInitiation));
  std::ranges::copy(ephemeral_public.bytes(), out.begin() + 8);
  NoiseState noise = NoiseState::Begin(kIdentifier, remote_);
  noise.MixEphemeral(ephemeral_public);
  if (!noise.MixDh(ephemeral.bytes(), remote_)) {
    return false;
  }
  noise.Seal(context_.identity.public_key().bytes(), out.subspan<40, 48>());
  noise.MixKey(static_static->bytes());
  noise.Seal(context_.timestamps.Next(now.wall, last_timestamp_), out.subspan<88, 28>());

  PendingHandshake pending;
  pending.ephemeral = crypto::ArenaKey::Copy(context_.arena, ephemeral.bytes());
  pending.chaining_key = crypto::ArenaKey::Copy(context_.arena, noise.chaining_key().bytes());
  pending.hash = noise.hash();
  DropPending();  // before a new index is taken: at most one handshake has one (R5)
  const auto index = context_.indices.Add(this);
  if (!index || !pending.ephemeral.is_set() || !pending.chaining_key.is_set()) {
    if (index) {
      context_.indices.Remove(*index);
    }
    return false;
  }
  pending.is_open = true;
  pending.local_index = *index;
  pending_ = std::move(pending);
  StoreLe32(out.data() + kSenderAt, *index);
  AppendMacs(out, now.boot);
  return true;
}

Session* Peer::MakeSession(std::uint32_t local_index, std::uint32_t remote_index, bool is_initiator,
                           const NoiseState& noise, Instant now) {
  crypto::SymmetricKey to_responder;
  crypto::SymmetricKey to_initiator;
  noise.Split(to_responder, to_initiator);
  Session* session = context_.sessions.Take();
  session->send_key =
      crypto::ArenaKey::Copy(context_.arena, (is_initiator ? to_responder : to_initiator).bytes());
  session->receive_key =
      crypto::ArenaKey::Copy(context_.arena, (is_initiator ? to_initiator : to_responder).bytes());
  if (!session->send_key.is_set() || !session->receive_key.is_set()) {
    context_.sessions.Give(session);
    return nullptr;
  }
  session->peer = this;
  session->local_index = local_index;
  session->remote_index = remote_index;
  session->is_initiator = is_initiator;
  session->may_send = true;
  session->created = now;
  context_.indices.SetSession(local_index, session);
  return session;
}

void Peer::OnSessionDerived(Now now) { timers_.zero_keys = now.boot + kZeroKeysTimeout; }

std::optional<DropReason> Peer::HandleOpenedInitiation(const OpenedInitiation& initiation, Now now,
                                                       std::span<std::uint8_t, kResponseSize> out) {
  const StackWiper wiper;
  const crypto::ArenaKey* static_static = StaticStatic();
  if (static_static == nullptr) {
    return DropReason::kHandshakeFailed;
  }
  NoiseState noise(initiation.chaining_key, initiation.hash);
  noise.MixKey(static_static->bytes());
  Tai64n timestamp{};
  static_assert(sizeof timestamp == kTimestampSize);
  if (!noise.Open(initiation.sealed_timestamp, timestamp)) {
    return DropReason::kHandshakeFailed;
  }
  if (timestamp <= greatest_timestamp_) {
    return DropReason::kHandshakeReplayed;
  }
  if (last_initiation_accepted_ && now.boot - *last_initiation_accepted_ < kMinInitiationGap) {
    return DropReason::kHandshakeRateLimited;
  }

  // The response, on copies: any failure below leaves all state as it was (R2).
  crypto::SymmetricKey ephemeral;
  context_.random.Fill(ephemeral.mutable_bytes());
  crypto::ClampPrivateKey(ephemeral.mutable_bytes());
  const PublicKey ephemeral_public = crypto::DerivePublicKey(ephemeral.bytes());
  noise.MixEphemeral(ephemeral_public);
  if (!noise.MixDh(ephemeral.bytes(), initiation.ephemeral) ||
      !noise.MixDh(ephemeral.bytes(), remote_)) {
    return DropReason::kHandshakeFailed;
  }
  noise.MixPresharedKey(preshared_key());
  std::ranges::fill(out, std::uint8_t{0});
  noise.Seal({}, out.subspan<44, 16>());
  const auto index = context_.indices.Add(this);
  if (!index) {
    return DropReason::kHandshakeFailed;
  }
  Session* session = MakeSession(*index, initiation.sender, false, noise, now.boot);
  if (session == nullptr) {
    context_.indices.Remove(*index);
    return DropReason::kHandshakeFailed;
  }

  greatest_timestamp_ = timestamp;
  last_initiation_accepted_ = now.boot;
  slots_.AddAsResponder(session);
  OnSessionDerived(now);
  responded_ = now.wall;
  timers_.AuthenticatedReceived();
  timers_.AuthenticatedSent();
  timers_.AuthenticatedEitherWay(now.boot, PersistentInterval());

  StoreLe32(out.data(), static_cast<std::uint32_t>(MessageType::kResponse));
  StoreLe32(out.data() + kSenderAt, *index);
  StoreLe32(out.data() + kResponseReceiverAt, initiation.sender);
  std::ranges::copy(ephemeral_public.bytes(), out.begin() + 12);
  AppendMacs(out, now.boot);
  return std::nullopt;
}

std::optional<DropReason> Peer::HandleResponse(ByteSpan message, Now now) {
  const StackWiper wiper;
  const bool is_ours = pending_.is_open && context_.identity.is_set() &&
                       LoadLe32(message.data() + kResponseReceiverAt) == pending_.local_index;
  if (!is_ours) {
    return DropReason::kUnknownIndex;
  }
  // On copies: a forged response must not spoil the handshake under way (R3).
  const PublicKey ephemeral(message.subspan<12, 32>());
  NoiseState noise(crypto::SymmetricKey(pending_.chaining_key.bytes()), pending_.hash);
  noise.MixEphemeral(ephemeral);
  if (!noise.MixDh(pending_.ephemeral.bytes(), ephemeral) ||
      !noise.MixDh(context_.identity.private_key(), ephemeral)) {
    return DropReason::kHandshakeFailed;
  }
  noise.MixPresharedKey(preshared_key());
  if (!noise.Open(message.subspan(44, 16), {})) {
    return DropReason::kHandshakeFailed;
  }
  Session* session = MakeSession(pending_.local_index, LoadLe32(message.data() + kSenderAt), true,
                                 noise, now.boot);
  if (session == nullptr) {
    return DropReason::kHandshakeFailed;
  }
  pending_ = PendingHandshake();  // its index is the session's
  slots_.AddAsInitiator(session);
  OnSessionDerived(now);
  timers_.retransmit = Timers::kOff;
  retransmits_ = 0;
  wants_initiation_ = false;
  last_handshake_ = now.wall;
  timers_.AuthenticatedReceived();
  timers_.AuthenticatedEitherWay(now.boot, PersistentInterval());
  return std::nullopt;
}

std::optional<DropReason> Peer::HandleCookieReply(ByteSpan message, Instant now) {
  if (!cookie_.has_sent_mac1) {
    return DropReason::kBadCookieReply;
  }
  crypto::Mac cookie{};
  if (!crypto::XChaCha20Poly1305Open(remote_cookie_key_, message.subspan<8, 24>(),
                                     message.subspan(32, 32), cookie_.last_mac1, cookie)) {
    return DropReason::kBadCookieReply;
  }
  cookie_.cookie = cookie;
  cookie_.is_held = true;
  cookie_.received = now;
  cookie_.has_sent_mac1 = false;
  return std::nullopt;
}

}  // namespace adit::wireguard
