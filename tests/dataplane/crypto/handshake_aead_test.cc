#include "dataplane/crypto/handshake_aead.h"

#include <sodium.h>

#include <gtest/gtest.h>

#include "tests/dataplane/crypto/vectors.h"

namespace adit::crypto {
namespace {

using Buffer = std::vector<std::uint8_t>;

// Ciphertext and tag in a row, as the functions take and give them.
Buffer Sealed(const nlohmann::json& vector) {
  Buffer sealed = Bytes(vector, "ct");
  const Buffer tag = Bytes(vector, "tag");
  sealed.insert(sealed.end(), tag.begin(), tag.end());
  return sealed;
}

// The nonces of most vectors are not WireGuard's, whose first four bytes are zero: those vectors go
// straight to libsodium, which is the reference of the batch providers' self-check.
TEST(ChaCha20Poly1305, PassesWycheproof) {
  int through_the_api = 0;
  int through_libsodium = 0;
  const nlohmann::json file = ReadVectors("wycheproof_chacha20_poly1305.json");
  for (const nlohmann::json& vector : file.at("vectors")) {
    const Buffer iv = Bytes(vector, "iv");
    if (iv.size() != 12) {
      EXPECT_EQ(vector.at("result"), "invalid");
      continue;
    }
    const bool valid = vector.at("result") == "valid";
    const auto key = BytesOf<32>(vector, "key");
    const Buffer aad = Bytes(vector, "aad");
    const Buffer message = Bytes(vector, "msg");
    const Buffer sealed = Sealed(vector);
    Buffer opened(message.size());
    if (LoadLe32(iv.data()) == 0) {
      ++through_the_api;
      const std::uint64_t counter = LoadLe64(iv.data() + 4);
      EXPECT_EQ(ChaCha20Poly1305Open(key, counter, sealed, aad, opened), valid);
      Buffer out(message.size() + 16);
      ChaCha20Poly1305Seal(key, counter, message, aad, out);
      EXPECT_EQ(out == sealed, valid) << vector.at("tcId");
    } else {
      ++through_libsodium;
      const int result = crypto_aead_chacha20poly1305_ietf_decrypt(
          opened.data(), nullptr, nullptr, sealed.data(), sealed.size(), aad.data(), aad.size(),
          iv.data(), key.data());
      EXPECT_EQ(result == 0, valid) << vector.at("tcId");
    }
    if (valid) {
      EXPECT_EQ(opened, message) << vector.at("tcId");
    }
  }
  EXPECT_EQ(through_the_api, 10);
  EXPECT_GE(through_libsodium, 300);
}

TEST(XChaCha20Poly1305, PassesWycheproof) {
  int valid_count = 0;
  int invalid_count = 0;
  const nlohmann::json file = ReadVectors("wycheproof_xchacha20_poly1305.json");
  for (const nlohmann::json& vector : file.at("vectors")) {
    if (Bytes(vector, "iv").size() != 24) {
      EXPECT_EQ(vector.at("result"), "invalid");
      continue;
    }
    const bool valid = vector.at("result") == "valid";
    (valid ? valid_count : invalid_count) += 1;
    const auto key = BytesOf<32>(vector, "key");
    const auto nonce = BytesOf<24>(vector, "iv");
    const Buffer aad = Bytes(vector, "aad");
    const Buffer message = Bytes(vector, "msg");
    const Buffer sealed = Sealed(vector);
    Buffer opened(message.size());
    EXPECT_EQ(XChaCha20Poly1305Open(key, nonce, sealed, aad, opened), valid) << vector.at("tcId");
    Buffer out(message.size() + 16);
    XChaCha20Poly1305Seal(key, nonce, message, aad, out);
    EXPECT_EQ(out == sealed, valid) << vector.at("tcId");
    if (valid) {
      EXPECT_EQ(opened, message) << vector.at("tcId");
    }
  }
  EXPECT_GE(valid_count, 200);
  EXPECT_GE(invalid_count, 50);
}

TEST(XChaCha20Poly1305, SealsTheCookieOfTheVectors) {
  const nlohmann::json file = ReadVectors("cookie.json");
  const nlohmann::json& reply = file.at("reply");
  const auto key = BytesOf<32>(file, "cookie_key");
  const auto nonce = BytesOf<24>(reply, "nonce");
  const auto cookie = BytesOf<16>(file, "cookie");
  const auto mac1 = BytesOf<16>(reply, "mac1");
  std::array<std::uint8_t, 32> sealed{};
  XChaCha20Poly1305Seal(key, nonce, cookie, mac1, sealed);
  EXPECT_EQ(sealed, BytesOf<32>(reply, "sealed_cookie"));
  std::array<std::uint8_t, 16> opened{};
  EXPECT_TRUE(XChaCha20Poly1305Open(key, nonce, sealed, mac1, opened));
  EXPECT_EQ(opened, cookie);
}

TEST(ChaCha20Poly1305, SealsAndOpensInPlace) {
  const std::array<std::uint8_t, 32> key{1};
  const Buffer aad(32, 2);
  Buffer message(48 + 16, 3);
  const Buffer plaintext(message.begin(), message.begin() + 48);
  ChaCha20Poly1305Seal(key, 7, ByteSpan(message).first(48), aad, message);
  EXPECT_NE(Buffer(message.begin(), message.begin() + 48), plaintext);
  EXPECT_TRUE(ChaCha20Poly1305Open(key, 7, message, aad, MutableByteSpan(message).first(48)));
  EXPECT_EQ(Buffer(message.begin(), message.begin() + 48), plaintext);
}

TEST(ChaCha20Poly1305, RefusesAnotherKeyCounterOrAssociatedData) {
  const std::array<std::uint8_t, 32> key{1};
  const std::array<std::uint8_t, 32> other_key{2};
  const Buffer aad(32, 2);
  const Buffer other_aad(32, 4);
  const Buffer message(48, 3);
  Buffer sealed(64);
  Buffer out(48);
  ChaCha20Poly1305Seal(key, 7, message, aad, sealed);
  EXPECT_TRUE(ChaCha20Poly1305Open(key, 7, sealed, aad, out));
  EXPECT_FALSE(ChaCha20Poly1305Open(other_key, 7, sealed, aad, out));
  EXPECT_FALSE(ChaCha20Poly1305Open(key, 8, sealed, aad, out));
  EXPECT_FALSE(ChaCha20Poly1305Open(key, 7, sealed, other_aad, out));
  EXPECT_FALSE(ChaCha20Poly1305Open(key, 7, sealed, {}, out));
}

TEST(ChaCha20Poly1305, RefusesWhatIsShorterThanATag) {
  const std::array<std::uint8_t, 32> key{};
  const std::array<std::uint8_t, 24> nonce{};
  const Buffer sealed(15);
  EXPECT_FALSE(ChaCha20Poly1305Open(key, 0, sealed, {}, {}));
  EXPECT_FALSE(XChaCha20Poly1305Open(key, nonce, sealed, {}, {}));
}

TEST(ChaCha20Poly1305, SealsNothingIntoATag) {
  const std::array<std::uint8_t, 32> key{5};
  const Buffer aad(32, 6);
  Buffer sealed(16);
  ChaCha20Poly1305Seal(key, 0, {}, aad, sealed);
  EXPECT_TRUE(ChaCha20Poly1305Open(key, 0, sealed, aad, {}));
  sealed[15] ^= 1;
  EXPECT_FALSE(ChaCha20Poly1305Open(key, 0, sealed, aad, {}));
}

}  // namespace
}  // namespace adit::crypto
