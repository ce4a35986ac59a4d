#include "dataplane/crypto/blake2s.h"

#include <cstdio>
#include <cstdlib>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

namespace adit::crypto {
namespace {

constexpr std::size_t kBlockSize = 64;
constexpr std::size_t kMaxMacKeySize = 32;

void Require(bool done, const char* what) {
  if (!done) {
    std::fprintf(stderr, "libcrypto: %s failed\n", what);
    std::abort();
  }
}

// A thread's contexts. libcrypto allocates when a context is made and when it first meets an
// algorithm, so both are made warm; initialising a context again for the same fetched algorithm
// allocates nothing.
class Contexts {
 public:
  static Contexts& OfThisThread() {
    thread_local Contexts contexts;
    return contexts;
  }

  Contexts(const Contexts&) = delete;
  Contexts& operator=(const Contexts&) = delete;

  // EVP_DigestFinal_ex zeroes the state, so no secret stays in the context.
  void Digest(ByteSpan first, std::initializer_list<ByteSpan> parts, std::uint8_t* out) {
    Require(EVP_DigestInit_ex2(digest_, blake2s_, nullptr) == 1, "BLAKE2s initialisation");
    Require(EVP_DigestUpdate(digest_, first.data(), first.size()) == 1, "BLAKE2s");
    for (const ByteSpan part : parts) {
      Require(EVP_DigestUpdate(digest_, part.data(), part.size()) == 1, "BLAKE2s");
    }
    Require(EVP_DigestFinal_ex(digest_, out, nullptr) == 1, "BLAKE2s");
  }

  void Mac(ByteSpan key, ByteSpan input, std::uint8_t* out) {
    std::size_t written = 0;
    Require(EVP_MAC_init(mac_, key.data(), key.size(), nullptr) == 1, "BLAKE2SMAC key");
    Require(EVP_MAC_update(mac_, input.data(), input.size()) == 1, "BLAKE2SMAC");
    Require(EVP_MAC_final(mac_, out, &written, kMacSize) == 1 && written == kMacSize, "BLAKE2SMAC");
    ForgetMacKey();
  }

 private:
  Contexts() {
    blake2s_ = EVP_MD_fetch(nullptr, "BLAKE2S-256", nullptr);
    digest_ = EVP_MD_CTX_new();
    Require(blake2s_ != nullptr && digest_ != nullptr, "fetching BLAKE2s");
    Require(EVP_DigestInit_ex2(digest_, blake2s_, nullptr) == 1, "BLAKE2s initialisation");
    EVP_MAC* algorithm = EVP_MAC_fetch(nullptr, "BLAKE2SMAC", nullptr);
    mac_ = EVP_MAC_CTX_new(algorithm);
    EVP_MAC_free(algorithm);  // the context holds its own reference
    Require(mac_ != nullptr, "fetching BLAKE2SMAC");
    std::size_t size = kMacSize;
    const std::array<OSSL_PARAM, 2> params = {
        OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_construct_end()};
    Require(EVP_MAC_CTX_set_params(mac_, params.data()) == 1, "BLAKE2SMAC size");
    ForgetMacKey();
  }

  ~Contexts() {
    EVP_MAC_CTX_free(mac_);
    EVP_MD_CTX_free(digest_);
    EVP_MD_free(blake2s_);
  }

  // The context keeps its last key for a restart; a longest key of zeros takes its place.
  void ForgetMacKey() {
    static constexpr std::array<std::uint8_t, kMaxMacKeySize> kZeroKey{};
    Require(EVP_MAC_init(mac_, kZeroKey.data(), kZeroKey.size(), nullptr) == 1, "BLAKE2SMAC reset");
  }

  EVP_MD* blake2s_ = nullptr;
  EVP_MD_CTX* digest_ = nullptr;
  EVP_MAC_CTX* mac_ = nullptr;
};

// T(n) = HMAC(prk, T(n-1) || n), RFC 5869 2.3 with an empty info.
void Expand(const Hash& prk, ByteSpan previous, std::uint8_t index,
            std::span<std::uint8_t, kHashSize> out) {
  HmacBlake2s(prk, {previous, ByteSpan(&index, 1)}, out);
}

}  // namespace

Hash Blake2s(std::initializer_list<ByteSpan> parts) {
  Hash hash;
  Contexts::OfThisThread().Digest({}, parts, hash.data());
  return hash;
}

Mac KeyedBlake2s128(ByteSpan key, ByteSpan input) {
  Mac mac;
  Contexts::OfThisThread().Mac(key, input, mac.data());
  return mac;
}

void HmacBlake2s(ByteSpan key, std::initializer_list<ByteSpan> parts,
                 std::span<std::uint8_t, kHashSize> out) {
  Contexts& contexts = Contexts::OfThisThread();
  std::array<std::uint8_t, kBlockSize> block{};
  if (key.size() > kBlockSize) {
    contexts.Digest(key, {}, block.data());
  } else if (!key.empty()) {
    std::memcpy(block.data(), key.data(), key.size());
  }
  for (std::uint8_t& byte : block) {
    byte ^= 0x36;
  }
  Hash inner;
  contexts.Digest(block, parts, inner.data());
  for (std::uint8_t& byte : block) {
    byte ^= 0x36 ^ 0x5c;
  }
  contexts.Digest(block, {ByteSpan(inner)}, out.data());
  Wipe(block);
  Wipe(inner);
}

void Kdf1(ByteSpan key, ByteSpan input, std::span<std::uint8_t, 32> t1) {
  Hash prk;
  HmacBlake2s(key, {input}, prk);
  Expand(prk, {}, 1, t1);
  Wipe(prk);
}

void Kdf2(ByteSpan key, ByteSpan input, std::span<std::uint8_t, 32> t1,
          std::span<std::uint8_t, 32> t2) {
  Hash prk;
  HmacBlake2s(key, {input}, prk);
  Expand(prk, {}, 1, t1);
  Expand(prk, t1, 2, t2);
  Wipe(prk);
}

void Kdf3(ByteSpan key, ByteSpan input, std::span<std::uint8_t, 32> t1,
          std::span<std::uint8_t, 32> t2, std::span<std::uint8_t, 32> t3) {
  Hash prk;
  HmacBlake2s(key, {input}, prk);
  Expand(prk, {}, 1, t1);
  Expand(prk, t1, 2, t2);
  Expand(prk, t2, 3, t3);
  Wipe(prk);
}

}  // namespace adit::crypto
