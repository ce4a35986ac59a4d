#include "common/time.h"

#include <time.h>

namespace adit {
namespace {

Duration ReadClock(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

}  // namespace

Now SystemClock::Read() const {
  return {Instant(ReadClock(CLOCK_BOOTTIME)), WallTime(ReadClock(CLOCK_REALTIME))};
}

}  // namespace adit
