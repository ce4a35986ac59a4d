#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "dataplane/crypto/aead_providers.h"

namespace adit::crypto {
namespace {

struct FreeCipher {
  void operator()(EVP_CIPHER* cipher) const { EVP_CIPHER_free(cipher); }
};
struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

// A parameter list that points at a packet's tag: what EVP_CIPHER_CTX_ctrl would build anew.
using TagParams = std::array<OSSL_PARAM, 2>;
TagParams TagAt(std::uint8_t* tag) {
  return {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, kAeadTagSize),
          OSSL_PARAM_construct_end()};
}

// The key is set with a batch's first nonce and only the nonce for the packets after it: a third
// of EVP's cost per packet. One context a direction, since changing the direction rebuilds state.
class OpensslAead final : public Aead {
 public:
  // Null contexts when the library has no such cipher; checked by the maker.
  OpensslAead()
      : cipher_(EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr)),
        seal_(EVP_CIPHER_CTX_new()),
        open_(EVP_CIPHER_CTX_new()) {}

  [[nodiscard]] bool Init() {
    return cipher_ && seal_ && open_ &&
           EVP_EncryptInit_ex2(seal_.get(), cipher_.get(), kZeroKey.data(), nonce_.data(),
                               nullptr) == 1 &&
           EVP_DecryptInit_ex2(open_.get(), cipher_.get(), kZeroKey.data(), nonce_.data(),
                               nullptr) == 1;
  }

  [[nodiscard]] std::string_view name() const override { return "openssl"; }

  void Seal(std::span<const std::uint8_t, 32> key, std::span<const SealJob> jobs) override {
    const std::uint8_t* key_once = key.data();
    for (const SealJob& job : jobs) {
      if (!SealOne(key_once, job)) {
        EraseUnsealed(job);
      }
      key_once = nullptr;
    }
    ForgetKey(seal_.get());
  }

  void Open(std::span<const std::uint8_t, 32> key, std::span<OpenJob> jobs) override {
    const std::uint8_t* key_once = key.data();
    for (OpenJob& job : jobs) {
      job.opened = OpenOne(key_once, job);
      key_once = nullptr;
    }
    ForgetKey(open_.get());
  }

 private:
  static constexpr std::array<std::uint8_t, 32> kZeroKey{};

  bool SealOne(const std::uint8_t* key, const SealJob& job) {
    EVP_CIPHER_CTX* const context = seal_.get();
    int written = 0;
    nonce_.set_counter(job.counter);
    if (EVP_EncryptInit_ex2(context, nullptr, key, nonce_.data(), nullptr) != 1) {
      return false;
    }
    if (job.length != 0 && EVP_EncryptUpdate(context, job.data, &written, job.data,
                                             static_cast<int>(job.length)) != 1) {
      return false;
    }
    if (EVP_EncryptFinal_ex(context, job.data + job.length, &written) != 1) {
      return false;
    }
    TagParams tag = TagAt(job.data + job.length);
    return EVP_CIPHER_CTX_get_params(context, tag.data()) == 1;
  }

  // The final call compares the tags with CRYPTO_memcmp.
  bool OpenOne(const std::uint8_t* key, const OpenJob& job) {
    EVP_CIPHER_CTX* const context = open_.get();
    int written = 0;
    nonce_.set_counter(job.counter);
    const TagParams tag = TagAt(job.data + job.length);
    if (EVP_DecryptInit_ex2(context, nullptr, key, nonce_.data(), tag.data()) != 1) {
      return false;
    }
    if (job.length != 0 && EVP_DecryptUpdate(context, job.data, &written, job.data,
                                             static_cast<int>(job.length)) != 1) {
      return false;
    }
    return EVP_DecryptFinal_ex(context, job.data + job.length, &written) == 1;
  }

  // A context reset would free and allocate; a key of zeros takes the place of the secret one.
  void ForgetKey(EVP_CIPHER_CTX* context) {
    nonce_.set_counter(0);
    (void)EVP_CipherInit_ex2(context, nullptr, kZeroKey.data(), nonce_.data(), -1, nullptr);
  }

  std::unique_ptr<EVP_CIPHER, FreeCipher> cipher_;
  Context seal_;
  Context open_;
  PacketNonce nonce_;
};

}  // namespace

std::unique_ptr<Aead> MakeOpensslAead() {
  auto aead = std::make_unique<OpensslAead>();
  return aead->Init() ? std::move(aead) : nullptr;
}

}  // namespace adit::crypto
