#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <random>

#include "tests/dataplane/io/allocation_count.h"
#include "tests/dataplane/io/gso_support.h"
#include "tests/support/gso_world.h"

// Random bursts through the queue and through the oracle. ADIT_SEED repeats a run.

namespace adit::io {
namespace {

using packet::SendClass;

TEST(GsoQueueProperty, RandomBurstsLeaveAsTheRulesSay) {
  const char* given = std::getenv("ADIT_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::cout << "ADIT_SEED=" << seed << std::endl;
  constexpr int kWorlds = 100;
  constexpr int kBurstsPerWorld = 250;
  std::size_t datagrams = 0;
  GsoCounters seen{};
  for (int i = 0; i < kWorlds; ++i) {
    SCOPED_TRACE(::testing::Message() << "ADIT_SEED=" << seed << " world " << i);
    std::mt19937_64 random(seed + static_cast<std::uint64_t>(i));
    GsoWorld world([&] { return static_cast<std::uint32_t>(random()); });
    for (int burst = 0; burst < kBurstsPerWorld && world.failure() == nullptr; ++burst)
      world.Burst();
    world.Finish();
    ASSERT_EQ(world.failure(), nullptr) << world.failure();
    datagrams += world.datagrams();
    seen.epochs += world.counters().epochs;
    seen.suspends[0] += world.counters().suspends[0];
    seen.refused_datagrams += world.counters().refused_datagrams;
    seen.datagrams_without_gso += world.counters().datagrams_without_gso;
    seen.gso_sends += world.counters().gso_sends;
  }
  std::cout << kWorlds * kBurstsPerWorld << " bursts, " << datagrams << " datagrams" << std::endl;
  // Everything was met, and often.
  EXPECT_GT(seen.epochs, 1000U);
  EXPECT_GT(seen.suspends[0], 1000U);
  EXPECT_GT(seen.refused_datagrams, 1000U);
  EXPECT_GT(seen.datagrams_without_gso, 1000U);
  EXPECT_GT(seen.gso_sends, 1000U);
}

// Full of everything, over and over: no memory beyond what the constructor took.
TEST(GsoQueueProperty, NothingIsAllocatedAfterConstruction) {
  class Sink final : public BatchSender {
   public:
    SendResult Send(const SendBatch& batch) override {
      constexpr std::array<int, 6> kErrors = {EAGAIN, EMSGSIZE, ENOBUFS,
                                              EPERM,  EINVAL,   ENETUNREACH};
      if (++sends_ % 7 == 0) return {0, kErrors[sends_ / 7 % kErrors.size()]};
      return {batch.count, 0};
    }
    bool PauseForBuffers(std::uint32_t) override { return false; }

   private:
    std::size_t sends_ = 0;
  };
  GsoQueue queue;
  Sink sink;
  const packet::DatagramPath path = WithSource(V4(), "192.0.2.9");
  const std::array<std::uint8_t, 148> handshake{};
  const std::uint64_t before = AllocationCount();
  for (std::uint32_t i = 0; i < 100000; ++i) {
    const packet::TrainRequest request{i % 1000, i * 77, 100 + i % 1300, 1 + i % 40, 50};
    if (queue.ReserveTrain(request, path, SendClass::kFromTun).granted()) queue.Commit();
    if (i % 16 == 0) queue.SendControl(handshake, path, packet::ControlKind::kHandshake);
    if (i % 50 == 0) queue.Drain(sink, At(milliseconds(i)));
    if (i % 60 == 0) queue.HandleWritable(IpFamily::kV4);
    queue.GiveUpIfStuck({true, {true, true}}, At(milliseconds(i)));
  }
  EXPECT_EQ(AllocationCount(), before);
  EXPECT_GT(queue.counters().batches, 1000U);
}

}  // namespace
}  // namespace adit::io
