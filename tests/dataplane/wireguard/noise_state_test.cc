#include "dataplane/wireguard/noise_state.h"

#include <gtest/gtest.h>

#include "dataplane/crypto/handshake_aead.h"
#include "dataplane/crypto/x25519.h"
#include "tests/dataplane/crypto/vectors.h"

namespace adit::wireguard {
namespace {

using crypto::Bytes;
using crypto::BytesOf;
using Buffer = std::vector<std::uint8_t>;

struct KeyPair {
  explicit KeyPair(const std::array<std::uint8_t, 32>& private_bytes)
      : secret(private_bytes), open(crypto::DerivePublicKey(private_bytes)) {}
  std::array<std::uint8_t, 32> secret;
  PublicKey open;
};

Buffer Seal(NoiseState& noise, const Buffer& plaintext) {
  Buffer sealed(plaintext.size() + 16);
  noise.Seal(plaintext, sealed);
  return sealed;
}

// The published IKpsk2 handshake, both messages and the transport messages after it, written with
// the same steps as initiation.cc and peer_handshake.cc.
TEST(NoiseState, SpeaksThePublishedIkpsk2Handshake) {
  const auto vectors = crypto::ReadVectors("noise_ikpsk2.json");
  ASSERT_FALSE(vectors.at("vectors").empty());
  for (const auto& vector : vectors.at("vectors")) {
    const KeyPair init_static(BytesOf<32>(vector, "init_static"));
    const KeyPair init_ephemeral(BytesOf<32>(vector, "init_ephemeral"));
    const KeyPair resp_static(BytesOf<32>(vector, "resp_static"));
    const KeyPair resp_ephemeral(BytesOf<32>(vector, "resp_ephemeral"));
    const auto psk = BytesOf<32>(vector, "psk");
    const Buffer prologue = Bytes(vector, "prologue");
    const auto& messages = vector.at("messages");
    ASSERT_EQ(resp_static.open, PublicKey(BytesOf<32>(vector, "resp_static_public")));

    // -> e, es, s, ss
    NoiseState initiator = NoiseState::Begin(prologue, resp_static.open);
    initiator.MixEphemeral(init_ephemeral.open);
    ASSERT_TRUE(initiator.MixDh(init_ephemeral.secret, resp_static.open));
    Buffer first(init_ephemeral.open.bytes().begin(), init_ephemeral.open.bytes().end());
    const Buffer own_static(init_static.open.bytes().begin(), init_static.open.bytes().end());
    for (const std::uint8_t byte : Seal(initiator, own_static)) {
      first.push_back(byte);
    }
    ASSERT_TRUE(initiator.MixDh(init_static.secret, resp_static.open));
    for (const std::uint8_t byte : Seal(initiator, Bytes(messages[0], "payload"))) {
      first.push_back(byte);
    }
    ASSERT_EQ(first, Bytes(messages[0], "ciphertext"));

    // The responder reads it from the published bytes.
    NoiseState responder = NoiseState::Begin(prologue, resp_static.open);
    responder.MixEphemeral(init_ephemeral.open);
    ASSERT_TRUE(responder.MixDh(resp_static.secret, init_ephemeral.open));
    Buffer read_static(32);
    ASSERT_TRUE(responder.Open(ByteSpan(first).subspan(32, 48), read_static));
    ASSERT_EQ(read_static, own_static);
    ASSERT_TRUE(responder.MixDh(resp_static.secret, init_static.open));
    Buffer payload(first.size() - 96);
    ASSERT_TRUE(responder.Open(ByteSpan(first).subspan(80), payload));
    ASSERT_EQ(payload, Bytes(messages[0], "payload"));
    ASSERT_EQ(initiator.hash(), responder.hash());

    // <- e, ee, se, psk
    responder.MixEphemeral(resp_ephemeral.open);
    ASSERT_TRUE(responder.MixDh(resp_ephemeral.secret, init_ephemeral.open));
    ASSERT_TRUE(responder.MixDh(resp_ephemeral.secret, init_static.open));
    responder.MixPresharedKey(psk);
    Buffer second(resp_ephemeral.open.bytes().begin(), resp_ephemeral.open.bytes().end());
    for (const std::uint8_t byte : Seal(responder, Bytes(messages[1], "payload"))) {
      second.push_back(byte);
    }
    ASSERT_EQ(second, Bytes(messages[1], "ciphertext"));

    initiator.MixEphemeral(resp_ephemeral.open);
    ASSERT_TRUE(initiator.MixDh(init_ephemeral.secret, resp_ephemeral.open));
    ASSERT_TRUE(initiator.MixDh(init_static.secret, resp_ephemeral.open));
    initiator.MixPresharedKey(psk);
    payload.resize(second.size() - 48);
    ASSERT_TRUE(initiator.Open(ByteSpan(second).subspan(32), payload));
    ASSERT_EQ(payload, Bytes(messages[1], "payload"));
    ASSERT_EQ(initiator.hash(), responder.hash());
    ASSERT_EQ(initiator.hash(), BytesOf<32>(vector, "handshake_hash"));

    crypto::SymmetricKey to_responder;
    crypto::SymmetricKey to_initiator;
    initiator.Split(to_responder, to_initiator);
    for (std::size_t i = 2; i < messages.size(); ++i) {
      const auto& key = i % 2 == 0 ? to_responder : to_initiator;
      const Buffer plain = Bytes(messages[i], "payload");
      Buffer sealed(plain.size() + 16);
      crypto::ChaCha20Poly1305Seal(key.bytes(), (i - 2) / 2, plain, {}, sealed);
      ASSERT_EQ(sealed, Bytes(messages[i], "ciphertext")) << i;
    }
  }
}

TEST(NoiseState, AChangedByteAnywhereDoesNotOpenAndLeavesTheHash) {
  NoiseState writer = NoiseState::Begin({}, PublicKey());
  const Buffer secret(32, 5);
  writer.MixKey(secret);
  NoiseState reader = writer;
  const Buffer sealed = Seal(writer, Buffer(48, 7));
  const crypto::Hash before = reader.hash();
  Buffer out(48);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    Buffer changed = sealed;
    changed[i] ^= 0x10;
    EXPECT_FALSE(reader.Open(changed, out));
    EXPECT_EQ(reader.hash(), before);
  }
  EXPECT_TRUE(reader.Open(sealed, out));
}

TEST(NoiseState, R01_ALowOrderPointGivesNoKey) {
  std::array<std::uint8_t, 32> secret{};
  secret.fill(9);
  std::array<std::uint8_t, 32> one{};
  one[0] = 1;
  NoiseState noise = NoiseState::Begin({}, PublicKey());
  EXPECT_FALSE(noise.MixDh(secret, PublicKey()));
  EXPECT_FALSE(noise.MixDh(secret, PublicKey(one)));
}

}  // namespace
}  // namespace adit::wireguard
