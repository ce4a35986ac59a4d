#pragma once

#include <array>
#include <cstring>
#include <memory>

#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/secret.h"

// What the providers share. Each Make…Aead returns nullptr when its library cannot serve on this
// machine; whether what it returns computes the right bytes is SelfCheck's to say.
namespace adit::crypto {

[[nodiscard]] std::unique_ptr<Aead> MakeLibsodiumAead();
[[nodiscard]] std::unique_ptr<Aead> MakeOpensslAead();
// Defined only where intel-ipsec-mb is part of the build (ADIT_HAVE_IPSEC_MB).
[[nodiscard]] std::unique_ptr<Aead> MakeIpsecMbAead();
// Defined only for x86-64 (ADIT_HAVE_LANES): the kernel with most lanes, and another provider for
// what is too few packets for it.
[[nodiscard]] std::unique_ptr<Aead> MakeLanesAead();

// 12 bytes of nonce; 16 because vector code loads that many.
class PacketNonce {
 public:
  void set_counter(std::uint64_t counter) { StoreLe64(bytes_.data() + 4, counter); }
  [[nodiscard]] const std::uint8_t* data() const { return bytes_.data(); }

 private:
  alignas(16) std::array<std::uint8_t, 16> bytes_{};
};

// For a library call that cannot fail and did: nothing of the plaintext may leave the host, and
// zeros with a zero tag are refused by the other side.
inline void EraseUnsealed(const SealJob& job) {
  std::memset(job.data, 0, job.length + kAeadTagSize);
}

}  // namespace adit::crypto
