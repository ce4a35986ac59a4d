// Rules R1 to R5 and R13 of the WireGuard contract, on the protocol without an engine.
#include <set>

#include "dataplane/wireguard/constants.h"
#include "tests/dataplane/crypto/vectors.h"
#include "tests/dataplane/wireguard/side.h"

namespace adit::wireguard {
namespace {

using packet::DropReason;
using testing::ForgeInitiation;
using testing::Initiation;
using testing::Response;
using testing::Side;
using HandshakeRules = testing::ProtocolPair;

// Every published public key whose Diffie-Hellman result is all zero.
std::vector<PublicKey> LowOrderKeys() {
  std::vector<PublicKey> keys;
  const auto file = crypto::ReadVectors("wycheproof_x25519.json");
  for (const auto& vector : file.at("vectors")) {
    if (crypto::IsAllZero(crypto::Bytes(vector, "shared"))) {
      keys.emplace_back(crypto::BytesOf<32>(vector, "public"));
    }
  }
  return keys;
}

TEST_F(HandshakeRules, R01_NoInitiationIsMadeForALowOrderPeer) {
  const auto keys = LowOrderKeys();
  ASSERT_GE(keys.size(), 7U);
  for (const PublicKey& key : keys) {
    Side side(5);
    side.MakePeer(key);
    side.peer->RequestHandshake(now_.boot);
    EXPECT_EQ(side.Poll(now_), std::nullopt) << key.ToHex();
    EXPECT_EQ(side.indices.size(), 0U);
    EXPECT_EQ(side.peer->NextTimeout(), Instant::Max()) << "nothing to repeat";
  }
}

TEST_F(HandshakeRules, R01_AnInitiationWithALowOrderEphemeralIsRefused) {
  const Initiation good = Initiate(a_);
  Response response{};
  for (const PublicKey& key : LowOrderKeys()) {
    Initiation bad = good;
    std::ranges::copy(key.bytes(), bad.begin() + 8);
    EXPECT_EQ(b_.Consume(bad, now_, response), DropReason::kHandshakeFailed);
  }
  EXPECT_EQ(b_.Consume(good, now_, response), std::nullopt);
}

TEST_F(HandshakeRules, R01_AnInitiationOfALowOrderStaticKeyIsRefused) {
  b_.MakePeer(PublicKey());  // configured by mistake: its ss would be all zero
  Response response{};
  const std::array<std::uint8_t, 32> secret{1};
  const Initiation forged =
      ForgeInitiation(secret, PublicKey(), b_.identity.public_key(), a_.NextTimestamp(now_.wall));
  ASSERT_TRUE(std::holds_alternative<OpenedInitiation>(OpenInitiation(b_.identity, forged)))
      << "the stateless part is right";
  EXPECT_EQ(b_.Consume(forged, now_, response), DropReason::kHandshakeFailed);
  EXPECT_EQ(b_.indices.size(), 0U);
}

TEST_F(HandshakeRules, R01_AResponseWithALowOrderEphemeralIsRefused) {
  const Initiation initiation = Initiate(a_);
  const Response good = Respond(b_, initiation);
  for (const PublicKey& key : LowOrderKeys()) {
    Response bad = good;
    std::ranges::copy(key.bytes(), bad.begin() + 12);
    EXPECT_EQ(a_.peer->HandleResponse(bad, now_), DropReason::kHandshakeFailed);
  }
  EXPECT_EQ(a_.peer->HandleResponse(good, now_), std::nullopt);
}

TEST_F(HandshakeRules, R02_AnyFailureOfAnInitiationLeavesAllStateUntouched) {
  Handshake(a_, b_);
  Advance(seconds(1));
  const Tai64n timestamp = b_.peer->greatest_timestamp();
  const std::size_t indices = b_.indices.size();
  const std::size_t secrets = b_.arena->slots_in_use();
  const Instant timeout = b_.peer->NextTimeout();
  const Session* current = b_.peer->SendSession(now_.boot);
  const auto expect_untouched = [&] {
    EXPECT_EQ(b_.peer->greatest_timestamp(), timestamp);
    EXPECT_EQ(b_.indices.size(), indices);
    EXPECT_EQ(b_.arena->slots_in_use(), secrets);
    EXPECT_EQ(b_.peer->NextTimeout(), timeout);
    EXPECT_EQ(b_.peer->SendSession(now_.boot), current);
  };
  a_.peer->RequestHandshake(now_.boot);
  const Now later{now_.boot + seconds(6), now_.wall + seconds(6)};
  const Initiation good = *a_.Poll(later);
  Response response{};
  for (std::size_t i = 8; i < 116; ++i) {  // the macs are checked before
    Initiation bad = good;
    bad[i] ^= 0x04;
    EXPECT_EQ(b_.Consume(bad, now_, response), DropReason::kHandshakeFailed) << i;
  }
  expect_untouched();

  // An old timestamp, the same one, and one of another key.
  for (const Tai64n& stale : {Tai64n{}, timestamp}) {
    EXPECT_EQ(b_.Consume(ForgeInitiation(a_.private_key, a_.identity.public_key(),
                                         b_.identity.public_key(), stale),
                         now_, response),
              DropReason::kHandshakeReplayed);
  }
  EXPECT_EQ(b_.Consume(ForgeInitiation(b_.private_key, a_.identity.public_key(),
                                       b_.identity.public_key(), a_.NextTimestamp(later.wall)),
                       now_, response),
            DropReason::kHandshakeFailed)
      << "a claimed static key without its private key";
  expect_untouched();
  EXPECT_EQ(b_.Consume(good, now_, response), std::nullopt);
}

TEST_F(HandshakeRules, R02_AtMostFiftyInitiationsASecondAreAcceptedFromAPeer) {
  Response response{};
  const auto initiation = [&](std::uint64_t seed) {
    return ForgeInitiation(a_.private_key, a_.identity.public_key(), b_.identity.public_key(),
                           a_.NextTimestamp(now_.wall), seed);
  };
  EXPECT_EQ(b_.Consume(initiation(1), now_, response), std::nullopt);
  Advance(milliseconds(19));
  EXPECT_EQ(b_.Consume(initiation(2), now_, response), DropReason::kHandshakeRateLimited);
  Advance(milliseconds(1));
  EXPECT_EQ(b_.Consume(initiation(3), now_, response), std::nullopt);
  EXPECT_LE(b_.indices.size(), 2U);
}

TEST_F(HandshakeRules, R03_ForgedAndLateResponsesDoNotSpoilTheHandshakeUnderWay) {
  const Response late = Respond(b_, Initiate(a_));
  const Response good = Respond(b_, Initiate(a_));
  EXPECT_EQ(a_.peer->HandleResponse(late, now_), DropReason::kUnknownIndex);
  for (std::size_t i = 8; i < 60; ++i) {
    Response forged = good;
    forged[i] ^= 1;
    EXPECT_EQ(a_.peer->HandleResponse(forged, now_),
              i < 12 ? DropReason::kUnknownIndex : DropReason::kHandshakeFailed)
        << i;
  }
  EXPECT_EQ(a_.peer->HandleResponse(good, now_), std::nullopt);
  const Session* session = a_.peer->SendSession(now_.boot);
  EXPECT_EQ(a_.peer->HandleResponse(good, now_), DropReason::kUnknownIndex);
  EXPECT_EQ(a_.peer->SendSession(now_.boot), session);
}

TEST_F(HandshakeRules, R04_TheResponderDoesNotSendBeforeTheInitiatorWasHeard) {
  Handshake(a_, b_, false);
  EXPECT_NE(a_.peer->SendSession(now_.boot), nullptr);
  EXPECT_EQ(b_.peer->SendSession(now_.boot), nullptr);
  EXPECT_EQ(b_.peer->last_handshake(), std::nullopt) << "not completed";
}

TEST_F(HandshakeRules, R04_BothEndsShareKeysAndDirections) {
  const Initiation initiation = Initiate(a_);
  const Response response = Respond(b_, initiation);
  ASSERT_EQ(a_.peer->HandleResponse(response, now_), std::nullopt);
  Session* ours = a_.SessionOf(initiation);
  Session* theirs = b_.SessionOf(response);
  ASSERT_NE(ours, nullptr) << "the handshake's index became the session's";
  ASSERT_NE(theirs, nullptr);
  EXPECT_TRUE(crypto::ConstantTimeEqual(ours->send_key.bytes(), theirs->receive_key.bytes()));
  EXPECT_TRUE(crypto::ConstantTimeEqual(ours->receive_key.bytes(), theirs->send_key.bytes()));
  EXPECT_FALSE(crypto::ConstantTimeEqual(ours->send_key.bytes(), ours->receive_key.bytes()));
  EXPECT_EQ(ours->remote_index, theirs->local_index);
  EXPECT_EQ(theirs->remote_index, ours->local_index);
  EXPECT_TRUE(b_.peer->OnAuthenticated(*theirs, true, now_.boot)) << "staged packets can go";
  EXPECT_EQ(b_.peer->SendSession(now_.boot), theirs);
  EXPECT_EQ(b_.peer->last_handshake(), now_.wall);
}

TEST_F(HandshakeRules, R04_SimultaneousInitiationsLeaveBothEndsAbleToSend) {
  const Initiation from_a = Initiate(a_);
  b_.peer->RequestHandshake(now_.boot);
  const Initiation from_b = *b_.Poll(now_);
  const Response by_a = Respond(a_, from_b);
  const Response by_b = Respond(b_, from_a);
  ASSERT_EQ(a_.peer->HandleResponse(by_b, now_), std::nullopt);
  ASSERT_EQ(b_.peer->HandleResponse(by_a, now_), std::nullopt);
  const auto expect_receivable = [&](Side& sender, Side& receiver) {
    const Session* out = sender.peer->SendSession(now_.boot);
    ASSERT_NE(out, nullptr);
    const auto* in = receiver.indices.Find(out->remote_index);
    ASSERT_TRUE(in != nullptr && in->session != nullptr);
    EXPECT_TRUE(crypto::ConstantTimeEqual(out->send_key.bytes(), in->session->receive_key.bytes()));
  };
  expect_receivable(a_, b_);
  expect_receivable(b_, a_);
}

TEST_F(HandshakeRules, R05_BackToBackInitiationsHoldOneIndexAndOneSetOfKeys) {
  (void)Initiate(a_);
  const std::size_t secrets = a_.arena->slots_in_use();
  std::set<std::uint32_t> seen;
  for (int i = 0; i < 500; ++i) {
    const Initiation message = Initiate(a_);
    seen.insert(LoadLe32(message.data() + kSenderAt));
    ASSERT_EQ(a_.indices.size(), 1U);
    ASSERT_EQ(a_.arena->slots_in_use(), secrets);
  }
  EXPECT_GE(seen.size(), 499U) << "each handshake has an index of its own";
}

TEST_F(HandshakeRules, R05_NoHistoryHoldsMoreThanThreeIndicesAndRemovalFreesAll) {
  const std::size_t secrets = a_.arena->slots_in_use();
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    testing::SeededRandom random(seed);
    a_.MakePeer(b_.identity.public_key());
    b_.MakePeer(a_.identity.public_key());
    std::optional<Initiation> to_a;
    std::optional<Initiation> to_b;
    for (int i = 0; i < 200; ++i) {
      Side& side = random.Below(2) == 0 ? a_ : b_;
      Side& other = &side == &a_ ? b_ : a_;
      switch (random.Below(3)) {
        case 0:
          (&side == &a_ ? to_b : to_a) = Initiate(side);
          break;
        case 1:
          if (auto& message = &side == &a_ ? to_a : to_b; message) {
            Response response{};
            if (!side.Consume(*message, now_, response)) {
              (void)other.peer->HandleResponse(response, now_);
              if (random.Below(2) == 0) {
                (void)side.peer->OnAuthenticated(*side.SessionOf(response), true, now_.boot);
              }
            }
            message.reset();
          }
          break;
        default:
          Advance(seconds(static_cast<int>(random.Below(200))));
          (void)side.peer->HandleTimeout(now_);
      }
      ASSERT_LE(a_.indices.size(), 3U) << "two sessions and a handshake";
      ASSERT_LE(b_.indices.size(), 3U);
    }
    a_.peer.reset();
    EXPECT_EQ(a_.indices.size(), 0U);
    EXPECT_EQ(a_.arena->slots_in_use(), secrets) << "R14: no key outlives its peer";
  }
}

TEST_F(HandshakeRules, R13_APresharedKeyAffectsTheNextHandshakeAndKeepsTheLiveSession) {
  Handshake(a_, b_);
  const Session* session = a_.peer->SendSession(now_.boot);
  std::array<std::uint8_t, 32> psk{};
  a_.random.Fill(psk);
  ASSERT_TRUE(a_.peer->SetPresharedKey(std::span<const std::uint8_t, 32>(psk)));
  EXPECT_EQ(a_.peer->SendSession(now_.boot), session);
  // Only one end has it: the response does not open.
  const Response response = Respond(b_, Initiate(a_));
  EXPECT_EQ(a_.peer->HandleResponse(response, now_), DropReason::kHandshakeFailed);
  ASSERT_TRUE(b_.peer->SetPresharedKey(std::span<const std::uint8_t, 32>(psk)));
  Handshake(a_, b_);
  EXPECT_NE(a_.peer->SendSession(now_.boot), session);
  ASSERT_TRUE(a_.peer->SetPresharedKey(std::nullopt));
  ASSERT_TRUE(b_.peer->SetPresharedKey(std::nullopt));
  EXPECT_FALSE(a_.peer->has_preshared_key());
  Handshake(a_, b_);
}

TEST_F(HandshakeRules, R13_ANewPrivateKeyEndsSendingAndTheHandshakeUnderWay) {
  Handshake(a_, b_);
  const Initiation under_way = Initiate(a_);
  const Response response = Respond(b_, under_way);
  std::array<std::uint8_t, 32> key{};
  a_.random.Fill(key);
  ASSERT_TRUE(a_.identity.SetPrivateKey(key));
  a_.peer->OnIdentityChanged();
  EXPECT_EQ(a_.peer->SendSession(now_.boot), nullptr);
  EXPECT_TRUE(a_.peer->has_session(now_.boot)) << "what is on its way can still be opened";
  EXPECT_EQ(a_.peer->HandleResponse(response, now_), DropReason::kUnknownIndex);
  // The static-static secret is computed anew: a handshake with the new key works.
  b_.MakePeer(a_.identity.public_key());
  Handshake(a_, b_);
}

TEST_F(HandshakeRules, R14_ClearErasesKeysIndicesAndTimers) {
  Handshake(a_, b_);
  (void)Initiate(a_);
  Handshake(b_, a_, false);
  a_.peer->Clear();
  EXPECT_EQ(a_.indices.size(), 0U);
  EXPECT_EQ(a_.peer->NextTimeout(), Instant::Max());
  EXPECT_EQ(a_.peer->SendSession(now_.boot), nullptr);
  EXPECT_EQ(a_.arena->slots_in_use(), 1U) << "the own private key";
  Handshake(a_, b_);
}

TEST_F(HandshakeRules, R17_ARestoredTimestampRefusesAReplayAfterARestart) {
  const Initiation recorded = Initiate(a_);
  (void)Respond(b_, recorded);
  const Tai64n greatest = b_.peer->greatest_timestamp();
  b_.MakePeer(a_.identity.public_key());
  b_.peer->RestoreGreatestTimestamp(greatest);
  Response response{};
  EXPECT_EQ(b_.Consume(recorded, now_, response), DropReason::kHandshakeReplayed);
  b_.peer->RestoreGreatestTimestamp(Tai64n{});
  EXPECT_EQ(b_.peer->greatest_timestamp(), greatest) << "never lowered";
  Handshake(a_, b_);
}

}  // namespace
}  // namespace adit::wireguard
