#pragma once

#include <algorithm>
#include <string>

#include "tests/dataplane/wireguard/side.h"
#include "tests/support/engine_host.h"

namespace adit::testing {

// A peer with valid keys that says whatever the test likes: it has a real session with an engine
// and seals any bytes under any counter.
class HostilePeer {
 public:
  HostilePeer(std::uint64_t seed, EngineHost& target, const std::string& allowed_ips, Now now)
      : endpoint(*Endpoint::Parse("203.0.113.66:666")), side_(seed), target_(target) {
    engine::PeerPatch patch;
    patch.public_key = side_.identity.public_key();
    patch.replace_allowed_ips = true;
    patch.allowed_ips = {*IpPrefix::Parse(allowed_ips)};
    (void)target.engine->ApplyPatch(patch, now);
    side_.MakePeer(target.key());
  }

  // A whole handshake with the target.
  void Connect(Now now) {
    side_.peer->Clear();
    side_.peer->RequestHandshake(now.boot);
    const auto initiation = side_.Poll(now);
    ASSERT_TRUE(initiation.has_value());
    target_.datagrams.sent.clear();
    Deliver(Bytes(initiation->begin(), initiation->end()), now);
    ASSERT_EQ(target_.datagrams.sent.size(), 1U);
    const Bytes response = target_.datagrams.sent.front().bytes;
    ASSERT_EQ(response.size(), wireguard::kResponseSize);
    target_.datagrams.sent.clear();
    ASSERT_EQ(side_.peer->HandleResponse(response, now), std::nullopt);
    Deliver(Seal({}, now), now);
  }

  // A transport message around these bytes, as they are.
  [[nodiscard]] Bytes Seal(const Bytes& plaintext, Now now) {
    wireguard::Session* session = side_.peer->SendSession(now.boot);
    EXPECT_NE(session, nullptr);
    return SealUnder(plaintext, session->ReserveCounters(1).value_or(0), now);
  }
  [[nodiscard]] Bytes SealUnder(const Bytes& plaintext, std::uint64_t counter, Now now) {
    const wireguard::Session* session = side_.peer->SendSession(now.boot);
    Bytes datagram(wireguard::kTransportOverhead + plaintext.size());
    wireguard::WriteTransportHeader(datagram.data(), session->remote_index, counter);
    std::ranges::copy(plaintext, datagram.begin() + wireguard::kTransportHeaderSize);
    const crypto::SealJob job{datagram.data() + wireguard::kTransportHeaderSize,
                              static_cast<std::uint32_t>(plaintext.size()), counter};
    target_.aead->Seal(session->send_key.bytes(), {&job, 1});
    return datagram;
  }
  void Deliver(Bytes datagram, Now now) { target_.Receive(std::move(datagram), endpoint, now); }

  const Endpoint endpoint;

 private:
  Side side_;
  EngineHost& target_;
};

// The mac1 that belongs to a handshake message for this responder: anybody who knows its public key
// can make it.
inline void FixMac1(Bytes& message, const PublicKey& responder) {
  constexpr std::size_t kMacs = 32;
  if (message.size() < kMacs) {
    return;
  }
  const crypto::Hash key = crypto::Blake2s({wireguard::kMac1Label, responder.bytes()});
  const crypto::Mac mac =
      crypto::KeyedBlake2s128(key, ByteSpan(message).first(message.size() - kMacs));
  std::ranges::copy(mac, message.end() - kMacs);
}

}  // namespace adit::testing
