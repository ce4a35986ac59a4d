#include "dataplane/crypto/blake2s.h"

#include <random>
#include <thread>

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "dataplane/crypto/blake2s_hasher.h"
#include "tests/dataplane/crypto/vectors.h"
#include "tests/support/seeded_random.h"

namespace adit::crypto {
namespace {

// What libcrypto says: BLAKE2SMAC with a key, else BLAKE2S-256.
std::vector<std::uint8_t> Libcrypto(ByteSpan key, ByteSpan input, std::size_t size) {
  std::vector<std::uint8_t> out(size);
  if (key.empty()) {
    EXPECT_EQ(EVP_Q_digest(nullptr, "BLAKE2S-256", nullptr, input.data(), input.size(), out.data(),
                           nullptr),
              1);
    return out;
  }
  EVP_MAC* algorithm = EVP_MAC_fetch(nullptr, "BLAKE2SMAC", nullptr);
  EVP_MAC_CTX* context = EVP_MAC_CTX_new(algorithm);
  const std::array<OSSL_PARAM, 2> params = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                                            OSSL_PARAM_construct_end()};
  EXPECT_EQ(EVP_MAC_init(context, key.data(), key.size(), params.data()), 1);
  EXPECT_EQ(EVP_MAC_update(context, input.data(), input.size()), 1);
  std::size_t written = 0;
  EXPECT_EQ(EVP_MAC_final(context, out.data(), &written, out.size()), 1);
  EVP_MAC_CTX_free(context);
  EVP_MAC_free(algorithm);
  return out;
}

TEST(Blake2s, AgreesWithLibcryptoHoweverTheInputIsCut) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  testing::SeededRandom random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::uint8_t> key(random.Below(33));
    std::vector<std::uint8_t> input(random.Below(400));
    random.Fill(key);
    random.Fill(input);
    std::vector<std::uint8_t> hash(key.empty() ? kHashSize : 1 + random.Below(32));
    Blake2sHasher hasher(hash.size(), key);
    for (ByteSpan rest = input; !rest.empty();) {
      const std::size_t piece = 1 + random.Below(std::min<std::size_t>(rest.size(), 130));
      hasher.Update(rest.first(piece));
      rest = rest.subspan(piece);
    }
    hasher.Finish(hash);
    ASSERT_EQ(hash, Libcrypto(key, input, hash.size())) << key.size() << " " << input.size();
  }
}

TEST(Blake2s, GivesThePublishedHashes) {
  int unkeyed = 0;
  int keyed = 0;
  const nlohmann::json file = ReadVectors("blake2s_kat.json");
  for (const nlohmann::json& vector : file.at("vectors")) {
    const auto input = Bytes(vector, "input");
    const auto key = Bytes(vector, "key");
    const auto want = BytesOf<32>(vector, "out");
    if (key.empty()) {
      ++unkeyed;
      EXPECT_EQ(Blake2s({input}), want) << input.size() << " bytes";
    } else {
      ++keyed;
      Blake2sHasher hasher(kHashSize, key);
      hasher.Update(input);
      Hash hash{};
      hasher.Finish(hash);
      EXPECT_EQ(hash, want) << input.size() << " bytes";
    }
  }
  EXPECT_EQ(unkeyed, 256);
  EXPECT_EQ(keyed, 256);
}

TEST(Blake2s, HashesPartsAsTheirConcatenation) {
  const std::vector<std::uint8_t> whole(200, 0x5a);
  const ByteSpan span(whole);
  EXPECT_EQ(Blake2s({span.first(1), span.subspan(1, 0), span.subspan(1, 63), span.subspan(64)}),
            Blake2s({span}));
  EXPECT_EQ(Blake2s({}), Blake2s({ByteSpan()}));
}

TEST(Blake2s, GivesKeyedSixteenByteResults) {
  int count = 0;
  const nlohmann::json file = ReadVectors("blake2s_mac128.json");
  for (const nlohmann::json& vector : file.at("vectors")) {
    ++count;
    EXPECT_EQ(KeyedBlake2s128(Bytes(vector, "key"), Bytes(vector, "input")),
              BytesOf<16>(vector, "mac"));
  }
  EXPECT_EQ(count, 256);
}

