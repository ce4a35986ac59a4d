// Looks through the writable memory of the test process for keys that were used and erased.

#include <sodium.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/aead_lanes.h"
#include "dataplane/crypto/blake2s.h"
#include "dataplane/crypto/handshake_aead.h"
#include "dataplane/crypto/secret.h"
#include "dataplane/crypto/x25519.h"

namespace adit::crypto {
namespace {

// A secret's words under a mask: the search may not find its own needle.
class Needle {
 public:
  explicit Needle(ByteSpan secret) {
    for (std::size_t i = 0; i + 8 <= secret.size(); i += 8) {
      masked_.push_back(LoadLe64(secret.data() + i) ^ kMask);
    }
  }
  // Word after word rather than the whole secret: half of a key is a find too.
  [[nodiscard]] bool IsAt(const std::uint8_t* place) const {
    const std::uint64_t word = LoadLe64(place) ^ kMask;
    return std::find(masked_.begin(), masked_.end(), word) != masked_.end();
  }

 private:
  static constexpr std::uint64_t kMask = 0x5aa5c33c0ff0a55a;
  std::vector<std::uint64_t> masked_;
};

int CountInMemory(const Needle& needle) {
  struct Range {
    unsigned long start;
    unsigned long end;
  };
  std::vector<Range> ranges;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    Range range{};
    std::array<char, 8> permissions{};
    if (std::sscanf(line.c_str(), "%lx-%lx %7s", &range.start, &range.end, permissions.data()) ==
            3 &&
        permissions[0] == 'r' && permissions[1] == 'w') {
      ranges.push_back(range);
    }
  }
  int found = 0;
  for (const Range& range : ranges) {
    const auto* const start = reinterpret_cast<const std::uint8_t*>(range.start);
    const auto* const end = reinterpret_cast<const std::uint8_t*>(range.end);
    for (const std::uint8_t* place = start; place + 8 <= end; ++place) {
      found += needle.IsAt(place) ? 1 : 0;
    }
  }
  return found;
}

// Finds of a random key after `use` had it and the caller's copy is erased.
int FindsAfter(const std::function<void(std::span<const std::uint8_t, 32>)>& use) {
  std::vector<std::uint8_t> key(32);
  randombytes_buf(key.data(), key.size());
  const Needle needle(key);
  use(std::span<const std::uint8_t, 32>(key.data(), 32));
  Wipe(key);
  WipeStack();
  return CountInMemory(needle);
}

TEST(KeyResidue, IsFoundWhereAKeyWasLeft) {
  std::vector<std::uint8_t> left;
  EXPECT_GE(FindsAfter([&](auto key) { left.assign(key.begin() + 8, key.begin() + 16); }), 1);
}

TEST(KeyResidue, IsNotLeftByAnyBatchAead) {
  for (const std::string_view name : AvailableAeads()) {
    const std::unique_ptr<Aead> aead = MakeAead(name).value();
    std::vector<std::uint8_t> memory(8 * 1500);
    std::vector<SealJob> seal;
    std::vector<OpenJob> open;
    for (std::uint32_t i = 0; i < 8; ++i) {
      seal.push_back({memory.data() + i * 1500, 180 * i, i});
      open.push_back({memory.data() + i * 1500, 180 * i, i, false});
    }
    EXPECT_EQ(FindsAfter([&](auto key) {
                aead->Seal(key, seal);
                aead->Open(key, open);
                ASSERT_TRUE(open[7].opened);
              }),
              0)
        << name;
    EXPECT_EQ(FindsAfter([&](auto key) { aead->Seal(key, seal); }), 0) << name << " seal";
    EXPECT_EQ(FindsAfter([&](auto key) { aead->Open(key, open); }), 0) << name << " refused";
  }
}

#ifdef ADIT_HAVE_LANES
// Neither the key nor what a packet's one-time key became, and nobody wipes after a call here.
TEST(KeyResidue, IsNotLeftByTheLanesNorAreOneTimeKeys) {
  if (LaneKernels().empty()) {
    GTEST_SKIP() << "this CPU runs no many-packet kernel: LaneKernels.AreWhatTheCpuHas says so";
  }
  const std::unique_ptr<Aead> aead = MakeAead("lanes").value();
  constexpr std::uint32_t kPackets = 40;
  std::vector<std::uint8_t> memory(kPackets * 200);
  std::vector<SealJob> seal;
  std::vector<OpenJob> open;
  for (std::uint32_t i = 0; i < kPackets; ++i) {
    seal.push_back({memory.data() + i * 200, 150, i});
    open.push_back({memory.data() + i * 200, 150, i, false});
  }
  const auto secrets_after = [&](const std::function<void(std::span<std::uint8_t, 32>)>& use) {
    std::vector<std::uint8_t> key(32);
    randombytes_buf(key.data(), key.size());
    const Needle key_needle(key);
    // The last packet's one-time key is block 0 of its key stream; r is clamped.
    std::vector<std::uint8_t> one_time(32);
    std::array<std::uint8_t, 12> nonce{};
    StoreLe64(nonce.data() + 4, kPackets - 1);
    crypto_stream_chacha20_ietf(one_time.data(), one_time.size(), nonce.data(), key.data());
    for (std::size_t i : {3U, 7U, 11U, 15U}) {
      one_time[i] &= 0x0f;
    }
    for (std::size_t i : {4U, 8U, 12U}) {
      one_time[i] &= 0xfc;
    }
    const Needle one_time_needle(one_time);
    Wipe(one_time);
    WipeStack();
    use(std::span<std::uint8_t, 32>(key.data(), 32));
    Wipe(key);
    return CountInMemory(key_needle) + CountInMemory(one_time_needle);
  };
  EXPECT_EQ(secrets_after([&](auto key) { aead->Seal(key, seal); }), 0);
  EXPECT_EQ(secrets_after([&](auto key) { aead->Open(key, open); }), 0);
}
#endif

TEST(KeyResidue, IsNotLeftByKeyedHashes) {
  const std::vector<std::uint8_t> message(100, 1);
  EXPECT_EQ(FindsAfter([&](auto key) { (void)KeyedBlake2s128(key, message); }), 0);
  EXPECT_EQ(FindsAfter([&](auto key) { (void)KeyedBlake2s128(key.first(16), message); }), 0);
  EXPECT_EQ(FindsAfter([&](auto key) { (void)Blake2s({key, message}); }), 0);
  EXPECT_EQ(FindsAfter([&](auto key) { (void)Blake2s({message, key}); }), 0);
}

TEST(KeyResidue, IsNotLeftByKeyDerivation) {
  std::array<SymmetricKey, 3> t;
  const auto derive = [&](ByteSpan key, ByteSpan input) {
    Kdf3(key, input, t[0].mutable_bytes(), t[1].mutable_bytes(), t[2].mutable_bytes());
  };
  const std::vector<std::uint8_t> other(32, 1);
  EXPECT_EQ(FindsAfter([&](auto key) { derive(key, other); }), 0);
  EXPECT_EQ(FindsAfter([&](auto input) { derive(other, input); }), 0);
}

TEST(KeyResidue, OfDerivedKeysIsNotLeftByKeyDerivation) {
  const std::vector<std::uint8_t> key(32, 1);
  SymmetricKey t1;
  SymmetricKey t2;
  Kdf2(key, key, t1.mutable_bytes(), t2.mutable_bytes());
  const Needle first(t1.bytes());
  const Needle second(t2.bytes());
  Wipe(t1.mutable_bytes());
  Wipe(t2.mutable_bytes());
  WipeStack();
  EXPECT_EQ(CountInMemory(first), 0);
  EXPECT_EQ(CountInMemory(second), 0);
}

TEST(KeyResidue, IsNotLeftByTheHandshakesCiphers) {
  const std::vector<std::uint8_t> message(32, 1);
  std::vector<std::uint8_t> out(48);
  const std::array<std::uint8_t, 24> nonce{};
  EXPECT_EQ(FindsAfter([&](auto key) { ChaCha20Poly1305Seal(key, 0, message, {}, out); }), 0);
  EXPECT_EQ(FindsAfter([&](auto key) { XChaCha20Poly1305Seal(key, nonce, message, {}, out); }), 0);
}

TEST(KeyResidue, IsNotLeftByX25519) {
  const std::array<std::uint8_t, 32> scalar{1};
  const PublicKey peer = DerivePublicKey(scalar);
  EXPECT_EQ(FindsAfter([&](auto key) { (void)DerivePublicKey(key); }), 0);
  EXPECT_EQ(FindsAfter([&](auto key) {
              SymmetricKey shared;
              EXPECT_TRUE(X25519(key, peer, shared));
            }),
            0);
}

}  // namespace
}  // namespace adit::crypto
