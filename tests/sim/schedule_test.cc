// Thousands of schedules. A failing one is named with the command that runs it again.
#include <gtest/gtest.h>

#include "tests/sim/world.h"

namespace adit::sim {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kShare = 20;  // of the schedules: one in so many
#else
constexpr std::uint64_t kShare = 1;
#endif

struct Batch {
  Kind kind;
  std::uint64_t schedules;
};

std::ostream& operator<<(std::ostream& out, const Batch& batch) {
  return out << kKindNames[static_cast<std::size_t>(batch.kind)];
}

class ScheduleTest : public ::testing::TestWithParam<Batch> {};

TEST_P(ScheduleTest, HoldsWhatMustAlwaysHoldAndHeals) {
  const auto aead = crypto::MakeAead("libsodium");
  const std::string_view name = kKindNames[static_cast<std::size_t>(GetParam().kind)];
  const std::uint64_t count = std::max<std::uint64_t>(1, GetParam().schedules / kShare);
  Duration virtual_time{0};
  Duration slowest{0};
  std::uint64_t slow = 0;
  Ledger::Totals sum;
  for (std::uint64_t seed = 1; seed <= count; ++seed) {
    const Outcome outcome = World(Scenario::Draw(GetParam().kind, seed), **aead).Run();
    ASSERT_TRUE(outcome.violations.empty())
        << outcome.violations.front() << "\nagain: " << ADIT_BINARY_DIR << "/tests_sim_replay "
        << name << " " << seed;
    virtual_time += outcome.virtual_time;
    slowest = std::max(slowest, outcome.slowest_recovery);
    slow += outcome.slowest_recovery > Scenario::TwoRekeyTimeouts() ? 1U : 0U;
    sum.read += outcome.totals.read;
    sum.delivered += outcome.totals.delivered;
    sum.forbidden += outcome.totals.forbidden;
    sum.icmp_errors += outcome.totals.icmp_errors;
    sum.handshakes += outcome.totals.handshakes;
    sum.replays_refused += outcome.totals.replays_refused;
  }
  // What is never tried cannot fail.
  EXPECT_GT(sum.delivered, sum.read / 20);
  EXPECT_GT(sum.forbidden, sum.read / 50);
  EXPECT_GT(sum.handshakes, count);
  EXPECT_LE(slow, 1 + count / 100) << "took more than two rekey timeouts";
  fmt::print(
      "{}: {} schedules, {:.1f} virtual hours, {} handshakes, {} packets, {} delivered, {} "
      "forbidden, {} replays refused, slowest recovery {:.2f} s, {} beyond two rekey timeouts\n",
      name, count, std::chrono::duration<double, std::ratio<3600>>(virtual_time).count(),
      sum.handshakes, sum.read, sum.delivered, sum.forbidden, sum.replays_refused,
      std::chrono::duration<double>(slowest).count(), slow);
}

INSTANTIATE_TEST_SUITE_P(Kinds, ScheduleTest,
                         ::testing::Values(Batch{Kind::kHosts, 350}, Batch{Kind::kRoaming, 350},
                                           Batch{Kind::kReconfiguration, 350},
                                           Batch{Kind::kEverything, 350}, Batch{Kind::kOrder, 150},
                                           Batch{Kind::kOutage, 100}, Batch{Kind::kDay, 20}),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace adit::sim
