// What a hostile path does to datagrams, with figures.
#include <gtest/gtest.h>

#include "tests/sim/pair.h"

namespace adit::sim {
namespace {

constexpr Duration kInterval = microseconds(100);  // between two packets of one direction
constexpr int kPackets = 40'000;                   // each way

class MiddleboxTest : public ::testing::Test {
 protected:
  // Sends with the faults, after a handshake without.
  void Run(const NetworkFaults& faults, std::uint64_t seed) {
    pair_ = std::make_unique<Pair>(seed, *aead_);
    pair_->SendBothWays(seconds(1), milliseconds(100));
    pair_->Pass(seconds(1));
    const std::uint64_t read_before = pair_->read();
    const std::uint64_t delivered_before = pair_->delivered();
    ASSERT_EQ(delivered_before, read_before);
    pair_->network().set_faults(faults);
    pair_->SendBothWays(kPackets * kInterval, kInterval);
    pair_->Pass(seconds(2));
    read_ = pair_->read() - read_before;
    delivered_ = pair_->delivered() - delivered_before;
    const std::vector<std::string>& violations = pair_->ledger().violations();
    EXPECT_TRUE(violations.empty()) << violations.front();
    EXPECT_EQ(read_, 2U * kPackets);
  }
  [[nodiscard]] std::uint64_t Replays() const {
    constexpr auto kReplayed = static_cast<std::size_t>(packet::DropReason::kReplayed);
    return pair_->host(0).engine().counters().drops[kReplayed] +
           pair_->host(1).engine().counters().drops[kReplayed];
  }

  std::unique_ptr<crypto::Aead> aead_ = *crypto::MakeAead("libsodium");
  std::unique_ptr<Pair> pair_;
  std::uint64_t read_ = 0;
  std::uint64_t delivered_ = 0;
};

TEST_F(MiddleboxTest, ReorderedByUpTo4000EverythingIsDeliveredOnce) {
  Run({.duplicate = 0.2, .jitter = 4000 * kInterval}, 1);
  EXPECT_EQ(delivered_, read_);
  EXPECT_GT(Replays(), read_ / 6) << "copies came";
}

TEST_F(MiddleboxTest, OfLossCopiesDamageAndReorderingNothingWrongIsDelivered) {
  Run({.loss = 0.2,
       .duplicate = 0.2,
       .corrupt = 0.01,
       .truncate = 0.01,
       .jitter = 4000 * kInterval},
      2);
  // 80 % leave; of those 2 % are damaged, unless a copy is whole.
  EXPECT_GT(delivered_, read_ * 77 / 100);
  EXPECT_LT(delivered_, read_ * 81 / 100);
  EXPECT_GT(Replays(), 0U);
}

}  // namespace
}  // namespace adit::sim
