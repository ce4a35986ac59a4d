#include "dataplane/rpc/prefix_owners.h"

#include <cstdio>
#include <map>

#include <gtest/gtest.h>

#include "tests/dataplane/rpc/objects.h"
#include "tests/support/seeded_random.h"

namespace adit::rpc {
namespace {

using testing::KeyOf;

IpPrefix P(const char* text) { return IpPrefix::Parse(text).value(); }

TEST(PrefixOwners, FindsWhatIsInsideAndWhatIsAround) {
  PrefixOwners owners;
  owners.Insert(P("100.64.0.0/24"), KeyOf(1));
  EXPECT_TRUE(owners.FindOverlap(P("100.64.0.7/32"), KeyOf(2)));
  EXPECT_TRUE(owners.FindOverlap(P("100.64.0.0/16"), KeyOf(2)));
  EXPECT_TRUE(owners.FindOverlap(P("100.64.0.0/24"), KeyOf(2)));
  EXPECT_FALSE(owners.FindOverlap(P("100.64.1.0/24"), KeyOf(2)));
  EXPECT_FALSE(owners.FindOverlap(P("100.64.0.7/32"), KeyOf(1))) << "its own may nest";
  EXPECT_FALSE(owners.FindOverlap(P("::/0"), KeyOf(2))) << "another family";
  owners.Erase(P("100.64.0.0/24"));
  EXPECT_FALSE(owners.FindOverlap(P("100.64.0.7/32"), KeyOf(2)));
  EXPECT_EQ(owners.size(), 0U);
}

TEST(PrefixOwners, AgreesWithComparingAll) {
  constexpr std::uint64_t kSeed = 7;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  adit::testing::SeededRandom random(kSeed);
  PrefixOwners owners;
  std::map<IpPrefix, PublicKey> model;
  for (int round = 0; round < 20'000; ++round) {
    const bool is_v4 = random.Chance(0.5);
    std::uint8_t bytes[16] = {};
    // Few bits vary, so that prefixes meet.
    const std::size_t last = is_v4 ? 3 : 15;
    bytes[last] = static_cast<std::uint8_t>(random.Below(256));
    bytes[0] = 0x20;
    const unsigned full = is_v4 ? 32 : 128;
    const IpPrefix prefix(is_v4 ? IpAddress::V4(bytes) : IpAddress::V6(bytes),
                          full - static_cast<unsigned>(random.Below(10)));
    const PublicKey owner = KeyOf(static_cast<int>(random.Below(4)));
    if (random.Chance(0.4)) {
      owners.Erase(prefix);
      model.erase(prefix);
      continue;
    }
    bool overlaps = false;
    for (const auto& [held, by] : model) {
      overlaps = overlaps || (by != owner && held.Overlaps(prefix));
    }
    const auto found = owners.FindOverlap(prefix, owner);
    ASSERT_EQ(found.has_value(), overlaps) << round;
    if (found) {
      ASSERT_TRUE(found->first.Overlaps(prefix));
      ASSERT_EQ(model.at(found->first), found->second);
    } else if (!model.contains(prefix)) {
      owners.Insert(prefix, owner);
      model.emplace(prefix, owner);
    }
  }
  EXPECT_EQ(owners.size(), model.size());
}

}  // namespace
}  // namespace adit::rpc
