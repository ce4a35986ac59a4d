#include <algorithm>

#include "dataplane/io/gso_queue.h"

// The one case in which GsoQueue drops what a socket does not take.
namespace adit::io {

std::uint32_t GsoQueue::GiveUpIfStuck(const Underlay& underlay, Instant now) {
  if (!IsStuckCheckDue(now)) {
    return 0;
  }
  const auto is_unwritable_for_long = [&](std::size_t i) {
    return families_[i].is_suspended() && families_[i].not_writable_since + kStuckAfter <= now;
  };

  std::uint32_t given_up = 0;
  for (std::size_t i = 0; i < kFamilyCount; ++i) {
    const std::size_t other = 1 - i;
    const bool is_in_the_way =
        (underlay.tun_is_readable && !HasRoomForSuperPacket()) || SlowPathWaits();
    // Both unwritable: it is the host that lost its link, and waiting costs nobody anything.
    const bool other_is_live =
        underlay.carried_data_recently[other] && !is_unwritable_for_long(other);
    if (!is_unwritable_for_long(i) || !is_in_the_way || !IsWaitedFor(kFamilies[i]) ||
        !other_is_live) {
      continue;
    }

    while (buffers_.free_count() < kBuffersFreedWhenStuck) {
      const BatchIndex oldest = OldestOf(kFamilies[i]);
      if (oldest == kNoBatch) {
        break;
      }
      given_up += lanes_.batch(oldest).count - lanes_.batch(oldest).sent;
      RemoveBatch(oldest);
    }
  }
  counters_.underlay_stuck += given_up;
  next_stuck_check_ = given_up > 0 ? now : now + kStuckCheckInterval;
  return given_up;
}

Instant GsoQueue::PollStuckCheck() const {
  if (HasRoomForSuperPacket() && !SlowPathWaits()) {
    return Instant::Max();
  }
  Instant due = Instant::Max();
  for (std::size_t i = 0; i < kFamilyCount; ++i) {
    const bool may_be_stuck = families_[i].is_suspended() && IsWaitedFor(kFamilies[i]);
    if (may_be_stuck) {
      due = std::min(due, families_[i].not_writable_since + kStuckAfter);
    }
  }
  return std::max(due, next_stuck_check_);
}

Instant GsoQueue::PollTimeout() const {
  return std::min({PollStuckCheck(), families_[0].retry_at, families_[1].retry_at});
}

bool GsoQueue::IsWaitedFor(IpFamily family) const {
  const LaneIndex start = lanes_.next_turn();
  LaneIndex lane = start;
  while (lane != kNoLane) {
    const GsoBatch& first = lanes_.batch(lanes_.FirstOf(lane));
    if (first.path.remote.address.family() == family) {
      return true;
    }
    lane = lanes_.After(lane);
    if (lane == start) {
      break;
    }
  }
  return false;
}

BatchIndex GsoQueue::OldestOf(IpFamily family) const {
  BatchIndex oldest = kNoBatch;
  for (std::size_t i = 0; i < kBufferCount; ++i) {
    const auto index = static_cast<BatchIndex>(i);
    const GsoBatch& batch = lanes_.batch(index);
    const bool is_in_use = batch.count > 0;
    if (!is_in_use || batch.path.remote.address.family() != family) {
      continue;
    }
    const bool is_older = oldest == kNoBatch || batch.created < lanes_.batch(oldest).created;
    if (is_older) {
      oldest = index;
    }
  }
  return oldest;
}

}  // namespace adit::io
