#include "common/state_digest.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/seeded_random.h"

namespace adit {
namespace {

ByteSpan Bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

struct Object {
  std::uint32_t kind;
  std::string key;
  std::string body;
};

// Both ends of the channel compute it, so its value is fixed. Computed with another SHA-256.
TEST(StateDigest, HasThePublishedValues) {
  StateDigest digest;
  EXPECT_EQ(digest.ToHex(), std::string(64, '0'));
  digest.Add(1, Bytes("alpha"), Bytes("one"));
  EXPECT_EQ(digest.ToHex(), "0228d88ebff20eae13a667a3f8920d856e93ce8ce9098d87b9749df99ea2a019");
  digest.Add(2, {}, {});
  digest.Add(7, Bytes(std::string(32, 'k')), Bytes(std::string(100, 'b')));
  EXPECT_EQ(digest.ToHex(), "4251356b39b48a52ca2215b234f7ca246a78ec10df5f17102c83afb61ad78e44");
  EXPECT_EQ(digest.bytes().size(), StateDigest::kSize);
}

TEST(StateDigest, KeyAndBodyAndKindAreSeparate) {
  const auto of = [](std::uint32_t kind, std::string_view key, std::string_view body) {
    StateDigest digest;
    digest.Add(kind, Bytes(key), Bytes(body));
    return digest.ToHex();
  };
  EXPECT_NE(of(1, "ab", "c"), of(1, "a", "bc"));
  EXPECT_NE(of(1, "ab", "c"), of(2, "ab", "c"));
  EXPECT_NE(of(1, "", "c"), of(1, "c", ""));
}

TEST(StateDigest, IsIndependentOfOrderAndRemovingUndoesAdding) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    testing::SeededRandom random(seed);
    std::vector<Object> objects;
    for (int i = 0; i < 40; ++i) {
      objects.push_back({static_cast<std::uint32_t>(random.Below(5)),
                         std::to_string(random.Below(1000)), std::to_string(random.Next64())});
    }
    StateDigest forwards;
    for (const Object& object : objects) {
      forwards.Add(object.kind, Bytes(object.key), Bytes(object.body));
    }
    StateDigest other;
    std::vector<Object> shuffled = objects;
    for (std::size_t i = shuffled.size(); i > 1; --i) {
      std::swap(shuffled[i - 1], shuffled[random.Below(i)]);
    }
    // Removing first goes below zero and comes back: the sum is modular.
    other.Remove(9, Bytes("never there"), Bytes("x"));
    for (const Object& object : shuffled) {
      other.Add(object.kind, Bytes(object.key), Bytes(object.body));
    }
    EXPECT_NE(other, forwards);
    other.Add(9, Bytes("never there"), Bytes("x"));
    EXPECT_EQ(other, forwards);
    for (const Object& object : objects) {
      other.Remove(object.kind, Bytes(object.key), Bytes(object.body));
    }
    EXPECT_EQ(other, StateDigest());
  }
}

}  // namespace
}  // namespace adit
