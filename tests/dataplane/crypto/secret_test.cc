#include "dataplane/crypto/secret.h"

#include <algorithm>
#include <new>
#include <vector>

#include <gtest/gtest.h>

namespace adit::crypto {
namespace {

TEST(Secret, IsWipedWhenDestroyed) {
  alignas(SymmetricKey) std::array<std::uint8_t, sizeof(SymmetricKey)> memory{};
  std::array<std::uint8_t, 32> bytes{};
  bytes.fill(0xab);
  auto* key = new (memory.data()) SymmetricKey(bytes);
  EXPECT_EQ(memory[31], 0xab);
  key->~SymmetricKey();
  // Read as the destructor left it, whatever the compiler knows of the object's lifetime.
  volatile const std::uint8_t* left = memory.data();
  for (std::size_t i = 0; i < memory.size(); ++i) {
    EXPECT_EQ(left[i], 0) << i;
  }
}

TEST(Secret, StartsAsZerosAndCopies) {
  SymmetricKey key;
  EXPECT_TRUE(IsAllZero(key.bytes()));
  key.mutable_bytes()[7] = 1;
  const SymmetricKey copy = key;
  EXPECT_TRUE(ConstantTimeEqual(copy.bytes(), key.bytes()));
}

TEST(Secret, WipesASpan) {
  std::vector<std::uint8_t> bytes(100, 0xff);
  Wipe(MutableByteSpan(bytes).first(60));
  EXPECT_TRUE(IsAllZero(ByteSpan(bytes).first(60)));
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), 0xff), 40);
  Wipe({});
}

TEST(Secret, ComparesContentsAndSizes) {
  const std::vector<std::uint8_t> a = {1, 2, 3};
  std::vector<std::uint8_t> b = a;
  EXPECT_TRUE(ConstantTimeEqual(a, b));
  EXPECT_TRUE(ConstantTimeEqual({}, {}));
  b[2] ^= 0x80;
  EXPECT_FALSE(ConstantTimeEqual(a, b));
  EXPECT_FALSE(ConstantTimeEqual(a, ByteSpan(a).first(2)));
}

TEST(Secret, TellsAllZeros) {
  std::vector<std::uint8_t> bytes(33);
  EXPECT_TRUE(IsAllZero(bytes));
  EXPECT_TRUE(IsAllZero({}));
  bytes[32] = 1;
  EXPECT_FALSE(IsAllZero(bytes));
}

}  // namespace
}  // namespace adit::crypto
