#include <optional>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/host/masquerade.h"

namespace adit::host {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

ServedPrefix Served(const std::string& prefix, bool nat) { return {*IpPrefix::Parse(prefix), nat}; }

std::vector<std::string> Ranges(const std::vector<ServedPrefix>& served, IpFamily family) {
  std::vector<std::string> texts;
  for (const auto& [first, last] : MasqueradedRanges(served, family)) {
    texts.push_back(first.ToString() + "-" + last.ToString());
  }
  return texts;
}

TEST(MasqueradedRanges, APrefixIsOneRange) {
  EXPECT_THAT(Ranges({Served("10.1.0.0/16", true)}, IpFamily::kV4),
              ElementsAre("10.1.0.0-10.1.255.255"));
  EXPECT_THAT(Ranges({Served("fd77::10/128", true)}, IpFamily::kV6),
              ElementsAre("fd77::10-fd77::10"));
}

TEST(MasqueradedRanges, FamiliesAreApart) {
  EXPECT_THAT(Ranges({Served("10.1.0.0/16", true)}, IpFamily::kV6), IsEmpty());
}

TEST(MasqueradedRanges, APrefixWithoutNatIsLeftOut) {
  EXPECT_THAT(Ranges({Served("10.1.0.0/16", false)}, IpFamily::kV4), IsEmpty());
}

TEST(MasqueradedRanges, TheMostSpecificPrefixDecides) {
  EXPECT_THAT(
      Ranges(
          {Served("10.0.0.0/8", true), Served("10.1.0.0/16", false), Served("10.1.2.0/24", true)},
          IpFamily::kV4),
      ElementsAre("10.0.0.0-10.0.255.255", "10.1.2.0-10.1.2.255", "10.2.0.0-10.255.255.255"));
}

TEST(MasqueradedRanges, NeighboursAndDuplicatesBecomeOne) {
  EXPECT_THAT(Ranges({Served("10.1.0.0/16", true), Served("10.0.0.0/16", true),
                      Served("10.0.0.0/16", false), Served("10.0.3.0/24", true)},
                     IpFamily::kV4),
              ElementsAre("10.0.0.0-10.1.255.255"));
}

TEST(MasqueradedRanges, TheEndsOfTheAddressSpaceAreReached) {
  EXPECT_THAT(Ranges({Served("0.0.0.0/0", true), Served("255.255.255.255/32", false),
                      Served("0.0.0.0/32", false)},
                     IpFamily::kV4),
              ElementsAre("0.0.0.1-255.255.255.254"));
  EXPECT_THAT(Ranges({Served("::/0", true), Served("ffff::/16", true)}, IpFamily::kV6),
              ElementsAre("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
}

// The plain oracle: the longest prefix that contains the address.
bool IsMasqueraded(const std::vector<ServedPrefix>& served, const IpAddress& address) {
  std::optional<ServedPrefix> best;
  for (const ServedPrefix& one : served) {
    if (!one.prefix.Contains(address)) {
      continue;
    }
    const bool is_better = !best || one.prefix.length() > best->prefix.length();
    const bool is_same = best && one.prefix.length() == best->prefix.length();
    if (is_better || (is_same && one.nat)) {
      best = one;
    }
  }
  return best && best->nat;
}

TEST(MasqueradedRanges, RandomPrefixesAgreeWithAPlainLookup) {
  const std::uint32_t seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 generator(seed);
  const auto random = [&] { return static_cast<unsigned>(generator()); };
  for (int round = 0; round < 200; ++round) {
    std::vector<ServedPrefix> served;
    const unsigned count = random() % 12;
    for (unsigned i = 0; i < count; ++i) {
      // Crowded into one /24 so that they nest.
      const std::uint8_t bytes[4] = {255, 255, 255, static_cast<std::uint8_t>(random())};
      served.push_back({IpPrefix(IpAddress::V4(bytes), 24 + random() % 9), random() % 2 == 0});
    }
    const std::vector<AddressRange> ranges = MasqueradedRanges(served, IpFamily::kV4);
    for (std::size_t i = 1; i < ranges.size(); ++i) {
      ASSERT_LT(ranges[i - 1].second, ranges[i].first);
    }
    for (unsigned last = 0; last < 256; ++last) {
      const std::uint8_t bytes[4] = {255, 255, 255, static_cast<std::uint8_t>(last)};
      const IpAddress address = IpAddress::V4(bytes);
      bool is_in_range = false;
      for (const auto& [first, end] : ranges) {
        is_in_range |= first <= address && address <= end;
      }
      ASSERT_EQ(is_in_range, IsMasqueraded(served, address)) << address.ToString();
    }
  }
}

TEST(TableName, EveryInterfaceNameHasItsOwnThatNftCanSay) {
  EXPECT_EQ(TableName("adit0"), "adit_adit0");
  EXPECT_EQ(TableName("a_b"), "adit_a_5fb");
  EXPECT_EQ(TableName("x;{}\"'-1"), "adit_x_3b_7b_7d_22_27_2d1");
  EXPECT_EQ(TableName("\xc3\xa9"), "adit__c3_a9");
}

}  // namespace
}  // namespace adit::host
