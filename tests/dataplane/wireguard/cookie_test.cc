#include "dataplane/wireguard/cookie.h"

#include <gtest/gtest.h>

#include "dataplane/crypto/handshake_aead.h"
#include "dataplane/wireguard/constants.h"
#include "dataplane/wireguard/labels.h"
#include "tests/dataplane/crypto/vectors.h"
#include "tests/dataplane/wireguard/side.h"

namespace adit::wireguard {
namespace {

using crypto::Bytes;
using crypto::BytesOf;
using Buffer = std::vector<std::uint8_t>;
using testing::Initiation;
using testing::Response;
using testing::Side;

// Hands out scripted bytes: the cookie secret and the nonce of the vectors.
class ScriptedRandom final : public RandomSource {
 public:
  explicit ScriptedRandom(std::vector<Buffer> script) : script_(std::move(script)) {}
  void Fill(MutableByteSpan out) override {
    ASSERT_FALSE(script_.empty());
    ASSERT_EQ(script_.front().size(), out.size());
    std::ranges::copy(script_.front(), out.begin());
    script_.erase(script_.begin());
  }

 private:
  std::vector<Buffer> script_;
};

class CookieVectors : public ::testing::Test {
 protected:
  CookieVectors()
      : vectors_(crypto::ReadVectors("cookie.json")),
        arena_(std::move(*crypto::SecretArena::Make(16))),
        identity_(*arena_) {
    EXPECT_TRUE(identity_.SetPrivateKey(BytesOf<32>(vectors_, "responder_private")));
  }
  // The vectors' messages are of any length; the macs are their last 32 bytes.
  static Buffer WithMacs(const nlohmann::json& entry) {
    Buffer message = Bytes(entry, "message");
    std::ranges::copy(Bytes(entry, "mac1"), message.end() - 32);
    if (entry.contains("mac2")) {
      std::ranges::copy(Bytes(entry, "mac2"), message.end() - 16);
    }
    return message;
  }

  nlohmann::json vectors_;
  std::unique_ptr<crypto::SecretArena> arena_;
  LocalIdentity identity_;
};

TEST_F(CookieVectors, TheIdentityGivesTheMac1Key) {
  EXPECT_EQ(identity_.public_key(), PublicKey(BytesOf<32>(vectors_, "responder_public")));
  EXPECT_EQ(identity_.mac1_key(), BytesOf<32>(vectors_, "mac1_key"));
  EXPECT_EQ(crypto::Blake2s({kCookieLabel, identity_.public_key().bytes()}),
            BytesOf<32>(vectors_, "cookie_key"));
}

TEST_F(CookieVectors, Mac1IsCheckedAsPublished) {
  testing::SeededRandom random(1);
  CookieSecret secret(random);
  const CookieChecker checker(identity_, secret, random);
  ASSERT_FALSE(vectors_.at("mac1_messages").empty());
  for (const auto& entry : vectors_.at("mac1_messages")) {
    Buffer message = WithMacs(entry);
    EXPECT_TRUE(checker.IsMac1Valid(message));
    for (std::size_t i = 0; i + 16 < message.size(); ++i) {
      message[i] ^= 1;
      EXPECT_FALSE(checker.IsMac1Valid(message)) << i;
      message[i] ^= 1;
    }
  }
}

// The published cookie is of an opaque source of 7 bytes; a cookie for an endpoint is computed here
// from its definition, so both the source's encoding and the sealing are fixed.
TEST_F(CookieVectors, TheReplySealsTheCookieOfTheSource) {
  const Buffer secret = Bytes(vectors_, "cookie_secret");
  EXPECT_EQ(crypto::KeyedBlake2s128(secret, Bytes(vectors_, "source")),
            BytesOf<16>(vectors_, "cookie"));
  const auto& reply_vector = vectors_.at("reply");
  const Buffer nonce = Bytes(reply_vector, "nonce");
  Buffer plain(16);
  ASSERT_TRUE(crypto::XChaCha20Poly1305Open(
      BytesOf<32>(vectors_, "cookie_key"), BytesOf<24>(reply_vector, "nonce"),
      Bytes(reply_vector, "sealed_cookie"), Bytes(reply_vector, "mac1"), plain));
  EXPECT_EQ(plain, Bytes(vectors_, "cookie"));

  for (const char* text : {"192.168.13.37:2570", "[2001:db8::7]:2571"}) {
    const Endpoint source = *Endpoint::Parse(text);
    ScriptedRandom random({secret, nonce});
    CookieSecret drawn(random);
    CookieChecker checker(identity_, drawn, random);
    const Buffer message = WithMacs(reply_vector);
    std::array<std::uint8_t, kCookieReplySize> reply{};
    checker.WriteReply(message, source, Instant(seconds(5)), reply);
    EXPECT_EQ(LoadLe32(reply.data()), 3U);
    EXPECT_TRUE(std::equal(message.begin() + 4, message.begin() + 8, reply.begin() + 4));
    EXPECT_TRUE(std::equal(nonce.begin(), nonce.end(), reply.begin() + 8));
    Buffer address_and_port(source.address.bytes().begin(), source.address.bytes().end());
    address_and_port.push_back(0x0a);  // 2570 and 2571, big endian
    address_and_port.push_back(static_cast<std::uint8_t>(source.port & 0xff));
    const crypto::Mac cookie = crypto::KeyedBlake2s128(secret, address_and_port);
    Buffer opened(16);
    ASSERT_TRUE(crypto::XChaCha20Poly1305Open(
        BytesOf<32>(vectors_, "cookie_key"), std::span<const std::uint8_t, 24>(nonce),
        std::span(reply).subspan(32), Bytes(reply_vector, "mac1"), opened));
    EXPECT_TRUE(std::equal(opened.begin(), opened.end(), cookie.begin()));
  }
}

TEST_F(CookieVectors, Mac2IsTheCookieOverTheMessageWithItsMac1) {
  for (const char* list : {"mac1_messages", "mac2_messages"}) {
    ASSERT_FALSE(vectors_.at(list).empty());
    for (const auto& entry : vectors_.at(list)) {
      const Buffer message = WithMacs(entry);
      EXPECT_EQ(crypto::KeyedBlake2s128(Bytes(vectors_, "cookie"),
                                        ByteSpan(message).first(message.size() - 16)),
                BytesOf<16>(entry, "mac2"));
    }
  }
}

class CookieRules : public testing::ProtocolPair {
 protected:
  std::array<std::uint8_t, kCookieReplySize> ReplyTo(ByteSpan message) {
    std::array<std::uint8_t, kCookieReplySize> reply{};
    checker_.WriteReply(message, source_, now_.boot, reply);
    return reply;
  }
  Initiation Retransmit(Side& side) {
    Advance(seconds(6));
    (void)side.peer->HandleTimeout(now_);
    const auto message = side.Poll(now_);
    EXPECT_TRUE(message.has_value());
    return message.value_or(Initiation{});
  }

