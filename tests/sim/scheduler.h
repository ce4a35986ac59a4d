#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "common/time.h"
#include "tests/support/seeded_random.h"

namespace adit::sim {

// The virtual time of one world, and what is to happen in it. One thread, no real clock. What falls
// on the same instant happens in an order that the seed draws, so that no test leans on one.
class Scheduler {
 public:
  using Action = std::function<void()>;

  explicit Scheduler(std::uint64_t seed) : ties_(seed) {}

  [[nodiscard]] Instant now() const { return now_; }

  // A time that has passed means now.
  void At(Instant when, Action action);
  void After(Duration delay, Action action) { At(now_ + delay, std::move(action)); }

  // Everything up to and including `end`; then it is `end`.
  void RunUntil(Instant end);

  [[nodiscard]] std::uint64_t events() const { return events_; }

 private:
  struct Event {
    Instant when;
    std::uint64_t tie = 0;
    std::uint64_t number = 0;
    Action action;
  };
  static bool IsLater(const Event& a, const Event& b);

  testing::SeededRandom ties_;
  Instant now_{seconds(1000)};
  std::vector<Event> waiting_;  // a heap, the earliest in front
  std::uint64_t next_number_ = 0;
  std::uint64_t events_ = 0;
};

// What a random world draws besides.
[[nodiscard]] Duration Between(testing::SeededRandom& random, Duration least, Duration most);
// The time to the next of events that come once in `mean` on average.
[[nodiscard]] Duration Exponential(testing::SeededRandom& random, Duration mean);

}  // namespace adit::sim
