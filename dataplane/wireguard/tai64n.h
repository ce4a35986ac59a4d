#pragma once

#include <array>
#include <cstdint>

#include "common/mutex.h"
#include "common/time.h"

namespace adit::wireguard {

// 12 bytes, big endian: comparing bytes compares times (paper 5.1; cr.yp.to/libtai/tai64.html).
using Tai64n = std::array<std::uint8_t, 12>;

// Makes our handshake timestamps: nanoseconds floored to 2^24 (16.8 ms) so that they tell nothing
// finer, and never going back, whatever the clock does (rule R17). What each peer was given last
// counts for that peer only, so that speaking to thousands at once does not run ahead of the clock.
//
// Thread: any; one for all shards, since a peer that is gone may come again in another.
class Tai64nSource {
 public:
  // Strictly greater than `last`, the one this peer was given last, which becomes the result;
  // than the restored mark; and not less than any earlier reading of the clock.
  [[nodiscard]] Tai64n Next(WallTime now, WallTime& last);
  // A peer that was given `last` is gone: should it come again, it gets greater ones.
  void Retire(WallTime last);
  // Everything handed out is <= this; what must be on disk, written ahead, before it is exceeded.
  [[nodiscard]] WallTime greatest() const;
  // Nothing at or below `mark` is handed out any more. Never lowers.
  void RestoreMark(WallTime mark);

 private:
  mutable Mutex mutex_;
  WallTime clock_ ABSL_GUARDED_BY(mutex_);     // the latest reading, whitened
  WallTime floor_ ABSL_GUARDED_BY(mutex_);     // nothing at or below it is handed out
  WallTime greatest_ ABSL_GUARDED_BY(mutex_);  // handed out, or restored
};

}  // namespace adit::wireguard
