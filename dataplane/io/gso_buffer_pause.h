#pragma once

#include <cstdint>

#include "common/time.h"

namespace adit::io {

// The wait after ENOBUFS (the device's queue is full): the socket polls writable all the time, so
// that the thread itself has to let a little time pass. Spins at first, since the queue often has
// room within microseconds, then yields the processor; gives up after 1 ms. Implements
// BatchSender::PauseForBuffers.
class BufferPause {
 public:
  explicit BufferPause(const Clock& clock) : clock_(clock) {}

  // attempt 0 starts the millisecond. False: it is over.
  bool Pause(std::uint32_t attempt);

  static constexpr Duration kLimit = milliseconds(1);
  // Attempts that spin, each twice as long as the one before it: 2^10 pauses are about 30 us.
  static constexpr std::uint32_t kSpinningAttempts = 10;

 private:
  const Clock& clock_;
  Instant started_;
};

}  // namespace adit::io
