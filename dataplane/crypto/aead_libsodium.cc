#include <sodium.h>

#include "dataplane/crypto/aead_providers.h"
#include "dataplane/crypto/libsodium.h"

namespace adit::crypto {
namespace {

static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == kAeadTagSize);

// libsodium wipes its own state at the end of each packet.
class LibsodiumAead final : public Aead {
 public:
  [[nodiscard]] std::string_view name() const override { return "libsodium"; }

  void Seal(std::span<const std::uint8_t, 32> key, std::span<const SealJob> jobs) override {
    PacketNonce nonce;
    for (const SealJob& job : jobs) {
      nonce.set_counter(job.counter);
      crypto_aead_chacha20poly1305_ietf_encrypt(job.data, nullptr, job.data, job.length, nullptr, 0,
                                                nullptr, nonce.data(), key.data());
    }
  }

  void Open(std::span<const std::uint8_t, 32> key, std::span<OpenJob> jobs) override {
    PacketNonce nonce;
    for (OpenJob& job : jobs) {
      nonce.set_counter(job.counter);
      job.opened = crypto_aead_chacha20poly1305_ietf_decrypt(job.data, nullptr, nullptr, job.data,
                                                             job.length + kAeadTagSize, nullptr, 0,
                                                             nonce.data(), key.data()) == 0;
    }
  }
};

}  // namespace

std::unique_ptr<Aead> MakeLibsodiumAead() {
  InitLibsodium();
  return std::make_unique<LibsodiumAead>();
}

}  // namespace adit::crypto
