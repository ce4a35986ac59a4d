#include "dataplane/access/flow_table.h"

#include <map>

#include <gtest/gtest.h>

#include "tests/support/seeded_random.h"

namespace adit::access {
namespace {

FlowKey Key(std::uint32_t number, std::uint8_t protocol = 17) {
  std::uint8_t peer[4] = {100, 64, 0, 2};
  std::uint8_t far[4];
  StoreBe32(far, 0x0a000000 + number);
  return {IpAddress::V4(peer), IpAddress::V4(far), 1, 4000, 53, protocol};
}

TEST(FlowTable, FindsWhatWasAdded) {
  FlowTable table(16, 1);
  const Instant now(seconds(1));
  EXPECT_EQ(table.Find(Key(1), now), nullptr);
  Flow* flow = table.Add(Key(1), now);
  ASSERT_NE(flow, nullptr);
  EXPECT_EQ(table.Find(Key(1), now), flow);
  table.Remove(flow);
  EXPECT_EQ(table.Find(Key(1), now), nullptr);
}

TEST(FlowTable, EvictsTheOldestUnconfirmedWhenFullAndCountsIt) {
  FlowTable table(4, 1);
  const Instant now(seconds(1));
  for (std::uint32_t i = 0; i < 4; ++i) {
    ASSERT_NE(table.Add(Key(i), now), nullptr);
  }
  table.Confirm(table.Find(Key(0), now));
  ASSERT_NE(table.Add(Key(4), now), nullptr);
  EXPECT_EQ(table.evicted(), 1U);
  EXPECT_NE(table.Find(Key(0), now), nullptr) << "confirmed flows stay";
  EXPECT_EQ(table.Find(Key(1), now), nullptr) << "the oldest unconfirmed one went";
  EXPECT_EQ(table.size(), 4U);
}

TEST(FlowTable, RefusesWhenAllAreConfirmed) {
  FlowTable table(2, 1);
  const Instant now(seconds(1));
  table.Confirm(table.Add(Key(0), now));
  table.Confirm(table.Add(Key(1), now));
  EXPECT_EQ(table.Add(Key(2), now), nullptr);
  EXPECT_EQ(table.evicted(), 0U);
}

TEST(FlowTable, LifetimesFollowTheRfcs) {
  Flow flow;
  flow.key = Key(1, 17);
  EXPECT_GE(flow.Lifetime(), std::chrono::minutes(2));  // RFC 4787 REQ-5
  flow.is_confirmed = true;
  EXPECT_GE(flow.Lifetime(), std::chrono::minutes(5));
  flow.key = Key(1, 6);
  EXPECT_GE(flow.Lifetime(), std::chrono::minutes(4));  // RFC 5382 REQ-5, transitory
  flow.is_tcp_established = true;
  EXPECT_GE(flow.Lifetime(), std::chrono::minutes(124));  // 2 h 4 min
  flow.is_tcp_closing = true;
  EXPECT_EQ(flow.Lifetime(), std::chrono::minutes(4));
  flow.key = Key(1, 1);
  EXPECT_GE(flow.Lifetime(), seconds(60));  // RFC 5508 REQ-2
}

TEST(FlowTable, IdleFlowsAreNotFoundAndAreSwept) {
  FlowTable table(8, 1);
  const Instant start(seconds(1));
  (void)table.Add(Key(1), start);
  (void)table.Add(Key(2), start);
  EXPECT_NE(table.Find(Key(1), start + kUdpUnconfirmedLifetime), nullptr);
  const Instant later = start + kUdpUnconfirmedLifetime + seconds(1);
  EXPECT_EQ(table.Find(Key(1), later), nullptr);
  EXPECT_EQ(table.size(), 1U);
  table.Sweep(8, later);
  EXPECT_EQ(table.size(), 0U);
}

TEST(FlowTable, AgreesWithAMapOverRandomOperations) {
  constexpr std::uint64_t kSeed = 20240611;
  SCOPED_TRACE(kSeed);
  adit::testing::SeededRandom random(kSeed);
  FlowTable table(64, random.Next64());
  std::map<std::uint32_t, bool> model;  // flow number -> confirmed
  std::vector<std::uint32_t> order;     // unconfirmed, oldest first
  const Instant now(seconds(1));
  for (int step = 0; step < 200000; ++step) {
    const auto number = static_cast<std::uint32_t>(random.Below(200));
    Flow* flow = table.Find(Key(number), now);
    ASSERT_EQ(flow != nullptr, model.contains(number)) << "step " << step;
    const auto forget = [&](std::uint32_t which) {
      model.erase(which);
      std::erase(order, which);
    };
    switch (random.Below(3)) {
      case 0:
        if (flow == nullptr) {
          const bool must_evict = model.size() == 64;
          Flow* added = table.Add(Key(number), now);
          ASSERT_EQ(added == nullptr, must_evict && order.empty());
          if (added != nullptr) {
            if (must_evict) {
              forget(order.front());
            }
            model[number] = false;
            order.push_back(number);
          }
        }
        break;
      case 1:
        if (flow != nullptr && random.Chance(0.3)) {
          table.Confirm(flow);
          model[number] = true;
          std::erase(order, number);
        }
        break;
      default:
        if (flow != nullptr && random.Chance(0.5)) {
          table.Remove(flow);
          forget(number);
        }
    }
    ASSERT_EQ(table.size(), model.size());
  }
}

}  // namespace
}  // namespace adit::access
