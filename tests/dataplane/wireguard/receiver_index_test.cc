#include "dataplane/wireguard/receiver_index.h"

#include <map>

#include <gtest/gtest.h>

#include "dataplane/wireguard/session.h"
#include "tests/support/seeded_random.h"

namespace adit::wireguard {
namespace {

TEST(ReceiverIndex, R05_HasTheShardInTheLowByteAnd24RandomBitsAbove) {
  testing::SeededRandom random(5);
  ReceiverIndexTable table(0x5a, random);
  table.Reserve(2000);
  std::uint32_t ones[24] = {};
  constexpr std::uint32_t kCount = 4000;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    const auto index = table.Add(nullptr);
    ASSERT_TRUE(index.has_value());
    EXPECT_EQ(*index & 0xff, 0x5aU);
    for (int bit = 0; bit < 24; ++bit) {
      ones[bit] += (*index >> (8 + bit)) & 1U;
    }
  }
  for (int bit = 0; bit < 24; ++bit) {
    EXPECT_GT(ones[bit], kCount * 45 / 100) << bit;
    EXPECT_LT(ones[bit], kCount * 55 / 100) << bit;
  }
}

// A source of randomness that says the same again and again: uniqueness is the table's to keep.
class RepeatingRandom final : public RandomSource {
 public:
  void Fill(MutableByteSpan out) override {
    std::ranges::fill(out, std::uint8_t{0});
    out[1] = static_cast<std::uint8_t>(calls_++ / 3);
  }

 private:
  int calls_ = 0;
};

TEST(ReceiverIndex, R05_IsUniqueWhateverTheRandomnessSays) {
  RepeatingRandom random;
  ReceiverIndexTable table(1, random);
  std::map<std::uint32_t, int> seen;
  for (int i = 0; i < 30; ++i) {
    ++seen[*table.Add(nullptr)];
  }
  EXPECT_EQ(seen.size(), 30U);
}

TEST(ReceiverIndex, R05_AFullTableRefusesAndAFreedIndexMakesRoom) {
  testing::SeededRandom random(6);
  ReceiverIndexTable table(0, random);
  std::optional<std::uint32_t> last;
  std::size_t count = 0;
  for (auto index = table.Add(nullptr); index; index = table.Add(nullptr)) {
    last = index;
    ++count;
  }
  EXPECT_EQ(table.size(), count);
  table.Remove(*last);
  EXPECT_EQ(table.Find(*last), nullptr);
  EXPECT_TRUE(table.Add(nullptr).has_value());
  EXPECT_FALSE(table.Add(nullptr).has_value());
}

TEST(ReceiverIndex, R05_AgreesWithAMapOverRandomHistories) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    testing::SeededRandom random(seed);
    ReceiverIndexTable table(static_cast<std::uint8_t>(seed), random);
    std::map<std::uint32_t, Session*> oracle;
    std::vector<Session> sessions(8);
    table.Reserve(64);
    for (int i = 0; i < 4000; ++i) {
      if (i == 2000) {
        table.Reserve(300);
      }
      const std::uint64_t action = random.Below(3);
      if (action == 0) {
        if (const auto index = table.Add(nullptr)) {
          ASSERT_TRUE(oracle.emplace(*index, nullptr).second);
        }
      } else if (!oracle.empty()) {
        auto at = oracle.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(random.Below(oracle.size())));
        if (action == 1) {
          table.Remove(at->first);
          oracle.erase(at);
        } else {
          at->second = &sessions[random.Below(sessions.size())];
          table.SetSession(at->first, at->second);
        }
      }
      ASSERT_EQ(table.size(), oracle.size());
    }
    for (const auto& [index, session] : oracle) {
      ASSERT_NE(table.Find(index), nullptr);
      ASSERT_EQ(table.Find(index)->session, session);
      ASSERT_EQ(table.Find(index ^ 1U), nullptr) << "another shard's";
    }
    table.Remove(0xdeadbeef);  // unknown: nothing happens
    ASSERT_EQ(table.size(), oracle.size());
  }
}

}  // namespace
}  // namespace adit::wireguard
