#include <gtest/gtest.h>

#include "tests/bench/gso_rules.h"

namespace adit::bench {
namespace {

constexpr std::uint32_t kSeed = 20'260'102;
constexpr std::size_t kBursts = 200;

std::size_t CountOf(const Traffic& traffic) {
  std::size_t count = 0;
  for (const Burst& burst : traffic.bursts) {
    count += burst.size();
  }
  return count;
}

TEST(GsoComparison, OursNeverReordersAndItsTrainsAreAsFullAsFirstInFirstOuts) {
  // Where each peer has one train and one stranger's small packet, first-in-first-out now and then
  // ends the train with it; ours keeps the train open for its own flow.
  constexpr double kStrangersAtTheEnd = 0.05;
  for (const Traffic& traffic : TrafficMaker(kSeed).All(kBursts)) {
    const Outcome ours = Measure(*OurRule(), traffic);
    const Outcome fifo = Measure(*FirstInFirstOut(), traffic);
    EXPECT_EQ(ours.datagrams, CountOf(traffic)) << traffic.name << ", seed " << kSeed;
    EXPECT_EQ(fifo.datagrams, CountOf(traffic)) << traffic.name;
    EXPECT_EQ(ours.reordered, 0U) << traffic.name;
    EXPECT_EQ(fifo.reordered, 0U) << traffic.name;
    EXPECT_GE(ours.datagrams_per_send(), (1 - kStrangersAtTheEnd) * fifo.datagrams_per_send())
        << traffic.name;
  }
}

TEST(GsoComparison, MixedTrafficFillsTrainsThatFirstInFirstOutBreaks) {
  TrafficMaker maker(kSeed);
  const Traffic traffic = maker.MixedFlows(kBursts);
  EXPECT_GT(Measure(*OurRule(), traffic).datagrams_per_send(),
            2 * Measure(*FirstInFirstOut(), traffic).datagrams_per_send());
}

TEST(GsoComparison, RulesWithoutFlowSafetyReorderOneFlow) {
  TrafficMaker maker(kSeed);
  const Traffic traffic = maker.UnevenFlow(kBursts);
  EXPECT_GT(Measure(*LargerFirst(), traffic).reordered, 0U);
  EXPECT_GT(Measure(*SmallestFirst(), traffic).reordered, 0U);
}

}  // namespace
}  // namespace adit::bench
