#include "dataplane/crypto/blake2s.h"

#include <cstring>

#include "dataplane/crypto/blake2s_hasher.h"

namespace adit::crypto {
namespace {

constexpr std::size_t kBlockSize = Blake2sHasher::kBlockSize;

void Digest(ByteSpan first, std::initializer_list<ByteSpan> parts, MutableByteSpan out) {
  Blake2sHasher hasher;
  hasher.Update(first);
  for (const ByteSpan part : parts) {
    hasher.Update(part);
  }
  hasher.Finish(out);
}

// T(n) = HMAC(prk, T(n-1) || n), RFC 5869 2.3 with an empty info.
void Expand(const Hash& prk, ByteSpan previous, std::uint8_t index,
            std::span<std::uint8_t, kHashSize> out) {
  HmacBlake2s(prk, {previous, ByteSpan(&index, 1)}, out);
}

}  // namespace

Hash Blake2s(std::initializer_list<ByteSpan> parts) {
  Hash hash;
  Digest({}, parts, hash);
  return hash;
}

Mac KeyedBlake2s128(ByteSpan key, ByteSpan input) {
  Mac mac;
  Blake2sHasher hasher(kMacSize, key);
  hasher.Update(input);
  hasher.Finish(mac);
  return mac;
}

void HmacBlake2s(ByteSpan key, std::initializer_list<ByteSpan> parts,
                 std::span<std::uint8_t, kHashSize> out) {
  std::array<std::uint8_t, kBlockSize> block{};
  if (key.size() > kBlockSize) {
    Digest(key, {}, MutableByteSpan(block).first(kHashSize));
  } else if (!key.empty()) {
    std::memcpy(block.data(), key.data(), key.size());
  }
  for (std::uint8_t& byte : block) {
    byte ^= 0x36;
  }
  Hash inner;
  Digest(block, parts, inner);
  for (std::uint8_t& byte : block) {
    byte ^= 0x36 ^ 0x5c;
  }
  Digest(block, {ByteSpan(inner)}, out);
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