TEST(Blake2s, GivesTheCookieValuesOfTheProtocol) {
  const nlohmann::json file = ReadVectors("cookie.json");
  const auto mac1_key = BytesOf<32>(file, "mac1_key");
  const auto cookie = BytesOf<16>(file, "cookie");
  EXPECT_EQ(KeyedBlake2s128(Bytes(file, "cookie_secret"), Bytes(file, "source")), cookie);
  for (const nlohmann::json& vector : file.at("mac1_messages")) {
    auto message = Bytes(vector, "message");
    const std::size_t covered = message.size() - 2 * kMacSize;
    const Mac mac1 = BytesOf<16>(vector, "mac1");
    EXPECT_EQ(KeyedBlake2s128(mac1_key, ByteSpan(message).first(covered)), mac1);
    std::copy(mac1.begin(), mac1.end(), message.begin() + static_cast<std::ptrdiff_t>(covered));
    EXPECT_EQ(KeyedBlake2s128(cookie, ByteSpan(message).first(covered + kMacSize)),
              BytesOf<16>(vector, "mac2"));
  }
}

TEST(Blake2s, GivesThePublishedKeyDerivations) {
  int count = 0;
  const nlohmann::json file = ReadVectors("hkdf_blake2s.json");
  for (const nlohmann::json& vector : file.at("vectors")) {
    ++count;
    const auto key = Bytes(vector, "key");
    const auto input = Bytes(vector, "input");
    const auto want1 = BytesOf<32>(vector, "t1");
    const auto want2 = BytesOf<32>(vector, "t2");
    const auto want3 = BytesOf<32>(vector, "t3");
    Hash t1{};
    Hash t2{};
    Hash t3{};
    Kdf1(key, input, t1);
    EXPECT_EQ(t1, want1);
    Kdf2(key, input, t1, t2);
    EXPECT_EQ(t1, want1);
    EXPECT_EQ(t2, want2);
    Kdf3(key, input, t1, t2, t3);
    EXPECT_EQ(t1, want1);
    EXPECT_EQ(t2, want2);
    EXPECT_EQ(t3, want3);
  }
  EXPECT_EQ(count, 3);
}

TEST(Blake2s, DerivesIntoTheKeyItStartedFrom) {
  const std::vector<std::uint8_t> input(32, 0x11);
  Hash separate1{};
  Hash separate2{};
  Hash key{};
  key.fill(0x22);
  Kdf2(key, input, separate1, separate2);
  Hash second{};
  Kdf2(key, input, key, second);
  EXPECT_EQ(key, separate1);
  EXPECT_EQ(second, separate2);
}

// RFC 2104: a key longer than a block stands for its hash.
TEST(Blake2s, HashesAnHmacKeyLongerThanABlock) {
  const std::vector<std::uint8_t> long_key(65, 0x33);
  const std::vector<std::uint8_t> message(10, 0x44);
  Hash of_long{};
  HmacBlake2s(long_key, {message}, of_long);
  Hash of_hash{};
  HmacBlake2s(Blake2s({long_key}), {message}, of_hash);
  EXPECT_EQ(of_long, of_hash);

  const std::vector<std::uint8_t> block_key(64, 0x33);
  Hash of_block{};
  HmacBlake2s(block_key, {message}, of_block);
  HmacBlake2s(Blake2s({block_key}), {message}, of_hash);
  EXPECT_NE(of_block, of_hash);
}

TEST(Blake2s, WorksInSeveralThreads) {
  const std::vector<std::uint8_t> input(100, 0x55);
  const Hash want = Blake2s({input});
  std::array<Hash, 4> results{};
  std::vector<std::thread> threads;
  for (Hash& result : results) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        result = Blake2s({input});
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const Hash& result : results) {
    EXPECT_EQ(result, want);
  }
}

}  // namespace
}  // namespace adit::crypto