  Endpoint source_ = *Endpoint::Parse("192.0.2.1:1111");
  CookieSecret secret_{b_.random};
  CookieChecker checker_{b_.identity, secret_, b_.random};
};

TEST_F(CookieRules, R12_TheNextRetransmitCarriesMac2) {
  const Initiation first = Initiate(a_);
  EXPECT_EQ(checker_.Check(first, source_, now_.boot), MacCheck::kMac1Only);
  EXPECT_EQ(a_.peer->HandleCookieReply(ReplyTo(first), now_.boot), std::nullopt);
  EXPECT_EQ(a_.Poll(now_), std::nullopt) << "not at once";
  const Initiation second = Retransmit(a_);
  EXPECT_EQ(checker_.Check(second, source_, now_.boot), MacCheck::kMac1AndCookie);
  EXPECT_EQ(checker_.Check(second, *Endpoint::Parse("192.0.2.1:1112"), now_.boot),
            MacCheck::kMac1Only)
      << "another port";
  EXPECT_EQ(checker_.Check(second, *Endpoint::Parse("192.0.2.2:1111"), now_.boot),
            MacCheck::kMac1Only)
      << "another address";
}

TEST_F(CookieRules, R12_AResponderKeepsACookieToo) {
  const Response response = Respond(b_, Initiate(a_));
  CookieSecret secret(a_.random);
  CookieChecker checker(a_.identity, secret, a_.random);
  EXPECT_EQ(checker.Check(response, source_, now_.boot), MacCheck::kMac1Only);
  std::array<std::uint8_t, kCookieReplySize> reply{};
  checker.WriteReply(response, source_, now_.boot, reply);
  EXPECT_EQ(b_.peer->HandleCookieReply(reply, now_.boot), std::nullopt);
  const Response next = Respond(b_, Initiate(a_));
  EXPECT_EQ(checker.Check(next, source_, now_.boot), MacCheck::kMac1AndCookie);
}

TEST_F(CookieRules, R12_AReplyCountsOnlyAfterAMac1WasSentAndOnlyOnce) {
  Side stranger(40);
  stranger.MakePeer(b_.identity.public_key());
  const Initiation first = Initiate(a_);
  const auto reply = ReplyTo(first);
  EXPECT_EQ(stranger.peer->HandleCookieReply(reply, now_.boot), packet::DropReason::kBadCookieReply)
      << "nothing was sent";
  EXPECT_EQ(a_.peer->HandleCookieReply(reply, now_.boot), std::nullopt);
  EXPECT_EQ(a_.peer->HandleCookieReply(reply, now_.boot), packet::DropReason::kBadCookieReply)
      << "no mac1 was sent since";
}

TEST_F(CookieRules, R12_AForgedReplyIsIgnoredAndTheRightOneStillCounts) {
  const Initiation first = Initiate(a_);
  const auto reply = ReplyTo(first);
  for (std::size_t i = 8; i < reply.size(); ++i) {
    auto forged = reply;
    forged[i] ^= 0x40;
    EXPECT_EQ(a_.peer->HandleCookieReply(forged, now_.boot), packet::DropReason::kBadCookieReply);
  }
  EXPECT_EQ(a_.peer->HandleCookieReply(reply, now_.boot), std::nullopt);
}

TEST_F(CookieRules, R12_AReplyToAnOlderMessageDoesNotOpen) {
  const auto old_reply = ReplyTo(Initiate(a_));
  (void)Retransmit(a_);
  EXPECT_EQ(a_.peer->HandleCookieReply(old_reply, now_.boot), packet::DropReason::kBadCookieReply)
      << "its mac1 is another";
}

TEST_F(CookieRules, R12_ACookieIsUsedFor115SecondsAndAcceptedWhileItsSecretLives) {
  const Initiation first = Initiate(a_);
  const Instant made = now_.boot;
  EXPECT_EQ(a_.peer->HandleCookieReply(ReplyTo(first), now_.boot), std::nullopt);
  Advance(made + seconds(114) - now_.boot);
  (void)a_.peer->HandleTimeout(now_);
  const Initiation late = *a_.Poll(now_);
  EXPECT_EQ(checker_.Check(late, source_, now_.boot), MacCheck::kMac1AndCookie);
  EXPECT_EQ(checker_.Check(late, source_, made + kCookieSecretLifetime), MacCheck::kMac1Only)
      << "the secret's time is over";
  const Initiation later = Retransmit(a_);
  EXPECT_TRUE(crypto::IsAllZero(ByteSpan(later).last(16))) << "the cookie's time is over";
}

}  // namespace
}  // namespace adit::wireguard
