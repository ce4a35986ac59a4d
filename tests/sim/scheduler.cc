#include "tests/sim/scheduler.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace adit::sim {

bool Scheduler::IsLater(const Event& a, const Event& b) {
  return std::tie(a.when, a.tie, a.number) > std::tie(b.when, b.tie, b.number);
}

void Scheduler::At(Instant when, Action action) {
  waiting_.push_back(
      {std::max(when, now_), ties_.Below(UINT32_MAX), next_number_++, std::move(action)});
  std::push_heap(waiting_.begin(), waiting_.end(), IsLater);
}

void Scheduler::RunUntil(Instant end) {
  while (!waiting_.empty() && waiting_.front().when <= end) {
    std::pop_heap(waiting_.begin(), waiting_.end(), IsLater);
    const Event event = std::move(waiting_.back());
    waiting_.pop_back();
    now_ = event.when;
    ++events_;
    event.action();
  }
  now_ = end;
}

Duration Between(testing::SeededRandom& random, Duration least, Duration most) {
  const auto span = static_cast<std::uint64_t>((most - least).count());
  return least + Duration(static_cast<std::int64_t>(random.Below(span + 1)));
}

Duration Exponential(testing::SeededRandom& random, Duration mean) {
  const double uniform = static_cast<double>(1 + random.Below(1 << 20)) / (1 << 20);
  return Duration(
      static_cast<std::int64_t>(static_cast<double>(mean.count()) * -std::log(uniform)));
}

}  // namespace adit::sim
