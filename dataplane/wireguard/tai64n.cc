#include "dataplane/wireguard/tai64n.h"

#include <algorithm>

#include "common/bytes.h"

namespace adit::wireguard {
namespace {

// 2^62 and the 10 s that TAI was ahead of UTC in 1970.
constexpr std::uint64_t kTaiOffset = 0x400000000000000aULL;
constexpr std::int64_t kStepNanoseconds = std::int64_t{1} << 24;
constexpr std::int64_t kSecond = 1'000'000'000;

// Down to the greatest multiple of the step within its second.
Duration Whiten(Duration time) {
  const std::int64_t whole = time.count() / kSecond * kSecond;
  const std::int64_t rest = (time.count() - whole) / kStepNanoseconds * kStepNanoseconds;
  return Duration(whole + rest);
}

}  // namespace

Tai64n Tai64nSource::Next(WallTime now, WallTime& last) {
  const MutexLock lock(mutex_);
  clock_ = std::max(clock_, WallTime(Whiten(std::max(now.since_epoch(), Duration(0)))));
  Duration time = clock_.since_epoch();
  const Duration floor = std::max(floor_, last).since_epoch();
  if (time <= floor) {
    // One step on: past the end of a second the whitened value would fall back onto it.
    time = Whiten(floor + Duration(kStepNanoseconds));
    if (time <= floor) {
      time = Duration((floor.count() / kSecond + 1) * kSecond);
    }
  }
  last = WallTime(time);
  greatest_ = std::max(greatest_, last);
  Tai64n stamp{};
  StoreBe64(stamp.data(), kTaiOffset + static_cast<std::uint64_t>(time.count() / kSecond));
  StoreBe32(stamp.data() + 8, static_cast<std::uint32_t>(time.count() % kSecond));
  return stamp;
}

void Tai64nSource::Retire(WallTime last) {
  const MutexLock lock(mutex_);
  floor_ = std::max(floor_, last);
}

WallTime Tai64nSource::greatest() const {
  const MutexLock lock(mutex_);
  return greatest_;
}

void Tai64nSource::RestoreMark(WallTime mark) {
  const MutexLock lock(mutex_);
  floor_ = std::max(floor_, mark);
  greatest_ = std::max(greatest_, mark);
}

}  // namespace adit::wireguard
