#include <array>
#include <memory>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/crypto.h>

#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/blake2s.h"
#include "dataplane/crypto/handshake_aead.h"
#include "dataplane/crypto/secret_arena.h"
#include "dataplane/crypto/x25519.h"
#include "tests/dataplane/crypto/malloc_count.h"

namespace adit::crypto {
namespace {

using Key = std::array<std::uint8_t, 32>;

// Everything a handshake calls, with keys and lengths that differ from call to call.
void RunHandshakePrimitives(std::uint8_t seed) {
  Key private_key{};
  private_key.fill(seed);
  const PublicKey public_key = DerivePublicKey(private_key);
  SymmetricKey shared;
  ASSERT_TRUE(X25519(private_key, public_key, shared));

  Key a{};
  Key b{};
  Key c{};
  Kdf1(shared.bytes(), private_key, a);
  Kdf2(a, shared.bytes(), a, b);
  Kdf3(a, b, a, b, c);
  const Hash hash = Blake2s({a, b, ByteSpan(c).first(seed % 32)});
  const std::array<std::uint8_t, 148> message{seed};
  const Mac mac = KeyedBlake2s128(ByteSpan(hash).first(1 + seed % 32), message);
  HmacBlake2s(message, {hash, mac}, a);

  std::array<std::uint8_t, 48> sealed{};
  Key opened{};
  ChaCha20Poly1305Seal(a, seed, b, hash, sealed);
  ASSERT_TRUE(ChaCha20Poly1305Open(a, seed, sealed, hash, opened));
  const std::array<std::uint8_t, 24> nonce{seed};
  XChaCha20Poly1305Seal(a, nonce, b, hash, sealed);
  ASSERT_TRUE(XChaCha20Poly1305Open(a, nonce, sealed, hash, opened));
  sealed[3] ^= 1;
  ASSERT_FALSE(XChaCha20Poly1305Open(a, nonce, sealed, hash, opened));
}

// Proves that the other tests of this file can fail.
TEST(MallocCount, SeesTheAllocationsOfThisProgramAndOfLibraries) {
  const std::uint64_t before = MallocCount();
  const auto own = std::make_unique<std::vector<int>>(100);
  const std::uint64_t after_own = MallocCount();
  EXPECT_GE(after_own, before + 2);
  void* const block = CRYPTO_malloc(10, "", 0);
  EXPECT_EQ(MallocCount(), after_own + 1);
  CRYPTO_free(block, "", 0);
}

TEST(HandshakePrimitives, AllocateNothingAfterAThreadsFirstCalls) {
  RunHandshakePrimitives(1);
  const std::uint64_t before = MallocCount();
  for (int i = 0; i < 200; ++i) {
    RunHandshakePrimitives(static_cast<std::uint8_t>(i));
  }
  EXPECT_EQ(MallocCount(), before);
}

TEST(Aead, AllocatesNothingAfterConstruction) {
  for (const std::string_view name : AvailableAeads()) {
    const std::unique_ptr<Aead> aead = MakeAead(name).value();
    std::vector<std::uint8_t> memory(128 * 9100, 7);
    std::vector<SealJob> seal(128);
    std::vector<OpenJob> open(128);

    const std::uint64_t before = MallocCount();
    for (std::uint32_t round = 0; round < 20; ++round) {
      Key key{};
      key.fill(static_cast<std::uint8_t>(round));
      const std::size_t packets = round == 0 ? 1 : 6 * round;
      for (std::uint32_t i = 0; i < packets; ++i) {
        const std::uint32_t length = i * 71 * round % 9001;
        seal[i] = {memory.data() + i * 9100, length, i};
        open[i] = {seal[i].data, length, i, false};
      }
      aead->Seal(key, std::span(seal).first(packets));
      open[0].data[open[0].length] ^= 1;  // refusals allocate nothing either
      aead->Open(key, std::span(open).first(packets));
      ASSERT_FALSE(open[0].opened);
    }
    EXPECT_EQ(MallocCount(), before) << name;
  }
}

TEST(ArenaKey, AllocatesNothingAfterTheArenaIsMade) {
  const auto arena = SecretArena::Make(64).value();
  const std::uint64_t before = MallocCount();
  for (int i = 0; i < 200; ++i) {
    const ArenaKey a = ArenaKey::Copy(*arena, Key{1});
    const ArenaKey b = ArenaKey::Copy(*arena, Key{2});
    ASSERT_TRUE(a.is_set() && b.is_set());
  }
  EXPECT_EQ(MallocCount(), before);
}

}  // namespace
}  // namespace adit::crypto
