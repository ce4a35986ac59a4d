#include "dataplane/rpc/expiry_clock.h"

#include <algorithm>

namespace adit::rpc {
namespace {

// Transit time and slewing move the offset a little all the time.
constexpr Duration kTolerance = milliseconds(250);

Duration OffsetOf(WallTime wall, Instant boot) { return wall.since_epoch() - boot.since_boot(); }

}  // namespace

void ExpiryClock::HubSpoke(WallTime hub_now, Now now) {
  offset_ = std::max(OffsetOf(hub_now, now.boot), OffsetOf(now.wall, now.boot));
  is_time_known_ = true;
}

void ExpiryClock::StartFromDisk(WallTime last_known, Duration hub_ahead, Now now) {
  is_time_known_ = now.wall >= last_known;
  offset_ = OffsetOf(now.wall, now.boot) + std::max(hub_ahead, Duration(0));
}

void ExpiryClock::Observe(Now now) {
  if (is_time_known_) {
    offset_ = std::max(offset_, OffsetOf(now.wall, now.boot));
  }
}

Instant ExpiryClock::DeadlineOf(std::optional<WallTime> expires_at) const {
  if (!expires_at) {
    return Instant::Max();
  }
  if (!is_time_known_) {
    return Instant();
  }
  const Duration expires = expires_at->since_epoch();
  if (offset_ < Duration(0) && expires > Duration::max() + offset_) {
    return Instant::Max();
  }
  return Instant(std::max(expires - offset_, Duration(0)));
}

std::optional<WallTime> ExpiryClock::TimeAt(Instant boot) const {
  if (!is_time_known_) {
    return std::nullopt;
  }
  return WallTime(boot.since_boot() + offset_);
}

bool ExpiryClock::TakeMoved() {
  const Duration moved = offset_ - given_out_offset_;
  if (is_time_known_ == given_out_known_ &&
      (!is_time_known_ || (moved <= kTolerance && moved >= -kTolerance))) {
    return false;
  }
  given_out_offset_ = offset_;
  given_out_known_ = is_time_known_;
  return true;
}

}  // namespace adit::rpc
