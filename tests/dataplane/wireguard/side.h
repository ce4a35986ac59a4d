#pragma once

#include <array>
#include <memory>
#include <optional>

#include <gtest/gtest.h>

#include "dataplane/crypto/x25519.h"
#include "dataplane/wireguard/labels.h"
#include "dataplane/wireguard/noise_state.h"
#include "dataplane/wireguard/peer.h"
#include "tests/support/seeded_random.h"

namespace adit::testing {

using Initiation = std::array<std::uint8_t, wireguard::kInitiationSize>;
using Response = std::array<std::uint8_t, wireguard::kResponseSize>;

// One end of the protocol with everything a peer borrows.
struct Side {
  explicit Side(std::uint64_t seed, std::uint8_t shard = 0)
      : random(seed),
        arena(std::move(*crypto::SecretArena::Make(1024))),
        identity(*arena),
        indices(shard, random),
        context{identity, indices, sessions, *arena, random, timestamps} {
    random.Fill(private_key);
    EXPECT_TRUE(identity.SetPrivateKey(private_key));
  }

  void MakePeer(const PublicKey& remote) {
    peer = std::make_unique<wireguard::Peer>(context, remote, 0);
  }
  [[nodiscard]] std::optional<Initiation> Poll(Now now) const {
    Initiation message{};
    return peer->PollInitiation(now, message) ? std::optional(message) : std::nullopt;
  }
  // The whole of rule R2 but for mac1.
  [[nodiscard]] std::optional<packet::DropReason> Consume(const Initiation& message, Now now,
                                                          Response& out) const {
    const auto opened = wireguard::OpenInitiation(identity, message);
    if (const auto* reason = std::get_if<packet::DropReason>(&opened)) {
      return *reason;
    }
    return peer->HandleOpenedInitiation(std::get<wireguard::OpenedInitiation>(opened), now, out);
  }
  // The session that transport data to this message's sender index arrives under.
  [[nodiscard]] wireguard::Session* SessionOf(ByteSpan message) const {
    const auto* entry = indices.Find(LoadLe32(message.data() + wireguard::kSenderAt));
    return entry == nullptr ? nullptr : entry->session;
  }

  // For forged initiations.
  wireguard::Tai64n NextTimestamp(WallTime now) { return timestamps.Next(now, last_forged); }

  SeededRandom random;
  std::array<std::uint8_t, 32> private_key{};
  std::unique_ptr<crypto::SecretArena> arena;
  wireguard::LocalIdentity identity;
  wireguard::ReceiverIndexTable indices;
  wireguard::SessionPool sessions;
  wireguard::Tai64nSource timestamps;
  WallTime last_forged;
  wireguard::PeerContext context;
  std::unique_ptr<wireguard::Peer> peer;
};

// Two ends that know each other.
class ProtocolPair : public ::testing::Test {
 protected:
  ProtocolPair() : a_(11), b_(12, 7) {
    a_.MakePeer(b_.identity.public_key());
    b_.MakePeer(a_.identity.public_key());
  }

  void Advance(Duration by) { now_ = {now_.boot + by, now_.wall + by}; }

  // A fresh initiation of `from`; the five seconds between two have passed.
  Initiation Initiate(Side& from) {
    Advance(seconds(6));
    (void)from.peer->HandleTimeout(now_);
    from.peer->RequestHandshake(now_.boot);
    const auto message = from.Poll(now_);
    EXPECT_TRUE(message.has_value());
    return message.value_or(Initiation{});
  }
  Response Respond(Side& by, const Initiation& initiation) {
    Response response{};
    EXPECT_EQ(by.Consume(initiation, now_, response), std::nullopt);
    return response;
  }
  // A whole handshake; the responder's session is confirmed when `confirm`.
  void Handshake(Side& from, Side& to, bool confirm = true) {
    const Initiation initiation = Initiate(from);
    const Response response = Respond(to, initiation);
    ASSERT_EQ(from.peer->HandleResponse(response, now_), std::nullopt);
    if (confirm) {
      EXPECT_TRUE(to.peer->OnAuthenticated(*to.SessionOf(response), false, now_.boot));
    }
  }
  // Moves to the earliest timer and fires it.
  wireguard::Peer::TimeoutResult FireNext(Side& side) {
    const Instant next = side.peer->NextTimeout();
    EXPECT_NE(next, Instant::Max());
    Advance(next - now_.boot);
    return side.peer->HandleTimeout(now_);
  }

  Now now_{Instant(seconds(1000)), WallTime(seconds(1'700'000'000))};
  Side a_;
  Side b_;
};

// An initiation written out by hand (paper 5.4.2), without macs: for what our own initiator never
// says.
inline Initiation ForgeInitiation(std::span<const std::uint8_t, 32> private_key,
                                  const PublicKey& claimed_static, const PublicKey& responder,
                                  const wireguard::Tai64n& timestamp, std::uint64_t seed = 99) {
  SeededRandom random(seed);
  crypto::SymmetricKey ephemeral;
  random.Fill(ephemeral.mutable_bytes());
  crypto::ClampPrivateKey(ephemeral.mutable_bytes());
  const PublicKey ephemeral_public = crypto::DerivePublicKey(ephemeral.bytes());
  Initiation message{};
  StoreLe32(message.data(), 1);
  StoreLe32(message.data() + wireguard::kSenderAt, random.Next32());
  std::ranges::copy(ephemeral_public.bytes(), message.begin() + 8);
  auto noise = wireguard::NoiseState::Begin(wireguard::kIdentifier, responder);
  noise.MixEphemeral(ephemeral_public);
  EXPECT_TRUE(noise.MixDh(ephemeral.bytes(), responder));
  noise.Seal(claimed_static.bytes(), std::span(message).subspan(40, 48));
  crypto::SymmetricKey static_static;  // all zero when the claimed key is of low order
  (void)crypto::X25519(private_key, responder, static_static);
  if (claimed_static.is_zero()) {
    static_static = crypto::SymmetricKey();
  }
  noise.MixKey(static_static.bytes());
  noise.Seal(timestamp, std::span(message).subspan(88, 28));
  return message;
}

}  // namespace adit::testing
