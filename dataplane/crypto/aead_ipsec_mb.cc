#include "dataplane/crypto/aead_providers.h"

#include <intel-ipsec-mb.h>

namespace adit::crypto {
namespace {

struct FreeManager {
  void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};
using Manager = std::unique_ptr<IMB_MGR, FreeManager>;

// intel-ipsec-mb runs one ChaCha20-Poly1305 job from end to end within its submission: the job API
// without its parameter checks is as fast as its bursts, and 80 ns a packet faster than the
// init/update/finalize calls. A job holds pointers to the key and the nonce, never a copy.
class IpsecMbAead final : public Aead {
 public:
  explicit IpsecMbAead(Manager manager) : manager_(std::move(manager)) {}

  [[nodiscard]] std::string_view name() const override { return "ipsec-mb"; }

  void Seal(std::span<const std::uint8_t, 32> key, std::span<const SealJob> jobs) override {
    PacketNonce nonce;
    for (const SealJob& job : jobs) {
      nonce.set_counter(job.counter);
      if (!Run(IMB_DIR_ENCRYPT, key.data(), nonce, job.data, job.length, job.data + job.length)) {
        EraseUnsealed(job);
      }
    }
  }

  void Open(std::span<const std::uint8_t, 32> key, std::span<OpenJob> jobs) override {
    PacketNonce nonce;
    std::array<std::uint8_t, kAeadTagSize> tag;
    for (OpenJob& job : jobs) {
      nonce.set_counter(job.counter);
      const bool ran = Run(IMB_DIR_DECRYPT, key.data(), nonce, job.data, job.length, tag.data());
      job.opened = ran && ConstantTimeEqual(tag, ByteSpan(job.data + job.length, kAeadTagSize));
    }
    // The tag expected of a forged packet is as good as a forgery.
    Wipe(tag);
  }

 private:
  bool Run(IMB_CIPHER_DIRECTION direction, const std::uint8_t* key, const PacketNonce& nonce,
           std::uint8_t* data, std::uint32_t length, std::uint8_t* tag) {
    IMB_JOB* job = IMB_GET_NEXT_JOB(manager_.get());
    job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
    job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
    job->cipher_direction = direction;
    job->chain_order = direction == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    job->enc_keys = key;
    job->dec_keys = key;
    job->key_len_in_bytes = 32;
    job->iv = nonce.data();
    job->iv_len_in_bytes = 12;
    job->src = data;
    job->dst = data;
    job->cipher_start_src_offset_in_bytes = 0;
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_cipher_in_bytes = length;
    job->msg_len_to_hash_in_bytes = length;
    job->u.CHACHA20_POLY1305.aad = nullptr;
    job->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
    job->auth_tag_output = tag;
    job->auth_tag_output_len_in_bytes = kAeadTagSize;
    job = IMB_SUBMIT_JOB_NOCHECK(manager_.get());
    if (job == nullptr) {
      job = IMB_FLUSH_JOB(manager_.get());
    }
    return job != nullptr && job->status == IMB_STATUS_COMPLETED;
  }

  Manager manager_;
};

// Built without SAFE_DATA the library leaves one-time keys in registers and on the stack.
bool IsUsable(const IMB_MGR& manager) {
  const bool wipes = (manager.features & IMB_FEATURE_SAFE_DATA) != 0;
  const bool tests_itself = (manager.features & IMB_FEATURE_SELF_TEST) != 0;
  const bool passed = (manager.features & IMB_FEATURE_SELF_TEST_PASS) != 0;
  return wipes && (!tests_itself || passed);
}

}  // namespace

std::unique_ptr<Aead> MakeIpsecMbAead() {
  Manager manager(alloc_mb_mgr(0));
  if (manager == nullptr) {
    return nullptr;
  }
  init_mb_mgr_auto(manager.get(), nullptr);
  // The library's own judgement of this CPU (it needs SSE 4.2 at least).
  if (imb_get_errno(manager.get()) != 0 || !IsUsable(*manager)) {
    return nullptr;
  }
  return std::make_unique<IpsecMbAead>(std::move(manager));
}

}  // namespace adit::crypto
