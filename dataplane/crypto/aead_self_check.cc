#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/libsodium.h"
#include "dataplane/crypto/secret.h"

namespace adit::crypto {
namespace {

constexpr std::uint32_t kMaxPackets = 24;
constexpr std::uint32_t kMaxLength = 2048;
constexpr std::size_t kStride = kMaxLength + kAeadTagSize;

// One batch: what libsodium makes of it and a copy for the candidate.
class Batch {
 public:
  Batch() {
    randombytes_buf(key_.data(), key_.size());
    const std::uint32_t packets = 1 + randombytes_uniform(kMaxPackets);
    plaintext_.resize(packets * kStride);
    randombytes_buf(plaintext_.data(), plaintext_.size());
    sealed_ = plaintext_;
    for (std::uint32_t i = 0; i < packets; ++i) {
      std::uint64_t counter = 0;
      randombytes_buf(&counter, sizeof counter);
      // Two in three packets are of the sizes that matter: empty, small and full.
      static constexpr std::array<std::uint32_t, 6> kCommonLengths = {0, 16, 32, 64, 1280, 1424};
      const std::uint32_t length = randombytes_uniform(3) == 0
                                       ? randombytes_uniform(kMaxLength + 1)
                                       : kCommonLengths[randombytes_uniform(6)];
      jobs_.push_back({.data = nullptr, .length = length, .counter = counter});
      std::array<std::uint8_t, 12> nonce{};
      StoreLe64(nonce.data() + 4, counter);
      std::uint8_t* const packet = sealed_.data() + i * kStride;
      crypto_aead_chacha20poly1305_ietf_encrypt(packet, nullptr, packet, length, nullptr, 0,
                                                nullptr, nonce.data(), key_.data());
    }
  }

  // Bytes behind a packet's tag are compared too: a candidate may not write there.
  [[nodiscard]] bool SealsAlike(Aead& candidate) const {
    std::vector<std::uint8_t> packets = plaintext_;
    std::vector<SealJob> jobs = jobs_;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      jobs[i].data = packets.data() + i * kStride;
    }
    candidate.Seal(key_, jobs);
    return packets == sealed_;
  }

  // One random bit of one packet's ciphertext or tag is turned; the others must open.
  [[nodiscard]] bool OpensAllButTheCorrupted(Aead& candidate) const {
    std::vector<std::uint8_t> packets = sealed_;
    std::vector<OpenJob> jobs;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      jobs.push_back({.data = packets.data() + i * kStride,
                      .length = jobs_[i].length,
                      .counter = jobs_[i].counter});
    }
    const std::size_t corrupted = randombytes_uniform(static_cast<std::uint32_t>(jobs.size()));
    const std::uint32_t bit = randombytes_uniform(
        8 * (jobs[corrupted].length + static_cast<std::uint32_t>(kAeadTagSize)));
    jobs[corrupted].data[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));

    candidate.Open(key_, jobs);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      const bool want_opened = i != corrupted;
      if (jobs[i].opened != want_opened) {
        return false;
      }
      if (want_opened &&
          std::memcmp(jobs[i].data, plaintext_.data() + i * kStride, jobs[i].length) != 0) {
        return false;
      }
    }
    return true;
  }

 private:
  std::array<std::uint8_t, 32> key_{};
  std::vector<std::uint8_t> plaintext_;
  std::vector<std::uint8_t> sealed_;
  std::vector<SealJob> jobs_;
};

}  // namespace

bool SelfCheck(Aead& candidate, unsigned rounds) {
  InitLibsodium();
  for (unsigned round = 0; round < rounds; ++round) {
    const Batch batch;
    if (!batch.SealsAlike(candidate) || !batch.OpensAllButTheCorrupted(candidate)) {
      return false;
    }
  }
  return true;
}

}  // namespace adit::crypto
