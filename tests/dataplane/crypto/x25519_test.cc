#include "dataplane/crypto/x25519.h"

#include <gtest/gtest.h>

#include "tests/dataplane/crypto/vectors.h"

namespace adit::crypto {
namespace {

using Key = std::array<std::uint8_t, 32>;

Key Shared(const Key& scalar, const Key& u) {
  SymmetricKey out;
  EXPECT_TRUE(X25519(scalar, PublicKey(u), out));
  Key key{};
  std::copy(out.bytes().begin(), out.bytes().end(), key.begin());
  return key;
}

Key KeyOf(const PublicKey& key) {
  Key out{};
  std::copy(key.bytes().begin(), key.bytes().end(), out.begin());
  return out;
}

TEST(X25519, GivesTheValuesOfTheRfc) {
  const nlohmann::json file = ReadVectors("x25519_rfc7748.json");
  int count = 0;
  for (const nlohmann::json& vector : file.at("vectors")) {
    ++count;
    EXPECT_EQ(Shared(BytesOf<32>(vector, "scalar"), BytesOf<32>(vector, "u")),
              BytesOf<32>(vector, "out"));
  }
  EXPECT_EQ(count, 2);
}

TEST(X25519, GivesTheIteratedValuesOfTheRfc) {
  const nlohmann::json file = ReadVectors("x25519_rfc7748.json").at("iterated");
  Key k = BytesOf<32>(file, "start");
  Key u = k;
  for (int i = 1; i <= 1000; ++i) {
    const Key next = Shared(k, u);
    u = k;
    k = next;
    if (i == 1) {
      EXPECT_EQ(k, BytesOf<32>(file, "after_1"));
    }
  }
  EXPECT_EQ(k, BytesOf<32>(file, "after_1000"));
}

TEST(X25519, AgreesOnTheSecretOfTheRfc) {
  const nlohmann::json file = ReadVectors("x25519_rfc7748.json").at("diffie_hellman");
  const Key alice = BytesOf<32>(file, "alice_private");
  const Key bob = BytesOf<32>(file, "bob_private");
  EXPECT_EQ(KeyOf(DerivePublicKey(alice)), BytesOf<32>(file, "alice_public"));
  EXPECT_EQ(KeyOf(DerivePublicKey(bob)), BytesOf<32>(file, "bob_public"));
  EXPECT_EQ(Shared(alice, BytesOf<32>(file, "bob_public")), BytesOf<32>(file, "shared"));
  EXPECT_EQ(Shared(bob, BytesOf<32>(file, "alice_public")), BytesOf<32>(file, "shared"));
}

// Every valid and acceptable vector has its result, and exactly those with an all-zero result are
// refused, with the output zeroed.
TEST(X25519, PassesWycheproofAndRefusesLowOrderPoints) {
  int computed = 0;
  int refused = 0;
  const nlohmann::json file = ReadVectors("wycheproof_x25519.json");
  for (const nlohmann::json& vector : file.at("vectors")) {
    const auto want = BytesOf<32>(vector, "shared");
    SymmetricKey out{Key{0xff}};
    const bool done =
        X25519(BytesOf<32>(vector, "private"), PublicKey(BytesOf<32>(vector, "public")), out);
    EXPECT_NE(done, IsAllZero(want)) << vector.at("tcId");
    EXPECT_TRUE(ConstantTimeEqual(out.bytes(), want)) << vector.at("tcId");
    (done ? computed : refused) += 1;
  }
  EXPECT_EQ(computed + refused, 518);
  EXPECT_GE(refused, 20);
}

TEST(X25519, ClampsAPrivateKey) {
  Key key{};
  key.fill(0xff);
  ClampPrivateKey(key);
  EXPECT_EQ(key[0], 0xf8);
  EXPECT_EQ(key[1], 0xff);
  EXPECT_EQ(key[31], 0x7f);
  key.fill(0);
  ClampPrivateKey(key);
  EXPECT_EQ(key[0], 0);
  EXPECT_EQ(key[31], 0x40);
}

TEST(X25519, TreatsAnUnclampedKeyAsItsClampedOne) {
  Key key{};
  key.fill(0xa7);
  Key clamped = key;
  ClampPrivateKey(clamped);
  EXPECT_NE(key, clamped);
  EXPECT_EQ(DerivePublicKey(key), DerivePublicKey(clamped));
}

}  // namespace
}  // namespace adit::crypto
