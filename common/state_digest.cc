#include "common/state_digest.h"

#include <memory>

#include <fmt/format.h>
#include <openssl/evp.h>

namespace adit {
namespace {

using Words = std::array<std::uint64_t, 4>;

Words HashObject(std::uint32_t kind, ByteSpan key, ByteSpan body) {
  std::uint8_t head[8];
  StoreLe32(head, kind);
  StoreLe32(head + 4, static_cast<std::uint32_t>(key.size()));
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  std::array<std::uint8_t, 32> hash{};
  unsigned length = 0;
  const bool ok = context != nullptr &&
                  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1 &&
                  EVP_DigestUpdate(context.get(), head, sizeof head) == 1 &&
                  EVP_DigestUpdate(context.get(), key.data(), key.size()) == 1 &&
                  EVP_DigestUpdate(context.get(), body.data(), body.size()) == 1 &&
                  EVP_DigestFinal_ex(context.get(), hash.data(), &length) == 1;
  if (!ok) {
    std::abort();  // out of memory or a libcrypto without SHA-256: no state can be trusted
  }
  Words words{};
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = LoadLe64(hash.data() + 8 * i);
  }
  return words;
}

}  // namespace

void StateDigest::Add(std::uint32_t kind, ByteSpan key, ByteSpan body) {
  const Words hash = HashObject(kind, key, body);
  __extension__ unsigned __int128 carry = 0;
  for (std::size_t i = 0; i < words_.size(); ++i) {
    carry += words_[i];
    carry += hash[i];
    words_[i] = static_cast<std::uint64_t>(carry);
    carry >>= 64;
  }
}

void StateDigest::Remove(std::uint32_t kind, ByteSpan key, ByteSpan body) {
  const Words hash = HashObject(kind, key, body);
  std::uint64_t borrow = 0;
  for (std::size_t i = 0; i < words_.size(); ++i) {
    const std::uint64_t before = words_[i];
    words_[i] = before - hash[i] - borrow;
    borrow = (before < hash[i] || (before == hash[i] && borrow != 0)) ? 1 : 0;
  }
}

std::string StateDigest::bytes() const {
  std::string out(kSize, '\0');
  std::memcpy(out.data(), words_.data(), kSize);
  return out;
}

std::string StateDigest::ToHex() const {
  std::string out;
  for (const char c : bytes()) {
    out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace adit
